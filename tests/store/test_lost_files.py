"""Files that somebody took away: nothing is answered as if they were there."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from pathlib import Path

import pytest

from stepwell.model.errors import FormatError, StoreUnavailableError
from stepwell.store.sqlite.checking import check_folder
from stepwell.store.sqlite.folder import Folder
from stepwell.store.sqlite.maintenance import compact_folder
from stepwell.store.sqlite.store import EmbeddedStore
from stepwell.testing.doors import OTHER_RUN, losses, values_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder with points in chunks, and others that are hot."""
    path = tmp_path / "data"
    with contextlib.closing(EmbeddedStore(path)) as store:
        store.append([losses(1.0, 2.0), losses(3.0, component=OTHER_RUN)])
    compact_folder(path)
    with contextlib.closing(EmbeddedStore(path)) as store:
        store.append([losses(4.0)])
    return path


@pytest.mark.parametrize("name", ["registry.db", "chunks.db"])
def test_a_folder_without_a_file_is_refused(folder: Path, name: str) -> None:
    """What the other files hold would be lost or mixed up; it is not touched."""
    (folder / name).unlink()
    before = sorted(folder.iterdir())
    for use in (EmbeddedStore, check_folder, compact_folder):
        with pytest.raises(FormatError, match=f"{name} is missing"):
            use(folder)
    assert sorted(folder.iterdir()) == before


def test_puts_into_a_folder_that_was_taken_away(folder: Path) -> None:
    """They fail: what SQLite writes into a file without a name is lost."""
    store = EmbeddedStore(folder)
    shutil.rmtree(folder)
    for _ in range(2):
        with pytest.raises(StoreUnavailableError, match="was taken away"):
            store.append([losses(5.0)])
    with pytest.raises(StoreUnavailableError):
        store.size()
    store.close()


def test_puts_into_a_folder_that_was_exchanged(folder: Path, tmp_path: Path) -> None:
    """Another folder in its place is not the one that was opened."""
    store = EmbeddedStore(folder)
    shutil.copytree(folder, tmp_path / "copy")
    folder.rename(tmp_path / "old")
    (tmp_path / "copy").rename(folder)
    with pytest.raises(StoreUnavailableError, match="was taken away"):
        store.append([losses(5.0)])
    store.close()
    with contextlib.closing(EmbeddedStore(folder)) as again:
        assert values_of(again) == [1.0, 2.0, 4.0]


@pytest.mark.parametrize(
    ("name", "statement", "problem"),
    [
        ("registry.db", "DELETE FROM component WHERE name = 'run'", "its component is not in"),
        ("registry.db", "DELETE FROM component WHERE name != 'run'", "belong to no metric"),
        ("registry.db", "DELETE FROM series", "belong to no metric"),
        (
            "registry.db",
            "UPDATE series SET component = component + 1, name = name || id",
            "it has a metric that is",
        ),
        ("registry.db", "DELETE FROM slot", "rows that nobody reads"),
        ("hot-0.db", "UPDATE hot SET component = 99", "its component is not in registry.db"),
    ],
)
def test_check_finds_points_that_are_nobodys(
    folder: Path, name: str, statement: str, problem: str
) -> None:
    """Points that no reader would find, or would find elsewhere, are told of."""
    assert check_folder(folder).problems == []
    with contextlib.closing(sqlite3.connect(folder / name)) as database:
        database.execute(statement)
        database.commit()
    problems = check_folder(folder).problems
    assert any(problem in each for each in problems), problems


@pytest.mark.parametrize("name", ["registry.db", "chunks.db", "hot-0.db"])
def test_ruined_pages(folder: Path, tmp_path: Path, name: str) -> None:
    """Whichever page is ruined, `check` names the file, and what cannot be opened says why."""
    for page in range((folder / name).stat().st_size // 8192):
        copy = tmp_path / f"copy-{page}"
        shutil.copytree(folder, copy)
        with (copy / name).open("r+b") as file:
            file.seek(page * 8192)
            file.write(b"\xa5" * 64)
        try:
            problems = check_folder(copy).problems
        except StoreUnavailableError as error:
            problems = [str(error)]
        assert any(name in problem for problem in problems), (page, problems)
        with contextlib.suppress(StoreUnavailableError), contextlib.closing(EmbeddedStore(copy)):
            pass


def test_check_of_a_deleted_component(folder: Path) -> None:
    """Points of a deleted component are no problem, before and after they are gone."""
    with contextlib.closing(EmbeddedStore(folder)) as store:
        store.delete(losses(1.0).component)
    assert check_folder(folder).problems == []
    compact_folder(folder)
    assert check_folder(folder).problems == []


def test_a_path_that_is_too_long(tmp_path: Path) -> None:
    """SQLite cannot name the files in it: that is said before anything is made."""
    path = tmp_path
    while len(bytes(path)) < 470:
        path /= "d" * 40
    with pytest.raises(FormatError, match=r"its path has 5\d\d bytes"):
        Folder(path / ("e" * 40))
    assert not path.exists()
    part = path.parent
    long_enough = part / ("f" * (480 - len(bytes(part)) - 1))
    assert len(bytes(long_enough)) == 480
    with contextlib.closing(EmbeddedStore(long_enough)) as store:
        store.append([losses(1.0)])
        assert values_of(store) == [1.0]


def test_space_of_names_is_given_back(tmp_path: Path) -> None:
    """The registry shrinks, too, when a component with very many metrics is deleted."""
    path = tmp_path / "data"
    with contextlib.closing(EmbeddedStore(path)) as store:
        put = losses(*[0.5] * 20_000)
        put.metrics[:] = [f"metric/with/a/long/name/{number:06}" for number in range(20_000)]
        store.append([put])
        compact_folder(path)
        before = (path / "registry.db").stat().st_size
        store.delete(put.component)
    compact_folder(path)
    assert before > 1_000_000
    assert (path / "registry.db").stat().st_size < 100_000
