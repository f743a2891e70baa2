"""What goes between a worker and its committer arrives as it was, to the last bit."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stepwell.ingest.frames import (
    Report,
    Splitter,
    decode_opened,
    decode_put,
    decode_report,
    encode_opened,
    encode_put,
    encode_report,
    failure,
)
from stepwell.model.errors import (
    FolderInUseError,
    StoreDefectError,
    StoreError,
    StoreUnavailableError,
)
from stepwell.model.limits import STEP_LAST, TIMESTAMP_US_LAST
from stepwell.model.names import Component
from stepwell.model.points import NO_STEP, ItemError, ItemErrorCode, Outcome, Put

ITEM_ERRORS = st.lists(
    st.builds(ItemError, st.integers(0, 10_000), st.sampled_from(ItemErrorCode)), max_size=4
)


@st.composite
def puts(draw: st.DrawFn) -> Put:
    """Draw a put, its columns as lists or as arrays."""
    count = draw(st.integers(0, 60))
    steps, times, bits = (
        draw(st.lists(st.integers(first, last), min_size=count, max_size=count))
        for first, last in ((NO_STEP, STEP_LAST), (0, TIMESTAMP_US_LAST), (0, 2**64 - 1))
    )
    # Each pattern of bits is a float, NaN's payloads too.
    values = list(struct.unpack(f"<{count}d", struct.pack(f"<{count}Q", *bits)))
    is_array = draw(st.booleans())
    return Put(
        Component(draw(st.text(max_size=12)), draw(st.text(max_size=120))),
        draw(st.lists(st.text(max_size=255), min_size=count, max_size=count)),
        np.array(steps, np.int64) if is_array else steps,
        np.array(times, np.int64) if is_array else times,
        np.array(values, np.float64) if is_array else values,
        draw(st.integers(0, 10_000)),
        draw(ITEM_ERRORS),
        draw(st.none() | st.lists(st.integers(0, 10_000), max_size=3)),
        draw(st.text(max_size=20)),
        draw(st.none() | st.text(max_size=40)),
        draw(st.integers(0, 2**32 - 1)),
        draw(st.none() | st.integers(0, TIMESTAMP_US_LAST)),
    )


def bits_of(column: Sequence[float]) -> bytes:
    """Give a column's bytes."""
    return np.asarray(column).astype(np.float64 if len(column) == 0 else None).tobytes()


@given(st.lists(puts(), max_size=5), st.integers(1, 200))
def test_puts_arrive_as_they_were(sent: list[Put], piece: int) -> None:
    """However the bytes are cut, each put is there once and the same."""
    stream, splitter = b"".join(map(encode_put, sent)), Splitter()
    arrived = [
        decode_put(content)
        for start in range(0, len(stream), piece)
        for content in splitter.feed(stream[start : start + piece])
    ]
    assert len(arrived) == len(sent)
    for one, other in zip(arrived, sent, strict=True):
        for name in ("steps", "timestamps_us", "values"):
            assert bits_of(getattr(one, name)) == bits_of(getattr(other, name))
        rest = ("component", "metrics", "item_count", "refused", "positions", "owner", "put_id")
        for name in (*rest, "content_crc", "received_us"):
            assert getattr(one, name) == getattr(other, name)


@given(
    st.lists(st.builds(Outcome, ITEM_ERRORS, st.integers(0, 10_000), st.booleans()), max_size=5),
    st.floats(0, 100),
)
def test_reports_arrive_as_they_were(answers: list[Outcome], seconds: float) -> None:
    """Answers and times are the same, in the same order."""
    (content,) = Splitter().feed(encode_report(Report(answers, seconds, [seconds, 0.0])))
    arrived = decode_report(content)
    assert [(list(one.errors), one.stored, one.is_retry) for one in arrived.answers] == [
        (list(one.errors), one.stored, one.is_retry) for one in answers
    ]
    assert math.isclose(arrived.seconds, seconds)
    assert list(arrived.sync_seconds) == [seconds, 0.0]


def test_errors_arrive_with_their_kind() -> None:
    """An error of the store is of the same class, with its message and its notes."""
    defect = StoreDefectError("a defect")
    defect.add_note("where it was")
    away = StoreUnavailableError("the disk is full")
    (content,) = Splitter().feed(encode_report(Report([defect, away])))
    one, other = decode_report(content).answers
    assert (type(one), str(one)) == (StoreDefectError, "a defect")
    assert one.__notes__ == ["where it was"]
    assert (type(other), str(other)) == (StoreUnavailableError, "the disk is full")


def test_what_a_committer_says_first() -> None:
    """It says that its store is open, or why it is not."""
    for error in (None, FolderInUseError("taken"), StoreError("something")):
        (content,) = Splitter().feed(encode_opened(error))
        opened = decode_opened(content)
        assert bool(opened.failure) == (error is not None)
        if error is not None:
            assert str(failure(opened.failure, opened.message)) == str(error)
            assert isinstance(failure(opened.failure, opened.message), StoreError)
