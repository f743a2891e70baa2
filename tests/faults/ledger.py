"""What was sent and what was answered, and the comparison with what can be read back.

Every point is one of a kind: its value, which is its step as well, is the number of its put times
64 plus its place in it. So a point that is read tells which put it came with.
"""

from __future__ import annotations

import random
import threading
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields

import numpy as np
import numpy.typing as npt

from .client import Client, Item, query

COMPONENTS = ("run-a", "run-b", "run-c", "run-d")
METRICS = ("loss", "accuracy", "grad/norm", "lr", "müon β")
CLIENTS = 8
_ITEMS_MAX = 50
_PLACES = 64

Ids = npt.NDArray[np.int64]
SeriesName = tuple[str, str]


@dataclass(slots=True)
class SentPut:
    """One put, with its own id, sent once or several times."""

    number: int
    component: str
    metrics: Sequence[str]
    put_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    attempts: int = 0
    is_answered: bool = False

    def items(self) -> list[Item]:
        """Give its points: the same ones for every attempt."""
        first = self.number * _PLACES
        return [
            Item(metric, first + place, float(first + place))
            for place, metric in enumerate(self.metrics)
        ]


@dataclass
class Findings:
    """What reading back showed. All but the first six must be 0."""

    puts: int = 0
    points_sent: int = 0
    answered: int = 0
    answered_after_retry: int = 0
    never_answered_found_whole: int = 0
    never_answered_absent: int = 0
    points_found: int = 0
    answered_missing: int = 0
    half_there: int = 0
    points_twice: int = 0
    points_unknown: int = 0
    points_out_of_order: int = 0
    points_got_otherwise: int = 0

    def assert_nothing_lost(self) -> None:
        """Assert that every answered put is there once, and no other half there."""
        wrong = {
            name: getattr(self, name)
            for name in (each.name for each in fields(self)[7:])
            if getattr(self, name)
        }
        assert not wrong, f"{wrong} of {self}"
        assert self.answered > 0

    def __str__(self) -> str:
        """Give all counts on one line."""
        return ", ".join(
            f"{each.name.replace('_', ' ')} {getattr(self, each.name)}" for each in fields(self)
        )


class Ledger:
    """All puts of a test. `new` may be called by many threads."""

    def __init__(self, items_max: int = _ITEMS_MAX) -> None:
        """Start with an empty page."""
        self._items_max = items_max
        self._puts: list[SentPut] = []
        self._lock = threading.Lock()
        self._counts = [0] * CLIENTS

    def new(self, client: int, chance: random.Random) -> SentPut:
        """Make a client's next put: 1 to 50 points of one component over several metrics."""
        with self._lock:
            number = self._counts[client] * CLIENTS + client
            self._counts[client] += 1
        count = chance.randint(1, self._items_max)
        put = SentPut(number, chance.choice(COMPONENTS), chance.choices(METRICS, k=count))
        self._puts.append(put)
        return put

    def answered_count(self) -> int:
        """Count the puts that were answered so far."""
        return sum(put.is_answered for put in self._puts)

    def answered_so_far(self) -> list[SentPut]:
        """List the puts that were answered before this call."""
        return [put for put in list(self._puts) if put.is_answered]

    def verify(self, client: Client, puts: Sequence[SentPut] | None = None) -> Findings:
        """Read everything back and compare.

        Args:
            client: a connection to the server.
            puts: those that must be there whole, if not all that were answered.
        """
        found = dict(_read_everything(client))
        must = [put for put in self._puts if put.is_answered] if puts is None else list(puts)
        findings = Findings(
            puts=len(self._puts),
            points_sent=sum(len(put.metrics) for put in self._puts),
            answered=len(must),
            answered_after_retry=sum(put.attempts > 1 for put in must),
        )
        self._count_puts(findings, found, {put.number for put in must})
        self._count_order(findings, found)
        findings.points_got_otherwise = sum(
            _differs_when_got(client, name, ids) for name, ids in found.items()
        )
        return findings

    def _count_puts(self, findings: Findings, found: dict[SeriesName, Ids], must: set[int]) -> None:
        """Say of every put whether it is there whole, half or not at all."""
        places: dict[int, list[SeriesName]] = {}
        for name, ids in found.items():
            findings.points_found += len(ids)
            for point in ids.tolist():
                places.setdefault(point, []).append(name)
        findings.points_twice = sum(len(names) - 1 for names in places.values())
        known = 0
        for put in self._puts:
            first = put.number * _PLACES
            there = sum(
                (put.component, metric) in places.get(first + place, ())
                for place, metric in enumerate(put.metrics)
            )
            known += there
            is_whole = there == len(put.metrics)
            if put.number in must:
                findings.answered_missing += not is_whole
            elif is_whole:
                findings.never_answered_found_whole += 1
            elif there == 0:
                findings.never_answered_absent += 1
            findings.half_there += 0 < there < len(put.metrics)
        findings.points_unknown = len(places) - known

    def _count_order(self, findings: Findings, found: dict[SeriesName, Ids]) -> None:
        """Count the points that stand before an earlier one of the same client.

        A client sends a put after the one before was answered; only retries come later.
        """
        retried = [put.number for put in self._puts if put.attempts != 1 or not put.is_answered]
        for ids in found.values():
            numbers = ids // _PLACES
            for client in range(CLIENTS):
                kept = (numbers % CLIENTS == client) & ~np.isin(numbers, retried)
                findings.points_out_of_order += int((np.diff(ids[kept]) <= 0).sum())


def _read_everything(client: Client) -> Iterator[tuple[SeriesName, Ids]]:
    for component in COMPONENTS:
        for metric in METRICS:
            answer = client.raw_points(component, metric)
            if answer.status == 404:
                # No put to this component got through.
                continue
            columns = client.points(component, metric)
            ids = columns.values.astype(np.int64)
            assert np.array_equal(ids.astype(np.float64), columns.values)
            assert np.array_equal(ids, columns.steps), "a point's step belongs to another point"
            yield (component, metric), ids


def _differs_when_got(client: Client, name: SeriesName, ids: Ids) -> int:
    """Count the points of which BatchGetMetrics says something else."""
    expected = np.sort(ids)
    start: int | None = None
    steps: list[int] = []
    counts: list[float] = []
    values: list[float] = []
    while True:
        count, last = client.get(
            [query(*name, statistic, start) for statistic in ("Count", "Last")]
        )
        assert count["Status"] == last["Status"] in {"Complete", "Truncated"}, (count, last)
        assert count["XAxisValues"] == last["XAxisValues"]
        steps += count["XAxisValues"]
        counts += count["MetricValues"]
        values += last["MetricValues"]
        if count["Status"] == "Complete":
            break
        start = int(count["Message"].rpartition("Start=")[2].rstrip("."))
    if len(steps) != len(expected):
        return abs(len(steps) - len(expected)) or 1
    wrong = (expected != steps) | (expected != np.array(values)) | (np.array(counts) != 1)
    return int(wrong.sum())
