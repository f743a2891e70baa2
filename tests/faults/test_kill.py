"""kill -9 at random moments: what was answered is there, once and whole (rules 1 to 3)."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from .client import Client
from .ledger import Ledger
from .load import Load
from .server import STEPWELL, Server, assert_sound

ROUNDS = int(os.environ.get("STEPWELL_KILL_ROUNDS", "20"))
#: Fixed, so that CI is the same every time; set another one to look elsewhere.
SEED = os.environ.get("STEPWELL_KILL_SEED", "stepwell")
_UP_S_MIN, _UP_S_MAX = 0.1, 1.5


class Rounds:
    """Servers on one data folder and port, one killed after the other while clients put."""

    def __init__(self, folder: Path, chance: random.Random) -> None:
        """Prepare; nothing runs yet."""
        self._folder = folder
        self._chance = chance
        self._port = 0
        self._compactions: list[subprocess.Popen[bytes]] = []
        self._killed_alone: list[Server] = []
        self.kills = self.workers_killed = self.compactions_killed = 0
        self.committers_killed = 0

    def start(self, number: int) -> Server:
        """Start a round's server: most have one worker, every fourth has two."""
        server = Server(
            self._folder / "data",
            self._folder / f"server-{number}",
            workers=2 if number % 4 == 3 else 1,
            port=self._port,
        ).start()
        self._port = server.port
        return server

    def play(self, number: int, server: Server) -> None:
        """Let a round's server run for a while, with trouble, then kill it."""
        up_until = time.monotonic() + self._chance.uniform(_UP_S_MIN, _UP_S_MAX)
        if number % 3 == 1:
            self._compactions.append(
                subprocess.Popen(
                    [*STEPWELL, "compact", "--data", str(server.data)],
                    stdout=subprocess.DEVNULL,
                )
            )
        if number % 8 == 7:
            time.sleep(self._chance.uniform(0, 0.3))
            os.kill(self._chance.choice(server.worker_pids()), signal.SIGKILL)
            self.workers_killed += 1
            # The other one, and the one that takes its place, go on for a while.
            up_until += 1.0
        if number % 4 in {0, 3}:
            time.sleep(self._chance.uniform(0, 0.3))
            os.kill(self._chance.choice(server.committer_pids()), signal.SIGKILL)
            self.committers_killed += 1
            # Another one takes its place.
            up_until += 0.5
        # A random moment is the point here: there is nothing to wait for.
        time.sleep(max(0.0, up_until - time.monotonic()))

    def end(self) -> None:
        """Wait until nothing is left of the servers that were killed alone."""
        for server in self._killed_alone:
            server.kill()

    def kill(self, number: int, server: Server) -> None:
        """Kill the server, and in some rounds the compaction that may be running beside it."""
        if number % 4 == 2:
            # What it has handed over is committed after its death, while the next one starts.
            server.kill_server_alone()
            self._killed_alone.append(server)
        else:
            server.kill()
        self.kills += 1
        for compaction in self._compactions:
            if number % 2 == 0 and compaction.poll() is None:
                compaction.kill()
                self.compactions_killed += 1
            compaction.wait(60)
        self._compactions.clear()


def test_nothing_answered_is_lost(tmp_path: Path, report: Callable[[str], None]) -> None:
    """However often servers are killed, every answered put is there once, none is half there."""
    started = time.monotonic()
    chance = random.Random(SEED)
    ledger, rounds = Ledger(), Rounds(tmp_path, chance)
    server = rounds.start(0)
    try:
        with Load(ledger, server.address, seed=SEED) as load:
            for number in range(ROUNDS):
                rounds.play(number, server)
                load.pause()
                rounds.kill(number, server)
                server = rounds.start(number + 1)
                load.go_on()
        with Client(server.address) as client:
            findings = ledger.verify(client)
            size = _store_size(client)
    finally:
        server.kill()
        rounds.end()
    report(
        f"rounds {ROUNDS}, kills {rounds.kills}, single workers killed {rounds.workers_killed},"
        f" committers killed {rounds.committers_killed},"
        f" compactions killed {rounds.compactions_killed}, attempts not answered {load.broken};"
        f" {findings}; {size}; {time.monotonic() - started:.0f} s"
    )
    assert not load.surprises
    findings.assert_nothing_lost()
    assert findings.answered_after_retry > 0
    assert findings.never_answered_found_whole + findings.never_answered_absent > 0
    assert_sound(server.data)


def _store_size(client: Client) -> str:
    """Say what is in chunks and what is still hot; both must have been in play."""
    lines = client.request("GET", "/metrics").body.decode().splitlines()
    values = dict(line.rsplit(" ", 1) for line in lines if line.startswith("stepwell_store_"))
    chunks, hot = (int(float(values[f"stepwell_store_{name}"])) for name in ("chunks", "hot_rows"))
    assert chunks > 0, "no compaction took place"
    return f"chunks {chunks}, hot rows {hot}"
