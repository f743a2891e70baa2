"""Ranks of metrics, out of summaries alone."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepwell.model.summaries import MetricSummary
from stepwell.query.ranking import RankBy, SeriesTable, rank

NOW_US = 1_700_000_000_000_000


def summary(
    metric: str, low: float, high: float, std_dev: float, **changed: float
) -> MetricSummary:
    """Make a summary of values between two."""
    middle = (low + high) / 2
    members = {"last": middle, "avg": middle, "timestamp_us": NOW_US, "nan": 0, "infinite": 0}
    return MetricSummary(metric, 10, low, high, std_dev=std_dev, **(members | changed))  # type: ignore[arg-type]


def names(
    runs: list[list[MetricSummary]], by: RankBy, metrics: list[str] | None = None
) -> list[str]:
    """Rank, and give the names."""
    return [each.metric for each in rank([SeriesTable.of(run) for run in runs], by, metrics)]


def test_what_differs_most_comes_first() -> None:
    """Far apart and quiet is more than far apart and noisy, which is more than the same."""
    runs = [
        [
            summary("quiet", base, base + 0.1, 0.01),
            summary("noisy", base, base + 3, 1.0),
            summary("same", 1, 2, 0.1),
        ]
        for base in (0.0, 5.0)
    ]
    assert names(runs, RankBy.DIFFERENCE) == ["quiet", "noisy", "same"]
    assert names(runs, RankBy.DIFFERENCE, ["same", "noisy", "none"]) == ["noisy", "same"]


def test_constants_that_differ() -> None:
    """Constants that differ between runs differ without bound; one run alone does not differ."""
    runs = [[summary("c", base, base, 0.0)] for base in (1.0, 2.0)]
    (found,) = rank([SeriesTable.of(run) for run in runs], RankBy.DIFFERENCE, None)
    assert found.score == math.inf
    (found,) = rank([SeriesTable.of(runs[0])], RankBy.DIFFERENCE, None)
    assert found.score == 0


def test_other_orders() -> None:
    """By the latest point, by what is not finite, by the farthest point; equal ones by name."""
    runs = [
        [
            summary("b", 0, 1, 0.5, timestamp_us=NOW_US + 1),
            summary("a", 0, 1, 0.5),
            summary("nan", 0, 1, 0.5, nan=3, infinite=1),
            summary("spike", 0, 100, 0.5, avg=0.1),
        ]
    ]
    assert names(runs, RankBy.CHANGE) == ["b", "a", "nan", "spike"]
    assert names(runs, RankBy.NAN) == ["nan", "a", "b", "spike"]
    assert names(runs, RankBy.SPIKE) == ["spike", "a", "b", "nan"]
    assert names([], RankBy.NAN) == names([[]], RankBy.NAN) == []


_values = st.floats(allow_nan=True, allow_infinity=True)


@given(
    st.lists(
        st.lists(
            st.builds(
                MetricSummary,
                st.sampled_from("abc"),
                st.integers(1, 9),
                *[_values] * 5,
                st.integers(0, 2**60),
            ),
            max_size=3,
            unique_by=lambda each: each.metric,
        ),
        max_size=4,
    ),
    st.sampled_from(RankBy),
)
def test_scores_of_any_values(runs: list[list[MetricSummary]], by: RankBy) -> None:
    """Whatever values there are, every metric has one score, and no score is NaN."""
    found = rank([SeriesTable.of(run) for run in runs], by, None)
    assert sorted(each.metric for each in found) == sorted({s.metric for run in runs for s in run})
    scores = [each.score for each in found]
    assert scores == sorted(scores, reverse=True)
    assert not any(map(math.isnan, scores))


@pytest.mark.parametrize("by", list(RankBy))
def test_many_metrics(by: RankBy) -> None:
    """Ten thousand metrics of ten runs are ranked."""
    runs = [
        SeriesTable.of([summary(f"m{index}", run, index, 1.0) for index in range(10_000)])
        for run in range(10)
    ]
    assert len(rank(runs, by, None)) == 10_000
