"""Chunks: encoded consecutive points of one series, each with its summary.

A chunk's three columns are pcodec's (bit-exact), with one CRC-32 over all of them.
`store/sqlite/chunk_file.py` keeps them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from isal.isal_zlib import crc32
from pcodec import ChunkConfig, DeltaSpec, standalone  # type: ignore[import-untyped]

from stepwell.model.errors import DamagedSeriesError
from stepwell.model.points import NO_STEP, Points, is_single
from stepwell.model.statistics import moments_of

CHUNK_POINTS_MAX = 65_536
#: For steps, timestamps and values. A small chunk is soon merged into a larger one: there, looking
#: for the best form would cost six times the time for the last 2 % of the bytes.
_CONFIGS_SMALL = (
    ChunkConfig(compression_level=4, delta_spec=DeltaSpec.try_consecutive(1)),
    ChunkConfig(compression_level=4, delta_spec=DeltaSpec.try_consecutive(1)),
    ChunkConfig(compression_level=4, delta_spec=DeltaSpec.no_op()),
)
_CONFIGS_LARGE = (ChunkConfig(compression_level=8),) * 3
_LARGE_POINTS_MIN = 8192

_INT64_LAST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Summary:
    """What is known of a chunk without decoding it.

    `step_min > step_max` where no point has a step. `last` is the last by timestamp, then by
    arrival. A NaN in `first` or `last` is NULL in the file, as are `finite_min` to `m2` where
    no value is finite. `is_single` says whether float32 holds every value exactly; None in chunks
    of a time when nobody noted it.
    """

    count: int
    without_step: int
    step_min: int
    step_max: int
    timestamp_min: int
    timestamp_max: int
    first: float | None
    last: float | None
    nan_count: int
    inf_count: int
    inf_negative_count: int
    finite_min: float | None
    finite_max: float | None
    mean: float | None
    m2: float | None
    is_single: bool | None


class Chunk(NamedTuple):
    """A chunk as stored: its place, its summary and its encoded columns."""

    series: int
    first_index: int
    summary: Summary
    crc: int
    steps: bytes
    timestamps: bytes
    values: bytes


def summarise(points: Points) -> Summary:
    """Make the summary of one or more points."""
    steps, timestamps, values = points.steps, points.timestamps_us, points.values
    without_step = 0
    if steps.min() == NO_STEP:
        steps = steps[steps != NO_STEP]
        without_step = len(points) - len(steps)
    finite = values
    is_finite = np.isfinite(values)
    if not is_finite.all():
        finite = values[is_finite]
    moments = moments_of(finite) if len(finite) else None
    timestamp_max = timestamps.max()
    last_index = len(points) - 1
    if timestamps[last_index] != timestamp_max:
        last_index -= int(np.argmax(timestamps[::-1]))
    return Summary(
        count=len(points),
        without_step=without_step,
        step_min=int(steps.min()) if len(steps) else _INT64_LAST,
        step_max=int(steps.max()) if len(steps) else NO_STEP,
        timestamp_min=int(timestamps.min()),
        timestamp_max=int(timestamp_max),
        first=_nullable(values[0]),
        last=_nullable(values[last_index]),
        nan_count=0 if finite is values else int(np.isnan(values).sum()),
        inf_count=0 if finite is values else int(np.isposinf(values).sum()),
        inf_negative_count=0 if finite is values else int(np.isneginf(values).sum()),
        finite_min=float(finite.min()) if moments else None,
        finite_max=float(finite.max()) if moments else None,
        mean=moments.mean if moments else None,
        # A sum of squares that float64 cannot hold is unknown, not infinite.
        m2=moments.m2 if moments and math.isfinite(moments.m2) else None,
        is_single=is_single(values),
    )


def encode_chunk(series: int, first_index: int, points: Points) -> Chunk:
    """Encode points, at most `CHUNK_POINTS_MAX`, as a chunk."""
    configs = _CONFIGS_LARGE if len(points) >= _LARGE_POINTS_MIN else _CONFIGS_SMALL
    steps, timestamps, values = (
        standalone.simple_compress(np.ascontiguousarray(column), config)
        for column, config in zip(
            (points.steps, points.timestamps_us, points.values), configs, strict=True
        )
    )
    crc = _crc(steps, timestamps, values)
    return Chunk(series, first_index, summarise(points), crc, steps, timestamps, values)


def verify_chunk(chunk: Chunk) -> None:
    """Check a chunk's bytes against its CRC.

    Raises:
        DamagedSeriesError: they are not what was written.
    """
    verify_columns((chunk.steps, chunk.timestamps, chunk.values), chunk.crc, chunk.first_index)


def verify_columns(columns: tuple[bytes, bytes, bytes], crc: int, first_index: int) -> None:
    """Check a chunk's encoded columns against its CRC. See `verify_chunk`."""
    if _crc(*columns) != crc:
        msg = f"chunk at point {first_index}: its bytes do not match their checksum"
        raise DamagedSeriesError(msg)


def decode_column(encoded: bytes, out: npt.NDArray[np.generic], first_index: int) -> None:
    """Decode one column of a verified chunk into an array of its length.

    Raises:
        DamagedSeriesError: pcodec cannot read it, or it is of another length.
    """
    try:
        progress = standalone.simple_decompress_into(encoded, out)
    except (RuntimeError, TypeError) as error:
        msg = f"chunk at point {first_index}: {error}"
        raise DamagedSeriesError(msg) from error
    if progress.n_processed != len(out) or not progress.finished:
        msg = f"chunk at point {first_index}: {progress.n_processed} values, not {len(out)}"
        raise DamagedSeriesError(msg)


def decode_chunk(chunk: Chunk) -> Points:
    """Verify and decode a chunk.

    Raises:
        DamagedSeriesError: it does not hold what was written.
    """
    verify_chunk(chunk)
    count = chunk.summary.count
    points = Points(
        np.empty(count, np.int64),
        np.empty(count, np.int64),
        np.empty(count, np.float64),
    )
    decode_column(chunk.steps, points.steps, chunk.first_index)
    decode_column(chunk.timestamps, points.timestamps_us, chunk.first_index)
    decode_column(chunk.values, points.values, chunk.first_index)
    return points


def _crc(*columns: bytes) -> int:
    crc = 0
    for column in columns:
        crc = crc32(column, crc)
    return crc


def _nullable(value: np.float64) -> float | None:
    return None if np.isnan(value) else float(value)
