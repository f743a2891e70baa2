"""A clock that was wrong: what was put then is compacted, and what comes later is as always."""

from __future__ import annotations

import contextlib
import logging
from pathlib import Path

import pytest

from stepwell.store.sqlite.checking import check_folder
from stepwell.store.sqlite.compaction import Compactor
from stepwell.store.sqlite.folder import Folder
from stepwell.store.sqlite.maintenance import folder_size
from stepwell.store.sqlite.store import EmbeddedStore
from stepwell.testing.doors import losses, values_of

NOW_NS = 1_700_000_000_000_000_000
AHEAD_NS = NOW_NS + 400 * 86_400 * 10**9


def store_at(path: Path, now_ns: int) -> EmbeddedStore:
    """Open a folder at a time."""
    return EmbeddedStore(path, now_ns=lambda: now_ns)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder that was put to when the clock was 400 days ahead, and then when it was not."""
    with contextlib.closing(store_at(tmp_path, AHEAD_NS)) as store:
        store.append([losses(1.0)])
        store.append([losses(2.0)])
    return tmp_path


def test_what_was_put_ahead_is_compacted(folder: Path) -> None:
    """It does not wait in hot files for the time to come."""
    compactor = Compactor(Folder(folder))
    with contextlib.closing(compactor):
        assert compactor.try_start()
        progress = compactor.run_round(NOW_NS)
        assert (progress.points, progress.is_complete) == (2, True)
        assert not compactor.is_due(NOW_NS)
    assert folder_size(folder).hot_rows == 0
    assert check_folder(folder).problems == []
    with contextlib.closing(store_at(folder, NOW_NS)) as store:
        assert values_of(store) == [1.0, 2.0]


def test_it_is_due_in_time(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A minute after it is seen, as ordinary rows are a minute after they came."""
    moment = [5_000_000_000]
    monkeypatch.setattr("time.monotonic_ns", lambda: moment[0])
    compactor = Compactor(Folder(folder))
    with contextlib.closing(compactor):
        assert compactor.try_start()
        assert not compactor.is_due(NOW_NS)
        moment[0] += 59_000_000_000
        assert not compactor.is_due(NOW_NS)
        moment[0] += 2_000_000_000
        assert compactor.is_due(NOW_NS)


def test_later_puts_go_to_another_file(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """So their age is known again, and a warning says why."""
    with caplog.at_level(logging.WARNING), contextlib.closing(store_at(folder, NOW_NS)) as store:
        store.append([losses(3.0)])
        # By number, what came when the clock was ahead comes last.
        assert sorted(values_of(store)) == [1.0, 2.0, 3.0]
    (record,) = caplog.records
    assert "hot-0.db was written when the clock was 34560000 s ahead" in record.getMessage()
    with contextlib.closing(store_at(folder, NOW_NS + 10**9)) as store:
        store.append([losses(4.0)])
        assert sorted(values_of(store)) == [1.0, 2.0, 3.0, 4.0]
    # The second one took the slot that the first had found.
    assert Folder(folder).hot_slots() == [0, 1]
    compactor = Compactor(Folder(folder))
    with contextlib.closing(compactor):
        assert compactor.try_start()
        compactor.run_fully(NOW_NS + 2 * 10**9)
    assert folder_size(folder).hot_rows == 0
    assert check_folder(folder).problems == []


def test_a_retry_of_a_put_ahead_is_stored_once(folder: Path) -> None:
    """Its id is known, whichever file it is in."""
    put = losses(9.0, put_id="0123")
    with contextlib.closing(store_at(folder, AHEAD_NS + 10**9)) as store:
        store.append([put])
    with contextlib.closing(store_at(folder, NOW_NS)) as store:
        (outcome,) = store.append([put])
        assert outcome.is_retry
        assert sorted(values_of(store)) == [1.0, 2.0, 9.0]


def test_a_small_correction_changes_nothing(tmp_path: Path) -> None:
    """A clock that is set back by some seconds is not worth another file."""
    with contextlib.closing(store_at(tmp_path, NOW_NS)) as store:
        store.append([losses(1.0)])
    with contextlib.closing(store_at(tmp_path, NOW_NS - 10**10)) as store:
        store.append([losses(2.0)])
        assert values_of(store) == [1.0, 2.0]
    assert Folder(tmp_path).hot_slots() == [0]
