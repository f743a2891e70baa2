"""Well-formed puts and gets over HTTP against the rules in plain Python."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from stepwell.store.sqlite.maintenance import compact_folder
from stepwell.testing.reference import ReferencePoint, ReferenceQuery, answer, difference

from .bodies import AXES, METRICS, NOON, PERIODS, STATISTICS, Members, Raw, travels, write
from .budget import ran, share
from .checks import ARN, check_form, check_stored
from .model import POINTS_PER_PUT, Point

if TYPE_CHECKING:
    from .conftest import Fuzzed

_VALUES = [0.0, -0.0, 1.0, 0.1, 1e308, -1e308, 5e-324, *map(float, ("nan", "inf", "-inf"))]
#: Within two hours and before 1973, where a Start in milliseconds would be read as seconds.
_TIMES_US = st.integers(0, 7200).map(lambda seconds: (NOON + seconds) * 1_000_000)
_EARLY_US = st.integers(0, 200_000_000_000).map(lambda time: time * 1000)


def points() -> st.SearchStrategy[list[ReferencePoint]]:
    """Make points that meet: few steps, few times, every kind of value."""
    times = st.one_of(
        _TIMES_US, _EARLY_US, st.integers(0, 3_000_000).map(lambda time: NOON * 1_000_000 + time)
    )
    steps = st.none() | st.integers(0, 12) | st.sampled_from([2**31, 2**53 - 1])
    values = st.sampled_from(_VALUES) | st.floats()
    return st.lists(st.builds(ReferencePoint, steps, times, values), max_size=POINTS_PER_PUT)


def queries() -> st.SearchStrategy[ReferenceQuery]:
    """Make queries whose ranges begin and end where points are."""
    bounds = st.one_of(
        st.none(),
        st.integers(-1, 13),
        st.integers(0, 2**53),
        st.integers(NOON - 60, NOON + 7260),
        st.integers(NOON * 1000 - 1, NOON * 1000 + 3001),
    )
    names = map(st.sampled_from, (STATISTICS, PERIODS, AXES))
    return st.builds(ReferenceQuery, *names, bounds, bounds)


def item(metric: str, point: ReferencePoint) -> Members:
    """Write a point as an item, its time as a decimal with six places."""
    seconds, microseconds = divmod(point.timestamp_us, 1_000_000)
    members: list[tuple[str, Any]] = [
        ("MetricName", metric),
        ("Timestamp", Raw(f"{seconds}.{microseconds:06d}")),
        ("Value", point.value),
    ]
    if point.step is not None:
        members.append(("Step", point.step))
    return Members(members)


@share(20)
@given(data=st.data())
def test_agrees_with_the_rules(fuzzed: Fuzzed, data: st.DataObject) -> None:
    """Answers, page by page, are those of the rules, from hot rows and chunks alike."""
    ran["answers compared with the rules"] += 1
    component = fuzzed.new_component()
    kept: dict[str, list[ReferencePoint]] = {METRICS[0]: [], METRICS[1]: []}
    for _ in range(data.draw(st.integers(1, 3))):
        metric = data.draw(st.sampled_from(list(kept)))
        some = data.draw(points().filter(bool))
        tree = Members([("TrialComponentName", component), ("MetricData", None)])
        tree[1] = ("MetricData", [item(metric, point) for point in some])
        body = write(tree).encode()
        reply = fuzzed.line.send("PUT", "/BatchPutMetrics", body, travel=data.draw(travels()))
        check_form(reply)
        assert reply.json() == {"Errors": []}
        kept[metric] += some
        fuzzed.ledger[component, metric] += [
            Point(metric, -1 if step is None else step, timestamp_us, value)
            for step, timestamp_us, value in some
        ]
        if data.draw(st.integers(0, 3)) == 0:
            compact_folder(fuzzed.data)
    for metric, arrived in kept.items():
        if arrived:
            check_stored(fuzzed.line, component, metric, fuzzed.ledger[component, metric])
        for query in data.draw(st.lists(queries(), min_size=1, max_size=4)):
            check_query(fuzzed, component, metric, arrived, query)


def check_query(
    fuzzed: Fuzzed,
    component: str,
    metric: str,
    arrived: list[ReferencePoint],
    query: ReferenceQuery,
) -> None:
    """Send one query and go through its pages."""
    wire = {
        "ResourceArn": ARN + component,
        "MetricName": metric,
        "MetricStat": query.statistic,
        "Period": query.period,
        "XAxisType": query.axis,
        "Start": query.start,
        "End": query.end,
    }
    expected = answer(arrived, query)
    if expected.status == "ValidationError":
        (result,) = fuzzed.line.get(wire)
        assert result["Status"] == "ValidationError"
        return
    x, values, message = fuzzed.line.get_all(wire)
    assert difference(expected, query.statistic, x, values) is None, (arrived, query)
    assert ("has no metric" in message) == expected.says_nothing_there
    assert (f"{expected.says_left_out} points without a step" in message) == bool(
        expected.says_left_out
    )
