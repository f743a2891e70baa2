"""Owns the description of the machine, without which a figure means nothing."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sqlite3
import statistics
import time
from pathlib import Path

import msgspec

LIBRARIES = (
    "stepwell",
    "uvicorn",
    "uvloop",
    "httptools",
    "starlette",
    "msgspec",
    "orjson",
    "numpy",
    "pcodec",
)
FSYNC_COUNT = 100
FSYNC_BYTES = 4096


class Machine(msgspec.Struct, frozen=True):
    """Where a run took place."""

    cpu: str
    cores: int
    memory_bytes: int
    kernel: str
    filesystem: str
    fsync_ms: float
    python: str
    libraries: dict[str, str]

    def __str__(self) -> str:
        """Return the description in one line."""
        memory = f"{self.memory_bytes / 2**30:.0f} GiB"
        software = f"Linux {self.kernel}, Python {self.python}"
        disk = f"{self.filesystem}, fsync {self.fsync_ms:.2f} ms"
        return f"{self.cpu}, {self.cores} cores, {memory}, {disk}, {software}"


def _cpu_model() -> str:
    models = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return models[0] if models else platform.machine()


def _memory_bytes() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _filesystem(folder: Path) -> str:
    """Return the type of the filesystem that holds the folder, without naming its place."""
    path = folder.resolve()
    best, kind = Path("/"), "unknown"
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields, _, source = line.partition(" - ")
        mount = Path(fields.split()[4])
        if path.is_relative_to(mount) and len(mount.parts) >= len(best.parts):
            best, kind = mount, source.split()[0]
    return kind


def _fsync_ms(folder: Path) -> float:
    """Return the median time of a 4 KiB append with fsync in the folder."""
    times = []
    path = folder / "fsync-probe"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        for _ in range(FSYNC_COUNT):
            started = time.perf_counter()
            os.write(descriptor, b"\0" * FSYNC_BYTES)
            os.fsync(descriptor)
            times.append(time.perf_counter() - started)
    finally:
        os.close(descriptor)
        path.unlink()
    return statistics.median(times) * 1000.0


def _versions() -> dict[str, str]:
    versions = {}
    for name in LIBRARIES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return versions | {"sqlite": sqlite3.sqlite_version}


def others_cpu_seconds() -> float:
    """Return the CPU time since boot that was not this process's or its ended children's.

    The difference of two readings, with no child alive at either, is what others on the machine
    took meanwhile: other users, the kernel for them, and other guests of the same host (steal).
    """
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    user, nice, system, _idle, _iowait, irq, softirq, steal = (int(field) for field in fields)
    all_seconds = (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")
    own = os.times()
    return all_seconds - own.user - own.system - own.children_user - own.children_system


def describe(folder: Path) -> Machine:
    """Return what this machine is, with the filesystem and fsync time of the folder."""
    return Machine(
        cpu=_cpu_model(),
        cores=os.cpu_count() or 0,
        memory_bytes=_memory_bytes(),
        kernel=platform.release(),
        filesystem=_filesystem(folder),
        fsync_ms=_fsync_ms(folder),
        python=platform.python_version(),
        libraries=_versions(),
    )
