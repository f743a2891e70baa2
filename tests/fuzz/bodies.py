"""Bodies to try: well-formed requests, and what becomes of them when something goes wrong.

A request is made as a tree, spoiled, written as text, and spoiled once more as bytes. Strategies
only: nothing here knows what the right answer is.
"""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from .line import Travel

#: The fuzzed server's limit on a body: low enough to be met, above what one read takes in.
BODY_BYTES_MAX = 300_000
METRICS = ("loss", "accuracy", "grad norm", "t\u00e4tigkeit \U0001f600")
STATISTICS = ("Min", "Max", "Avg", "Count", "StdDev", "Last")
PERIODS = ("OneMinute", "FiveMinute", "OneHour", "IterationNumber")
AXES = ("IterationNumber", "Timestamp")
NOON = 1_795_435_200


class Raw(str):
    """A piece of JSON text that goes out as it is."""

    __slots__ = ()


class Members(list[Any]):
    """An object as pairs of key and value, so that a key can come twice."""


#: Tokens that no decoder gives back as they are, and some that are not JSON at all.
_TOKENS = [
    *("NaN", "Infinity", "-Infinity", "nan", "1e400", "-1e400", "1e-400", "-0", "-0.0", "1E5"),
    *("1.", ".5", "01", "+1", "-", "1e", "0x10", "1_000", "True", "undefined", "'a'", '"a', "{"),
    *("9" * 30, "9" * 401, "9" * 5000, "-" + "9" * 30, "0." + "3" * 500, "1" + "0" * 308 + ".5"),
    *('"a\x01b"', '"a\nb"', '"\\ud800"', '"\\udc00\\ud800"', '"\\q"', '"\\u12"', "[" * 20_000),
    *('"\\ud83d\\ude00"', '{"a":1,"a":2}', "9007199254740991.0", "9007199254740990.6"),
]
_VALUES: list[Any] = [
    *(None, True, False, "", "NaN", "Infinity", "-Infinity", "nan", "1.0", "3", "a\0b", "a\nb"),
    *("\ud800", "\u2028", "\u0085", "a" * 255, "a" * 256, "\U0001f600" * 255, "\U0001f600" * 256),
    *(2**31, 2**53 - 1, 2**53, 2**63 - 1, 2**63, 2**64, 2**70, -1, 0, 1.5, 3.0, -0.0, 5e-324),
    *(1.7976931348623157e308, 1e15, 10**11, NOON, NOON * 1000, 253_402_300_799, 253_402_300_800),
    *(253_402_300_799.9999, -1e-9, [], [[[[]]]], [1, [2, [3]]]),
]
_KEYS = [
    *("TrialComponentName", "MetricData", "MetricName", "Timestamp", "Value", "Step", "value", ""),
    *(
        "MetricQueries",
        "ResourceArn",
        "MetricStat",
        "Period",
        "XAxisType",
        "Start",
        "End",
        "\ud800",
    ),
]


def odd_values() -> st.SearchStrategy[Any]:
    """Give values that do not belong where they are put, mostly."""
    return st.one_of(
        st.sampled_from(_TOKENS).map(Raw),
        st.sampled_from(_VALUES),
        st.builds(Members, st.lists(st.tuples(st.sampled_from(_KEYS), st.integers()), max_size=2)),
        st.integers(),
        st.floats().map(lambda number: Raw(json.dumps(number))),
        st.text(max_size=8),
    )


@st.composite
def items(draw: st.DrawFn) -> Members:
    """Make a well-formed item, in any dialect."""
    number = st.floats() | st.integers(-(2**70), 2**70) | st.booleans()
    members: list[tuple[str, Any]] = [
        ("MetricName", draw(st.sampled_from(METRICS))),
        ("Timestamp", draw(st.integers(0, 2 * NOON) | st.floats(0, 2 * NOON))),
        ("Value", draw(number.map(lambda value: Raw(json.dumps(value))))),
    ]
    step = draw(st.none() | st.integers(0, 2**53 - 1))
    if step is not None or draw(st.booleans()):
        members.append(("Step", step))
    return Members(draw(st.permutations(members)))


@st.composite
def puts(draw: st.DrawFn, component: str) -> Members:
    """Make a well-formed BatchPutMetrics."""
    data = draw(st.lists(items(), min_size=1, max_size=12))
    return Members([("TrialComponentName", component), ("MetricData", data)])


@st.composite
def spoiled(draw: st.DrawFn, tree: Any) -> bytes:
    """Spoil a request: up to three times as a tree, then perhaps as bytes."""
    for _ in range(draw(st.integers(0, 3))):
        tree = _spoil_tree(draw, tree)
    text = write(tree, is_ascii=draw(st.booleans()))
    return _spoil_bytes(draw, text.encode("utf-8", "surrogatepass"))


def travels() -> st.SearchStrategy[Travel]:
    """Give the ways that a body can travel."""
    return st.builds(Travel, st.integers(1, 4), st.booleans(), st.booleans())


def write(tree: Any, *, is_ascii: bool = True) -> str:
    """Write a tree as JSON text."""
    if isinstance(tree, Raw):
        return str(tree)
    if isinstance(tree, Members):
        pairs = (f"{json.dumps(key)}:{write(value, is_ascii=is_ascii)}" for key, value in tree)
        return "{" + ",".join(pairs) + "}"
    if isinstance(tree, list):
        return "[" + ",".join(write(each, is_ascii=is_ascii) for each in tree) + "]"
    return json.dumps(tree, ensure_ascii=is_ascii)


def _places(tree: Any) -> list[tuple[list[Any], int]]:
    """List the places of a tree whose value can be exchanged: a list and an index in it."""
    if not isinstance(tree, list):
        return []
    found = [(tree, index) for index in range(len(tree))]
    for each in tree:
        found += _places(each[1] if isinstance(tree, Members) else each)
    return found


def _copy(tree: Any) -> Any:
    if isinstance(tree, Members):
        return Members((key, _copy(value)) for key, value in tree)
    return [_copy(each) for each in tree] if isinstance(tree, list) else tree


def _spoil_tree(draw: st.DrawFn, tree: Any) -> Any:
    """Exchange, take away, double or rename something, or put something in."""
    tree = _copy(tree)
    places = _places(tree)
    if not places:
        return draw(odd_values())
    inside, index = draw(st.sampled_from(range(len(places))).map(places.__getitem__))
    is_object = isinstance(inside, Members)
    match draw(
        st.sampled_from(["exchange", "exchange", "drop", "double", "nest", "rename", "add"])
    ):
        case "exchange":
            value = draw(odd_values())
            inside[index] = (inside[index][0], value) if is_object else value
        case "drop":
            del inside[index]
        case "double":
            # The same key with another value, before or after.
            other = (inside[index][0], draw(odd_values())) if is_object else inside[index]
            inside.insert(draw(st.integers(0, len(inside))), other)
        case "nest":
            inside[index] = (inside[index][0], [inside[index][1]]) if is_object else [inside[index]]
        case "rename" if is_object:
            inside[index] = (draw(st.sampled_from(_KEYS)), inside[index][1])
        case _:
            value = draw(odd_values())
            new = (
                (draw(st.sampled_from(_KEYS) | st.text(max_size=5)), value) if is_object else value
            )
            inside.insert(index, new)
    return tree


def _spoil_bytes(draw: st.DrawFn, body: bytes) -> bytes:
    """Leave a body alone, or cut, stretch, overwrite, double or pad it."""
    start = draw(st.integers(0, len(body)))
    match draw(st.sampled_from([*["leave"] * 6, "cut", "insert", "overwrite", "double", "pad"])):
        case "cut":
            return body[:start]
        case "insert":
            return body[:start] + draw(_few_bytes()) + body[start:]
        case "overwrite":
            new = draw(_few_bytes())
            return body[:start] + new + body[start + len(new) :]
        case "double":
            stop = draw(st.integers(start, len(body)))
            return body[:stop] + body[start:]
        case "pad":
            return body + b" " * max(0, BODY_BYTES_MAX - len(body) + draw(st.integers(-1, 1)))
        case _:
            return body


def _few_bytes() -> st.SearchStrategy[bytes]:
    tokens = [b"\0", b"\x01", b"\n", b"\xff", b"\xed\xa0\x80", b"\xc0\xaf", b'"', b",", b"\\", b"]"]
    return st.sampled_from(tokens) | st.binary(min_size=1, max_size=4)
