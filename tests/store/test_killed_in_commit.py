"""A worker that is killed within a commit: what it wrote is there for everyone, or for nobody.

SQLite writes a commit to the log, syncs it, and only then tells others in shared memory. Who is
killed in between leaves a commit that nobody sees, until nobody has the file open any more: then
the log is read anew, and the commit is found. If its retry was stored elsewhere meanwhile, the put
would be there twice.
"""

from __future__ import annotations

import contextlib
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from stepwell.model.points import Outcome
from stepwell.store.sqlite.store import EmbeddedStore
from stepwell.testing.doors import losses, values_of

#: Puts one put, and when told to go on another one, and is killed before anyone hears of it.
_WORKER = """
import os, signal, sys
from pathlib import Path
from stepwell.store.sqlite.store import EmbeddedStore
from stepwell.testing.doors import losses
store = EmbeddedStore(Path(sys.argv[1]), is_shared=True)
store.append([losses(1.0, put_id=sys.argv[2])])
print("ready", flush=True)
sys.stdin.readline()
store.append([losses(2.0, put_id=sys.argv[3])])
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give the data folder."""
    return tmp_path / "data"


@pytest.fixture
def store(folder: Path) -> Iterator[EmbeddedStore]:
    """Give the store of the worker that lives; its slot is 0."""
    with contextlib.closing(EmbeddedStore(folder, is_shared=True)) as store:
        yield store


def kill_in_commit(
    folder: Path, store: EmbeddedStore, ids: tuple[str, str] = ("first", "second")
) -> None:
    """Let a worker in another process, of slot 1, be killed within its second commit."""
    command = [sys.executable, "-c", _WORKER, str(folder), *ids]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == b"ready\n"
        # From here on, the file is open in this process too.
        store.append([losses(0.5)])
        seen = sorted_values(store)
        memory = folder / "hot-1.db-shm"
        before = memory.read_bytes()
        worker.communicate(b"go\n")
        assert worker.returncode == -signal.SIGKILL
        # As it was before others were told.
        with memory.open("r+b") as file:
            file.write(before)
    assert sorted_values(store) == seen, "the commit can be seen: this would prove nothing"


def sorted_values(store: EmbeddedStore) -> list[float]:
    """Give the values of the one series, sorted."""
    return sorted(values_of(store))


def values_after_crash(folder: Path) -> list[float]:
    """Give what is read from the files as they are, when everybody is dead."""
    copy = folder.with_name("copy")
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("*-shm"))
    with contextlib.closing(EmbeddedStore(copy)) as store:
        return sorted_values(store)


def test_what_nobody_sees_comes_back(folder: Path, store: EmbeddedStore) -> None:
    """Without a retry such a commit may come back after a crash: the tests below rest on it."""
    kill_in_commit(folder, store)
    copy = folder.with_name("other-copy")
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("*-shm"))
    with contextlib.closing(sqlite3.connect(copy / "hot-1.db")) as db:
        assert db.execute("SELECT count(*) FROM hot").fetchone() == (2,)


def test_retry_with_another_worker(folder: Path, store: EmbeddedStore) -> None:
    """A retry that reaches another worker is there once, now and after a crash of all."""
    kill_in_commit(folder, store)
    (outcome,) = store.append([losses(2.0, put_id="second")])
    assert outcome.errors == ()
    assert sorted_values(store) == [0.5, 1.0, 2.0]
    assert values_after_crash(folder) == [0.5, 1.0, 2.0]
    assert store.append([losses(2.0, put_id="second")]) == [Outcome((), is_retry=True)]


def test_retry_with_the_worker_that_follows(folder: Path, store: EmbeddedStore) -> None:
    """A retry that reaches the worker in the dead one's place is there once as well."""
    kill_in_commit(folder, store)
    with contextlib.closing(EmbeddedStore(folder, is_shared=True)) as follower:
        follower.append([losses(2.0, put_id="second")])
        assert sorted_values(store) == [0.5, 1.0, 2.0]
        assert values_after_crash(folder) == [0.5, 1.0, 2.0]


def test_follower_that_got_no_put(folder: Path, store: EmbeddedStore) -> None:
    """The worker in the dead one's place need not have got a put for the other's to be right."""
    kill_in_commit(folder, store)
    with contextlib.closing(EmbeddedStore(folder, is_shared=True)):
        store.append([losses(2.0, put_id="second")])
        assert values_after_crash(folder) == [0.5, 1.0, 2.0]


def test_each_death_counts(folder: Path, store: EmbeddedStore) -> None:
    """A second worker that dies in the same place is not taken for the first one."""
    kill_in_commit(folder, store)
    store.append([losses(2.0, put_id="second")])
    kill_in_commit(folder, store, ("third", "fourth"))
    store.append([losses(2.0, put_id="fourth")])
    expected = [0.5, 0.5, 1.0, 1.0, 2.0, 2.0]
    assert sorted_values(store) == expected
    assert values_after_crash(folder) == expected


def test_server_of_one_worker(folder: Path, store: EmbeddedStore) -> None:
    """A server that is alone on the folder, while something still reads it, is right too."""
    kill_in_commit(folder, store)
    with contextlib.closing(EmbeddedStore(folder)) as alone:
        alone.append([losses(2.0, put_id="second")])
        assert sorted_values(alone) == [0.5, 1.0, 2.0]
        assert values_after_crash(folder) == [0.5, 1.0, 2.0]
