"""What single shapes take, refuse and say; the tables of operations are tested beside this."""

from __future__ import annotations

import math
import sys
import unicodedata
from typing import Any

import pytest

from stepwell.model.errors import SerializationError, ValidationError
from stepwell.wire.numbers import decode_json
from stepwell.wire.operations.members import ENTITY_NAME, TAG_KEY, TAG_VALUE, structure
from stepwell.wire.shapes import (
    PROBLEMS_MAX,
    Double,
    Integer,
    ListOf,
    MapOf,
    Pattern,
    Shape,
    String,
    Timestamp,
)

UNION = structure({"StringValue": String(0, 5), "NumberValue": Double()}, is_union=True)


def read(shape: Shape, value: Any) -> tuple[Any, list[str]]:
    """Read a value, and give it with its problems."""
    problems: list[str] = []
    return shape.read(value, "a.b", problems), problems


@pytest.mark.parametrize(
    ("shape", "value", "what", "rule"),
    [
        (
            ENTITY_NAME,
            "a_b",
            "Value 'a_b' at 'a.b'",
            "satisfy regular expression pattern: [a-zA-Z0-9](-*[a-zA-Z0-9]){0,119}",
        ),
        (String(0, 1), "ab", "Value 'ab' at 'a.b'", "have length less than or equal to 1"),
        (String(1, 3), "", "Value '' at 'a.b'", "have length greater than or equal to 1"),
        (String(choices=("A", "B")), "C", "Value 'C' at 'a.b'", "satisfy enum value set: [A, B]"),
        (Integer(1, 9), 10, "Value '10' at 'a.b'", "have value less than or equal to 9"),
        (Integer(1, 9), 0, "Value '0' at 'a.b'", "have value greater than or equal to 1"),
        (
            ListOf(structure({"Key*": TAG_KEY})),
            [{"Key": "k"}, {}],
            "Value null at 'a.b.2.member.key'",
            "not be null",
        ),
        (
            MapOf(String(), UNION),
            {"lr": {"StringValue": "123456"}},
            "Value '123456' at 'a.b.lr.member.stringValue'",
            "have length less than or equal to 5",
        ),
        (
            ListOf(String(), 0, 1),
            ["a", "b"],
            "Value with 2 items at 'a.b'",
            "have length less than or equal to 1",
        ),
    ],
)
def test_wording(shape: Shape, value: Any, what: str, rule: str) -> None:
    """A problem is worded as AWS words it, with the path in lower camel case."""
    assert read(shape, value)[1] == [f"{what} failed to satisfy constraint: Member must {rule}"]


def test_all_rules_that_a_text_breaks() -> None:
    """A text that breaks two rules has two problems."""
    assert len(read(ENTITY_NAME, "-" * 121)[1]) == 2


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ({"StringValue": "a"}, {"StringValue": "a"}),
        ({"StringValue": ""}, {"StringValue": ""}),
        ({"NumberValue": 0}, {"NumberValue": 0.0}),
        ({"NumberValue": True, "StringValue": None}, {"NumberValue": 1.0}),
        ({"NumberValue": False, "Other": 1}, {"NumberValue": 0.0}),
    ],
)
def test_a_union_with_one_member(value: Any, wanted: Any) -> None:
    """One member of a union is taken; null and unknown ones do not count."""
    assert read(UNION, value) == (wanted, [])


@pytest.mark.parametrize(
    "value", [{}, {"StringValue": "", "NumberValue": 0}, {"NumberValue": None}, {"Other": 1}]
)
def test_a_union_with_none_or_both(value: Any) -> None:
    """None or both members of a union are one problem, which names them."""
    problem = "must have exactly one of StringValue, NumberValue"
    (found,) = read(UNION, value)[1]
    assert problem in found


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("0", 0.0),
        ("-0.0", -0.0),
        ("true", 1.0),
        ("false", 0.0),
        ("1e-400", 0.0),
        ("9007199254740993", 9007199254740992.0),
        ("1.7976931348623157e308", sys.float_info.max),
    ],
)
def test_doubles(text: str, wanted: float) -> None:
    """Every finite JSON number is taken, true and false as 1 and 0, and always as a float."""
    number, problems = read(Double(), decode_json(text.encode()))
    assert problems == []
    assert type(number) is float
    assert (number, math.copysign(1, number)) == (wanted, math.copysign(1, wanted))


@pytest.mark.parametrize(
    "text",
    ['"NaN"', '"Infinity"', '"-Infinity"', "NaN", "Infinity", "-Infinity", "1e309", "-1e309"],
)
def test_doubles_that_are_not_finite(text: str) -> None:
    """No spelling of NaN or an infinity is taken, nor a number that float64 cannot hold."""
    assert "must be a finite number" in read(Double(), decode_json(text.encode()))[1][0]


@pytest.mark.parametrize("digits", [309, 400, 401, 5000])
def test_numbers_of_many_digits(digits: int) -> None:
    """Whole numbers of any length are a problem, of whatever shape they should be."""
    number = decode_json(b"9" * digits)
    for shape in (Double(), Integer(), Integer(1, 100), Timestamp()):
        (problem,) = read(shape, number)[1]
        assert len(problem) < 300


@pytest.mark.parametrize(
    ("value", "wanted_us"),
    [
        (0, 0),
        (1_700_000_000, 1_700_000_000_000_000),
        (1_700_000_000.123456, 1_700_000_000_123_456),
        (1e-6, 1),
        (253_402_300_799, 253_402_300_799_000_000),
        (253_402_300_799.0, 253_402_300_799_000_000),
    ],
)
def test_timestamps(value: float, wanted_us: int) -> None:
    """Seconds become microseconds, an int, exactly."""
    found, problems = read(Timestamp(), value)
    assert (found, type(found), problems) == (wanted_us, int, [])


@pytest.mark.parametrize(
    "text", ["-1", "-0.000001", "253402300800", "2534023008e2", "NaN", "1e999"]
)
def test_timestamps_out_of_their_years(text: str) -> None:
    """Before 1970 and after 9999 there is no time: not by a second."""
    assert "between the years 1970 and 9999" in read(Timestamp(), decode_json(text.encode()))[1][0]


def test_integers() -> None:
    """A whole number may be written with a point; one over 32 bits is refused without a limit."""
    assert read(Integer(50), 50.0) == (50, [])
    for value in (2**31, 2**63, 2**70, 1e300, -(2**31) - 1):
        assert len(read(Integer(), value)[1]) == 1
    with pytest.raises(SerializationError, match=r"a\.b must be an integer"):
        read(Integer(), 1.5)


def test_tag_characters() -> None:
    r"""A tag takes `\p{L}`, `\p{Z}`, `\p{N}` and nine signs: no other character of Unicode."""
    for code in range(sys.maxunicode + 1):
        char = chr(code)
        is_wanted = unicodedata.category(char)[0] in "LZN" or char in "_.:/=+-@"
        assert (not TAG_VALUE.broken_rules(char)) == is_wanted, hex(code)


@pytest.mark.parametrize(
    ("spelled", "fitting", "unfitting"),
    [
        (r"[-\w]+\/[-\w+]+", ["text/csv", "a-b/c+d", "_/9"], ["té/csv", "text/\u0661", "a/b\n"]),
        (
            r"a:.*",
            ["a:", "a:\t\x00\U0001f600\u200b"],
            ["a:\n", "a:\r", "a:\u2028", "a:\u0085", "a"],
        ),
        (r"[0-9]{2}", ["12"], ["1\u0662", "123", " 12", "12\n"]),
    ],
)
def test_patterns(spelled: str, fitting: list[str], unfitting: list[str]) -> None:
    """A pattern is held against the whole text, and means what it means in Java."""
    pattern = Pattern.of(spelled)
    assert [text for text in fitting if not pattern.fits(text)] == []
    assert [text for text in unfitting if pattern.fits(text)] == []


def test_lengths_count_characters() -> None:
    """A length counts code points: not bytes, nor the halves of UTF-16."""
    assert read(String(0, 2), "\U0001f600\U0001f600")[1] == []
    assert len(read(String(0, 2), "\U0001f600\U0001f600a")[1]) == 1


def test_a_text_that_is_cut() -> None:
    """A text that may be cut is cut to its length, and is no problem."""
    assert read(String(0, 3, cuts=True), "abcdef") == ("abc", [])
    assert read(String(0, 3, cuts=True), "\ud800")[1]


@pytest.mark.parametrize("text", ["\ud800", "a\udfff", "\ude00\ud83d"])
def test_lone_surrogates(text: str) -> None:
    """A lone surrogate is a problem in a text, an enum and a key, which shows none of it."""
    for shape, value in (
        (String(), text),
        (String(choices=("A",)), text),
        (ENTITY_NAME, text),
        (MapOf(String(), Integer()), {text: 1}),
        (MapOf(String(), Integer(1)), {text: 0}),
    ):
        problems = read(shape, value)[1]
        assert "must be valid Unicode" in problems[0]
        assert "".join(problems).encode().decode() == "".join(problems)
    with pytest.raises(SerializationError) as caught:
        read(MapOf(String(), Integer()), {text: "1"})
    str(caught.value).encode()


def test_whole_surrogate_pairs() -> None:
    """A pair of surrogates is one character, as JSON escapes it."""
    assert read(String(1, 1), decode_json(rb'"\ud83d\ude00"')) == ("\U0001f600", [])


def test_nulls_in_lists_and_maps() -> None:
    """A null in a list or a map is a problem: it would be lost otherwise."""
    for shape, value in ((ListOf(String()), ["a", None]), (MapOf(String(), UNION), {"a": None})):
        (problem,) = read(shape, value)[1]
        assert "Member must not be null" in problem


def test_the_size_of_what_is_shown() -> None:
    """A problem with a text, key or number of megabytes is no longer than a line or three."""
    long = "x" * 3_000_000
    name = read(ENTITY_NAME, long)[1]
    key = read(MapOf(String(0, 5), String(0, 5)), {long: long})[1]
    tag = read(TAG_VALUE, "é€" * 1_000_000)[1]
    assert (len(name), len(key)) == (1, 2)
    assert all(len(problem) < 500 for problem in (*name, *key, *tag))


def test_how_many_problems_are_named() -> None:
    """After so many problems the rest is not looked at, and the last one says so."""
    shape = ListOf(String(1))
    assert len(read(shape, [""] * (PROBLEMS_MAX - 1))[1]) == PROBLEMS_MAX - 1
    with pytest.raises(ValidationError, match="Further members were not checked") as caught:
        read(shape, [""] * 1_000_000)
    assert len(caught.value.problems) == PROBLEMS_MAX
