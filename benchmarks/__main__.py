"""Owns the command `python -m benchmarks`: which lines run, the table, the JSON file.

The exit status says whether everything worked and every answer was right, not whether a goal
was met: the verdicts are in the table.
"""

from __future__ import annotations

import argparse
import datetime as dt
import shutil
import sys
import tempfile
import time
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from benchmarks import machine
from benchmarks.bench import Bench, Outcome
from benchmarks.connection import WrongAnswerError
from benchmarks.lines import LINES
from benchmarks.processes import ProcessFailedError
from benchmarks.sizes import SIZES

LOG_CHARS_MAX = 1500
_COLOURS = {"aim": "bold green", "ok": "green", "miss": "bold red"}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--size", choices=SIZES, default="small", help="small: 2 min; full: under 11 min"
    )
    parser.add_argument(
        "--only", nargs="+", choices=LINES, metavar="LINE", help=f"of: {', '.join(LINES)}"
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write every run and the machine here"
    )
    parser.add_argument(
        "--folder",
        type=Path,
        default=Path(".bench"),
        help="where data folders are made; its filesystem is measured (default: %(default)s)",
    )
    return parser.parse_args()


def work_folder(parent: Path) -> Path:
    """Return a new folder inside `parent`, which git is told to ignore."""
    parent.mkdir(parents=True, exist_ok=True)
    (parent / ".gitignore").write_text("*\n")
    return Path(tempfile.mkdtemp(dir=parent)).resolve()


def _table(outcomes: list[Outcome]) -> Table:
    table = Table(title="Stepwell against its yardsticks")
    for heading in ("what", "measured", "yardstick", "ratio", "at least", "aim", "verdict"):
        table.add_column(heading, overflow="fold")
    for outcome in outcomes:
        disturbed = "(disturbed)" if outcome.is_disturbed else ""
        verdict = f"[{_COLOURS[outcome.verdict]}]{outcome.verdict}[/]"
        table.add_row(
            outcome.what,
            outcome.measured,
            outcome.yardstick,
            outcome.ratio_text,
            outcome.at_least.text,
            outcome.aim.text,
            " ".join(filter(None, (verdict, outcome.refused, disturbed))),
        )
    return table


def _write(
    path: Path, size: str, seconds: float, host: machine.Machine, outcomes: list[Outcome]
) -> None:
    report = {
        "date": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "size": size,
        "seconds": seconds,
        "machine": host,
        "lines": [
            msgspec.structs.asdict(outcome)
            # asdict leaves properties out.
            | {"verdict": outcome.verdict, "is_disturbed": outcome.is_disturbed}
            for outcome in outcomes
        ],
    }
    path.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n")


def _run(line: str, bench: Bench) -> Outcome:
    """Run a line, and note how much others used the machine at the same time."""
    for log in bench.folder.glob("*.log"):
        log.unlink()
    started, others_before = time.perf_counter(), machine.others_cpu_seconds()
    outcome = LINES[line](bench)
    seconds = time.perf_counter() - started
    others_cores = (machine.others_cpu_seconds() - others_before) / seconds
    return msgspec.structs.replace(outcome, others_cores=others_cores)


def _show_logs(folder: Path, console: Console) -> None:
    """Print the ends of the logs of the line that failed."""
    for log in sorted(folder.glob("*.log")):
        console.print(f"{log.name}: ...{log.read_text()[-LOG_CHARS_MAX:]}", markup=False)


def main() -> int:
    """Run the lines, print the table, write the file; return 1 if something broke."""
    arguments = _arguments()
    console = Console()
    folder = work_folder(arguments.folder)
    started = time.perf_counter()
    outcomes, status = [], 0
    try:
        host = machine.describe(folder)
        console.print(str(host))
        with console.status("") as spinner:
            bench = Bench(SIZES[arguments.size], folder, spinner.update)
            for line in arguments.only or LINES:
                try:
                    outcomes.append(_run(line, bench))
                except (ProcessFailedError, WrongAnswerError, OSError) as error:
                    message = f"{line}: {type(error).__name__}: {error}"
                    console.print(message, style="bold red", markup=False)
                    _show_logs(folder, console)
                    status = 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    seconds = time.perf_counter() - started
    console.print(_table(outcomes))
    console.print(f"{arguments.size} size, {seconds:.0f} s")
    disturbed = [f"{each.line} {each.others_cores:.1f}" for each in outcomes if each.is_disturbed]
    if disturbed:
        text = f"Disturbed, run again: others used these cores meanwhile: {', '.join(disturbed)}"
        console.print(text, style="yellow")
    if arguments.json:
        _write(arguments.json, arguments.size, seconds, host, outcomes)
    return status


if __name__ == "__main__":
    sys.exit(main())
