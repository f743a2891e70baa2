"""Shapes: what a member of a control-plane request may be, checked as AWS checks it.

A shape reads a decoded JSON value at a path. What breaks a limit is a problem, and all problems of
a request are reported together, up to PROBLEMS_MAX; what is of the wrong JSON type is a
SerializationError at once, as it is with AWS. Unknown members are ignored. Source: the service
model 2017-07-24.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from stepwell.model.errors import SerializationError, ValidationError
from stepwell.wire.numbers import OutOfRangeNumber, parse_timestamp_us

#: Problems that one answer names. A body of millions of broken members must not fill the memory.
PROBLEMS_MAX = 100
#: The model's integers are of 32 bits.
INT32_FIRST, INT32_LAST = -(2**31), 2**31 - 1

#: Characters of a refused value that a message shows.
_SHOWN_CHARS_MAX = 100
#: A text longer than this is not tried against its pattern: its length is refused already.
_PATTERN_CHARS_MAX = 8192
_SURROGATES = re.compile("[\ud800-\udfff]")
#: What `.` is in the model's patterns, which are Java's: not these five ends of lines.
_ANY_CHAR = "[^\n\r\u0085\u2028\u2029]"


class Shape(Protocol):
    """Reads a value."""

    def read(self, value: Any, path: str, problems: list[str]) -> Any:
        """Give the value as the catalog wants it; say in `problems` what it breaks.

        Raises:
            SerializationError: it is of the wrong JSON type.
            ValidationError: there are PROBLEMS_MAX problems; nothing further is looked at.
        """


@dataclass(frozen=True)
class Pattern:
    """A pattern as the model spells it, and what decides whether a whole text fits."""

    spelled: str
    fits: Callable[[str], bool]

    @classmethod
    def of(cls, spelled: str) -> Pattern:
        r"""Make one that `re` understands. `.`, `\w` and `\d` mean what they mean in Java.

        A `.` must not stand in a class of characters.
        """
        compiled = re.compile(spelled.replace(".", _ANY_CHAR), re.ASCII)
        return cls(spelled, lambda text: compiled.fullmatch(text) is not None)


@dataclass(frozen=True)
class String:
    """A text, its length counted in characters. With `cuts`, what is too long is cut."""

    min: int = 0
    max: int | None = None
    pattern: Pattern | None = None
    choices: tuple[str, ...] = ()
    cuts: bool = False

    def read(self, value: Any, path: str, problems: list[str]) -> str:
        """Read a text. See `Shape.read`."""
        if not isinstance(value, str):
            raise _wrong_type(path, "a string")
        text = value[: self.max] if self.cuts else value
        for rule in self.broken_rules(text):
            _add(problems, f"Value '{_shown(text)}' at '{path}'", rule)
        return text

    def broken_rules(self, text: str) -> list[str]:
        """List what a text breaks, in AWS's words."""
        if _SURROGATES.search(text):
            return ["Member must be valid Unicode"]
        rules = []
        if self.choices and text not in self.choices:
            rules.append(f"Member must satisfy enum value set: [{', '.join(self.choices)}]")
        if self.max is not None and len(text) > self.max:
            rules.append(f"Member must have length less than or equal to {self.max}")
        if len(text) < self.min:
            rules.append(f"Member must have length greater than or equal to {self.min}")
        is_tried = len(text) <= _PATTERN_CHARS_MAX
        if self.pattern is not None and is_tried and not self.pattern.fits(text):
            rules.append(f"Member must satisfy regular expression pattern: {self.pattern.spelled}")
        return rules


@dataclass(frozen=True)
class Integer:
    """A whole number of 32 bits."""

    min: int = INT32_FIRST
    max: int = INT32_LAST

    def read(self, value: Any, path: str, problems: list[str]) -> int:
        """Read a whole number; 3.0 is one. See `Shape.read`."""
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, OutOfRangeNumber):
            value = 2**63
        if isinstance(value, bool) or not isinstance(value, int):
            raise _wrong_type(path, "an integer")
        what = f"Value '{_shown(str(value))}' at '{path}'"
        if value < self.min:
            _add(problems, what, f"Member must have value greater than or equal to {self.min}")
        elif value > self.max:
            _add(problems, what, f"Member must have value less than or equal to {self.max}")
        return value


@dataclass(frozen=True)
class Double:
    """A float64. Only finite ones: JSON 1.1 could not give any other back."""

    def read(self, value: Any, path: str, problems: list[str]) -> float:
        """Read a number; true and false are 1 and 0, as SDKs send them. See `Shape.read`."""
        if isinstance(value, str) and value in {"NaN", "Infinity", "-Infinity"}:
            value = math.nan
        if isinstance(value, OutOfRangeNumber):
            value = math.inf
        if not isinstance(value, int | float):
            raise _wrong_type(path, "a number")
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            _add(problems, f"Value at '{path}'", "Member must be a finite number")
        return number


@dataclass(frozen=True)
class Boolean:
    """True or false."""

    def read(self, value: Any, path: str, problems: list[str]) -> bool:
        """Read true or false. See `Shape.read`."""
        del problems
        if not isinstance(value, bool):
            raise _wrong_type(path, "true or false")
        return value


@dataclass(frozen=True)
class Timestamp:
    """Seconds since the epoch, with a fraction or without; microseconds inside."""

    def read(self, value: Any, path: str, problems: list[str]) -> int:
        """Read a time between the years 1970 and 9999. See `Shape.read`."""
        if isinstance(value, OutOfRangeNumber):
            value = math.inf
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _wrong_type(path, "a number of seconds since 1970")
        timestamp_us = parse_timestamp_us(value)
        if timestamp_us is not None:
            return timestamp_us
        rule = "Member must be a time in seconds between the years 1970 and 9999"
        _add(problems, f"Value '{_shown(str(value))}' at '{path}'", rule)
        return 0


@dataclass(frozen=True)
class ListOf:
    """A list of one shape."""

    shape: Shape
    min: int = 0
    max: int | None = None

    def read(self, value: Any, path: str, problems: list[str]) -> list[Any]:
        """Read a list. Members are counted from 1, as AWS does. See `Shape.read`."""
        if not isinstance(value, list):
            raise _wrong_type(path, "a list")
        _check_size(len(value), self.min, self.max, path, problems)
        return [
            _read_member(self.shape, each, f"{path}.{index}.member", problems)
            for index, each in enumerate(value, 1)
        ]


@dataclass(frozen=True)
class MapOf:
    """A map from texts to one shape."""

    key: String
    shape: Shape
    min: int = 0
    max: int | None = None

    def read(self, value: Any, path: str, problems: list[str]) -> dict[str, Any]:
        """Read a map. See `Shape.read`."""
        if not isinstance(value, dict):
            raise _wrong_type(path, "a map")
        _check_size(len(value), self.min, self.max, path, problems)
        members = {}
        for key, each in value.items():
            rules = self.key.broken_rules(key)
            if rules:
                rule = f"Map keys must satisfy constraint: [{', '.join(rules)}]: '{_shown(key)}'"
                _add(problems, f"Value at '{path}'", rule)
            place = f"{path}.{_shown(key)}.member"
            members[key] = _read_member(self.shape, each, place, problems)
        return members


@dataclass(frozen=True)
class Structure:
    """Named members. Of a union exactly one is given."""

    members: Mapping[str, Shape]
    required: Sequence[str] = ()
    is_union: bool = False

    def read(self, value: Any, path: str, problems: list[str]) -> dict[str, Any]:
        """Read a structure. Members that are null count as absent. See `Shape.read`."""
        if not isinstance(value, dict):
            raise _wrong_type(path or "the request", "a JSON object")
        prefix = f"{path}." if path else ""
        found = {}
        for name, shape in self.members.items():
            if value.get(name) is not None:
                found[name] = shape.read(value[name], prefix + camel(name), problems)
            elif name in self.required:
                _read_member(shape, None, prefix + camel(name), problems)
        if self.is_union and len(found) != 1:
            rule = f"Member must have exactly one of {', '.join(self.members)}"
            _add(problems, f"Value at '{path}'", rule)
        return found


@dataclass
class Recursive:
    """A shape that may contain itself, no deeper than so many levels; set `shape` once made."""

    levels_max: int
    shape: Shape | None = field(default=None, repr=False)

    def read(self, value: Any, path: str, problems: list[str]) -> Any:
        """Read a value. See `Shape.read`."""
        assert self.shape is not None  # noqa: S101 - set where the table is made
        if path.count(_LEVEL) >= self.levels_max:
            rule = f"Member must not be nested deeper than {self.levels_max} levels"
            _add(problems, f"Value at '{_shown(path)}'", rule)
            return {}
        return self.shape.read(value, path, problems)


#: What every level of a SearchExpression adds to a path.
_LEVEL = "subExpressions."


def in_categories(text: str, letters: str, others: str) -> bool:
    """Say whether every character is of a Unicode category that begins so, or one of the others."""
    return all(char in others or unicodedata.category(char)[0] in letters for char in text)


def camel(name: str) -> str:
    """Spell a member as AWS's messages do."""
    return name[:1].lower() + name[1:]


def _read_member(shape: Shape, value: Any, path: str, problems: list[str]) -> Any:
    """Read what must not be null: a required member, or one of a list or map."""
    if value is None:
        _add(problems, f"Value null at '{path}'", "Member must not be null")
        return None
    return shape.read(value, path, problems)


def _check_size(size: int, least: int, most: int | None, path: str, problems: list[str]) -> None:
    what = f"Value with {size} items at '{path}'"
    if most is not None and size > most:
        _add(problems, what, f"Member must have length less than or equal to {most}")
    elif size < least:
        _add(problems, what, f"Member must have length greater than or equal to {least}")


def _add(problems: list[str], what: str, rule: str) -> None:
    problems.append(f"{what} failed to satisfy constraint: {rule}")
    if len(problems) >= PROBLEMS_MAX:
        problems[-1] += ". Further members were not checked"
        raise ValidationError(problems)


def _shown(text: str) -> str:
    is_cut = len(text) > _SHOWN_CHARS_MAX
    shown = _SURROGATES.sub("\N{REPLACEMENT CHARACTER}", text[:_SHOWN_CHARS_MAX])
    return f"{shown}..." if is_cut else shown


def _wrong_type(path: str, wanted: str) -> SerializationError:
    return SerializationError(f"The member {path} must be {wanted}.")
