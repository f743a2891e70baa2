"""Owns what the lines share: the size, the work folder, and the shape of an outcome.

A line is a function from a `Bench` to an `Outcome`. It starts what it needs, measures, checks
what it got back, and cleans up; an answer that is wrong raises.
"""

from __future__ import annotations

import shutil
import statistics
from typing import TYPE_CHECKING

import msgspec

from benchmarks.connection import WrongAnswerError
from benchmarks.processes import stepwell

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from benchmarks.sizes import Size


OTHERS_CORES_MAX = 0.15
"""From here on a line is disturbed: two cores are just enough for a server and its load."""


class Goal(msgspec.Struct, frozen=True):
    """A bound on a ratio (or on a figure), and which side of it is good."""

    bound: float
    text: str
    higher_is_better: bool

    def met_by(self, figure: float) -> bool:
        """Return whether the figure is on the good side."""
        return figure >= self.bound if self.higher_is_better else figure <= self.bound


class Outcome(msgspec.Struct, frozen=True):
    """One row of the table."""

    line: str
    what: str
    measured: str
    yardstick: str
    ratio: float
    ratio_text: str
    at_least: Goal
    aim: Goal
    details: dict[str, object]
    """Every single run and what else was seen, for the JSON file."""

    refused: str = ""
    """Why the line fails although its ratio is good; empty when it does not."""

    is_timed: bool = True
    others_cores: float = 0.0
    """Cores that others used while the line ran."""

    @property
    def is_disturbed(self) -> bool:
        """Return whether others may have bent the ratio, to either side."""
        return self.is_timed and self.others_cores > OTHERS_CORES_MAX

    @property
    def verdict(self) -> str:
        """Return `aim`, `ok` or `miss`."""
        if self.refused or not self.at_least.met_by(self.ratio):
            return "miss"
        return "aim" if self.aim.met_by(self.ratio) else "ok"


class Bench:
    """One run of the suite: its size, its folder and how to say what goes on."""

    def __init__(self, size: Size, folder: Path, say: Callable[[str], None]) -> None:
        """Use `folder`, which exists and is empty, for everything written."""
        self.size = size
        self.folder = folder
        self.say = say
        self.large: Path | None = None
        """A data folder full of points that one line leaves for a later one."""
        self.catalogs: tuple[Path, Path] | None = None
        """Data folders with a large and a small catalog, for several lines."""

    def log(self, name: str) -> Path:
        """Return the file that collects what the named process says."""
        return self.folder / f"{name}.log"

    def data(self, name: str) -> Path:
        """Return the path of a data folder that does not exist yet."""
        path = self.folder / name
        remove(path)
        return path


class Info(msgspec.Struct):
    """What `stepwell info` counts."""

    points: int
    series: int
    hot_points: int


def info(folder: Path) -> Info:
    """Return what `stepwell info` says of the data folder."""
    return msgspec.json.decode(stepwell("info", "--data", str(folder), "--json"), type=Info)


def check_stored(folder: Path, points: int, series: int | None = None) -> None:
    """Raise WrongAnswerError unless the folder holds exactly the points that were answered."""
    found = info(folder)
    if found.points != points:
        message = f"{points:,} points were answered and {found.points:,} are stored"
        raise WrongAnswerError(message)
    if series is not None and found.series != series:
        message = f"{series:,} series were put and {found.series:,} are stored"
        raise WrongAnswerError(message)


def folder_bytes(folder: Path) -> int:
    """Return the length of all files in the folder together."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def remove(folder: Path) -> None:
    """Delete the data folder, if there is one."""
    shutil.rmtree(folder, ignore_errors=True)


def median(figures: list[float]) -> float:
    """Return the median as a float."""
    return float(statistics.median(figures))
