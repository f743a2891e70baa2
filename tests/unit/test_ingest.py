"""Ingest: what is admitted, what is committed together, and that everyone is told."""

from __future__ import annotations

import functools
import socket
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from stepwell.ingest.admission import Ingest
from stepwell.ingest.committing import Committer
from stepwell.ingest.frames import Answer, Report, Splitter, decode_put, decode_report, frame
from stepwell.model.errors import StoreDefectError, StoreUnavailableError, ThrottledError
from stepwell.model.limits import Limits
from stepwell.model.names import DEFAULT_ACCOUNT, Component
from stepwell.model.points import ItemErrorCode, Outcome, Put
from stepwell.store.protocol import SeriesInfo

WAIT_S = 30


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
    """An ingest, a committer over a scripted store, and the reports that were taken."""

    def __init__(self, limits: Limits) -> None:
        """Start it."""
        self.store = ScriptedStore()
        self.reports: list[Report] = []
        self._told: dict[object, Answer] = {}
        #: Of this component's puts the content is destroyed on its way.
        self.garbled = ""
        self._splitter = Splitter()
        self.link, theirs = socket.socketpair()
        self.link.settimeout(WAIT_S)
        self._soon: list[Callable[[], None]] = []
        self.ingest = Ingest(limits, self._soon.append, observer=self)
        # The loop's transport holds what the socket does not take; here a thread does.
        self._sending = ThreadPoolExecutor(1)
        self._sent: Future[None] = Future()
        self.ingest.attach(self._send)
        committer = Committer(self.store, limits, [])  # type: ignore[arg-type]
        self.thread = threading.Thread(target=self._serve, args=(committer, theirs))
        self.thread.start()

    @staticmethod
    def _serve(committer: Committer, link: socket.socket) -> None:
        with link:
            committer.serve(link)

    def committed(self, report: Report) -> None:
        """Note a group. See `admission.Observer`."""
        assert report.seconds >= 0
        self.reports.append(report)

    def unavailable(self, count: int) -> None:
        """Never called."""

    def submit(self, *names: str, items: int = 1) -> None:
        """Hand over a put for each of the components."""
        for name in names:
            self.ingest.submit(put_for(name, items), 100, functools.partial(self._tell, name))
        # As at the end of one turn of the loop.
        while self._soon:
            self._soon.pop()()

    def submit_held(self, *names: str, items: int = 1) -> None:
        """Hand over a put, and while the store is held by it, more; then let it go on."""
        self.store.may_append.clear()
        self.submit("first")
        assert self.store.appending.wait(WAIT_S)
        self.submit(*names, items=items)
        if items == 1:
            # All of it is where the committer finds it; more would not fit into a socket.
            self._sent.result(WAIT_S)
        self.store.may_append.set()

    def answers(self, count: int) -> dict[object, Answer]:
        """Wait until so many puts are answered; give each caller's answer."""
        while len(self._told) < count:
            data = self.link.recv(65_536)
            assert data, "the committer is gone"
            for content in self._splitter.feed(data):
                self.ingest.take(decode_report(content))
        told, self._told = self._told, {}
        return told

    def close(self) -> None:
        """Say that no more comes, and wait for the committer's end."""
        self.store.may_append.set()
        self._sending.shutdown()
        self.link.shutdown(socket.SHUT_WR)
        self.thread.join(WAIT_S)
        assert not self.thread.is_alive()

    def _send(self, data: bytes) -> None:
        frames = [
            content if decode_put(content).component.name != self.garbled else b"\xc1"
            for content in Splitter().feed(data)
        ]
        self._sent = self._sending.submit(self.link.sendall, b"".join(map(frame, frames)))

    def _tell(self, name: str, answer: Answer) -> None:
        assert name not in self._told
        self._told[name] = answer


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
        with bench.link:
            bench.close()


def test_a_put_is_answered(make_bench: Callable[..., Bench]) -> None:
    """A put is handed to the store, its caller is told, and the observer too."""
    bench = make_bench()
    bench.submit("a", items=3)
    assert bench.answers(1) == {"a": Outcome(stored=3)}
    assert [report.answers for report in bench.reports] == [[Outcome(stored=3)]]


def test_whoever_waits_is_committed_together(make_bench: Callable[..., Bench]) -> None:
    """Puts that come while a commit runs are one group, in their order."""
    bench = make_bench()
    names = [f"c{index}" for index in range(50)]
    bench.submit_held(*names)
    assert set(bench.answers(51)) == {"first", *names}
    sizes = [[put.component.name for put in group] for group in bench.store.groups]
    assert sizes == [["first"], names]


@pytest.mark.parametrize(("count", "items", "puts_max"), [(2_500, 1, 1_024), (5, 100_000, 2)])
def test_groups_are_bounded(
    make_bench: Callable[..., Bench], count: int, items: int, puts_max: int
) -> None:
    """A group has at most 1,024 puts, and takes no further one from 200,000 points on."""
    bench = make_bench()
    bench.submit_held(*(f"c{index}" for index in range(count)), items=items)
    bench.answers(count + 1)
    sizes = [len(group) for group in bench.store.groups[1:]]
    assert sum(sizes) == count
    assert max(sizes) <= puts_max


def test_a_store_that_is_away(make_bench: Callable[..., Bench]) -> None:
    """Where nothing can be committed each put gets the store's error, and later ones are stored."""
    bench = make_bench()
    error = StoreUnavailableError("the disk is full")

    def fail(_puts: Sequence[Put]) -> None:
        raise error

    bench.store.on_append = fail
    bench.submit("a", "b")
    found = bench.answers(2)
    assert [(name, repr(each)) for name, each in found.items()] == [
        ("a", repr(error)),
        ("b", repr(error)),
    ]
    bench.store.on_append = lambda _puts: None
    bench.submit("c")
    assert bench.answers(1) == {"c": Outcome(stored=1)}


def fail_of_bad(puts: Sequence[Put]) -> None:
    """Fail as no store should, of a group with a put to `bad`."""
    if any(put.component.name == "bad" for put in puts):
        raise ZeroDivisionError


def test_one_bad_put_takes_no_others_along(make_bench: Callable[..., Bench]) -> None:
    """A put on which the store fails unexpectedly is refused, and its group's others are stored."""
    bench = make_bench()
    bench.store.on_append = fail_of_bad
    bench.submit_held("a", "bad", "b")
    found = bench.answers(4)
    defect = found.pop("bad")
    assert isinstance(defect, StoreDefectError)
    assert "ZeroDivisionError" in "".join(traceback.format_exception(defect)), "for the log"
    assert found == {name: Outcome(stored=1) for name in ("first", "a", "b")}


def test_unknown_components_of_the_aws_profile(make_bench: Callable[..., Bench]) -> None:
    """Where puts create no components, each item for an unknown one is a VALIDATION_ERROR."""
    bench = make_bench("aws")
    bench.store.known = {"first", "known2"}
    bench.submit_held("unknown", "known2", items=2)
    found = bench.answers(3)
    assert found["known2"] == Outcome(stored=2)
    unknown = found["unknown"]
    assert isinstance(unknown, Outcome)
    assert [(error.index, error.code) for error in unknown.errors] == [
        (0, ItemErrorCode.VALIDATION_ERROR),
        (1, ItemErrorCode.VALIDATION_ERROR),
    ]


def test_bytes_are_bounded() -> None:
    """More bytes than the bound are refused and hold nothing; of answered puts they are free."""
    ingest = Ingest(Limits.of("stepwell", {"waiting_bytes_max": 100}), lambda send: send())
    ingest.attach(lambda _data: None)
    told: list[Answer] = []
    ingest.submit(put_for("a"), 60, told.append)
    with pytest.raises(ThrottledError):
        ingest.submit(put_for("b"), 41, told.append)
    assert (ingest.waiting_bytes, ingest.waiting_puts) == (60, 1)
    ingest.submit(put_for("b"), 40, told.append)
    ingest.take(Report([Outcome(stored=1)]))
    assert (ingest.waiting_bytes, ingest.waiting_puts) == (40, 1)
    ingest.take(Report([StoreUnavailableError("the disk is full")]))
    assert (ingest.waiting_bytes, ingest.waiting_puts) == (0, 0)
    assert len(told) == 2


def test_puts_are_bounded() -> None:
    """More puts than the bound are refused, however small."""
    ingest = Ingest(Limits.of("stepwell", {"waiting_puts_max": 2}), lambda send: send())
    ingest.attach(lambda _data: None)
    told: list[Answer] = []
    ingest.submit(put_for("a"), 1, told.append)
    ingest.submit(put_for("b"), 1, told.append)
    with pytest.raises(ThrottledError, match="Rate exceeded"):
        ingest.submit(put_for("c"), 1, told.append)


def test_the_end_commits_what_waits(make_bench: Callable[..., Bench]) -> None:
    """Whatever was handed over before the end is stored and answered."""
    bench = make_bench()
    bench.submit_held("a", "b")
    bench.close()
    assert set(bench.answers(3)) == {"first", "a", "b"}


def test_puts_without_a_committer() -> None:
    """While there is no committer puts are refused, and hold nothing."""
    ingest, sent, told = Ingest(Limits(), lambda send: send()), [], []
    with pytest.raises(StoreUnavailableError, match=r"Nothing was stored: .* about to start"):
        ingest.submit(put_for("a"), 100, told.append)
    assert ingest.not_ready
    assert (ingest.waiting_bytes, ingest.waiting_puts) == (0, 0)
    ingest.attach(lambda data: sent.extend(Splitter().feed(data)))
    assert not ingest.not_ready
    ingest.submit(put_for("b"), 100, told.append)
    assert [decode_put(content).component.name for content in sent] == ["b"]


def test_a_committer_that_dies() -> None:
    """Whoever waits is told when the committer is lost, and nothing of it goes to the next one."""
    soon: list[Callable[[], None]] = []
    ingest, sent, told = Ingest(Limits(), soon.append), [], []
    ingest.attach(sent.append)
    ingest.submit(put_for("a"), 100, told.append)
    soon.pop()()
    assert len(sent) == 1
    ingest.submit(put_for("b"), 100, told.append)
    error = StoreUnavailableError("it has ended")
    ingest.detach("gone", error)
    assert told == [error, error]
    assert (ingest.waiting_bytes, ingest.waiting_puts) == (0, 0)
    with pytest.raises(StoreUnavailableError, match="gone"):
        ingest.submit(put_for("c"), 100, told.append)
    ingest.attach(sent.append)
    soon.pop()()
    assert len(sent) == 1
    ingest.submit(put_for("d"), 100, told.append)
    soon.pop()()
    assert len(sent) == 2
    ingest.take(Report([Outcome(stored=1)]))
    assert told[2:] == [Outcome(stored=1)]


def test_a_frame_that_cannot_be_decoded(make_bench: Callable[..., Bench]) -> None:
    """A frame that is no put is answered as a defect, in its place; the others are stored."""
    bench = make_bench()
    bench.garbled = "broken"
    bench.submit_held("a", "broken", "b")
    found = bench.answers(4)
    defect = found.pop("broken")
    assert isinstance(defect, StoreDefectError)
    assert "msgspec" in "".join(traceback.format_exception(defect)), "for the log"
    assert found == {name: Outcome(stored=1) for name in ("first", "a", "b")}
    bench.submit("broken")
    assert isinstance(bench.answers(1)["broken"], StoreDefectError)


def test_what_is_committed_put_by_put_is_reported_so(make_bench: Callable[..., Bench]) -> None:
    """After an unexpected failure each put has a report of its own: its committer gets on."""
    bench = make_bench()
    bench.store.on_append = fail_of_bad
    bench.submit_held("a", "bad", "b")
    bench.answers(4)
    assert [len(report.answers) for report in bench.reports] == [1, 1, 1, 1]
