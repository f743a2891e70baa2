"""Owns how much each size of the suite does: small for each change, full for publishing."""

from __future__ import annotations

import msgspec


class Size(msgspec.Struct, frozen=True):
    """The counts and durations of one size."""

    put_runs: int
    """How many times the measured and the yardstick take turns, for puts."""

    put_seconds: float
    storage_components: int
    """Of 10 metrics with 2,000 steps each."""

    read_runs: int
    memory_seconds: float
    start_points: int
    start_runs: int
    catalog_runs: int


SIZES = {
    "small": Size(
        put_runs=3,
        put_seconds=1.5,
        storage_components=100,
        read_runs=7,
        memory_seconds=10.0,
        start_points=5_000_000,
        start_runs=3,
        catalog_runs=21,
    ),
    "full": Size(
        put_runs=5,
        put_seconds=4.0,
        storage_components=100,
        read_runs=21,
        memory_seconds=120.0,
        start_points=100_000_000,
        start_runs=5,
        catalog_runs=101,
    ),
}
