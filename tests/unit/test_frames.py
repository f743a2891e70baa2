"""Charts against the same in plain Python: nothing is hidden, whatever a series looks like."""

from __future__ import annotations

import importlib.util
import itertools
import math
import statistics
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stepwell.model.errors import DamagedSeriesError, StoreError
from stepwell.model.points import NO_STEP, Points
from stepwell.query import digests as digests_module
from stepwell.query import frames as frames_module
from stepwell.query import loading as loading_module
from stepwell.query import medians as medians_module
from stepwell.query import plans as plans_module
from stepwell.query import robust as robust_module
from stepwell.query.digests import Digests
from stepwell.query.frames import ChartFrame, Charts, SeriesFrame
from stepwell.query.grids import Grid, XAxis, grid_over, round_width
from stepwell.query.medians import with_medians
from stepwell.query.plans import FrameQuery, RunSeries
from stepwell.query.robust import robust_of
from stepwell.query.smoothing import Smoothing
from stepwell.store.protocol import Blocks, ColumnName, Extent, Outline
from stepwell.store.sqlite import blocks as blocks_module
from stepwell.store.sqlite.blocks import decode_blocks, encode_blocks
from stepwell.store.sqlite.viewing import extent_of
from stepwell.testing.reference import ReferencePoint


def _load_model() -> ModuleType:
    # Test folders are no packages.
    spec = importlib.util.spec_from_file_location(
        "frames_model", Path(__file__).with_name("frames_model.py")
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


model = _load_model()
_identities = itertools.count()


class ListPiece:
    """A piece that is simply there. See `protocol.Piece` and `protocol.Loaded`."""

    def __init__(self, points: Sequence[ReferencePoint], *, is_new: bool) -> None:
        """Hold the points; new ones have no identity."""
        self.points = Points(
            np.array([NO_STEP if p.step is None else p.step for p in points], np.int64),
            np.array([p.timestamp_us for p in points], np.int64),
            np.array([p.value for p in points], np.float64),
        )
        self.extent: Extent = extent_of(self.points)
        self.identity = None if is_new else next(_identities)
        self.is_damaged = False

    def column(self, name: ColumnName) -> Any:
        """Give a column."""
        if self.is_damaged:
            msg = "it is damaged"
            raise DamagedSeriesError(msg)
        return getattr(self.points, name)


class ListView:
    """A view of series that are simply there. See `protocol.View`."""

    def __init__(self, outlines: Sequence[Outline], *, has_blocks: bool = False) -> None:
        """Hold the series."""
        self.outlines = outlines
        self.has_blocks = has_blocks
        self.loaded: list[ListPiece] = []

    def load(self, pieces: Sequence[Any]) -> list[Any]:
        """Give pieces, and note which."""
        self.loaded += pieces
        return list(pieces)

    def blocks(self, pieces: Sequence[Any], column: ColumnName) -> list[Blocks | None]:
        """Give pieces by blocks, as a store would have made them."""
        found: list[Blocks | None] = []
        for piece in pieces:
            encoded = encode_blocks(piece.points) if self.has_blocks else None
            chosen = encoded and (encoded.steps if column == "steps" else encoded.timestamps)
            found.append(decode_blocks(chosen) if chosen else None)
        return found


values = st.one_of(
    st.floats(-100, 100),
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([math.nan, math.inf, -math.inf, 1e308, -1e308, 5e-324, -0.0, 0.0]),
)
steps = st.one_of(st.none(), st.integers(0, 60), st.sampled_from([0, 2**53 - 1, 10**6]))
times = st.one_of(st.integers(0, 10**5), st.sampled_from([1_700_000_000_000_000, 253 * 10**15]))
points_lists = st.lists(st.builds(ReferencePoint, steps, times, values), max_size=40)
in_order = st.lists(values, max_size=60).map(
    lambda column: [ReferencePoint(i, 1000 * i, value) for i, value in enumerate(column)]
)
smoothings = st.one_of(
    st.none(),
    st.floats(0, 0.999).map(Smoothing.by_weight),
    st.just(Smoothing.by_weight(0.0)),
    st.sampled_from([1e-3, 0.1]).map(Smoothing.by_half_life),
    st.floats(0.01, 1e6).map(Smoothing.by_half_life),
)


@pytest.fixture(autouse=True, scope="module")
def _small_pieces() -> Iterator[None]:
    """Take pieces of 5 points for large ones, and digests of 8 blocks, so that few points do."""
    patch = pytest.MonkeyPatch()
    patch.setattr(plans_module, "LARGE_POINTS_MIN", 5)
    patch.setattr(digests_module, "_BLOCKS_BITS", 3)
    # As in a store, these are coarser.
    patch.setattr(blocks_module, "_BLOCKS_BITS", 2)
    yield
    patch.undo()


def cut(points: Sequence[ReferencePoint], places: Sequence[int]) -> Outline:
    """Cut a series into pieces; the last one is new."""
    bounds = sorted({0, len(points), *(place % (len(points) + 1) for place in places)})
    return Outline(
        [
            ListPiece(points[start:stop], is_new=stop == len(points))
            for start, stop in itertools.pairwise(bounds)
        ]
    )


def close(actual: float, expected: float, unit: float) -> bool:
    """Say whether two numbers agree, as far as sums of such numbers can."""
    if math.isnan(expected):
        return math.isnan(actual)
    return math.isclose(actual, expected, rel_tol=1e-9, abs_tol=max(1e-11 * unit, 1e-321))


def check(
    frame: SeriesFrame, found: Any, points: Sequence[ReferencePoint], *, smooth: bool
) -> None:
    """Compare a series' frame with its found."""
    unit = max((abs(p.value) for p in points if math.isfinite(p.value)), default=0.0)
    rows = frame.rows
    assert rows.bucket.tolist() == sorted(found.rows)
    assert frame.points == len(points)
    assert frame.without_x == found.without_x
    assert frame.in_range == sum(row.count for row in found.rows.values())
    # Nothing is hidden: each point is in a bucket, beside the grid, or off the axis.
    assert frame.points == frame.in_range + found.outside + frame.without_x
    assert frame.widest == max((row.count for row in found.rows.values()), default=0)
    assert frame.nan == sum(math.isnan(p.value) for p in points)
    assert frame.infinite == sum(math.isinf(p.value) for p in points)
    nan, infinite = frame.landmarks
    assert (None if nan is None else nan.x) == found.first_nan
    assert (None if infinite is None else infinite.x) == found.first_inf
    for index, (_, row) in enumerate(sorted(found.rows.items())):
        assert rows.first_x[index] == row.first_x
        counts = (rows.count[index], rows.nan[index], rows.plus[index], rows.minus[index])
        assert counts == (row.count, row.nan, row.plus, row.minus)
        np.testing.assert_equal(rows.last[index], row.last)
        if row.finite:
            assert rows.min[index] == min(row.finite)
            assert rows.max[index] == max(row.finite)
            assert close(rows.mean[index], model.mean(row.finite), unit)
            assert rows.min[index] <= rows.mean[index] <= rows.max[index]
        else:
            assert np.isnan([rows.min[index], rows.max[index], rows.mean[index]]).all()
        if smooth:
            assert frame.smooth is not None
            assert close(float(frame.smooth[index]), row.smooth, unit)


def check_chart(
    chart: ChartFrame,
    series: Sequence[Sequence[ReferencePoint]],
    query: FrameQuery,
    offsets: Sequence[int],
) -> None:
    """Compare a chart with the model, series by series."""
    if chart.grid is None:
        assert not any(
            model.x_of(point, query.axis, 0) is not None for points in series for point in points
        )
        return
    for frame, points, offset in zip(chart.series, series, offsets, strict=True):
        assert isinstance(frame, SeriesFrame)
        found = model.model_series(points, query.axis, offset, chart.grid, query.smoothing)
        check(frame, found, points, smooth=query.smoothing is not None)
        is_cut = query.start is not None or query.stop is not None
        if not is_cut:
            assert list(frame.restarts) == found.restarts
        else:
            # What lies outside is not looked at, so that only what can be seen is told.
            assert len(frame.restarts) <= len(found.restarts) + 1


@settings(max_examples=400, deadline=None)
@given(
    series=st.lists(st.one_of(points_lists, in_order), min_size=1, max_size=4),
    places=st.lists(st.integers(0, 60), max_size=4),
    axis=st.sampled_from([XAxis.STEP, XAxis.WALL]),
    buckets=st.sampled_from([1, 2, 3, 7, 50, 400]),
    bounds=st.tuples(st.none() | st.integers(-5, 70), st.none() | st.integers(1, 60)),
    offsets=st.lists(st.just(0) | st.integers(-1000, 1000), min_size=4, max_size=4),
    smoothing=smoothings,
    has_blocks=st.booleans(),
)
def test_charts_agree_with_the_definitions(  # noqa: D103 - its parameters say it
    series: list[list[ReferencePoint]],
    places: list[int],
    axis: XAxis,
    buckets: int,
    bounds: tuple[int | None, int | None],
    offsets: list[int],
    smoothing: Smoothing | None,
    *,
    has_blocks: bool,
) -> None:
    start, length = bounds
    stop = None if length is None else (start or 0) + length
    query = FrameQuery(axis, buckets, start, stop, smoothing)
    outlines = [cut(points, places) for points in series]
    view = ListView(outlines, has_blocks=has_blocks)
    charts = Charts(Digests(1 << 20))
    asked = [RunSeries(outline, offset) for outline, offset in zip(outlines, offsets, strict=False)]
    # The second time out of what is remembered; then at another zoom.
    for again in (query, query, query._replace(buckets=1), query._replace(start=None, stop=None)):
        chart = charts.chart(view, asked, again)
        check_chart(chart, series, again, offsets[: len(series)])


@given(start=st.integers(-(2**60), 2**60), length=st.integers(1, 2**60), buckets=st.integers(1, 99))
def test_grids(start: int, length: int, buckets: int) -> None:
    """A grid covers its range, is aligned, and has about as many buckets as wanted, never more."""
    grid = grid_over(start, start + length, buckets)
    assert grid.start <= start < grid.start + grid.width
    assert grid.stop - grid.width < start + length <= grid.stop
    assert grid.start % grid.width == 0
    assert grid.buckets <= buckets + 1
    assert grid.buckets >= min(buckets, length) * 0.5
    assert grid.width % (1 << grid.level) == 0


@given(st.integers(1, 2**60))
def test_round_widths(width: int) -> None:
    """A width is rounded up, by no more than a third where it is not tiny."""
    rounded = round_width(width)
    assert width <= rounded <= max(width * 4 / 3, width + 1)
    assert round_width(rounded) == rounded


def test_a_grid_over_nothing() -> None:
    """A chart whose series have no points on the axis has no grid, and says how many points."""
    outline = cut([ReferencePoint(None, 5, 1.0)] * 7, [])
    charts = Charts(Digests(1 << 20))
    chart = charts.chart(ListView([outline]), [RunSeries(outline)], FrameQuery(XAxis.STEP, 10))
    assert chart.grid is None
    (frame,) = chart.series
    assert isinstance(frame, SeriesFrame)
    assert (frame.points, frame.without_x, frame.in_range) == (7, 7, 0)


def test_what_is_outside_is_not_read() -> None:
    """Pieces beside the grid are not loaded; pieces with a digest not again."""
    points = [ReferencePoint(i, i, float(i)) for i in range(4096)]
    outline = cut(points, [1024, 2048, 3072])
    view = ListView([outline])
    charts = Charts(Digests(1 << 20))
    query = FrameQuery(XAxis.STEP, 1, 0, 1024)
    charts.chart(view, [RunSeries(outline)], query)
    assert view.loaded == list(outline.pieces[:1])
    charts.chart(view, [RunSeries(outline)], query)
    assert view.loaded == list(outline.pieces[:1])


def test_what_has_blocks_is_not_read() -> None:
    """Out of a store's blocks a chart is made without points; a finer one makes digests, once."""
    points = [ReferencePoint(i, 8 * i, math.sin(i)) for i in range(4096)]
    outline = cut(points, [1024, 2048, 3072])
    outline.pieces[3].identity = next(_identities)  # type: ignore[misc]
    view = ListView([outline], has_blocks=True)
    digests = Digests(1 << 20)
    charts = Charts(digests)
    for axis in (XAxis.STEP, XAxis.WALL):
        coarse, fine = FrameQuery(axis, 4), FrameQuery(axis, 11)
        check_chart(charts.chart(view, [RunSeries(outline)], coarse), [points], coarse, [0])
        assert view.loaded == []
        for query in (fine, fine, coarse):
            check_chart(charts.chart(view, [RunSeries(outline)], query), [points], query, [0])
            assert view.loaded == list(outline.pieces)
        view.loaded.clear()
    assert digests._bytes == sum(each.bytes for each in digests._known.values())


def test_what_weighs_nothing_is_not_read() -> None:
    """Smoothing a part of a long series reads as far back as weights reach, and no farther."""
    points = [ReferencePoint(2 * i, i, math.sin(i)) for i in range(8000)]
    outline = cut(points, range(100, 8000, 100))
    for smoothing in (Smoothing.by_weight(0.5), Smoothing.by_half_life(1.0)):
        view = ListView([outline])
        query = FrameQuery(XAxis.STEP, 10, 12_000, 12_200, smoothing)
        (frame,) = Charts(Digests(1 << 20)).chart(view, [RunSeries(outline)], query).series
        assert len(view.loaded) < 20
        whole = ListView([outline])
        everything = query._replace(start=0, stop=16_000, buckets=4000)
        chart = Charts(Digests(1 << 20)).chart(whole, [RunSeries(outline)], everything)
        assert len(whole.loaded) == len(outline.pieces)
        (expected,) = chart.series
        assert isinstance(frame, SeriesFrame)
        assert isinstance(expected, SeriesFrame)
        assert frame.smooth is not None
        assert expected.smooth is not None
        known = dict(zip(expected.rows.last_x.tolist(), expected.smooth.tolist(), strict=True))
        for x, value in zip(frame.rows.last_x.tolist(), frame.smooth.tolist(), strict=True):
            if x in known:
                assert math.isclose(value, known[x], rel_tol=1e-9)


def test_digests_are_forgotten() -> None:
    """However much is looked at, what is remembered stays within its bound."""
    digests = Digests(5000)
    charts = Charts(digests)
    for _ in range(50):
        outline = cut([ReferencePoint(i, i, 1.0) for i in range(64)], [32])
        charts.chart(ListView([outline]), [RunSeries(outline)], FrameQuery(XAxis.STEP, 4))
    assert digests._bytes <= 5000
    assert digests._bytes == sum(each.bytes for each in digests._known.values())


def test_smoothing_is_the_same_at_every_zoom() -> None:
    """The average at a point does not depend on the range, the buckets, or what was looked at."""
    rng = np.random.default_rng(7)
    points = [
        ReferencePoint(3 * i, i * 10, float(value))
        for i, value in enumerate(rng.normal(size=3000).cumsum())
    ]
    outline = cut(points, [1000, 2000, 2500])
    for smoothing in (Smoothing.by_weight(0.99), Smoothing.by_half_life(100.0)):
        charts = Charts(Digests(1 << 20))
        whole = _smooth(charts, outline, FrameQuery(XAxis.STEP, 4000, smoothing=smoothing))
        for start, stop, buckets in ((0, 9000, 7), (4000, 5000, 400), (8999, 9000, 1), (0, 1, 1)):
            query = FrameQuery(XAxis.STEP, buckets, start, stop, smoothing)
            for x, value in _smooth(charts, outline, query).items():
                assert math.isclose(value, whole[x], rel_tol=1e-9)


def _smooth(charts: Charts, outline: Outline, query: FrameQuery) -> dict[int, float]:
    chart = charts.chart(ListView([outline]), [RunSeries(outline)], query)
    (frame,) = chart.series
    assert isinstance(frame, SeriesFrame)
    assert frame.smooth is not None
    return dict(zip(frame.rows.last_x.tolist(), frame.smooth.tolist(), strict=True))


def test_a_damaged_series_is_an_error_of_its_own() -> None:
    """One piece that cannot be read takes its series along, small or large, and no other."""
    many = [ReferencePoint(i, i, 1.0) for i in range(64)]
    outlines = [cut(many, [32]), cut(many[:3], []), cut(many, [32]), cut(many[:3], [])]
    for outline in outlines[:2]:
        outline.pieces[0].is_damaged = True  # type: ignore[attr-defined]
    with ThreadPoolExecutor(2) as pool:
        charts = Charts(Digests(1 << 20), pool.map)
        for smoothing in (None, Smoothing.by_weight(0.5)):
            query = FrameQuery(XAxis.STEP, 4, smoothing=smoothing)
            chart = charts.chart(ListView(outlines), [RunSeries(o) for o in outlines], query)
            kinds = [isinstance(each, StoreError) for each in chart.series]
            assert kinds == [True, True, False, False]


@pytest.mark.parametrize("smoothing", [None, Smoothing.by_weight(0.9)])
def test_many_series_are_what_each_is_alone(smoothing: Smoothing | None) -> None:
    """A chart of many series, long and short, answers each to the last bit as a chart of it."""
    random = np.random.default_rng(7)
    series = [
        [
            ReferencePoint(step, step, float(random.choice([random.normal(), math.nan, math.inf])))
            for step in range(int(random.integers(0, 30)))
        ]
        for _ in range(150)
    ]
    outlines = [cut(points, [9] if index % 7 == 0 else []) for index, points in enumerate(series)]
    query = FrameQuery(XAxis.STEP, 8, 0, 32, smoothing)
    charts = Charts(Digests(1 << 20))
    together = charts.chart(ListView(outlines), [RunSeries(each) for each in outlines], query)
    check_chart(together, series, query, [0] * len(series))
    for outline, frame in zip(outlines, together.series, strict=True):
        alone = charts.chart(ListView([outline]), [RunSeries(outline)], query).series[0]
        assert isinstance(frame, SeriesFrame)
        assert isinstance(alone, SeriesFrame)
        np.testing.assert_equal(frame.smooth, alone.smooth)
        for name in ("bucket", "first_x", "min", "max", "mean", "last", "count"):
            np.testing.assert_equal(getattr(frame.rows, name), getattr(alone.rows, name))


def test_what_memory_does_not_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many series are looked at some at a time; one that cannot be sorted as a whole says so."""
    monkeypatch.setattr(frames_module, "_TOGETHER_POINTS_MAX", 5)
    monkeypatch.setattr(plans_module, "SORTED_POINTS_MAX", 6)
    back = [ReferencePoint(9 - i, i, 1.0) for i in range(8)]
    series = [[ReferencePoint(i, i, 1.0) for i in range(3)]] * 4
    outlines = [*(cut(points, []) for points in series), cut(back, [2, 4])]
    query = FrameQuery(XAxis.STEP, 4, smoothing=Smoothing.by_weight(0.5))
    chart = Charts(Digests(1 << 20)).chart(
        ListView(outlines), [RunSeries(outline) for outline in outlines], query
    )
    check_chart(chart._replace(series=chart.series[:4]), series, query, [0] * 4)
    assert "8 points" in str(chart.series[4])


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.one_of(points_lists, in_order), min_size=1, max_size=3),
    st.lists(st.integers(0, 60), max_size=3),
    st.integers(1, 9),
    st.one_of(st.none(), st.integers(-5, 50)),
)
@example(
    # A bucket goes on in another piece, with nothing finite in it.
    [[ReferencePoint(0, 0, 0.0), ReferencePoint(None, 0, 0.0), ReferencePoint(0, 0, math.inf)]],
    [1],
    1,
    None,
)
def test_rolling_medians(
    series: list[list[ReferencePoint]], places: list[int], window: int, start: int | None
) -> None:
    """At each bucket's last point: the median of the last finite points, wherever one looks."""
    outlines = [cut(points, places) for points in series]
    query = FrameQuery(XAxis.STEP, 4, start, None if start is None else start + 20)
    view = ListView(outlines)
    asked = [RunSeries(each) for each in outlines]
    chart = Charts(Digests(1 << 20)).chart(view, asked, query)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loading_module, "_LOADED_POINTS_MAX", 7)
        patch.setattr(medians_module, "_SORTED_AT_ONCE", 20)
        found = with_medians(view, asked, chart, XAxis.STEP, window)
    for points, frame in zip(series, found.series, strict=True):
        assert isinstance(frame, SeriesFrame)
        assert frame.smooth is not None
        known = sorted((p for p in points if p.step is not None), key=lambda p: p.step or 0)
        for row, bucket in enumerate(frame.rows.bucket.tolist()):
            assert found.grid is not None
            stop = found.grid.start + (bucket + 1) * found.grid.width
            values = [p.value for p in known if (p.step or 0) < stop and math.isfinite(p.value)]
            last = values[-window:]
            low, high = (statistics.median_low(last), statistics.median_high(last)) if last else (
                math.nan, math.nan)  # fmt: skip
            expected = low if low == high else low / 2 + high / 2
            assert frame.smooth[row] == pytest.approx(expected, rel=1e-15, nan_ok=True)


def test_a_median_of_what_cannot_be_read_or_sorted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such a series is an error of its own."""
    monkeypatch.setattr(medians_module, "SORTED_POINTS_MAX", 6)
    back = cut([ReferencePoint(9 - i, i, 1.0) for i in range(8)], [2, 4])
    broken, fine = (cut([ReferencePoint(i, i, 1.0) for i in range(3)], []) for _ in range(2))
    view = ListView([back, broken, fine])
    asked = [RunSeries(each) for each in view.outlines]
    chart = Charts(Digests(1 << 20)).chart(view, asked, FrameQuery(XAxis.STEP, 4))
    broken.pieces[0].is_damaged = True  # type: ignore[attr-defined]
    found = with_medians(view, asked, chart, XAxis.STEP, 3).series
    assert "8 points" in str(found[0])
    assert isinstance(found[1], DamagedSeriesError)
    assert isinstance(found[2], SeriesFrame)


@settings(max_examples=150, deadline=None)
@given(st.lists(points_lists, min_size=1, max_size=3), st.integers(1, 6), st.integers(1, 9))
def test_what_is_outside_of_a_robust_axis(
    series: list[list[ReferencePoint]], place: int, sampled: int
) -> None:
    """Points below and above are counted one by one, whatever part of them made the axis."""
    outlines = [cut(points, [place]) for points in series]
    grid = Grid(2, 7, 3)
    view = ListView(outlines)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(robust_module, "SAMPLED_MAX", sampled)
        patch.setattr(loading_module, "_LOADED_POINTS_MAX", 3)
        patch.setattr(robust_module, "POINTS_MIN", 4)
        found = robust_of(view, [RunSeries(each) for each in outlines], grid, XAxis.STEP)
    inside = [
        point.value
        for points in series
        for point in points
        if point.step is not None and grid.start <= point.step < grid.stop
    ]
    finite = [value for value in inside if math.isfinite(value)]
    if not finite:
        assert found is None
        return
    assert found is not None
    assert math.isfinite(found.low)
    assert math.isfinite(found.high)
    assert found.below == sum(value < found.low for value in finite)
    assert found.above == sum(value > found.high for value in finite)
    assert (found.least, found.greatest) == (min(finite), max(finite))


def test_bounds_beyond_everything() -> None:
    """A range of any size is taken: it is cut to what a point can have."""
    outline = cut([ReferencePoint(5, 5, 1.0)], [])
    charts = Charts(Digests(1 << 20))
    for start, stop in ((-(2**70), 2**70), (2**70, None), (None, -(2**70)), (0, 2**70)):
        query = FrameQuery(XAxis.STEP, 10, start, stop)
        chart = charts.chart(ListView([outline]), [RunSeries(outline)], query)
        assert isinstance(chart.grid, Grid)
        (frame,) = chart.series
        assert isinstance(frame, SeriesFrame)
        found = model.model_series([ReferencePoint(5, 5, 1.0)], XAxis.STEP, 0, chart.grid, None)
        check(frame, found, [ReferencePoint(5, 5, 1.0)], smooth=False)
