"""The part of the store contract that charts live by: series as pieces, and what is known."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import fields

import numpy as np

from stepwell.model.errors import StoreError, UnknownComponentError
from stepwell.model.names import Component
from stepwell.model.points import NO_STEP
from stepwell.model.rows import rows_of_points
from stepwell.store.protocol import (
    Blocks,
    ColumnName,
    Loaded,
    Outline,
    SeriesKey,
    Store,
    View,
)
from stepwell.testing.doors import NOW_US, OTHER_RUN, RUN, BehindDoor, Door, losses, put_of

_KEY = SeriesKey(RUN, "loss")


def viewed(store: Store, key: SeriesKey = _KEY) -> list[tuple[int, int, float]]:
    """Read a series piece by piece, and hold every piece to what is known of it."""
    found: list[tuple[int, int, float]] = []
    with store.view([key]) as view:
        (outline,) = view.outlines
        assert isinstance(outline, Outline), outline
        for piece, loaded in zip(outline.pieces, view.load(outline.pieces), strict=True):
            assert not isinstance(loaded, Exception), loaded
            extent = piece.extent
            steps, times, values = (
                loaded.column(name) for name in ("steps", "timestamps_us", "values")
            )
            stepped = steps[steps != NO_STEP]
            assert len(steps) == len(times) == len(values) == extent.points
            assert extent.without_step == len(steps) - len(stepped)
            if len(stepped):
                assert (extent.step_min, extent.step_max) == (stepped.min(), stepped.max())
            else:
                assert extent.step_min > extent.step_max
            assert extent.timestamp_min_us == times.min()
            assert extent.timestamp_max_us == times.max()
            assert extent.nan == np.isnan(values).sum()
            assert (extent.plus, extent.minus) == (
                np.isposinf(values).sum(),
                np.isneginf(values).sum(),
            )
            found += zip(steps.tolist(), times.tolist(), values.tolist(), strict=True)
        assert outline.points == len(found)
        assert outline.without_step == sum(step == NO_STEP for step, _, _ in found)
    return found


def viewed_values(store: Store, key: SeriesKey = _KEY) -> list[float]:
    """Read a series' values piece by piece."""
    return [value for _, _, value in viewed(store, key)]


def _each(store: Store, keys: Sequence[SeriesKey]) -> Iterator[tuple[Outline, View]]:
    with store.view(keys) as view:
        for outline in view.outlines:
            assert isinstance(outline, Outline), outline
            yield outline, view


def _check_blocks(blocks: Blocks, loaded: Loaded | StoreError, column: ColumnName) -> None:
    """Compare with rows made anew, and hold the store to which pieces may have blocks."""
    assert not isinstance(loaded, Exception), loaded
    x, values = loaded.column(column), loaded.column("values")
    assert np.isfinite(values).all()
    assert (loaded.column("steps") != NO_STEP).all()
    for name in {"steps", column}:
        assert (np.diff(loaded.column(name)) >= 0).all()
    whole = x.astype(np.int64)
    rows = rows_of_points(whole >> blocks.level, whole, values.astype(np.float64))
    for each in fields(rows):
        found, expected = getattr(blocks.rows, each.name), getattr(rows, each.name)
        if each.name == "mean":
            assert np.allclose(found, expected, rtol=1e-12, atol=0)
        else:
            assert np.array_equal(found, expected), each.name


class ViewingContract(BehindDoor):
    """Views, overviews and names. `StoreContract` has it all."""

    def test_a_view_has_every_point(self, door: Door, store: Store, settle: Door | None) -> None:
        """Pieces are the whole series in order of arrival, with what is known of each."""
        values = [1.0, math.nan, math.inf, -math.inf, 2.0]
        points = [
            ("loss", NO_STEP if index % 3 == 0 else index, NOW_US - index, value)
            for index, value in enumerate(values * 3)
        ]
        for start in range(0, len(points), 4):
            store.append([put_of(*points[start : start + 4])])
            if settle and start < 8:
                settle.settle()
        expected = [(step, time, value) for _, step, time, value in points]
        for each in (store, door.open()):
            np.testing.assert_array_equal(viewed(each), expected)

    def test_a_view_is_of_one_instant(self, door: Door, store: Store) -> None:
        """What comes, moves or goes while a view is open changes nothing in it."""
        store.append([losses(1.0, 2.0)])
        door.settle()
        store.append([losses(3.0)])
        with store.view([_KEY]) as view:
            (outline,) = view.outlines
            assert isinstance(outline, Outline)
            other = door.open()
            other.append([losses(4.0)])
            door.settle()
            found: list[float] = []
            for loaded in view.load(outline.pieces):
                assert not isinstance(loaded, Exception)
                found += loaded.column("values").tolist()
            assert found == [1.0, 2.0, 3.0]
        assert viewed_values(store) == [1.0, 2.0, 3.0, 4.0]

    def test_views_of_what_is_not_there(self, store: Store) -> None:
        """Series come in the order asked for; an unknown metric is empty, a component an error."""
        store.append([losses(1.0), losses(2.0, component=OTHER_RUN)])
        keys = [
            SeriesKey(OTHER_RUN, "loss"),
            SeriesKey(RUN, "none"),
            SeriesKey(Component(RUN.account, "nobody"), "loss"),
            SeriesKey(Component("111111111111", RUN.name), "loss"),
            _KEY,
            _KEY,
        ]
        with store.view(keys) as view:
            outlines = view.outlines
            counts = [each.points if isinstance(each, Outline) else None for each in outlines]
            assert counts == [1, 0, None, None, 1, 1]
            assert isinstance(outlines[2], UnknownComponentError)
        with store.view([]) as view:
            assert view.outlines == []
            assert view.load([]) == []

    def test_identities_tell_points_apart(self, door: Door, store: Store) -> None:
        """Of one identity there are never two contents, whatever is put, moved or deleted."""
        known: dict[object, Sequence[float]] = {}
        for index in range(6):
            store.append([losses(*[float(index)] * 3)])
            if index == 3:
                store.delete(RUN)
                store.append([losses(7.0, 7.0, 7.0)])
            door.settle()
            with store.view([_KEY]) as view:
                (outline,) = view.outlines
                assert isinstance(outline, Outline)
                for piece, loaded in zip(outline.pieces, view.load(outline.pieces), strict=True):
                    assert not isinstance(loaded, Exception)
                    if piece.identity is not None:
                        values = loaded.column("values").tolist()
                        assert known.setdefault(piece.identity, values) == values

    def test_blocks_are_of_the_points(self, store: Store, settle: Door | None) -> None:
        """Where a store gives a piece by blocks, they are what its points come to, exactly."""
        count = 40_000
        plain = [(3 * i, NOW_US + 1000 * i, math.sin(i)) for i in range(count)]
        odd = {
            "a NaN": (9, NOW_US, math.nan),
            "no step": (NO_STEP, NOW_US, 0.5),
            "a step back": (0, NOW_US + 10**9, 0.5),
            "a time back": (3 * count, NOW_US - 1, 0.5),
        }
        keys = [SeriesKey(RUN, metric) for metric in ("loss", *odd)]
        for key in keys:
            points = [*plain, odd[key.metric]] if key.metric in odd else plain
            store.append([put_of(*[(key.metric, *point) for point in points])])
        if settle:
            settle.settle()
        for column in ("steps", "timestamps_us"):
            for outline, view in _each(store, keys):
                pieces = outline.pieces
                made = view.blocks(pieces, column)
                for blocks, loaded in zip(made, view.load(pieces), strict=True):
                    if blocks is not None:
                        _check_blocks(blocks, loaded, column)

    def test_overviews(self, door: Door, store: Store, settle: Door | None) -> None:
        """Points and metrics are counted, and their times known, in whatever form they are."""
        names = ("nobody", "empty", "between")
        nobody, empty, between = (Component(RUN.account, name) for name in names)
        store.create(empty)
        other = door.open()
        points = [
            ("loss", 1, NOW_US + 5, 1.0),
            ("loss", 2, NOW_US - 5, math.nan),
            ("acc", 1, NOW_US, math.inf),
        ]
        stamps = []
        for index, point in enumerate(points, 1):
            store.append([put_of(point)])
            # So that the component's series are not numbered in a row.
            store.append([put_of((f"m{index}", 1, NOW_US, 1.0), component=between)])
            if settle and index < len(points):
                settle.settle()
            for each in (store, other):
                found = each.overviews([nobody, RUN, empty, OTHER_RUN])
                assert [one is None for one in found] == [True, False, True, True]
                overview = found[1]
                assert overview is not None
                assert overview.points == index
                assert overview.metrics == len({metric for metric, *_ in points[:index]})
                assert overview.first_us == min(time for _, _, time, _ in points[:index])
                assert overview.last_us == NOW_US + 5
                assert (overview.nan, overview.infinite) == (index > 1, index > 2)
                stamps.append(overview.stamp)
        door.settle()
        (settled,) = store.overviews([RUN])
        assert settled is not None
        assert len(set(stamps)) == len(points)
        assert settled.stamp == stamps[-1]
        store.delete(RUN)
        store.append([put_of(*points)])
        (again,) = store.overviews([RUN])
        assert again is not None
        assert again.stamp not in stamps

    def test_metrics_are_counted(self, store: Store) -> None:
        """Every metric of some components is named, with how many of them have it."""
        store.append(
            [
                put_of(("b", 1, NOW_US, 1.0), ("a", 1, NOW_US, 1.0)),
                put_of(("b", 1, NOW_US, 1.0), component=OTHER_RUN),
            ]
        )
        nobody = Component(RUN.account, "nobody")
        assert list(store.count_metrics([RUN, OTHER_RUN, nobody]).items()) == [("a", 1), ("b", 2)]
        assert store.count_metrics([OTHER_RUN]) == {"b": 1}
        assert store.count_metrics([]) == {}

    def test_summaries_of_some_metrics(self, store: Store, settle: Door | None) -> None:
        """Of many metrics those that are asked for can be summarised alone."""
        store.append([put_of(("b", 1, NOW_US, 1.0), ("a", 1, NOW_US, 2.0), ("c", 1, NOW_US, 3.0))])
        if settle:
            settle.settle()
        (found,) = store.summaries([RUN], ["c", "none", "a"])
        assert isinstance(found, list)
        assert [each.metric for each in found] == ["a", "c"]
        (found,) = store.summaries([RUN], [])
        assert found == []

    def test_deletions_are_told(self, door: Door, store: Store) -> None:
        """A deletion is told of in every opening, each time anew."""
        other = door.open()
        assert other.deletions() == {}
        times = []
        for _ in range(2):
            store.append([losses(1.0)])
            store.delete(RUN)
            assert set(other.deletions()) == {RUN}
            times.append(other.deletions()[RUN])
        assert times[0] < times[1]
