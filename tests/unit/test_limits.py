"""Limits: the two profiles, changing single ones, and that every one has a source."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from stepwell.model.limits import STEP_LAST, TIMESTAMP_US_LAST, Limits, Profile, parse_limit
from stepwell.model.names import DEFAULT_ACCOUNT, Component
from stepwell.model.points import Outcome, Put
from stepwell.store.sqlite.store import EmbeddedStore


def test_the_profile_stepwell() -> None:
    """Rule 6's default profile: 10,000 points, 100 queries, any time, steps to 2^53-1."""
    limits = Limits.of(Profile.STEPWELL)
    assert limits == Limits()
    assert limits.points_per_put == 10_000
    assert limits.queries_per_get == 100
    assert limits.step_max == STEP_LAST == 2**53 - 1
    assert (limits.timestamp_past_s, limits.timestamp_future_s) == (None, None)
    assert (limits.creates_components, limits.folds_names) == (1, 1)
    assert limits.values_per_result == 100_000
    assert (limits.idempotency_s, limits.idempotency_ids_max) == (900, 5_000_000)


def test_the_profile_aws() -> None:
    """Rule 6's other profile: 10 points, two weeks back, two hours ahead, int32 steps."""
    limits = Limits.of("aws")
    assert limits.points_per_put == 10
    assert limits.queries_per_get == 100
    assert limits.step_max == 2**31 - 1
    assert limits.timestamp_past_s == 14 * 24 * 3600
    assert limits.timestamp_future_s == 2 * 3600
    assert (limits.creates_components, limits.folds_names) == (0, 0)


def test_the_last_instant() -> None:
    """The last timestamp is the last microsecond of the year 9999."""
    assert TIMESTAMP_US_LAST == 253_402_300_800 * 1_000_000 - 1


@pytest.mark.parametrize("each", fields(Limits), ids=lambda each: each.name)
def test_every_limit_is_explained(each: object) -> None:
    """Each limit says what it bounds and where it comes from."""
    metadata = getattr(each, "metadata", {})
    assert metadata["what"]
    assert metadata["source"]
    assert "aws" in metadata


def test_changing_one() -> None:
    """A single limit can be changed on top of a profile; the others stay as they are."""
    limits = Limits.of("aws", {"points_per_put": 25, "timestamp_past_s": None})
    assert (limits.points_per_put, limits.timestamp_past_s) == (25, None)
    assert limits.timestamp_future_s == 7_200


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("points_per_put", 0),
        ("points_per_put", -1),
        ("points_per_put", None),
        ("creates_components", 2),
        ("folds_names", -1),
        ("body_bytes_max", None),
        ("no_such_limit", 1),
        ("idempotency_s", 99_999_999_999_999),
        ("points_per_component", 99_999_999_999_999_999_999),
        ("step_max", STEP_LAST + 1),
        *((each.name, each.metadata["last"] + 1) for each in fields(Limits)),
    ],
)
def test_senseless_changes(name: str, value: int | None) -> None:
    """A limit that is not there, or a value that makes no sense, is refused by name."""
    with pytest.raises(ValueError, match=name):
        Limits.of("stepwell", {name: value})


@pytest.mark.parametrize("which", ["first", "last"])
def test_the_ends_of_each(tmp_path: Path, which: str) -> None:
    """A store works with the smallest, and with the largest, number of every limit."""
    changes = {each.name: each.metadata.get(which, 1) for each in fields(Limits)}
    component = Component(DEFAULT_ACCOUNT, "run")
    put = Put(component, ["loss"], [1], [1], [1.0], 1, put_id="once")
    store = EmbeddedStore(tmp_path, Limits.of("stepwell", changes), is_shared=True)
    try:
        assert store.append([put]) == [Outcome((), 1)]
        assert [each.count for each in store.list_series(component)] == [1]
    finally:
        store.close()


def test_unknown_profiles() -> None:
    """There are two profiles and no other."""
    with pytest.raises(ValueError, match="azure"):
        Limits.of("azure")


@pytest.mark.parametrize(
    ("text", "value"), [("7", 7), (" 7 ", 7), ("none", None), ("None", None), ("1_000", 1000)]
)
def test_limits_as_text(text: str, value: int | None) -> None:
    """A limit is written as a number or as none."""
    assert parse_limit(text) == value


@pytest.mark.parametrize("text", ["", "x", "1.5", "7s", "no"])
def test_limits_that_are_no_numbers(text: str) -> None:
    """Anything else is refused."""
    with pytest.raises(ValueError, match=r"\w"):
        parse_limit(text)
