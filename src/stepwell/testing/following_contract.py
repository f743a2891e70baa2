"""The part of the store contract that the catalog lives by: summaries, and what has changed."""

from __future__ import annotations

import math

import numpy as np

from stepwell.model.errors import StoreError
from stepwell.model.names import Component
from stepwell.store.protocol import Store
from stepwell.testing.doors import (
    NOW_US,
    OTHER_RUN,
    RUN,
    BehindDoor,
    Door,
    losses,
    put_of,
    values_of,
)
from stepwell.testing.reference import ReferencePoint, summary, summary_difference


class FollowingContract(BehindDoor):
    """Summaries and marks. `StoreContract` has it all."""

    # Summaries

    def test_summaries_agree_with_the_points(self, store: Store, settle: Door | None) -> None:
        """Six statistics of every metric, by name, over points in their final form and new ones."""
        rng = np.random.default_rng(2)
        values = {
            "b": [*rng.normal(size=400).tolist(), math.nan],
            "a": [1e9 + each for each in rng.normal(size=50).tolist()],
            "inf": [1.0, math.inf, 2.0],
            "both": [math.inf, -math.inf, math.nan],
            "nan": [math.nan, math.nan],
            "huge": [1.7e308, -1.7e308, 1e308],
            "tiny": [5e-324, 1e-200, 3e-200],
            "one": [-0.0],
            "same": [0.1] * 9,
        }
        points = [
            (metric, step, NOW_US - step % 5, value)
            for metric, column in values.items()
            for step, value in enumerate(column)
        ]
        for start in range(0, len(points), 100):
            store.append([put_of(*points[start : start + 100])])
            if settle and start < 300:
                settle.settle()
        (found,) = store.summaries([RUN])
        assert not isinstance(found, StoreError)
        assert [each.metric for each in found] == sorted(values)
        for each in found:
            expected = summary(
                [
                    ReferencePoint(step, time, value)
                    for metric, step, time, value in points
                    if metric == each.metric
                ]
            )
            assert summary_difference(expected, each) is None

    def test_summaries_see_every_answered_put(
        self, door: Door, store: Store, settle: Door | None
    ) -> None:
        """What append has returned is in the next summary, through another opening too."""
        other = door.open()
        for index in range(4):
            store.append([losses(float(index))])
            if settle and index % 2:
                settle.settle()
            for each in (store, other):
                (found,) = each.summaries([RUN])
                assert not isinstance(found, StoreError)
                assert [(one.count, one.max, one.last) for one in found] == [
                    (index + 1, float(index), float(index))
                ]

    def test_summaries_of_what_is_not_there(self, store: Store) -> None:
        """Components come in the order asked for; without points, unknown or deleted: nothing."""
        nobody, empty = (Component(RUN.account, name) for name in ("nobody", "empty"))
        store.append([losses(1.0), losses(2.0, component=OTHER_RUN)])
        store.create(empty)
        found = store.summaries([nobody, OTHER_RUN, empty, RUN])
        assert [[one.last for one in each] for each in found if isinstance(each, list)] == [
            [],
            [2.0],
            [],
            [1.0],
        ]
        store.delete(RUN)
        assert store.summaries([RUN]) == [[]]
        assert store.summaries([]) == []

    # Following

    def test_a_created_component_is_known(self, door: Door, store: Store) -> None:
        """A component without points exists for everyone, after a restart too."""
        store.create(RUN)
        store.create(RUN)
        for each in (store, door.open(), door.reopen()):
            assert each.has_component(RUN)
            assert each.list_series(RUN) == []
            assert values_of(each) == []
            assert [new.component for new in each.components_since(0)[0]] == [RUN]

    def test_creating_what_exists_changes_nothing(self, store: Store) -> None:
        """A component keeps its points and its time; a put goes to the one that was created."""
        store.append([losses(1.0)])
        before = store.components_since(0)
        store.create(RUN)
        assert store.components_since(0) == before
        assert values_of(store) == [1.0]
        store.create(OTHER_RUN)
        store.append([losses(2.0, component=OTHER_RUN)])
        assert [new.component for new in store.components_since(0)[0]] == [RUN, OTHER_RUN]

    def test_new_components_are_followed(self, door: Door, store: Store) -> None:
        """Each component is told of once, oldest first, with its time; a deleted one is not."""
        other = door.open()
        store.append([losses(1.0)])
        (first,), mark = other.components_since(0)
        door.advance(60)
        other.append([losses(2.0, component=OTHER_RUN)])
        (second,), mark = store.components_since(mark)
        assert (first.component, second.component) == (RUN, OTHER_RUN)
        assert 60_000_000 <= second.created_us - first.created_us < 120_000_000
        store.append([losses(3.0)])
        assert other.components_since(mark) == ([], mark)
        store.delete(OTHER_RUN)
        assert [new.component for new in other.components_since(0)[0]] == [RUN]
        store.append([losses(4.0, component=OTHER_RUN)])
        assert [new.component for new in other.components_since(mark)[0]] == [OTHER_RUN]

    def test_many_new_components(self, store: Store) -> None:
        """Whoever goes on until nothing comes gets every component once, some at a time."""
        components = [Component(RUN.account, f"run-{index}") for index in range(10_500)]
        store.append([losses(1.0, component=component) for component in components])
        found, mark = [], 0
        while True:
            some, mark = store.components_since(mark)
            if not some:
                break
            assert len(some) <= 10_000
            found += [new.component for new in some]
        assert found == components

    def test_changes_are_told(self, door: Door, store: Store, settle: Door | None) -> None:
        """Every answered put is told of, in any opening, whatever form its points have by then."""
        other = door.open()
        store.append([losses(1.0), losses(1.0, component=OTHER_RUN)])
        if settle:
            settle.settle()
        changes, mark = other.changed_since(0)
        stamps = dict(changes)
        assert set(stamps) == {RUN, OTHER_RUN}
        for _ in range(3):
            store.append([losses(2.0)])
            if settle:
                settle.settle()
            changes, mark = other.changed_since(mark)
            changed = {name: stamp for name, stamp in changes if stamps.get(name) != stamp}
            assert set(changed) == {RUN}
            stamps |= changed

    def test_nothing_has_changed(self, door: Door, store: Store) -> None:
        """Without new points nothing is told, or what is told has the stamp that it had."""
        store.append([losses(1.0), losses(1.0, component=OTHER_RUN)])
        stamps = dict(store.changed_since(0)[0])
        _, mark = store.changed_since(0)
        assert dict(store.changed_since(mark)[0]).items() <= stamps.items()
        door.settle()
        _, mark = store.changed_since(mark)
        assert store.changed_since(mark) == ([], mark)
        assert {change.component for change in store.changed_since(0)[0]} == {RUN, OTHER_RUN}

    def test_a_stamp_tells_new_points_of_one_mark(self, door: Door, store: Store) -> None:
        """Asked again from the same mark, a component with new points has another stamp."""
        store.append([losses(1.0)])
        door.settle()
        seen = set()
        for index in range(4):
            ((_, stamp),) = store.changed_since(0)[0]
            seen.add(stamp)
            store.append([losses(float(index))])
        assert len(seen) == 4

    def test_changes_after_a_delete(self, door: Door, store: Store) -> None:
        """A deleted component is not told of, and hides no later change of another."""
        store.append([losses(1.0, component=OTHER_RUN)])
        door.settle()
        store.append([losses(1.0)])
        door.settle()
        _, mark = store.changed_since(0)
        store.delete(RUN)
        assert [change.component for change in store.changed_since(0)[0]] == [OTHER_RUN]
        door.settle()
        store.append([losses(2.0, component=OTHER_RUN)])
        door.settle()
        changes, _ = store.changed_since(mark)
        assert [change.component for change in changes] == [OTHER_RUN]
