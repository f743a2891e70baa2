"""Which ids are remembered, for how long and how many; what a retry is told (rule 2)."""

from __future__ import annotations

import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stepwell.model.limits import Limits
from stepwell.model.names import DEFAULT_ACCOUNT, Component
from stepwell.model.points import ItemError, ItemErrorCode, Outcome, Put
from stepwell.store.protocol import SeriesKey
from stepwell.store.sqlite.idempotency import Committed, IdIndex, fingerprint, pack_ids
from stepwell.store.sqlite.store import EmbeddedStore

SECOND = 1_000_000_000
KEEP_S = 900
START_NS = 1_700_000_000 * SECOND
KEYS = st.integers(0, 2**64 - 1)
ERRORS = (ItemError(2, ItemErrorCode.VALIDATION_ERROR),)

MakeStore = Callable[..., EmbeddedStore]


def committed(key: int, errors: Sequence[ItemError] = ()) -> Committed:
    """Make what is remembered of a key."""
    return Committed(zlib.crc32(key.to_bytes(8, "little")), errors)


def test_an_id_is_found_with_its_answer() -> None:
    """An id is found at once, with its content's CRC and the errors that were answered."""
    index = IdIndex(KEEP_S, 1000)
    index.add({1: committed(1), 2: committed(2, ERRORS)}, START_NS)
    assert index.find([2, 3, 1], START_NS) == {1: committed(1), 2: committed(2, ERRORS)}
    assert len(index) == 2


def test_ids_of_other_processes() -> None:
    """Ids that came as a packed row, with answers, are found like one's own."""
    ids = {2**64 - 1: Committed(7, ERRORS), 0: Committed(8, ())}
    records, answers = pack_ids(ids)
    index = IdIndex(KEEP_S, 1000)
    index.add_group(records, answers, START_NS)
    found = index.find(list(ids), START_NS)
    assert {key: each.crc for key, each in found.items()} == {2**64 - 1: 7, 0: 8}
    assert list(found[2**64 - 1].errors) == list(ERRORS)
    assert list(found[0].errors) == []


@pytest.mark.parametrize("count", [1, 10, 200, 2_000])
def test_ids_are_kept_for_their_time(count: int) -> None:
    """Every id is found until its time is over, and all are gone soon after that."""
    index = IdIndex(KEEP_S, 100_000)
    for key in range(count):
        index.add({key: committed(key)}, START_NS + key * SECOND // count)
    end = START_NS + KEEP_S * SECOND
    assert index.find(range(count), end) == {key: committed(key) for key in range(count)}
    # An eighth of the time is forgotten as one.
    later = end + (KEEP_S // 8 + 2) * SECOND
    assert index.find(range(count), later) == {}
    assert len(index) == 0


@pytest.mark.parametrize("ids_max", [1, 2, 8, 100, 1_000])
def test_no_more_than_the_bound(ids_max: int) -> None:
    """There are never more ids than the bound; the newest seven eighths of that are found."""
    index = IdIndex(KEEP_S, ids_max)
    count = 3 * ids_max + 5
    for key in range(count):
        index.add({key: committed(key)}, START_NS + key)
        assert len(index) <= ids_max
    newest = range(count - ids_max * 7 // 8, count)
    assert set(index.find(newest, START_NS + count)) == set(newest)


def test_many_at_once() -> None:
    """One transaction may add more ids than are kept at all; the bound holds then, too."""
    index = IdIndex(KEEP_S, 100)
    index.add({key: committed(key) for key in range(1_000)}, START_NS)
    assert len(index) <= 100


def test_a_hundred_thousand_ids_in_groups() -> None:
    """Ids added by the thousand are all found when asked for by the thousand, and no others."""
    index = IdIndex(KEEP_S, 5_000_000)
    keys = [key * 0x9E3779B97F4A7C15 % 2**64 for key in range(100_000)]
    for start in range(0, len(keys), 1_000):
        now_ns = START_NS + start * 1_000
        index.add({key: committed(key) for key in keys[start : start + 1_000]}, now_ns)
    for start in range(0, len(keys), 10_000):
        some = keys[start : start + 1_000]
        strangers = [key ^ 1 for key in some]
        found = index.find([*some, *strangers], START_NS + SECOND)
        assert found == {key: committed(key) for key in some}


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(st.lists(KEYS, max_size=5, unique=True), st.integers(0, KEEP_S // 3)),
        max_size=40,
    ),
    st.sampled_from([64, 1_000]),
)
def test_agrees_with_a_dictionary(steps: list[tuple[list[int], int]], ids_max: int) -> None:
    """Over any sequence of puts and pauses the index finds what a dictionary with dates does."""
    index = IdIndex(KEEP_S, ids_max)
    kept: OrderedDict[int, int] = OrderedDict()
    now_ns = START_NS
    for keys, pause_s in steps:
        now_ns += pause_s * SECOND
        found = index.find(keys, now_ns)
        new = {key: committed(key, ERRORS if key % 3 == 0 else ()) for key in keys}
        assert all(found[key] == new[key] for key in found)
        young = [key for key, at_ns in kept.items() if at_ns >= now_ns - KEEP_S * SECOND]
        must = set(young[-(ids_max * 7 // 8 - 5) :])
        assert must & set(keys) <= found.keys()
        dead = {key for key, at_ns in kept.items() if at_ns < now_ns - KEEP_S * SECOND * 5 // 4}
        assert not dead & found.keys()
        fresh = {key: value for key, value in new.items() if key not in found}
        index.add(fresh, now_ns)
        for key in fresh:
            kept.pop(key, None)
            kept[key] = now_ns
        assert len(index) <= ids_max


def test_fingerprints_tell_everything_apart() -> None:
    """The owner, the account, the component and the id each make another fingerprint."""
    parts = [("o", "1", "c", "i"), ("p", "1", "c", "i"), ("o", "2", "c", "i")]
    parts += [
        ("o", "1", "d", "i"),
        ("o", "1", "c", "j"),
        ("o1", "", "c", "i"),
        ("", "o1", "c", "i"),
    ]
    seen = {
        fingerprint(Put(Component(account, name), [], [], [], [], 0, owner=owner, put_id=put_id))
        for owner, account, name, put_id in parts
    }
    assert len(seen) == len(parts)
    assert all(0 <= key < 2**64 for key in seen)


class Clock:
    """A clock that tests set."""

    def __init__(self) -> None:
        """Start somewhere in 2023."""
        self.now_ns = START_NS

    def __call__(self) -> int:
        """Tell the time; it never stands still."""
        self.now_ns += 1_000
        return self.now_ns


@pytest.fixture
def clock() -> Clock:
    """Give a clock."""
    return Clock()


@pytest.fixture
def open_store(folder: Path, clock: Clock) -> Iterator[MakeStore]:
    """Give a function that opens the folder with the clock; all are closed in the end."""
    stores: list[EmbeddedStore] = []

    def make(**limits: int) -> EmbeddedStore:
        if stores:
            stores.pop().close()
        stores.append(EmbeddedStore(folder, Limits.of("stepwell", limits), now_ns=clock))
        return stores[-1]

    yield make
    for store in stores:
        store.close()


def put(
    content: str = "x", *, put_id: str | None = "id", points: int = 2, component: str = "run"
) -> Put:
    """Make a put whose content is told by its CRC; no points: every item was refused."""
    refused = [] if points else [ItemError(0, ItemErrorCode.VALIDATION_ERROR)]
    return Put(
        Component(DEFAULT_ACCOUNT, component),
        [f"metric-{index}" for index in range(points)],
        [0] * points,
        [1] * points,
        [1.0] * points,
        item_count=points or 1,
        refused=refused,
        put_id=put_id,
        content_crc=zlib.crc32(content.encode()),
    )


def stored(store: EmbeddedStore, component: str = "run") -> int:
    """Count a component's points, by reading them."""
    key = Component(DEFAULT_ACCOUNT, component)
    if not store.has_component(key):
        return 0
    infos = store.list_series(key)
    found = store.read([SeriesKey(key, info.metric) for info in infos])
    return sum(0 if isinstance(each, Exception) else len(each.points()) for each in found)


def conflicts(count: int) -> list[ItemError]:
    """Give the answer to a put whose id was used with other content."""
    return [ItemError(index, ItemErrorCode.CONFLICT_ERROR) for index in range(count)]


def ask(store: EmbeddedStore, *puts: Put) -> list[Outcome]:
    """Append puts as one group."""
    return store.append(list(puts))


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize("seconds", [0, 1, KEEP_S - 1])
def test_a_retry_stores_nothing(
    open_store: MakeStore, clock: Clock, seconds: int, *, restarts: bool
) -> None:
    """For 15 minutes the same id and content get the first answer and store nothing."""
    store = open_store()
    first = ask(store, put())[0]
    clock.now_ns += seconds * SECOND
    if restarts:
        store = open_store()
    second = ask(store, put())[0]
    assert (first.stored, second.stored, second.is_retry) == (2, 0, True)
    assert list(second.errors) == list(first.errors) == []
    assert stored(store) == 2


def test_an_old_id_is_a_new_put(open_store: MakeStore, clock: Clock) -> None:
    """Well after its time an id means a new put."""
    store = open_store()
    ask(store, put())
    clock.now_ns += 2 * KEEP_S * SECOND
    assert ask(store, put())[0].stored == 2
    assert stored(store) == 4


def test_other_content_conflicts(open_store: MakeStore) -> None:
    """An id that comes again with other content gives each item CONFLICT_ERROR."""
    store = open_store()
    ask(store, put("x"))
    outcome = ask(store, put("y", points=3))[0]
    assert (outcome.stored, list(outcome.errors)) == (0, conflicts(3))
    assert stored(store) == 2


def test_another_component_is_another_put(open_store: MakeStore) -> None:
    """The same id for another component, or no id at all, has nothing to do with the first."""
    store = open_store()
    outcomes = ask(store, put(), put(component="other"), put(put_id=None), put(put_id=None))
    assert [outcome.stored for outcome in outcomes] == [2, 2, 2, 2]
    assert stored(store) == 6


def test_a_retry_in_the_same_group(open_store: MakeStore) -> None:
    """Two attempts that are committed together count once and get one answer."""
    store = open_store()
    outcomes = ask(store, put(), put(), put("y"))
    assert [outcome.stored for outcome in outcomes] == [2, 0, 0]
    assert list(outcomes[1].errors) == []
    assert list(outcomes[2].errors) == conflicts(2)
    assert stored(store) == 2


def test_a_refused_retry_in_the_same_group(open_store: MakeStore) -> None:
    """Where the first attempt stored nothing for a limit, its retry beside it is told the same."""
    store = open_store(metrics_per_component=1)
    ask(store, put(put_id=None, points=1))
    over = put(points=1)
    over.metrics = ["one-too-many"]
    outcomes = ask(store, over, over)
    assert list(outcomes[0].errors) == [ItemError(0, ItemErrorCode.METRIC_LIMIT_EXCEEDED)]
    assert list(outcomes[1].errors) == list(outcomes[0].errors)


def test_nothing_is_answered_that_is_not_stored(open_store: MakeStore) -> None:
    """A put beside one of its id that stored nothing is stored, or each of its items is refused.

    The id was never committed, so this put's own content decides; an answer without errors for
    points that are nowhere would be a silent loss.
    """
    store = open_store()
    outcomes = ask(store, put("x", points=0), put("y", points=3))
    refused = len(list(outcomes[1].errors))
    assert stored(store) == outcomes[1].stored == 3 - refused
    assert all(error.index < 3 for error in outcomes[1].errors)


def test_errors_are_remembered(open_store: MakeStore) -> None:
    """A retry of a put that was stored in part gets the same errors, also after a restart."""
    store = open_store(metrics_per_component=1)
    first = ask(store, put())[0]
    assert [error.code.name for error in first.errors] == ["METRIC_LIMIT_EXCEEDED"]
    assert list(ask(store, put())[0].errors) == list(first.errors)
    store = open_store(metrics_per_component=1)
    assert list(ask(store, put())[0].errors) == list(first.errors)
    assert stored(store) == 1
