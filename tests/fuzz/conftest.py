"""The server that is fuzzed, what it must hold in the end, and how much was tried."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

# The one place that knows how to start a server and wait for it.
from tests.http.conftest import Server, start

from .bodies import BODY_BYTES_MAX
from .budget import EXAMPLES, ran
from .line import Line
from .model import POINTS_PER_PUT, Ledger

#: Values in one result, so few that answers come in pages.
VALUES_PER_RESULT = 7


@dataclass
class Fuzzed:
    """A server, a connection to it, and every point that it has accepted."""

    server: Server
    line: Line
    data: Path
    ledger: Ledger = field(default_factory=lambda: Ledger(list), repr=False)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def new_component(self) -> str:
        """Give a name that was not used before. All have one length, as replays need it."""
        return f"f{next(self._numbers):09d}"


@pytest.fixture(scope="session")
def fuzzed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fuzzed]:
    """Give the server; in the end it is well, has every accepted point and logged no error."""
    data = tmp_path_factory.mktemp("fuzz") / "data"
    limits = {
        "body_bytes_max": BODY_BYTES_MAX,
        "points_per_put": POINTS_PER_PUT,
        "values_per_result": VALUES_PER_RESULT,
    }
    server = start(data, [f"--limit={name}={value}" for name, value in limits.items()])
    fuzzed = Fuzzed(server, Line(server.port), data)
    try:
        yield fuzzed
        assert server.process.poll() is None, server.log.read_text()
        assert server.request("GET", "/healthz").status == 200
        metrics = server.request("GET", "/metrics").body.decode()
        found = re.search(r"^stepwell_store_points (\S+)$", metrics, re.MULTILINE)
        assert found is not None
        # After a failure nobody knows what is there.
        if not request.session.testsfailed:
            assert float(found.group(1)) == sum(map(len, fuzzed.ledger.values()))
        logged = [json.loads(line) for line in server.log_lines()]
        assert not [line for line in logged if line["level"] in {"error", "critical"}]
    finally:
        fuzzed.line.close()
        assert server.stop() == 0


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how many examples ran, so that CI shows it."""
    if ran:
        terminalreporter.section("fuzz: what was tried")
        for name, count in ran.items():
            terminalreporter.write_line(f"{name}: {count} examples")
        terminalreporter.write_line(f"all: {ran.total()} examples of {EXAMPLES} asked for")
