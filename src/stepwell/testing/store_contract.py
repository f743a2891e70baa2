"""The store contract: every rule of `stepwell.store.protocol` as a test that any store can take.

A store's tests subclass `StoreContract`, say how to open the store, and get every test:

    class TestMyStore(StoreContract):
        @pytest.fixture
        def door(self, tmp_path):
            return MyDoor(tmp_path)

The stateful comparison with a dictionary is in `store_machine`. Needs pytest.
"""

from __future__ import annotations

import math
import struct
import threading

import numpy as np
import pytest

from stepwell.model.errors import UnknownComponentError
from stepwell.model.limits import Limits
from stepwell.model.names import Component
from stepwell.model.points import NO_STEP, ItemError, ItemErrorCode, Outcome
from stepwell.store.protocol import SeriesKey, StepRange, Store, TimeRange
from stepwell.testing.doors import (
    NOW_US,
    OTHER_RUN,
    RUN,
    Door,
    bits,
    losses,
    put_of,
    series_of,
    values_of,
)
from stepwell.testing.following_contract import FollowingContract
from stepwell.testing.viewing_contract import ViewingContract


class StoreContract(FollowingContract, ViewingContract):
    """Every rule as a test. Subclasses give the fixture `door`."""

    # Points

    def test_an_answered_put_is_in_every_read(self, door: Door, store: Store) -> None:
        """What append has returned is read at once, through another opening of the data too."""
        other = door.open()
        assert store.append([losses(1.0, 2.0)]) == [Outcome((), 2)]
        assert values_of(store) == values_of(other) == [1.0, 2.0]

    def test_points_survive_a_restart(self, door: Door, store: Store) -> None:
        """Closing and opening again loses nothing."""
        store.append([losses(1.0)])
        assert values_of(door.reopen()) == [1.0]

    def test_points_are_never_merged(self, store: Store, settle: Door | None) -> None:
        """Equal points at one step and instant are all kept."""
        store.append([put_of(*[("loss", 5, NOW_US, 1.0)] * 8)])
        store.append([put_of(("loss", 5, NOW_US, 1.0))])
        if settle:
            settle.settle()
        assert values_of(store) == [1.0] * 9

    def test_order_of_arrival_is_kept(self, door: Door, store: Store) -> None:
        """Points come back as they came, whatever their steps and times say."""
        rng = np.random.default_rng(1)
        expected = []
        for round_ in range(6):
            points = [
                ("loss", int(rng.integers(0, 9)), NOW_US - round_, float(rng.normal()))
                for _ in range(50)
            ]
            store.append([put_of(*points)])
            expected += [value for *_, value in points]
            if round_ % 2:
                door.settle()
        assert values_of(store) == expected

    def test_every_float_is_kept_to_the_bit(self, store: Store, settle: Door | None) -> None:
        """NaN with its payload, infinities, -0.0, denormals and extreme values come back."""
        payload = struct.unpack("<d", struct.pack("<Q", 0x7FF8_0000_0000_0123))[0]
        values = [math.nan, payload, math.inf, -math.inf, -0.0, 0.0, 5e-324, 1.7e308, -1.7e308]
        store.append([losses(*values)])
        if settle:
            settle.settle()
        assert bits(values_of(store)) == bits(values)

    def test_extreme_steps_and_times_are_kept(self, store: Store, settle: Door | None) -> None:
        """Steps up to 2^53-1 and without step, times from 1970 to 9999."""
        last_us = 253_402_300_799_999_999
        steps, times = [0, NO_STEP, 2**53 - 1, 2**31], [0, last_us, 1, NOW_US]
        store.append(
            [put_of(*[("loss", step, time, 1.0) for step, time in zip(steps, times, strict=True)])]
        )
        if settle:
            settle.settle()
        points = series_of(store).points()
        assert points.steps.tolist() == steps
        assert points.timestamps_us.tolist() == times

    def test_a_put_of_many_metrics_is_split(self, store: Store, settle: Door | None) -> None:
        """Each metric of a put gets its own points, in the put's order."""
        points = [(f"m{index % 7}", index, NOW_US, float(index)) for index in range(1000)]
        store.append([put_of(*points)])
        if settle:
            settle.settle()
        for metric in range(7):
            assert values_of(store, f"m{metric}") == [float(i) for i in range(metric, 1000, 7)]

    def test_a_group_of_puts_is_answered_one_by_one(self, store: Store) -> None:
        """Puts of one group keep their order, their components and their outcomes."""
        puts = [losses(1.0), losses(2.0, 3.0, component=OTHER_RUN), losses(4.0)]
        assert store.append(puts) == [Outcome((), 1), Outcome((), 2), Outcome((), 1)]
        assert values_of(store) == [1.0, 4.0]
        assert values_of(store, component=OTHER_RUN) == [2.0, 3.0]
        assert store.append([]) == []

    def test_accounts_do_not_see_each_other(self, store: Store) -> None:
        """One name in two accounts is two components."""
        foreign = Component("111111111111", RUN.name)
        store.append([losses(1.0), losses(2.0, component=foreign)])
        assert values_of(store) == [1.0]
        assert values_of(store, component=foreign) == [2.0]

    def test_names_of_any_characters(self, store: Store, settle: Door | None) -> None:
        """Metric names are kept as they are: case, quotes, other scripts, 255 characters."""
        names = ["Loss", "loss", "a b/c'\"%_", "损失 😀", "\x00\x07", "x" * 255, "é" * 255]
        store.append([put_of(*[(name, 0, NOW_US, float(i)) for i, name in enumerate(names)])])
        if settle:
            settle.settle()
        assert [values_of(store, name) for name in names] == [[float(i)] for i in range(len(names))]
        assert sorted(info.metric for info in store.list_series(RUN)) == sorted(names)

    # Reading

    def test_a_range_of_time_is_exact(self, store: Store, settle: Door | None) -> None:
        """A half-open range of time gives just its points, in order of arrival."""
        times = [NOW_US + offset for offset in (5, 3, 9, 3, 7)]
        store.append([put_of(*[("loss", 0, time, float(time - NOW_US)) for time in times])])
        if settle:
            settle.settle()
        assert values_of(store, within=TimeRange(NOW_US + 3, NOW_US + 7)) == [5.0, 3.0, 3.0]
        assert values_of(store, within=TimeRange(NOW_US, NOW_US)) == []

    def test_a_range_of_steps_is_exact(self, store: Store, settle: Door | None) -> None:
        """A half-open range of steps gives just its points, and none without a step."""
        steps = (4, NO_STEP, 2, 8, 2, 0)
        store.append([put_of(*[("loss", step, NOW_US, float(step)) for step in steps])])
        if settle:
            settle.settle()
        assert values_of(store, within=StepRange(0, 8)) == [4.0, 2.0, 2.0, 0.0]
        assert values_of(store, within=StepRange(8, 2**63 - 1)) == [8.0]

    def test_columns_and_counts_agree_with_points(self, store: Store, settle: Door | None) -> None:
        """`column`, `count` and `count_without_step` tell of the same points as `points`."""
        store.append([put_of(*[("loss", i - 1, NOW_US + i, i / 3) for i in range(500)])])
        if settle:
            settle.settle()
        store.append([put_of(("loss", NO_STEP, NOW_US, 0.5))])
        series = series_of(store)
        points = series.points()
        assert series.count == len(points) == 501
        assert series.count_without_step == 2
        for name in ("steps", "timestamps_us", "values"):
            whole = np.concatenate(list(series.column(name)))
            assert np.array_equal(whole, getattr(points, name))

    def test_types_hold_every_number(self, store: Store, settle: Door | None) -> None:
        """A series' types change no bit of it, whichever of its points are the wide ones."""
        single, not_a_number = 0.5, struct.unpack("<d", struct.pack("<Q", 0x7FF8000000000ABC))[0]
        narrow = [("narrow", NO_STEP, NOW_US, -0.0), ("narrow", 2**31 - 1, NOW_US, single)]
        for metric, step, value in [
            ("long steps", 2**31, single),
            ("doubles", 7, 0.1),
            ("payload", 7, not_a_number),
            ("huge", 7, 1e300),
        ]:
            narrow += [(metric, 1, NOW_US, single), (metric, step, NOW_US + 1, value)]
        store.append([put_of(*narrow)])
        if settle:
            settle.settle()
        store.append([put_of(("late", 3, NOW_US, single), ("late", 2**40, NOW_US, 0.1))])
        for metric in {point[0] for point in narrow} | {"late"}:
            series = series_of(store, metric=metric)
            points, types = series.points(), series.types
            for name in ("steps", "timestamps_us", "values"):
                wide = getattr(points, name)
                with np.errstate(over="ignore", invalid="ignore"):
                    again = wide.astype(getattr(types, name)).astype(wide.dtype)
                assert again.tobytes() == wide.tobytes(), (metric, name)

    def test_what_is_not_there(self, store: Store) -> None:
        """An unknown metric is empty, an unknown component an error in its place only."""
        store.append([losses(1.0)])
        nobody = Component(RUN.account, "nobody")
        found = store.read(
            [SeriesKey(nobody, "loss"), SeriesKey(RUN, "nothing"), SeriesKey(RUN, "loss")]
        )
        assert isinstance(found[0], UnknownComponentError)
        assert "nobody" in str(found[0])
        assert [each.count for each in found[1:] if not isinstance(each, Exception)] == [0, 1]
        with pytest.raises(UnknownComponentError):
            store.list_series(nobody)
        assert store.has_component(RUN)
        assert not store.has_component(nobody)
        assert store.read([]) == []

    def test_list_series_counts(self, store: Store, settle: Door | None) -> None:
        """list_series gives every metric by name, with its points so far."""
        store.append([put_of(("b", 0, NOW_US, 1.0), ("a", 0, NOW_US, 1.0))])
        if settle:
            settle.settle()
        store.append([put_of(("b", 1, NOW_US, 1.0))])
        assert [(info.metric, info.count) for info in store.list_series(RUN)] == [
            ("a", 1),
            ("b", 2),
        ]

    # Retries

    def test_a_retry_is_stored_once(self, door: Door, store: Store) -> None:
        """The same id again, here, elsewhere and after a restart, gets the first answer."""
        first = store.append([losses(1.0, put_id="a")])[0]
        assert not first.is_retry
        for again in (store, door.open(), None):
            # The last time round everything was closed in between.
            again = again or door.reopen()  # noqa: PLW2901
            outcome = again.append([losses(1.0, put_id="a")])[0]
            assert (outcome.errors, outcome.stored, outcome.is_retry) == ((), 0, True)
            assert values_of(again) == [1.0]

    def test_a_retry_gets_the_first_answers_errors(self, door: Door, store: Store) -> None:
        """The refused items of the first attempt are answered again, after a restart too."""
        refused = [ItemError(1, ItemErrorCode.VALIDATION_ERROR)]
        put = losses(1.0, put_id="a")
        put.refused, put.item_count, put.positions = refused, 2, [0]
        assert list(store.append([put])[0].errors) == refused
        assert list(store.append([put])[0].errors) == refused
        assert list(door.reopen().append([put])[0].errors) == refused

    def test_a_reused_id_is_a_conflict(self, store: Store) -> None:
        """An id with other content gets CONFLICT_ERROR for every item, and nothing is stored."""
        store.append([losses(1.0, put_id="a")])
        other = losses(2.0, 3.0, put_id="a")
        other.content_crc = 7
        (outcome,) = store.append([other])
        assert list(outcome.errors) == [
            ItemError(index, ItemErrorCode.CONFLICT_ERROR) for index in (0, 1)
        ]
        assert values_of(store) == [1.0]

    def test_ids_belong_to_component_and_owner(self, store: Store) -> None:
        """One id for another component, or from another key, is another put."""
        foreign = losses(3.0, put_id="a")
        foreign.owner = "another key"
        puts = [losses(1.0, put_id="a"), losses(2.0, component=OTHER_RUN, put_id="a"), foreign]
        assert [outcome.stored for outcome in store.append(puts)] == [1, 1, 1]
        assert values_of(store) == [1.0, 3.0]

    def test_a_retry_within_one_group(self, store: Store) -> None:
        """A retry that waits together with its first attempt is stored once."""
        outcomes = store.append([losses(1.0, put_id="a"), losses(1.0, put_id="a")])
        assert [(outcome.stored, outcome.is_retry) for outcome in outcomes] == [
            (1, False),
            (0, True),
        ]
        assert values_of(store) == [1.0]

    def test_puts_without_id_are_all_stored(self, store: Store) -> None:
        """Without an id there is nothing to tell a retry by."""
        store.append([losses(1.0), losses(1.0)])
        assert values_of(store) == [1.0, 1.0]

    def test_ids_are_forgotten_in_time(self, door: Door) -> None:
        """An id is known for `idempotency_s`, across a restart, and not for ever."""
        limits = Limits.of("stepwell", {"idempotency_s": 60})
        store = door.open(limits)
        store.append([losses(1.0, put_id="a")])
        door.advance(50)
        assert store.append([losses(1.0, put_id="a")])[0].is_retry
        assert door.reopen(limits).append([losses(1.0, put_id="a")])[0].is_retry
        door.advance(120)
        assert not door.reopen(limits).append([losses(1.0, put_id="a")])[0].is_retry

    def test_one_id_in_two_stores_at_once(self, door: Door) -> None:
        """Two processes that get one put at the same time store it once and answer alike."""
        stores = [door.open(), door.open()]
        rounds = 40
        outcomes: list[list[Outcome]] = [[], []]
        barrier = threading.Barrier(2)

        def run(side: int) -> None:
            for index in range(rounds):
                barrier.wait()
                outcomes[side] += stores[side].append([losses(float(index), put_id=f"{index}")])

        threads = [threading.Thread(target=run, args=(side,)) for side in (0, 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for left, right in zip(*outcomes, strict=True):
            assert left.stored + right.stored == 1
            assert left.errors == right.errors == ()
        assert values_of(stores[0]) == [float(index) for index in range(rounds)]

    # Limits

    def test_the_limit_on_metrics(self, door: Door) -> None:
        """New names past the limit are refused item by item; known ones go on."""
        store = door.open(Limits.of("stepwell", {"metrics_per_component": 2}))
        store.append([put_of(("a", 0, NOW_US, 1.0))])
        put = put_of(*[(name, 1, NOW_US, 1.0) for name in ("b", "c", "a")], put_id="x")
        put.refused, put.item_count, put.positions = (
            [ItemError(1, ItemErrorCode.VALIDATION_ERROR)],
            4,
            [0, 2, 3],
        )
        expected = [
            ItemError(1, ItemErrorCode.VALIDATION_ERROR),
            ItemError(2, ItemErrorCode.METRIC_LIMIT_EXCEEDED),
        ]
        (outcome,) = store.append([put])
        assert (list(outcome.errors), outcome.stored) == (expected, 2)
        assert list(store.append([put])[0].errors) == expected
        assert [len(values_of(store, name)) for name in ("a", "b", "c")] == [2, 1, 0]

    def test_the_limit_on_points(self, door: Door) -> None:
        """Points past a component's limit are refused, the first ones stored; others go on."""
        store = door.open(Limits.of("stepwell", {"points_per_component": 3}))
        store.append([losses(1.0, 2.0)])
        door.settle()
        outcomes = store.append([losses(3.0, 4.0), losses(5.0), losses(6.0, component=OTHER_RUN)])
        assert [list(outcome.errors) for outcome in outcomes] == [
            [ItemError(1, ItemErrorCode.METRIC_LIMIT_EXCEEDED)],
            [ItemError(0, ItemErrorCode.METRIC_LIMIT_EXCEEDED)],
            [],
        ]
        assert values_of(store) == [1.0, 2.0, 3.0]

    # Deleting

    def test_delete_is_at_once_and_for_everyone(
        self, door: Door, store: Store, settle: Door | None
    ) -> None:
        """After a delete no reader finds the component, and compaction does not bring it back."""
        other = door.open()
        store.append([losses(1.0), losses(2.0, component=OTHER_RUN)])
        if settle:
            settle.settle()
        assert values_of(other) == [1.0]
        store.delete(RUN)
        for each in (store, other):
            with pytest.raises(UnknownComponentError):
                values_of(each)
            assert not each.has_component(RUN)
            assert values_of(each, component=OTHER_RUN) == [2.0]
        with pytest.raises(UnknownComponentError):
            store.delete(RUN)
        door.settle()
        assert not store.has_component(RUN)

    def test_a_component_made_again_is_empty(self, door: Door, store: Store) -> None:
        """A put after the delete makes a new component, without the old points."""
        other = door.open()
        store.append([losses(1.0)])
        other.append([losses(2.0)])
        store.delete(RUN)
        door.advance(1)
        other.append([losses(3.0)])
        assert values_of(store) == [3.0]
        door.settle()
        assert values_of(door.reopen()) == [3.0]

    def test_a_put_in_flight_is_a_conflict(self, door: Door, store: Store) -> None:
        """A put that came before its component was deleted gets CONFLICT_ERROR."""
        store.append([losses(1.0)])
        other = door.open()
        late = losses(2.0, 3.0)
        late.received_us = 0
        store.delete(RUN)
        for each in (store, other):
            (outcome,) = each.append([late])
            assert [error.code for error in outcome.errors] == [ItemErrorCode.CONFLICT_ERROR] * 2
        assert not store.has_component(RUN)
