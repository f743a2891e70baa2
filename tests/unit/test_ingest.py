"""Ingest: what is admitted, what is committed together, and that everyone is told."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence

import pytest

from stepwell.ingest import Answer, Ingest, Ticket
from stepwell.model.errors import StoreDefectError, StoreUnavailableError, ThrottledError
from stepwell.model.limits import Limits
from stepwell.model.names import DEFAULT_ACCOUNT, Component
from stepwell.model.points import ItemErrorCode, Outcome, Put
from stepwell.store.protocol import SeriesInfo

WAIT_S = 30

Group = list[tuple[Ticket, Answer]]


class ScriptedStore:
    """A store of which `append` does what a test says, and which can be held."""

    def __init__(self) -> None:
        """Store everything at once."""
        self.groups: list[list[Put]] = []
        self.known: set[str] = set()
        self.on_append: Callable[[Sequence[Put]], None] = lambda _puts: None
        self.may_append = threading.Event()
        self.may_append.set()
        self.appending = threading.Event()

    def append(self, puts: Sequence[Put]) -> list[Outcome]:
        """Note the group, and store it unless the script raises."""
        self.appending.set()
        assert self.may_append.wait(WAIT_S)
        self.groups.append(list(puts))
        self.on_append(puts)
        return [Outcome(stored=put.item_count) for put in puts]

    def has_component(self, component: Component) -> bool:
        """Say whether the test made it."""
        return component.name in self.known

    def read(self, keys: object, within: object = None) -> list[object]:  # type: ignore[empty-body]
        """Never called."""

    def list_series(self, component: Component) -> list[SeriesInfo]:  # type: ignore[empty-body]
        """Never called."""

    def delete(self, component: Component) -> None:
        """Never called."""

    def close(self) -> None:
        """Never called."""


class Bench:
    """An ingest over a scripted store, and the groups that it has delivered."""

    def __init__(self, limits: Limits) -> None:
        """Start it."""
        self.store = ScriptedStore()
        self.delivered: queue.SimpleQueue[Group] = queue.SimpleQueue()
        self.noted: list[tuple[int, list[Answer]]] = []
        self.ingest = Ingest(
            self.store,  # type: ignore[arg-type]
            limits,
            lambda group: self.delivered.put(list(group)),
            observer=self,
        )

    def committed(
        self, tickets: Sequence[Ticket], answers: Sequence[Answer], seconds: float
    ) -> None:
        """Note a group. See `ingest.Observer`."""
        assert seconds >= 0
        self.noted.append((len(tickets), list(answers)))

    def submit(self, *names: str, items: int = 1) -> None:
        """Hand over a put for each of the components."""
        for name in names:
            self.ingest.submit(Ticket(put_for(name, items), 100, name))

    def answers(self, count: int) -> dict[object, Answer]:
        """Wait until so many puts are answered; give each caller's answer."""
        found: dict[object, Answer] = {}
        while len(found) < count:
            for ticket, answer in self.delivered.get(timeout=WAIT_S):
                assert ticket.caller not in found
                found[ticket.caller] = answer
        return found


def put_for(name: str, items: int = 1) -> Put:
    """Make a put."""
    return Put(
        Component(DEFAULT_ACCOUNT, name),
        ["m"] * items,
        [0] * items,
        [0] * items,
        [0.0] * items,
        item_count=items,
    )


@pytest.fixture
def make_bench() -> Iterator[Callable[..., Bench]]:
    """Give a function that starts an ingest with some limits; all are closed in the end."""
    made: list[Bench] = []

    def make(profile: str = "stepwell", **limits: int) -> Bench:
        made.append(Bench(Limits.of(profile, limits)))
        return made[-1]

    yield make
    for bench in made:
        bench.store.may_append.set()
        bench.ingest.close()


def test_a_put_is_answered(make_bench: Callable[..., Bench]) -> None:
    """A put is handed to the store, its caller is told, and the observer too."""
    bench = make_bench()
    bench.submit("a", items=3)
    assert bench.answers(1) == {"a": Outcome(stored=3)}
    assert bench.noted == [(1, [Outcome(stored=3)])]


def test_whoever_waits_is_committed_together(make_bench: Callable[..., Bench]) -> None:
    """Puts that come while a commit runs are one group, in their order."""
    bench = make_bench()
    bench.store.may_append.clear()
    bench.submit("first")
    assert bench.store.appending.wait(WAIT_S)
    names = [f"c{index}" for index in range(50)]
    bench.submit(*names)
    bench.store.may_append.set()
    assert set(bench.answers(51)) == {"first", *names}
    sizes = [[put.component.name for put in group] for group in bench.store.groups]
    assert sizes == [["first"], names]


@pytest.mark.parametrize(("count", "items", "groups"), [(2_500, 1, 3), (5, 100_000, 3)])
def test_groups_are_bounded(
    make_bench: Callable[..., Bench], count: int, items: int, groups: int
) -> None:
    """A group has at most 1,024 puts, and takes no further one from 200,000 points on."""
    bench = make_bench()
    bench.store.may_append.clear()
    bench.submit("first")
    assert bench.store.appending.wait(WAIT_S)
    bench.submit(*(f"c{index}" for index in range(count)), items=items)
    bench.store.may_append.set()
    bench.answers(count + 1)
    sizes = [len(group) for group in bench.store.groups[1:]]
    assert (len(sizes), sum(sizes)) == (groups, count)
    assert max(sizes) <= 1_024


def test_a_store_that_is_away(make_bench: Callable[..., Bench]) -> None:
    """Where nothing can be committed each put gets the store's error, and later ones are stored."""
    bench = make_bench()
    error = StoreUnavailableError("the disk is full")

    def fail(_puts: Sequence[Put]) -> None:
        raise error

    bench.store.on_append = fail
    bench.submit("a", "b")
    assert bench.answers(2) == {"a": error, "b": error}
    bench.store.on_append = lambda _puts: None
    bench.submit("c")
    assert bench.answers(1) == {"c": Outcome(stored=1)}


def test_one_bad_put_takes_no_others_along(make_bench: Callable[..., Bench]) -> None:
    """A put on which the store fails unexpectedly is refused, and its group's others are stored."""
    bench = make_bench()

    def fail(puts: Sequence[Put]) -> None:
        if any(put.component.name == "bad" for put in puts):
            raise ZeroDivisionError

    bench.store.may_append.clear()
    bench.submit("first")
    assert bench.store.appending.wait(WAIT_S)
    bench.store.on_append = fail
    bench.submit("a", "bad", "b")
    bench.store.may_append.set()
    found = bench.answers(4)
    assert isinstance(found.pop("bad"), StoreDefectError)
    assert found == {name: Outcome(stored=1) for name in ("first", "a", "b")}


def test_unknown_components_of_the_aws_profile(make_bench: Callable[..., Bench]) -> None:
    """Where puts create no components, each item for an unknown one is a VALIDATION_ERROR."""
    bench = make_bench("aws")
    bench.store.known = {"known"}
    bench.store.may_append.clear()
    bench.submit("known")
    assert bench.store.appending.wait(WAIT_S)
    bench.submit("unknown", "known2", items=2)
    bench.store.known.add("known2")
    bench.store.may_append.set()
    found = bench.answers(3)
    assert found["known2"] == Outcome(stored=2)
    unknown = found["unknown"]
    assert isinstance(unknown, Outcome)
    assert [(error.index, error.code) for error in unknown.errors] == [
        (0, ItemErrorCode.VALIDATION_ERROR),
        (1, ItemErrorCode.VALIDATION_ERROR),
    ]


def test_bytes_are_bounded(make_bench: Callable[..., Bench]) -> None:
    """More bytes than the bound are refused and hold nothing; released bytes are free again."""
    ingest = make_bench(waiting_bytes_max=100).ingest
    ingest.admit(60)
    with pytest.raises(ThrottledError):
        ingest.admit(41)
    assert (ingest.waiting_bytes, ingest.waiting_puts) == (60, 1)
    ingest.admit(40)
    ingest.release(60)
    ingest.release(40)
    assert (ingest.waiting_bytes, ingest.waiting_puts) == (0, 0)


def test_puts_are_bounded(make_bench: Callable[..., Bench]) -> None:
    """More puts than the bound are refused, however small."""
    ingest = make_bench(waiting_puts_max=2).ingest
    ingest.admit(1)
    ingest.admit(1)
    with pytest.raises(ThrottledError, match="Rate exceeded"):
        ingest.admit(1)


def test_closing_commits_what_waits(make_bench: Callable[..., Bench]) -> None:
    """Whatever was handed over before the end is stored and answered."""
    bench = make_bench()
    bench.store.may_append.clear()
    bench.submit("first")
    assert bench.store.appending.wait(WAIT_S)
    bench.submit("a", "b")
    closing = threading.Thread(target=bench.ingest.close)
    closing.start()
    bench.store.may_append.set()
    closing.join(WAIT_S)
    assert not closing.is_alive()
    assert set(bench.answers(3)) == {"first", "a", "b"}
