"""Owns the command `python -m benchmarks.peers`: other tools' servers beside Stepwell's.

The same 100,000 points of one training job go through each tool's own client into its own
server, one call after the other as a training job sends them, and one metric's 10,000 points
are read back. All servers run at once, idle ones cost nothing, and the tools take turns. The
peers live in an environment of their own, made on the first run.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import json
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from benchmarks import machine
from benchmarks.__main__ import work_folder
from benchmarks.bench import median
from benchmarks.processes import (
    ProcessFailedError,
    Server,
    free_port,
    serve_nothing,
    serve_stepwell,
)

REQUIREMENTS = Path(__file__).with_name("peers-requirements.txt")
CLIENT = Path(__file__).with_name("peers_client.py")
INSTALLED = "installed-requirements.txt"
CLIENT_SECONDS_MAX = 600.0


class Contender(msgspec.Struct, frozen=True):
    """A tool, the client it is used through, and how."""

    name: str
    server: str
    client: str
    points_per_call: int
    reads: bool
    keeps: str
    """What an accepted point rests on."""

    note: str = ""


CONTENDERS = (
    Contender(
        "moto",
        "moto",
        "boto3",
        10,
        reads=False,
        keeps="memory",
        note="no read API; keeps one point a step",
    ),
    Contender("MLflow", "mlflow", "mlflow", 1000, reads=True, keeps="SQLite"),
    Contender(
        "Stepwell", "stepwell", "boto3", 10, reads=True, keeps="disk, fsync before the answer"
    ),
    Contender(
        "Stepwell", "stepwell", "boto3", 1000, reads=True, keeps="disk, fsync before the answer"
    ),
    Contender("boto3 alone", "nothing", "boto3", 10, reads=False, keeps="nothing: thrown away"),
    Contender("boto3 alone", "nothing", "boto3", 1000, reads=False, keeps="nothing: thrown away"),
)


class Times(msgspec.Struct, frozen=True):
    """What one client run took."""

    points: int
    put_seconds: float
    read_seconds: float | None


def prepare(folder: Path, console: Console) -> Path:
    """Return the Python of an environment that has exactly the pinned peers, made if need be."""
    python = folder / "bin" / "python"
    wanted, installed = REQUIREMENTS.read_text(), folder / INSTALLED
    if not (installed.exists() and installed.read_text() == wanted):
        console.print(f"installing {REQUIREMENTS.name} into {folder.name}")
        venv.create(folder, clear=True, with_pip=True)
        (folder / ".gitignore").write_text("*\n")
        command = [
            str(python),
            "-m",
            "pip",
            "install",
            "--quiet",
            "--requirement",
            str(REQUIREMENTS),
        ]
        if subprocess.run(command, check=False).returncode:
            message = "pip could not install the peers"
            raise ProcessFailedError(message)
        installed.write_text(wanted)
    return python


def peer_versions(python: Path) -> dict[str, str]:
    """Return the versions of the tools that were installed."""
    listing = subprocess.run(
        [str(python), "-m", "pip", "list", "--format", "json"],
        capture_output=True,
        text=True,
        check=True,
    )
    found = {package["name"]: package["version"] for package in json.loads(listing.stdout)}
    return {name: found[name] for name in ("boto3", "mlflow", "moto")}


def start_servers(stack: contextlib.ExitStack, python: Path, folder: Path) -> dict[str, str]:
    """Start the servers on `stack`; return the endpoint of each."""
    moto_port, mlflow_port = free_port(), free_port()
    moto = [str(python.with_name("moto_server")), "-H", "127.0.0.1", "-p", str(moto_port)]
    mlflow = [
        str(python.with_name("mlflow")),
        "server",
        "--host",
        "127.0.0.1",
        "--port",
        str(mlflow_port),
    ]
    mlflow += ["--workers", "1", "--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}"]
    mlflow += ["--default-artifact-root", str(folder / "artifacts")]
    enter = stack.enter_context
    servers = {
        "moto": enter(Server(moto, moto_port, "/moto-api/", folder / "moto.log")),
        "mlflow": enter(Server(mlflow, mlflow_port, "/health", folder / "mlflow.log")),
        "stepwell": enter(serve_stepwell(folder / "stepwell", folder / "stepwell.log")),
        "nothing": enter(serve_nothing(folder / "donothing.log")),
    }
    return {name: f"http://127.0.0.1:{server.port}" for name, server in servers.items()}


def run_client(python: Path, contender: Contender, endpoint: str, run: str) -> Times:
    """Put the points through the contender's client and read a metric back; return the times."""
    command = [
        str(python),
        str(CLIENT),
        contender.client,
        endpoint,
        str(contender.points_per_call),
        run,
    ]
    command.append("read" if contender.reads else "create" if contender.server == "moto" else "put")
    environment = os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true", "NO_PROXY": "127.0.0.1"}
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=CLIENT_SECONDS_MAX,
        env=environment,
    )
    if done.returncode:
        message = f"{contender.name} at {contender.points_per_call} a call: {done.stderr[-2000:]}"
        raise ProcessFailedError(message)
    return msgspec.json.decode(done.stdout, type=Times)


def _row(contender: Contender, times: list[Times], reference: list[Times]) -> dict[str, object]:
    """Return the medians of a contender, and its ratios to the reference's."""
    rate = median([time.points / time.put_seconds for time in times])
    reference_rate = median([time.points / time.put_seconds for time in reference])
    reads = [time.read_seconds for time in times if time.read_seconds is not None]
    reference_reads = [time.read_seconds for time in reference if time.read_seconds is not None]
    return {
        "tool": contender.name,
        "client": contender.client,
        "points_per_call": contender.points_per_call,
        "points_per_second": rate,
        "put_ratio": rate / reference_rate,
        "read_ms": median(reads) * 1000 if reads else None,
        "read_ratio": median(reads) / median(reference_reads)
        if reads and reference_reads
        else None,
        "keeps": contender.keeps,
        "note": contender.note,
        "runs": times,
    }


def _table(rows: list[dict[str, object]], versions: dict[str, str]) -> Table:
    table = Table(
        title="100,000 points (10 metrics x 10,000 steps), one client, one call after the other"
    )
    headings = ("tool", "client, points a call", "points/s in", "by MLflow's", "10,000 points back")
    for heading in (*headings, "by MLflow's", "an accepted point rests on"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        tool = str(row["tool"])
        table.add_row(
            f"{tool} {versions.get(tool.lower(), '')}".strip(),
            f"{row['client']}, {row['points_per_call']:,}",
            f"{row['points_per_second']:,.0f}",
            f"{row['put_ratio']:.2f}x",
            "-" if row["read_ms"] is None else f"{row['read_ms']:,.0f} ms",
            "" if row["read_ratio"] is None else f"{row['read_ratio']:.2f}x the time",
            str(row["keeps"]),
        )
    return table


def _compare(python: Path, folder: Path, runs: int, console: Console) -> list[dict[str, object]]:
    """Let the contenders take turns and return a row for each."""
    times: list[list[Times]] = [[] for _ in CONTENDERS]
    with contextlib.ExitStack() as stack, console.status("starting the servers") as spinner:
        endpoints = start_servers(stack, python, folder)
        for run in range(runs):
            for index, contender in enumerate(CONTENDERS):
                spinner.update(
                    f"run {run + 1} of {runs}: {contender.name}, {contender.points_per_call} a call"
                )
                name = f"peers-{contender.points_per_call}-{run}"
                times[index].append(
                    run_client(python, contender, endpoints[contender.server], name)
                )
    reference = next(
        index for index, contender in enumerate(CONTENDERS) if contender.name == "MLflow"
    )
    return [
        _row(contender, times[index], times[reference])
        for index, contender in enumerate(CONTENDERS)
    ]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument(
        "--runs", type=int, default=3, help="turns that each tool has (default: %(default)s)"
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write every run and the machine here"
    )
    parser.add_argument(
        "--venv", type=Path, default=Path(".venv-peers"), help="the peers' environment"
    )
    parser.add_argument(
        "--folder", type=Path, default=Path(".bench"), help="where data folders are made"
    )
    return parser.parse_args()


def main() -> int:
    """Prepare, compare, print the table, write the file; return 1 if something broke."""
    arguments = _arguments()
    console = Console()
    folder = work_folder(arguments.folder)
    try:
        python = prepare(arguments.venv.absolute(), console)
        host = machine.describe(folder)
        console.print(str(host))
        versions = peer_versions(python) | {"stepwell": host.libraries["stepwell"]}
        rows = _compare(python, folder, arguments.runs, console)
    except (ProcessFailedError, subprocess.SubprocessError, OSError) as error:
        console.print(f"{type(error).__name__}: {error}", style="bold red", markup=False)
        return 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    console.print(_table(rows, versions))
    console.print(
        "moto keeps one point a step in memory and has no read API; gaps under 2x are noise"
    )
    console.print("boto3 alone: against a handler that does nothing, what the client itself can do")
    if arguments.json:
        date = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        report = {"date": date, "machine": host, "versions": versions, "rows": rows}
        arguments.json.write_bytes(
            msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
