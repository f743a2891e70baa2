"""A large chunk's points as rows of blocks of x, made when it is written.

A chart of millions of points is made of these and need not decode the points. Only what is simple
has them: chunks whose values are all finite, whose points all have steps, and whose steps (and for
blocks of timestamps, timestamps too) never go back. Everything else is decoded, and so is a chunk
whose blocks are missing, damaged, or of another chunk: nothing rests on them but speed.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

import numpy as np
from isal.isal_zlib import crc32

from stepwell.model.points import NO_STEP, Int64Array, Points
from stepwell.model.rows import Rows, rows_of_points
from stepwell.store.protocol import Blocks

#: A smaller chunk is decoded in a third of a millisecond.
POINTS_MIN = 16_384
#: A chunk's x is divided into 2**6 blocks or fewer: 3.6 kB for each of two axes.
_BLOCKS_BITS = 6
_CRC = struct.Struct("<I")
#: The level, and how many rows.
_HEAD = struct.Struct("<IQ")
_INTS = ("first_x", "last_x", "count")
_FLOATS = ("min", "max", "mean", "last")


class EncodedBlocks(NamedTuple):
    """A chunk's blocks of steps, and those of timestamps if it has any."""

    steps: bytes
    timestamps: bytes | None


def encode_blocks(points: Points) -> EncodedBlocks | None:
    """Make the blocks of one or more points; None of points that are not simple."""
    steps, timestamps = points.steps, points.timestamps_us
    is_simple = (
        int(steps.min()) != NO_STEP
        and not _goes_back(steps)
        and bool(np.isfinite(points.values).all())
    )
    if not is_simple:
        return None
    of_timestamps = None if _goes_back(timestamps) else _encode(timestamps, points)
    return EncodedBlocks(_encode(steps, points), of_timestamps)


def decode_blocks(encoded: bytes) -> Blocks | None:
    """Read one axis' blocks; None if they are damaged."""
    start = _CRC.size + _HEAD.size
    if len(encoded) < start or _CRC.unpack_from(encoded)[0] != crc32(encoded[_CRC.size :]):
        return None
    level, count = _HEAD.unpack_from(encoded, _CRC.size)
    if len(encoded) != start + 8 * count * (len(_INTS) + len(_FLOATS)):
        return None
    ints = np.frombuffer(encoded, np.int64, count * len(_INTS), start).reshape(-1, count)
    floats = np.frombuffer(encoded, np.float64, offset=start + ints.nbytes).reshape(-1, count)
    first_x, last_x, counts = ints
    none = np.zeros(count, np.int64)
    low, high, mean, last = floats
    block = first_x >> level
    rows = Rows(block, first_x, last_x, low, high, mean, last, counts, none, none, none)
    return Blocks(level, rows)


def _encode(x: Int64Array, points: Points) -> bytes:
    level = max(int(x[-1] - x[0]).bit_length() - _BLOCKS_BITS, 0)
    rows = rows_of_points(x >> level, x, points.values)
    columns = [getattr(rows, name).tobytes() for name in (*_INTS, *_FLOATS)]
    body = b"".join((_HEAD.pack(level, len(rows)), *columns))
    return _CRC.pack(crc32(body)) + body


def _goes_back(column: Int64Array) -> bool:
    return bool((column[1:] < column[:-1]).any())
