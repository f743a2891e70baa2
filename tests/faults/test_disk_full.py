"""A disk that is full: puts are refused in a way that SDKs retry, and everything goes on after it.

Twice over: on a small file system of its own, where this may be mounted, and with a limit on the
size of files, which needs no rights.
"""

from __future__ import annotations

import contextlib
import resource
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from .client import Answer, Client, Item, put_body, query
from .conftest import StartServer
from .server import Server, assert_sound, stepwell, wait_until

_MIB = 1024 * 1024
_DISK_BYTES = 16 * _MIB
_BALLAST_BYTES = 8 * _MIB
_FILE_BYTES = 5 * _MIB
_POINTS = 500
_PUTS_MAX = 2000
_GETS_AT_ONCE = 8


@dataclass
class Tight:
    """A folder in which room can become scarce and plenty again."""

    data: Path
    #: Called with the running server: from now on there is little room.
    tighten: Callable[[Server], None]
    #: Called with the running server: there is room again.
    loosen: Callable[[Server], None]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Give a small file system, half of which is taken by the file `ballast`."""
    with _small_disk(tmp_path / "disk") as path:
        (path / "ballast").write_bytes(bytes(_BALLAST_BYTES))
        yield path


@pytest.fixture(params=["small disk", "file size limit"])
def tight(request: pytest.FixtureRequest, tmp_path: Path) -> Tight:
    """Give a folder where room can become scarce, in each of the two ways."""
    if request.param == "file size limit":
        return Tight(
            tmp_path / "data",
            tighten=lambda server: _limit_files(server, _FILE_BYTES),
            loosen=lambda server: _limit_files(server, resource.RLIM_INFINITY),
        )
    path: Path = request.getfixturevalue("disk")
    return Tight(
        path / "data",
        tighten=lambda _server: None,
        loosen=lambda _server: (path / "ballast").unlink(),
    )


class Filling:
    """Puts of noise, until there is no room; knows what was answered and what was refused."""

    def __init__(self, client: Client) -> None:
        """Start with nothing sent."""
        self.client = client
        self.answered: dict[int, str] = {}
        self.refused: dict[int, str] = {}
        self.refusals: list[Answer] = []
        self._count = 0

    def put(self, component: str = "run") -> bool:
        """Send the next put; say whether it was stored."""
        number, put_id = self._count, str(uuid.uuid4())
        self._count += 1
        answer = self.client.put_body(self.body(number, component), put_id)
        if answer.status == 200:
            assert answer.json() == {"Errors": []}
            self.answered[number] = put_id
            return True
        self.refused[number] = put_id
        self.refusals.append(answer)
        return False

    def fill(self) -> None:
        """Put until a put is refused."""
        while self.put():
            assert self._count < _PUTS_MAX, "the disk does not fill"

    def retry(self) -> None:
        """Send every refused put again, twice, as an SDK would that missed the first answer."""
        for number, put_id in list(self.refused.items()):
            for _ in range(2):
                answer = self.client.put_body(self.body(number), put_id)
                assert (answer.status, answer.json()) == (200, {"Errors": []})
            self.answered[number] = self.refused.pop(number)

    def assert_there(self, client: Client | None = None) -> None:
        """Assert that what was answered is there once and whole, and nothing else."""
        steps, _, values = (client or self.client).points("run", "noise")
        expected = [self._items(number) for number in sorted(self.answered)]
        assert len(steps) == len(expected) * _POINTS
        order = np.argsort(steps, kind="stable")
        assert steps[order].tolist() == [item.step for items in expected for item in items]
        assert values[order].tolist() == [item.value for items in expected for item in items]

    @staticmethod
    def body(number: int, component: str = "run") -> bytes:
        """Give a put's body: the same one whenever it is sent."""
        return put_body(component, Filling._items(number))

    @staticmethod
    def _items(number: int) -> list[Item]:
        values = np.random.default_rng(number).standard_normal(_POINTS).tolist()
        first = number * _POINTS
        return [Item("noise", first + place, value) for place, value in enumerate(values)]


def test_full_and_room_again(
    start_server: StartServer, tight: Tight, report: Callable[[str], None]
) -> None:
    """On a full disk puts get 503 and gets an answer; with room, retries are stored once."""
    server = start_server(tight.data)
    with Client(server.address) as client:
        filling = Filling(client)
        for _ in range(5):
            assert filling.put()
        tight.tighten(server)
        filling.fill()
        answered_before = len(filling.answered)
        for _ in range(20):
            filling.put()
        assert len(filling.refused) > 10
        for answer in filling.refusals:
            _assert_unavailable(answer)
        # A component that nobody knows needs room in another file.
        unknown = client.put_body(Filling.body(10**6, "new-run"), str(uuid.uuid4()))
        if unknown.status != 200:
            _assert_unavailable(unknown)
        filling.assert_there()
        _assert_gets_at_once(server, filling)
        assert client.request("GET", "/healthz").status == 200
        refused = len(filling.refused)
        tight.loosen(server)
        _wait_for_room(filling)
        filling.retry()
        filling.assert_there()
        for _ in range(20):
            assert filling.put()
        filling.assert_there()
        report(
            f"answered until it was full {answered_before}, refused {refused}, all of those"
            f" stored once later; in the end {len(filling.answered)} puts"
        )
    assert server.stop() == 0
    assert "Traceback" not in server.log()
    assert_sound(tight.data)
    server.start()
    with Client(server.address) as client:
        filling.assert_there(client)
        assert stepwell("compact", "--data", tight.data).returncode == 0
        filling.assert_there(client)


def test_killed_while_full(start_server: StartServer, tight: Tight) -> None:
    """A server that is killed on a full disk has lost nothing when it comes up with room again."""
    server = start_server(tight.data)
    with Client(server.address) as client:
        filling = Filling(client)
        assert filling.put()
        tight.tighten(server)
        filling.fill()
        for _ in range(3):
            filling.put()
    server.kill()
    tight.loosen(server)
    server.start()
    with Client(server.address) as client:
        filling.client = client
        steps = client.points("run", "noise").steps
        # A refused put may have been on disk all the same: then it is there whole.
        there = {number for number in filling.refused if number * _POINTS in set(steps.tolist())}
        assert len(steps) == (len(filling.answered) + len(there)) * _POINTS
        filling.retry()
        filling.assert_there()
    assert_sound(tight.data)


def test_started_while_full(start_server: StartServer, disk: Path) -> None:
    """A server that was killed on a full disk starts on it again, and gets are answered."""
    server = start_server(disk / "data")
    with Client(server.address) as client:
        filling = Filling(client)
        filling.fill()
    server.kill()
    # To the last byte.
    with contextlib.suppress(OSError):
        (disk / "more").write_bytes(bytes(_DISK_BYTES))
    server.start()
    with Client(server.address) as client:
        filling.assert_there(client)
        _assert_gets_at_once(server, filling)
    assert_sound(server.data)
    assert stepwell("info", "--data", server.data).returncode == 0
    (disk / "ballast").unlink()
    with Client(server.address) as client:
        filling.client = client
        _wait_for_room(filling)
        filling.retry()
        filling.assert_there()


def test_compaction_makes_room(start_server: StartServer, disk: Path) -> None:
    """With a little room, `stepwell compact` brings a full folder back into service."""
    server = start_server(disk / "data")
    with Client(server.address) as client:
        filling = Filling(client)
        filling.fill()
        with (disk / "ballast").open("r+b") as file:
            # Compacting needs some room itself.
            file.truncate(_BALLAST_BYTES // 2)
        done = stepwell("compact", "--data", server.data)
        assert done.returncode == 0, done.stderr
        _wait_for_room(filling)
        filling.retry()
        filling.assert_there()
    assert_sound(server.data)


def _assert_gets_at_once(server: Server, filling: Filling) -> None:
    """Assert that many gets at the same time are answered, which need connections to the files."""

    def get(_number: int) -> int:
        with Client(server.address) as client:
            (result,) = client.get([query("run", "noise", "Count")])
            assert result["Status"] == "Complete", result
            return len(result["XAxisValues"]) + len(client.points("run", "noise").steps)

    with ThreadPoolExecutor(_GETS_AT_ONCE) as threads:
        counts = list(threads.map(get, range(3 * _GETS_AT_ONCE)))
    assert set(counts) == {2 * len(filling.answered) * _POINTS}


def _assert_unavailable(answer: Answer) -> None:
    assert (answer.status, answer.code) == (503, "ServiceUnavailable"), answer
    assert answer.json()["__type"] == "ServiceUnavailable"
    assert int(answer.headers["retry-after"]) >= 1
    assert int(answer.headers["x-amz-retry-after"]) >= 1


def _wait_for_room(filling: Filling) -> None:
    """Put until a put is taken: within a second or two, with no restart."""
    started = time.monotonic()
    wait_until(filling.put, "puts are taken again", 10)
    assert time.monotonic() - started < 10


def _limit_files(server: Server, size: int) -> None:
    """Bound the bytes that any file of a running server may have."""
    with contextlib.suppress(ProcessLookupError):
        # One that was killed has no limit when it comes back.
        for pid in (server.process.pid, *server.committer_pids()):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


@contextlib.contextmanager
def _small_disk(path: Path) -> Iterator[Path]:
    """Mount a small file system, or skip the test where that is not permitted."""
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={_DISK_BYTES}", "stepwell-faults", str(path)]
    try:
        mounted = subprocess.run(mount, check=False, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("there is no mount command")
    if mounted.returncode != 0:
        pytest.skip(f"mounting is not permitted: {mounted.stderr.strip()}")
    try:
        yield path
    finally:
        # Lazy: a server that the test left behind is killed a moment later.
        subprocess.run(["umount", "--lazy", str(path)], check=True)
