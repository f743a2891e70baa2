"""Shapes: what a member of a control-plane request may be, checked as AWS checks it.

A shape reads a decoded JSON value at a path. What breaks a limit is a problem, and all problems of
a request are reported together; what is of the wrong JSON type is a SerializationError at once, as
it is with AWS. Unknown members are ignored. Source: the service model 2017-07-24.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from stepwell.model.errors import SerializationError
from stepwell.model.limits import TIMESTAMP_US_LAST
from stepwell.wire.numbers import OutOfRangeNumber

#: Characters of a refused value that a message shows.
_SHOWN_CHARS_MAX = 100
_SURROGATES = re.compile("[\ud800-\udfff]")


class Shape(Protocol):
    """Reads a value."""

    def read(self, value: Any, path: str, problems: list[str]) -> Any:
        """Give the value as the catalog wants it; say in `problems` what it breaks.

        Raises:
            SerializationError: it is of the wrong JSON type.
        """


@dataclass(frozen=True)
class Pattern:
    """A pattern as the model spells it, and what decides whether a whole text fits."""

    spelled: str
    fits: Callable[[str], bool]

    @classmethod
    def of(cls, spelled: str) -> Pattern:
        """Make one that Python's `re` understands."""
        compiled = re.compile(spelled)
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
        failed = self.broken_rules(text)
        problems.extend(
            f"Value '{_shown(value)}' at '{path}' failed to satisfy constraint: {rule}"
            for rule in failed
        )
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
        if self.pattern is not None and not self.pattern.fits(text):
            rules.append(f"Member must satisfy regular expression pattern: {self.pattern.spelled}")
        return rules


@dataclass(frozen=True)
class Integer:
    """A whole number."""

    min: int | None = None
    max: int | None = None

    def read(self, value: Any, path: str, problems: list[str]) -> int:
        """Read a whole number; 3.0 is one. See `Shape.read`."""
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, OutOfRangeNumber):
            value = 2**63
        if isinstance(value, bool) or not isinstance(value, int):
            raise _wrong_type(path, "an integer")
        if self.min is not None and value < self.min:
            rule = f"Member must have value greater than or equal to {self.min}"
        elif self.max is not None and value > self.max:
            rule = f"Member must have value less than or equal to {self.max}"
        else:
            return value
        problems.append(
            f"Value '{_shown(str(value))}' at '{path}' failed to satisfy constraint: {rule}"
        )
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
            problems.append(
                f"Value at '{path}' failed to satisfy constraint: Member must be a finite number"
            )
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
        if 0 <= value <= TIMESTAMP_US_LAST / 1e6:
            return value * 1_000_000 if isinstance(value, int) else round(value * 1e6)
        problems.append(
            f"Value '{_shown(str(value))}' at '{path}' failed to satisfy constraint: Member must be"
            " a time in seconds between the years 1970 and 9999"
        )
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
            self.shape.read(each, f"{path}.{index}.member", problems)
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
                problems.append(
                    f"Value at '{path}' failed to satisfy constraint: Map keys must satisfy"
                    f" constraint: [{', '.join(rules)}]: '{_shown(key)}'"
                )
            members[key] = self.shape.read(each, f"{path}.{_shown(key)}.member", problems)
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
                problems.append(
                    f"Value null at '{prefix}{camel(name)}' failed to satisfy constraint:"
                    " Member must not be null"
                )
        if self.is_union and len(found) != 1:
            problems.append(
                f"Value at '{path}' failed to satisfy constraint: Member must have exactly one of"
                f" {', '.join(self.members)}"
            )
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
            problems.append(
                f"Value at '{path[:_SHOWN_CHARS_MAX]}' failed to satisfy constraint: Member must"
                f" not be nested deeper than {self.levels_max} levels"
            )
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


def _check_size(size: int, least: int, most: int | None, path: str, problems: list[str]) -> None:
    if most is not None and size > most:
        rule = f"less than or equal to {most}"
    elif size < least:
        rule = f"greater than or equal to {least}"
    else:
        return
    problems.append(
        f"Value with {size} items at '{path}' failed to satisfy constraint: Member must have length"
        f" {rule}"
    )


def _shown(text: str) -> str:
    text = _SURROGATES.sub("\N{REPLACEMENT CHARACTER}", text)
    return text if len(text) <= _SHOWN_CHARS_MAX else f"{text[:_SHOWN_CHARS_MAX]}..."


def _wrong_type(path: str, wanted: str) -> SerializationError:
    return SerializationError(f"The member {path} must be {wanted}.")
