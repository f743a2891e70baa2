"""What a shape takes and what it refuses, made from the shape itself."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

from stepwell.wire.shapes import (
    Boolean,
    Double,
    Integer,
    ListOf,
    MapOf,
    Recursive,
    Shape,
    String,
    Structure,
    Timestamp,
    camel,
)

NOW_S = 1_795_435_200
#: What a text may begin and end with; characters are put between the two.
_FRAMES = (
    ("", ""),
    ("a/", ""),
    *(
        ("arn:aws:sagemaker:", f":123456789012:{end}")
        for end in ("artifact/a", "context/a", "lineage-group/a")
    ),
)
#: How often the walks below enter a shape that contains itself.
_LEVELS = 2


class Breach(NamedTuple):
    """A value that breaks one rule, and how the answer must name it."""

    value: Any
    path: str
    rule: str


def text_of(shape: String, length: int) -> str:
    """Make a text of so many characters, one that fits the pattern if any of that length does."""
    if shape.choices:
        return shape.choices[0]
    for start, end in _FRAMES:
        text = start + "a" * (length - len(start) - len(end)) + end
        if len(text) == length and not shape.broken_rules(text):
            return text
    return "a" * length


def full(shape: Shape, level: int = 0) -> Any:  # noqa: PLR0911 - one case a kind of shape
    """Make a value that has everything the shape can hold; of a union, the first member."""
    match shape:
        case String():
            lengths = range(max(shape.min, 1), 100)
            texts = (text_of(shape, length) for length in lengths)
            return next(text for text in texts if not shape.broken_rules(text))
        case Integer():
            return max(shape.min, 1)
        case Double():
            return 0.5
        case Boolean():
            return True
        case Timestamp():
            return NOW_S
        case ListOf():
            return [full(shape.shape, level)] * max(shape.min, 1)
        case MapOf():
            return {full(shape.key): full(shape.shape, level)}
        case Recursive():
            return full(shape.shape, level + 1)
        case Structure():
            names = list(shape.members)[: 1 if shape.is_union else None]
            return {
                name: full(shape.members[name], level)
                for name in names
                if level < _LEVELS or "Recursive" not in repr(shape.members[name])
            }
    raise AssertionError(shape)


def edges(shape: Shape) -> Iterator[Any]:  # noqa: C901, PLR0912 - one case a kind of shape
    """Make the values that lie exactly on a limit and are taken."""
    match shape:
        case String() if shape.choices:
            yield from shape.choices
        case String():
            yield text_of(shape, shape.max or 0)
            if not shape.broken_rules("a" * shape.min):
                yield "a" * shape.min
        case Integer():
            yield from (shape.min, shape.max)
        case Timestamp():
            yield from (0, 253_402_300_799)
        case Double():
            yield from (-1.7976931348623157e308, 5e-324, 0, True)
        case ListOf():
            for count in {shape.min, shape.max or 1000}:
                yield [full(shape.shape, _LEVELS)] * count
            yield from ([edge] * max(shape.min, 1) for edge in edges(shape.shape))
        case MapOf():
            for count in {shape.min, shape.max or 1000}:
                yield {f"k{index}": full(shape.shape) for index in range(count)}
            yield from ({key: full(shape.shape)} for key in edges(shape.key))
            yield from ({"k": edge} for edge in edges(shape.shape))
        case Structure():
            yield {
                name: value
                for name, value in full(shape, _LEVELS).items()
                if name in shape.required or shape.is_union
            }
            for name, member in shape.members.items():
                if not isinstance(member, Recursive) and "Recursive" not in repr(member):
                    rest = {} if shape.is_union else full(shape, _LEVELS)
                    yield from ({**rest, name: edge} for edge in edges(member))
        case Recursive():
            yield from edges(shape.shape)


def breaches(  # noqa: C901 - one case a kind of shape
    shape: Shape, path: str = "", level: int = 0
) -> Iterator[Breach]:
    """Break every rule of a shape, and of all within it, each by as little as can be."""
    match shape:
        case String():
            yield from _of_string(shape, path)
        case Integer():
            least, most = shape.min, shape.max
            yield Breach(
                least - 1, path, f"Member must have value greater than or equal to {least}"
            )
            yield Breach(most + 1, path, f"Member must have value less than or equal to {most}")
        case Double():
            for value in ("NaN", "Infinity", "-Infinity", 10**309):
                yield Breach(value, path, "Member must be a finite number")
        case Timestamp():
            for value in (-1, -1e-6, 253_402_300_800, 253_402_300_800.0):
                yield Breach(value, path, "Member must be a time in seconds between the years 1970")
        case ListOf():
            yield from _of_list(shape, path, level)
        case MapOf():
            yield from _of_map(shape, path, level)
        case Recursive() if level < _LEVELS:
            yield from breaches(shape.shape, path, level + 1)
        case Structure():
            yield from _of_structure(shape, path, level)


def _of_string(shape: String, path: str) -> Iterator[Breach]:
    if shape.choices:
        rule = f"Member must satisfy enum value set: [{', '.join(shape.choices)}]"
        for value in ("", shape.choices[0].lower(), f"{shape.choices[0]}\n"):
            yield Breach(value, path, rule)
        return
    if shape.max is not None and not shape.cuts:
        rule = f"Member must have length less than or equal to {shape.max}"
        yield Breach(text_of(shape, shape.max + 1), path, rule)
    if shape.min:
        rule = f"Member must have length greater than or equal to {shape.min}"
        yield Breach("a" * (shape.min - 1), path, rule)
    if shape.pattern:
        rule = f"Member must satisfy regular expression pattern: {shape.pattern.spelled}"
        good = full(shape)
        for value in ("\n", f"{good}\n", f"\n{good}", f"{good}\x00", f"{good}\u20ac"):
            if not shape.pattern.fits(value):
                yield Breach(value, path, rule)
    yield Breach("a\ud83d", path, "Member must be valid Unicode")


def _of_list(shape: ListOf, path: str, level: int) -> Iterator[Breach]:
    one = full(shape.shape, _LEVELS)
    if shape.max is not None:
        rule = f"Member must have length less than or equal to {shape.max}"
        yield Breach([one] * (shape.max + 1), path, rule)
    if shape.min:
        rule = f"Member must have length greater than or equal to {shape.min}"
        yield Breach([one] * (shape.min - 1), path, rule)
    yield Breach([one, None], f"{path}.2.member", "Member must not be null")
    for breach in breaches(shape.shape, f"{path}.2.member", level):
        yield breach._replace(value=[one, breach.value])


def _of_map(shape: MapOf, path: str, level: int) -> Iterator[Breach]:
    one = full(shape.shape)
    if shape.max is not None:
        rule = f"Member must have length less than or equal to {shape.max}"
        yield Breach({f"k{index}": one for index in range(shape.max + 1)}, path, rule)
    for breach in _of_string(shape.key, path):
        rule = f"Map keys must satisfy constraint: [{breach.rule}"
        yield Breach({breach.value: one}, path, rule)
    yield Breach({"k": None}, f"{path}.k.member", "Member must not be null")
    for breach in breaches(shape.shape, f"{path}.k.member", level):
        yield breach._replace(value={"k": breach.value})


def _of_structure(shape: Structure, path: str, level: int) -> Iterator[Breach]:
    rest = full(shape, _LEVELS)
    prefix = f"{path}." if path else ""
    for name in shape.required:
        without = {each: value for each, value in rest.items() if each != name}
        for value in (without, {**without, name: None}):
            yield Breach(value, prefix + camel(name), "Member must not be null")
    if shape.is_union:
        rule = f"Member must have exactly one of {', '.join(shape.members)}"
        both = {name: full(member) for name, member in shape.members.items()}
        for value in ({}, both, dict.fromkeys(both), {"Other": 1}):
            yield Breach(value, path, rule)
        rest = {}
    for name, member in shape.members.items():
        for breach in breaches(member, prefix + camel(name), level):
            yield breach._replace(value={**rest, name: breach.value})


def with_unknown(shape: Shape, value: Any, unknown: Any) -> Any:
    """Give a value with a member that nobody knows in each of its structures."""
    match shape:
        case Recursive():
            return with_unknown(shape.shape, value, unknown)
        case ListOf():
            return [with_unknown(shape.shape, each, unknown) for each in value]
        case MapOf():
            return {key: with_unknown(shape.shape, each, unknown) for key, each in value.items()}
        case Structure():
            known = {
                name: with_unknown(shape.members[name], each, unknown)
                for name, each in value.items()
            }
            return {"Unknown": unknown, **known, "unknown": unknown}
    return value


def mistyped(  # noqa: C901 - one case a kind of shape
    shape: Shape, path: str = "", level: int = 0
) -> Iterator[tuple[Any, str]]:
    """Make values with the wrong JSON type in one place, each with that place's path."""
    wrong: dict[type, tuple[Any, ...]] = {
        String: (1, 1.5, True, [], {}),
        Integer: (1.5, True, "1", [], {}, "NaN"),
        Double: ("1", "nan", "", [], {}),
        Boolean: (0, 1, "true", [], {}),
        Timestamp: (True, "2026-11-23T12:00:00Z", "1795435200", [], {}),
        ListOf: (1, "a", True, {}),
        MapOf: (1, "a", True, []),
        Structure: (1, "a", True, []),
    }
    if isinstance(shape, Recursive):
        if level < _LEVELS:
            yield from mistyped(shape.shape, path, level + 1)
        return
    if path:
        yield from zip(wrong[type(shape)], itertools.repeat(path))
    match shape:
        case ListOf():
            for value, place in mistyped(shape.shape, f"{path}.1.member", level):
                yield [value], place
        case MapOf():
            for value, place in mistyped(shape.shape, f"{path}.k.member", level):
                yield {"k": value}, place
        case Structure():
            prefix = f"{path}." if path else ""
            for name, member in shape.members.items():
                for value, place in mistyped(member, prefix + camel(name), level):
                    yield {name: value}, place
