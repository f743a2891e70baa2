"""A compaction killed at each of its steps, and at random moments: every point is there once."""

from __future__ import annotations

import contextlib
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from stepwell.model.errors import StepwellError
from stepwell.model.names import DEFAULT_ACCOUNT, Component
from stepwell.model.points import Put
from stepwell.store.protocol import SeriesKey
from stepwell.store.sqlite.checking import check_folder
from stepwell.store.sqlite.maintenance import compact_folder, folder_size
from stepwell.store.sqlite.store import EmbeddedStore

from . import dying_compaction

STEPS = ("read", "encode", "write", "written", "purge")
COMPONENTS = tuple(Component(DEFAULT_ACCOUNT, name) for name in ("run-a", "run-b"))
DELETED = Component(DEFAULT_ACCOUNT, "deleted")
METRICS = ("loss", "lr", "accuracy")
_RANDOM_KILLS = 10

Values = dict[SeriesKey, list[float]]


class Expected:
    """Puts into a store, and remembers every series' values in order of arrival."""

    def __init__(self) -> None:
        """Start with nothing."""
        self.values: Values = {
            SeriesKey(component, metric): [] for component in COMPONENTS for metric in METRICS
        }
        self._count = 0

    def put(self, path: Path, puts: int, points: int) -> None:
        """Put to every component in turn, over all metrics, into two hot files."""
        with (
            contextlib.closing(EmbeddedStore(path, is_shared=True)) as one,
            contextlib.closing(EmbeddedStore(path, is_shared=True)) as two,
        ):
            for number in range(puts):
                component = (*COMPONENTS, DELETED)[number % 3]
                (outcome,) = (one, two)[number % 2].append([self._next(component, points)])
                assert outcome.stored == points

    def _next(self, component: Component, points: int) -> Put:
        metrics = [METRICS[place % len(METRICS)] for place in range(points)]
        values = [float(self._count + place) for place in range(points)]
        self._count += points
        if component != DELETED:
            for metric, value in zip(metrics, values, strict=True):
                self.values[SeriesKey(component, metric)].append(value)
        steps = [int(value) for value in values]
        return Put(component, metrics, steps, steps, values, points)

    def assert_there(self, path: Path) -> None:
        """Assert that all of it reads back, once and in order, and that the folder is sound."""
        with contextlib.closing(EmbeddedStore(path)) as store:
            for key, series in zip(self.values, store.read(list(self.values)), strict=True):
                assert not isinstance(series, StepwellError), series
                points = series.points()
                assert points.values.tolist() == self.values[key]
                assert np.array_equal(points.steps, points.values)
                assert np.array_equal(points.timestamps_us, points.steps)
            assert not store.has_component(DELETED)
        assert check_folder(path).problems == []


@pytest.fixture
def expected() -> Expected:
    """Give an empty memory."""
    return Expected()


@pytest.mark.parametrize("has_chunks", [False, True])
@pytest.mark.parametrize("step", STEPS)
def test_killed_at_a_step(
    tmp_path: Path, expected: Expected, step: str, *, has_chunks: bool
) -> None:
    """Wherever a compaction dies, all points read back once and in order; the next one works."""
    data = _prepare(tmp_path, expected, has_chunks=has_chunks)
    _die(data, step)
    expected.assert_there(data)
    # Dying again where it died before changes nothing.
    if step not in {"written", "purge"}:
        _die(data, step)
        expected.assert_there(data)
    size = folder_size(data)
    expected.assert_there(data)
    assert folder_size(data) == size, "recovering twice differs from once"
    _go_on(data, expected)


def test_killed_at_a_statement(tmp_path: Path, expected: Expected) -> None:
    """A compaction that dies at any statement leaves all points there, once; the next one works."""
    data = _prepare(tmp_path, expected, has_chunks=True)
    statements = _statements(_copy(data, tmp_path / "dry"))
    commit = statements.index("COMMIT")
    before = folder_size(data)
    # The first and the last one of each kind: in between they only differ by their series.
    numbers = {statements.index(each) for each in statements}
    numbers |= {len(statements) - 1 - statements[::-1].index(each) for each in statements}
    for number in sorted(numbers):
        copy = _copy(data, tmp_path / f"copy-{number}")
        _die(copy, str(number + 1))
        after = folder_size(copy)
        if number <= commit:
            assert (after.hot_rows, after.chunks) == (before.hot_rows, before.chunks)
        expected.assert_there(copy)
        compact_folder(copy)
        expected.assert_there(copy)
    assert {statement.split()[0] for statement in statements} >= {"BEGIN", "DELETE", "INSERT"}


def _prepare(tmp_path: Path, expected: Expected, *, has_chunks: bool) -> Path:
    """Make a folder with hot rows in two files, a deleted component, and small chunks."""
    data = tmp_path / "data"
    if has_chunks:
        for _ in range(3):
            # Small rounds: the one that dies merges the chunks that these leave.
            expected.put(data, puts=6, points=30)
            compact_round(data)
    expected.put(data, puts=12, points=60)
    with contextlib.closing(EmbeddedStore(data)) as store:
        store.delete(DELETED)
    return data


def _go_on(data: Path, expected: Expected) -> None:
    """Put more and compact, twice."""
    expected.put(data, puts=3, points=9)
    with contextlib.closing(EmbeddedStore(data)) as store:
        store.delete(DELETED)
    compact_folder(data)
    expected.assert_there(data)
    assert folder_size(data).hot_rows == 0
    compact_folder(data)
    expected.assert_there(data)


def test_killed_at_random_moments(
    tmp_path: Path, expected: Expected, report: Callable[[str], None]
) -> None:
    """A full compaction killed at any moment, in the middle of a commit too, loses nothing."""
    data = tmp_path / "data"
    chance = random.Random("compaction")
    expected.put(data, puts=60, points=10_000)
    with contextlib.closing(EmbeddedStore(data)) as store:
        store.delete(DELETED)
    duration_s = _time_of_compaction(tmp_path, data)
    killed = 0
    for number in range(_RANDOM_KILLS):
        copy = _copy(data, tmp_path / f"copy-{number}")
        process = _start_compaction(copy)
        assert process.stdout is not None
        process.stdout.readline()
        # A random moment is the point here: there is nothing to wait for.
        time.sleep(chance.uniform(0, duration_s))
        process.kill()
        process.communicate()
        killed += process.returncode == -signal.SIGKILL
        expected.assert_there(copy)
        compact_folder(copy)
        expected.assert_there(copy)
        shutil.rmtree(copy)
    report(f"kills {killed} of {_RANDOM_KILLS}, a compaction takes {duration_s:.2f} s")
    assert killed > _RANDOM_KILLS / 2


def test_small_chunks_before_a_full_one(tmp_path: Path, expected: Expected) -> None:
    """Merging the small chunks in front of a full one leaves the series whole."""
    data, points = tmp_path / "data", _Noise()
    for count in (10_000, 10_000, 100_000):
        points.put(data, count)
        compact_round(data)
    points.assert_there(data)
    for _ in range(2):
        compact_folder(data)
        points.assert_there(data)
    points.put(data, 100)
    compact_folder(data)
    points.assert_there(data)


class _Noise:
    """One long series."""

    def __init__(self) -> None:
        self._values: npt.NDArray[np.float64] = np.empty(0)
        self._noise = np.random.default_rng(7)
        self._key = SeriesKey(COMPONENTS[0], "noise")

    def put(self, path: Path, count: int) -> None:
        new = self._noise.standard_normal(count)
        steps = np.arange(len(self._values), len(self._values) + count)
        self._values = np.concatenate((self._values, new))
        with contextlib.closing(EmbeddedStore(path)) as store:
            put = Put(self._key.component, [self._key.metric] * count, steps, steps, new, count)
            assert store.append([put])[0].stored == count

    def assert_there(self, path: Path) -> None:
        assert check_folder(path).problems == []
        with contextlib.closing(EmbeddedStore(path)) as store:
            (series,) = store.read([self._key])
            assert not isinstance(series, StepwellError), series
            assert np.array_equal(series.points().values, self._values)


def compact_round(data: Path) -> None:
    """Run one round of the background's compaction, which leaves small chunks as they are."""
    done = subprocess.run([*_PROGRAM, str(data), "", "round"], check=True, capture_output=True)
    assert done.returncode == 0


_PROGRAM = (sys.executable, str(Path(dying_compaction.__file__)))


def _die(data: Path, step: str) -> None:
    """Compact in a process that dies at a step."""
    done = subprocess.run([*_PROGRAM, str(data), step, "full"], check=False, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done


def _statements(data: Path) -> list[str]:
    """List what a full compaction says to chunks.db, from its first write on."""
    with _start_compaction(data) as process:
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return said.decode().splitlines()[1:]


def _start_compaction(data: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([*_PROGRAM, str(data), "", "full"], stdout=subprocess.PIPE)


def _copy(data: Path, copy: Path) -> Path:
    """Copy a folder that nobody has open."""
    shutil.copytree(data, copy)
    return copy


def _time_of_compaction(tmp_path: Path, data: Path) -> float:
    """Measure a compaction of a copy."""
    with _start_compaction(_copy(data, tmp_path / "copy")) as process:
        assert process.stdout is not None
        process.stdout.readline()
        started = time.monotonic()
        process.communicate(timeout=60)
        assert process.returncode == 0
    return time.monotonic() - started
