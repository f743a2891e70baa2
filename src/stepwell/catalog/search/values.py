"""Comparisons of a column with a value that came as text: as text, as a number, as a time."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from stepwell.catalog.database import AsciiLower
from stepwell.catalog.search.expressions import ORDERED, Filter, Operator
from stepwell.catalog.tables import TEXT_KEY_CHARS
from stepwell.model.errors import ConstraintError
from stepwell.model.names import fold, fold_ascii

#: Later than anything here can be, and what a column still holds.
_SECONDS_MAX = 1e12


def compare_text(column: sa.ColumnElement[Any], asked: Filter) -> sa.ColumnElement[bool]:
    """Compare a text. Contains looks past the case of ASCII letters; the others do not.

    Raises:
        ConstraintError: the operator asks for an order, or for a NUL inside of a text.
    """
    value = asked.value or ""
    match asked.operator:
        case Operator.EQUALS:
            return column == value
        case Operator.NOT_EQUALS:
            return column != value
        case Operator.CONTAINS:
            if "\0" in value:
                # LIKE ends both texts there, and would find what is merely similar.
                msg = f"The value of property {asked.name} has a NUL, which Contains cannot find"
                raise ConstraintError(msg)
            return contains(column, value)
        case Operator.IN:
            return column.in_(split(value))
    raise _unsupported(asked)


def contains(column: sa.ColumnElement[Any], part: str) -> sa.ColumnElement[bool]:
    """Look for a part of a text, past the case of ASCII letters: SQLite knows no others'."""
    return AsciiLower(column).contains(fold_ascii(part), autoescape=True)


def compare_json_text(column: sa.ColumnElement[Any], asked: Filter) -> sa.ColumnElement[bool]:
    """Compare a text that is kept in JSON.

    Raises:
        ConstraintError: the operator asks for an order, or the value has a NUL.
    """
    if "\0" in (asked.value or ""):
        # The databases' own readers of JSON end a text there.
        msg = f"The value of property {asked.name} has a NUL, which cannot be searched for"
        raise ConstraintError(msg)
    return compare_text(column, asked)


def compare_name(key: sa.ColumnElement[Any], asked: Filter) -> sa.ColumnElement[bool]:
    """Compare an entity's name, without regard to case.

    Raises:
        ConstraintError: the operator asks for an order.
    """
    folded = None if asked.value is None else fold(asked.value)
    return compare_text(key, Filter(asked.name, asked.operator, folded))


def compare_names(
    key: sa.ColumnElement[Any], asked: Filter, name_of: Callable[[str], str | None]
) -> sa.ColumnElement[bool]:
    """Compare what a name is made of, such as an ARN. What no name can be made of equals none.

    Raises:
        ConstraintError: the operator asks for an order, or for a part.
    """
    value = asked.value or ""
    wanted = split(value) if asked.operator is Operator.IN else [value]
    names = [name for each in wanted if (name := name_of(each)) is not None]
    if asked.operator is Operator.NOT_EQUALS:
        return key.not_in(names)
    if asked.operator in {Operator.EQUALS, Operator.IN}:
        return key.in_(names)
    raise _unsupported(asked)


def compare_number(column: sa.ColumnElement[Any], asked: Filter) -> sa.ColumnElement[bool]:
    """Compare a number.

    Raises:
        ConstraintError: the value is no number, or the operator is one of texts.
    """
    if asked.operator is Operator.IN:
        return column.in_([_number(asked.name, each) for each in split(asked.value or "")])
    return _compare(column, asked, _number(asked.name, asked.value or ""))


def compare_time(column: sa.ColumnElement[Any], asked: Filter) -> sa.ColumnElement[bool]:
    """Compare a time: ISO 8601 (UTC where it names no zone), or seconds since the epoch.

    Raises:
        ConstraintError: the value is no time, or the operator is one of texts.
    """
    if asked.operator is Operator.IN:
        return column.in_([_time_us(asked.name, each) for each in split(asked.value or "")])
    return _compare(column, asked, _time_us(asked.name, asked.value or ""))


def compare_either(
    number: sa.ColumnElement[Any],
    text: sa.ColumnElement[Any],
    text_key: sa.ColumnElement[Any],
    asked: Filter,
) -> list[sa.ColumnElement[bool]]:
    """Compare what is a number in one component and a text in another: one condition must hold.

    Raises:
        ConstraintError: an order is asked for and the value is no number.
    """
    if asked.operator in ORDERED:
        return [compare_number(number, asked)]
    if asked.operator is Operator.CONTAINS:
        return [compare_text(text, asked)]
    wanted = split(asked.value or "") if asked.operator is Operator.IN else [asked.value or ""]
    numbers = [each for each in map(_parse_number, wanted) if each is not None]
    # The index has the first characters only.
    is_text = sa.and_(text_key.in_([each[:TEXT_KEY_CHARS] for each in wanted]), text.in_(wanted))
    is_one = [is_text, number.in_(numbers)] if numbers else [is_text]
    if asked.operator is Operator.NOT_EQUALS:
        # Of the two columns one is NULL, and NULL is not unequal to anything.
        return [sa.not_(sa.func.coalesce(sa.or_(*is_one), sa.false()))]
    return is_one


def split(value: str) -> list[str]:
    """Give the values of an In: separated by commas, without the blanks around them."""
    return [part for each in value.split(",") if (part := each.strip())]


def _compare(column: sa.ColumnElement[Any], asked: Filter, value: float) -> sa.ColumnElement[bool]:
    match asked.operator:
        case Operator.EQUALS:
            return column == value
        case Operator.NOT_EQUALS:
            return column != value
        case Operator.GREATER:
            return column > value
        case Operator.GREATER_OR_EQUAL:
            return column >= value
        case Operator.LESS:
            return column < value
        case Operator.LESS_OR_EQUAL:
            return column <= value
    raise _unsupported(asked)


def _unsupported(asked: Filter) -> ConstraintError:
    what = "texts have no order" if asked.operator in ORDERED else "it is for texts only"
    return ConstraintError(
        f"Operator {asked.operator} is not supported for the property {asked.name}: {what}"
    )


def _parse_number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    # Python reads more than other readers do: underscores, and digits of any script.
    return None if math.isnan(number) or "_" in text or not text.isascii() else number


def _number(name: str, text: str) -> float:
    number = _parse_number(text)
    if number is None:
        msg = f"The value {text[:100]!r} of property {name} is not a number"
        raise ConstraintError(msg)
    return number


def _time_us(name: str, text: str) -> int:
    seconds = _parse_number(text)
    try:
        if seconds is not None:
            return round(max(-_SECONDS_MAX, min(seconds, _SECONDS_MAX)) * 1e6)
        time = dt.datetime.fromisoformat(text)
        if time.tzinfo is None:
            time = time.replace(tzinfo=dt.UTC)
        return (time - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)
    except (ValueError, OverflowError) as error:
        msg = f"The value {text[:100]!r} of property {name} is not a time in ISO 8601"
        raise ConstraintError(msg) from error
