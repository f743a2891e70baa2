"""Chunks: every bit comes back, damage is noticed, and summaries say what the points say."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from stepwell.model.errors import DamagedSeriesError
from stepwell.model.limits import STEP_LAST, TIMESTAMP_US_LAST
from stepwell.model.points import NO_STEP, Points, is_single
from stepwell.store.sqlite.chunk_file import check_sequence
from stepwell.store.sqlite.chunks import (
    CHUNK_POINTS_MAX,
    Chunk,
    decode_chunk,
    encode_chunk,
    summarise,
)
from stepwell.testing import reference

LARGEST = 1.7976931348623157e308
NAN_PAYLOADS = (0x7FF8000000000000, 0x7FF8000000000ABC, 0xFFF8DEADBEEF0001, 0x7FF0000000000001)


def columns(count: int, elements: st.SearchStrategy[int], dtype: Any) -> st.SearchStrategy[Any]:
    """Draw a column of so many elements."""
    return npst.arrays(dtype, count, elements=elements)


@st.composite
def points_of(draw: st.DrawFn, size_max: int = 60) -> Points:
    """Draw points of every bit pattern: any float64 at all, extreme steps and times."""
    count = draw(st.integers(1, size_max))
    any_bits = st.integers(0, 2**64 - 1) | st.sampled_from(NAN_PAYLOADS)
    ordinary = st.floats(-1e3, 1e3).map(lambda value: int(np.float64(value).view(np.uint64)))
    return Points(
        draw(columns(count, st.just(NO_STEP) | st.integers(0, STEP_LAST), np.int64)),
        draw(columns(count, st.integers(0, TIMESTAMP_US_LAST), np.int64)),
        draw(columns(count, any_bits | ordinary, np.uint64)).view(np.float64),
    )


def assert_same_bits(found: Points, right: Points) -> None:
    """Compare points bit by bit, NaN payloads too."""
    assert found.steps.tolist() == right.steps.tolist()
    assert found.timestamps_us.tolist() == right.timestamps_us.tolist()
    assert found.values.tobytes() == right.values.tobytes()
    assert (found.steps.dtype, found.values.dtype) == (np.int64, np.float64)


def ordinary_points(count: int) -> Points:
    """Make points as a training job would log them."""
    random = np.random.default_rng(7)
    steps = np.arange(count)
    return Points(
        steps,
        1_700_000_000_000_000 + steps * 250_000 + random.integers(0, 1_000, count),
        (2 / (1 + steps / 100) + random.normal(0, 0.01, count)).astype(np.float32).astype(float),
    )


@settings(max_examples=200, deadline=None)
@given(points_of())
def test_every_bit_comes_back(points: Points) -> None:
    """Encoding and decoding changes no bit, whatever float64 holds, NaN payloads too."""
    chunk = encode_chunk(3, 17, points)
    assert (chunk.series, chunk.first_index, chunk.summary.count) == (3, 17, len(points))
    assert_same_bits(decode_chunk(chunk), points)


@pytest.mark.parametrize("count", [1, 2, 4_096, CHUNK_POINTS_MAX])
def test_chunks_of_every_size(count: int) -> None:
    """The smallest and the largest chunk come back whole, and pack what training jobs log."""
    points = ordinary_points(count)
    chunk = encode_chunk(1, 0, points)
    assert_same_bits(decode_chunk(chunk), points)
    encoded = len(chunk.steps) + len(chunk.timestamps) + len(chunk.values)
    assert encoded < 8 * count or count < 100


@settings(max_examples=100, deadline=None)
@given(points_of(size_max=20), st.data())
def test_a_changed_byte_is_noticed(points: Points, data: st.DataObject) -> None:
    """A chunk of which any one byte has changed is damaged, and never decodes."""
    chunk = encode_chunk(1, 5, points)
    column = data.draw(st.sampled_from(["steps", "timestamps", "values"]))
    encoded = bytearray(getattr(chunk, column))
    place = data.draw(st.integers(0, len(encoded) - 1))
    encoded[place] ^= data.draw(st.integers(1, 255))
    damaged = chunk._replace(**{column: bytes(encoded)})
    with pytest.raises(DamagedSeriesError, match="point 5"):
        decode_chunk(damaged)


@pytest.mark.parametrize(
    "damage",
    [
        lambda chunk: chunk._replace(values=chunk.values[:-1]),
        lambda chunk: chunk._replace(values=b""),
        lambda chunk: chunk._replace(values=chunk.timestamps),
        lambda chunk: chunk._replace(steps=chunk.timestamps, timestamps=chunk.steps),
        lambda chunk: chunk._replace(crc=chunk.crc ^ 1),
    ],
)
def test_damage_of_other_kinds_is_noticed(damage: Any) -> None:
    """A cut, an empty and an exchanged column and a wrong checksum are damage."""
    chunk: Chunk = encode_chunk(1, 5, ordinary_points(100))
    with pytest.raises(DamagedSeriesError, match="point 5"):
        decode_chunk(damage(chunk))


def test_a_count_that_does_not_fit_is_noticed() -> None:
    """Columns that are whole but of another length than the summary says are damage."""
    long, short = (encode_chunk(1, 5, ordinary_points(count)) for count in (100, 99))
    for chunk in (long._replace(summary=short.summary), short._replace(summary=long.summary)):
        with pytest.raises(DamagedSeriesError, match="point 5"):
            decode_chunk(chunk)


def _null_for_nan(value: float) -> float | None:
    return None if math.isnan(value) else value


@settings(max_examples=200, deadline=None)
@given(points_of())
def test_summaries_say_what_the_points_say(points: Points) -> None:
    """A summary's counts, bounds, first and last are those of its points, exactly."""
    summary = summarise(points)
    steps = [step for step in points.steps.tolist() if step != NO_STEP]
    times, values = points.timestamps_us.tolist(), points.values.tolist()
    latest = max(range(len(times)), key=lambda index: (times[index], index))
    finite = [value for value in values if math.isfinite(value)]
    assert summary.count == len(values)
    assert summary.without_step == len(values) - len(steps)
    assert not steps or (summary.step_min, summary.step_max) == (min(steps), max(steps))
    assert steps or summary.step_min > summary.step_max
    assert (summary.timestamp_min, summary.timestamp_max) == (min(times), max(times))
    assert summary.first == _null_for_nan(values[0])
    assert summary.last == _null_for_nan(values[latest])
    assert summary.nan_count == sum(map(math.isnan, values))
    assert summary.inf_count == values.count(math.inf)
    assert summary.inf_negative_count == values.count(-math.inf)
    assert summary.finite_min == min(finite, default=None)
    assert summary.finite_max == max(finite, default=None)
    with np.errstate(over="ignore", invalid="ignore"):
        narrow = points.values.astype(np.float32)
    assert summary.is_single == (narrow.astype(np.float64).tobytes() == points.values.tobytes())


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.5, True),
        (-0.0, True),
        (math.inf, True),
        (math.nan, True),
        (0.1, False),
        (float(np.float32(0.1)), True),
        (LARGEST, False),
        (5e-324, False),
        (float(np.float32(1e-45)), True),
        (2.0**24 + 1, False),
    ],
)
def test_what_float32_holds(value: float, *, expected: bool) -> None:
    """One value that float32 would change among many makes a column float64."""
    values = np.full(1000, 0.25)
    values[567] = value
    assert is_single(values) is expected


@settings(max_examples=200, deadline=None)
@given(st.lists(st.floats() | st.sampled_from([LARGEST, 1e308, -1e308]), min_size=1, max_size=20))
def test_summaries_have_moments_of_anything(values: list[float]) -> None:
    """Mean and M2 are right for any values; none finite: both unknown; M2 too large: unknown."""
    count = len(values)
    points = Points(np.arange(count), np.arange(count), np.array(values))
    summary = summarise(points)
    finite = [value for value in values if math.isfinite(value)]
    assert (summary.mean is None) == (not finite)
    if summary.mean is not None:
        right = reference.mean(finite)
        slack = 2 * max(math.ulp(right), math.ulp(reference.scale(finite)))
        assert abs(summary.mean - right) <= slack
    assert summary.m2 is None or (finite and 0 <= summary.m2 < math.inf)


@pytest.mark.parametrize("value", [LARGEST, -LARGEST])
@pytest.mark.parametrize("count", [2, 3, 5_000])
def test_huge_values_can_be_compacted(value: float, count: int) -> None:
    """Chunks of nothing but the largest double encode, decode and have a mean."""
    points = Points(np.arange(count), np.arange(count), np.full(count, value))
    chunk = encode_chunk(1, 0, points)
    assert_same_bits(decode_chunk(chunk), points)
    assert chunk.summary.mean == value


def test_sequences_without_gaps() -> None:
    """Chunks that follow each other from 0 on and hold the total are a series."""
    check_sequence([], 0)
    check_sequence([(0, 5), (5, 1), (6, 10)], 16)


@pytest.mark.parametrize(
    ("places", "total", "says"),
    [
        ([(1, 5)], 6, "no chunk for point 0"),
        ([(0, 5), (6, 1)], 7, "no chunk for point 5"),
        ([(0, 5), (4, 5)], 9, "no chunk for point 5"),
        ([(0, 5)], 6, "hold 5 points, not 6"),
        ([(0, 5)], 4, "hold 5 points, not 4"),
        ([], 1, "hold 0 points, not 1"),
    ],
)
def test_sequences_with_gaps(places: list[tuple[int, int]], total: int, says: str) -> None:
    """A missing chunk, one too many and a wrong total are damage."""
    with pytest.raises(DamagedSeriesError, match=says):
        check_sequence(places, total)
