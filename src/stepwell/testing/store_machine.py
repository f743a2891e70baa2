"""A store against a dictionary: hypothesis drives both through puts, retries, restarts and deletes.

    class TestMyStoreAgainstModel:
        def test_it(self):
            run_machine(make_door)

Needs hypothesis.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from stepwell.model.errors import StoreError, UnknownComponentError
from stepwell.model.names import Component
from stepwell.model.points import NO_STEP
from stepwell.model.summaries import MetricSummary
from stepwell.store.protocol import SeriesKey, StepRange, Store
from stepwell.testing.doors import Door, bits, put_of
from stepwell.testing.reference import ReferencePoint, summary, summary_difference
from stepwell.testing.viewing_contract import viewed

_COMPONENTS = [Component("000000000000", name) for name in ("a", "b")]
_METRICS = ["loss", "accuracy", "x"]
_points = st.lists(
    st.tuples(
        st.sampled_from(_METRICS),
        st.one_of(st.just(NO_STEP), st.integers(0, 5), st.integers(0, 2**53 - 1)),
        st.integers(0, 253_402_300_799_999_999),
        st.floats(),
    ),
    min_size=1,
    max_size=30,
)


def run_machine(make_door: Callable[[], Any], examples: int = 30) -> None:
    """Compare the store behind a door with a dictionary.

    Args:
        make_door: gives a context manager whose value is a `Door` to a store without data.
        examples: how many sequences to try.
    """

    class Machine(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.context = make_door()
            self.door: Door = self.context.__enter__()
            self.stores: list[Store] = [self.door.open()]
            self.points: dict[SeriesKey, list[tuple[int, int, float]]] = {}
            self.ids: dict[str, Any] = {}
            self.changes_mark = self.components_mark = 0
            self.stamps: dict[Component, int] = {}
            self.followed: dict[Component, list[MetricSummary] | StoreError] = {}
            self.known: set[Component] = set()

        @rule(component=st.sampled_from(_COMPONENTS), points=_points, side=st.integers(0, 1))
        def put(self, component: Component, points: list[Any], side: int) -> None:
            put_id = f"id-{len(self.ids)}"
            put = put_of(*points, component=component, put_id=put_id)
            self.ids[put_id] = put
            (outcome,) = self.stores[side % len(self.stores)].append([put])
            assert (list(outcome.errors), outcome.stored) == ([], len(points))
            for metric, *point in points:
                self.points.setdefault(SeriesKey(component, metric), []).append(tuple(point))

        @rule(data=st.data(), side=st.integers(0, 1))
        def retry(self, data: st.DataObject, side: int) -> None:
            if self.ids:
                put_id = data.draw(st.sampled_from(sorted(self.ids)))
                (outcome,) = self.stores[side % len(self.stores)].append([self.ids[put_id]])
                assert outcome.is_retry

        @rule()
        def settle(self) -> None:
            self.door.settle()

        @rule()
        def restart(self) -> None:
            self.stores = [self.door.reopen()]
            # Marks are kept over a restart, stamps are not.
            self.stamps.clear()

        @rule()
        def another_process(self) -> None:
            if len(self.stores) == 1:
                self.stores.append(self.door.open())

        @rule(component=st.sampled_from(_COMPONENTS))
        def delete(self, component: Component) -> None:
            if any(key.component == component for key in self.points):
                self.stores[0].delete(component)
            # Whoever deletes tells those who follow.
            self.known.discard(component)
            self.followed.pop(component, None)
            self.points = {
                key: points for key, points in self.points.items() if key.component != component
            }

        @rule(start=st.integers(0, 6), stop=st.integers(0, 6))
        def read_range(self, start: int, stop: int) -> None:
            for key, points in self.points.items():
                (series,) = self.stores[0].read([key], StepRange(start, stop))
                assert not isinstance(series, Exception)
                expected = [value for step, _, value in points if start <= step < stop]
                assert bits(series.points().values.tolist()) == bits(expected)

        @invariant()
        def summaries_see_everything(self) -> None:
            for store in self.stores:
                for component, found in zip(_COMPONENTS, store.summaries(_COMPONENTS), strict=True):
                    self._check_summaries(component, found)

        @rule(side=st.integers(0, 1))
        def follow(self, side: int) -> None:
            """Refresh only what the store says has changed, as the catalog does."""
            store = self.stores[side % len(self.stores)]
            changed, self.changes_mark = store.changed_since(self.changes_mark)
            names = {key.component for key in self.points}
            assert {component for component, _ in changed} <= names
            for component, stamp in changed:
                if self.stamps.get(component) != stamp:
                    self.stamps[component] = stamp
                    (self.followed[component],) = store.summaries([component])
            while True:
                created, self.components_mark = store.components_since(self.components_mark)
                if not created:
                    break
                self.known |= {new.component for new in created}
            assert self.known == names
            for component in names:
                self._check_summaries(component, self.followed.get(component, []))

        def _check_summaries(
            self, component: Component, found: list[MetricSummary] | StoreError
        ) -> None:
            assert not isinstance(found, StoreError)
            expected = {
                key.metric: summary(
                    [
                        ReferencePoint(None if step < 0 else step, timestamp_us, value)
                        for step, timestamp_us, value in points
                    ]
                )
                for key, points in self.points.items()
                if key.component == component
            }
            assert [each.metric for each in found] == sorted(expected)
            for each in found:
                assert summary_difference(expected[each.metric], each) is None

        @invariant()
        def reads_see_everything(self) -> None:
            keys = [SeriesKey(component, name) for component in _COMPONENTS for name in _METRICS]
            alive = {key.component for key in self.points}
            for store in self.stores:
                for key, series in zip(keys, store.read(keys), strict=True):
                    if key.component not in alive:
                        assert isinstance(series, UnknownComponentError)
                        continue
                    assert not isinstance(series, Exception)
                    points = series.points()
                    expected = self.points.get(key, [])
                    assert points.steps.tolist() == [step for step, _, _ in expected]
                    assert points.timestamps_us.tolist() == [time for _, time, _ in expected]
                    assert bits(points.values.tolist()) == bits([v for *_, v in expected])

        @invariant()
        def views_see_everything(self) -> None:
            for store in self.stores:
                for key, points in self.points.items():
                    found = viewed(store, key)
                    assert [each[:2] for each in found] == [each[:2] for each in points]
                    assert bits([each[2] for each in found]) == bits([v for *_, v in points])

        def teardown(self) -> None:
            self.context.__exit__(None, None, None)

    run_state_machine_as_test(
        Machine, settings=settings(max_examples=examples, stateful_step_count=20, deadline=None)
    )
