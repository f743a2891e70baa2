"""Backups of a folder that is in use: whole, and with everything that was answered before."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from stepwell.model.names import DEFAULT_ACCOUNT, Component
from stepwell.model.points import Put
from stepwell.store.sqlite import backing_up
from stepwell.store.sqlite.checking import check_folder
from stepwell.store.sqlite.folder import Folder
from stepwell.store.sqlite.store import EmbeddedStore

from .client import Client
from .conftest import StartServer
from .ledger import Ledger
from .load import Load
from .server import STEPWELL, assert_sound, stepwell

_BACKUPS = 3


@pytest.mark.parametrize("workers", [1, 2])
def test_backup_while_clients_put(
    start_server: StartServer, tmp_path: Path, workers: int, report: Callable[[str], None]
) -> None:
    """A backup of a busy server restores to all puts that were answered before it, none half."""
    server = start_server(workers=workers)
    ledger = Ledger()
    backups = []
    with Load(ledger, server.address, seed="backup") as load:
        for number in range(_BACKUPS):
            # The server compacts by itself from 4096 rows on: the second backup meets chunks.
            load.wait_for(puts=2500)
            answered = ledger.answered_so_far()
            file = tmp_path / f"backup-{number}.tar"
            done = stepwell("backup", file, "--data", server.data)
            assert done.returncode == 0, done.stderr
            backups.append((file, answered))
    server.kill()
    for number, (file, answered) in enumerate(backups):
        folder = tmp_path / f"restored-{number}"
        assert stepwell("restore", file, "--data", folder).returncode == 0
        assert_sound(folder)
        restored = start_server(folder)
        with Client(restored.address) as client:
            findings = ledger.verify(client, answered)
        restored.kill()
        report(f"backup {number}: {findings}")
        findings.assert_nothing_lost()


def test_backup_killed(start_server: StartServer, tmp_path: Path) -> None:
    """A backup that is killed leaves either no archive or a whole one, and harms nothing."""
    server = start_server()
    chance = random.Random("backup killed")
    with Load(Ledger(), server.address) as load:
        load.wait_for(puts=1000)
        for number in range(6):
            file = tmp_path / f"backup-{number}.tar"
            process = subprocess.Popen(
                [*STEPWELL, "backup", str(file), "--data", str(server.data)],
                stdout=subprocess.DEVNULL,
            )
            # A random moment from its start-up to its end.
            time.sleep(chance.uniform(0.2, 0.8))
            process.kill()
            process.wait(10)
            if file.exists():
                folder = tmp_path / f"restored-{number}"
                assert stepwell("restore", file, "--data", folder).returncode == 0
                assert_sound(folder)
    assert not load.surprises
    assert_sound(server.data)


def test_worker_that_comes_during_a_backup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A backup during which a worker takes a new slot can be restored and opened."""
    snapshot = backing_up._snapshot
    stores = [EmbeddedStore(tmp_path / "data", is_shared=True)]
    component = Component(DEFAULT_ACCOUNT, "run")
    stores[0].append([_put(component, 1)])

    def take_and_come(folder: Folder, name: str) -> sqlite3.Connection:
        taken = snapshot(folder, name)
        if len(stores) == 1:
            # Between its list of slots and the names, which have the new one.
            stores.append(EmbeddedStore(tmp_path / "data", is_shared=True))
            stores[1].append([_put(component, 2)])
        return taken

    monkeypatch.setattr(backing_up, "_snapshot", take_and_come)
    backing_up.backup_folder(tmp_path / "data", tmp_path / "backup.tar")
    for store in stores:
        store.close()
    assert len(stores) == 2
    backing_up.restore_folder(tmp_path / "backup.tar", tmp_path / "restored")
    assert check_folder(tmp_path / "restored").problems == []
    restored = EmbeddedStore(tmp_path / "restored")
    try:
        assert [info.count for info in restored.list_series(component)] in ([1], [2])
    finally:
        restored.close()


def test_archive_that_is_cut_off(start_server: StartServer, tmp_path: Path) -> None:
    """An archive of which the end is missing is refused, and what it leaves is no data folder."""
    server = start_server()
    with Load(Ledger(), server.address) as load:
        load.wait_for(puts=100)
    file = tmp_path / "backup.tar"
    assert stepwell("backup", file, "--data", server.data).returncode == 0
    whole = file.read_bytes()
    for kept in (0, 100, len(whole) // 2, len(whole) - 20_000):
        cut, folder = tmp_path / f"cut-{kept}.tar", tmp_path / f"cut-{kept}"
        cut.write_bytes(whole[:kept])
        restored = stepwell("restore", cut, "--data", folder)
        assert restored.returncode == 1, kept
        assert "Traceback" not in restored.stderr
        assert not (folder / "FORMAT").exists()


def _put(component: Component, step: int) -> Put:
    return Put(component, ["loss"], [step], [step], [float(step)], 1)
