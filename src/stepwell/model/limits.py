"""Every limit of the service, in one place, with both profiles and each one's source (rule 6).

`Limits()` is the profile `stepwell`; `Limits.of("aws")` is AWS's. Each is settable on its own:
`stepwell serve --limit NAME=VALUE`, or the variable `STEPWELL_LIMIT_<NAME>`.
docs/limits.md is generated from this file and a test holds it to that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields, replace
from enum import StrEnum
from typing import Any, Self

MIB = 1024 * 1024
#: 9999-12-31T23:59:59.999999Z, the last instant that the SDKs can send or read.
TIMESTAMP_US_LAST = 253_402_300_799_999_999
#: The largest integer that every JSON reader keeps (JavaScript's).
STEP_LAST = 2**53 - 1


class Profile(StrEnum):
    """Whose limits hold."""

    STEPWELL = "stepwell"
    AWS = "aws"


#: Bounds on the limits themselves. A larger one would mean nothing: no machine holds so many.
COUNT_LAST = 10**9
#: What SQLite and int64 count with room to spare: 24 PB of points.
POINTS_LAST = 10**15
BYTES_LAST = 2**40
#: All the time that a timestamp can be of.
AGE_S_LAST = TIMESTAMP_US_LAST // 1_000_000
#: A year of ids, whose nanoseconds are far from int64's end; a day for a body.
KEPT_S_LAST = 366 * 86_400
BODY_S_LAST = 86_400


def _limit(
    default: int | None, aws: int | None, what: str, source: str, last: int = COUNT_LAST
) -> Any:
    metadata = {"aws": aws, "what": what, "source": source, "last": last}
    return field(default=default, metadata=metadata)


def _switch(default: int, aws: int, what: str, source: str) -> Any:
    return field(
        default=default,
        metadata={"aws": aws, "what": what, "source": source, "first": 0, "last": 1},
    )


_MODEL = "service model 2022-09-30"
_QUOTAS = "CONTRACT part A, section 11"
_RULE_6 = "CONTRACT part B, rule 6"
_OURS = "Stepwell: keeps one request's cost bounded"


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on requests, components and answers. All inclusive; None means no limit."""

    points_per_put: int = _limit(
        10_000, 10, "items in one BatchPutMetrics", f"{_RULE_6}; aws: {_MODEL}"
    )
    queries_per_get: int = _limit(100, 100, "queries in one BatchGetMetrics", _MODEL)
    step_max: int = _limit(
        STEP_LAST,
        2**31 - 1,
        "the largest Step",
        f"{_RULE_6}; aws: int32 in the {_MODEL}",
        STEP_LAST,
    )
    timestamp_past_s: int | None = _limit(
        None,
        1_209_600,
        "seconds that a Timestamp may lie back",
        f"{_RULE_6}; aws: SDK source",
        AGE_S_LAST,
    )
    timestamp_future_s: int | None = _limit(
        None,
        7_200,
        "seconds that a Timestamp may lie ahead",
        f"{_RULE_6}; aws: SDK source",
        AGE_S_LAST,
    )
    metrics_per_component: int | None = _limit(
        100_000,
        1_000,
        "metric names in one trial component",
        "rule 4; no number is published",
    )
    points_per_component: int | None = _limit(
        None, None, "points in one trial component", "rule 4; no number is published", POINTS_LAST
    )
    values_per_result: int = _limit(
        100_000,
        100_000,
        "values in one result of BatchGetMetrics",
        "CONTRACT part B, rule 11",
    )
    trials_per_experiment: int | None = _limit(None, 300, "trials in one experiment", _RULE_6)
    components_per_trial: int | None = _limit(
        None, 50, "trial components associated with one trial", _RULE_6
    )
    artifacts_per_account: int | None = _limit(None, 6_000, "lineage artifacts", _QUOTAS)
    contexts_per_account: int | None = _limit(None, 500, "lineage contexts", _QUOTAS)
    associations_per_account: int | None = _limit(None, 6_000, "lineage associations", _QUOTAS)
    creates_components: int = _switch(
        1,
        0,
        "1: a put creates its unknown trial component; 0: VALIDATION_ERROR",
        _RULE_6,
    )
    folds_names: int = _switch(
        1, 0, "1: upper case in TrialComponentName is folded; 0: refused", _RULE_6
    )
    reads_at_once: int = _limit(
        64, 64, "answers of points that are being read or sent at one time", _OURS
    )
    body_bytes_max: int = _limit(
        16 * MIB, 16 * MIB, "bytes in one request's body", _OURS, BYTES_LAST
    )
    body_timeout_s: int = _limit(
        60, 60, "seconds for a request's body to arrive", _OURS, BODY_S_LAST
    )
    receiving_bytes_max: int = _limit(
        128 * MIB, 128 * MIB, "bytes of bodies that have arrived in part", _OURS, BYTES_LAST
    )
    waiting_bytes_max: int = _limit(
        64 * MIB, 64 * MIB, "bytes of puts received and not yet committed", _OURS, BYTES_LAST
    )
    waiting_puts_max: int = _limit(10_000, 10_000, "puts not yet committed", _OURS)
    idempotency_s: int = _limit(900, 900, "seconds that a put's id is kept", "rule 2", KEPT_S_LAST)
    idempotency_ids_max: int = _limit(
        5_000_000, 5_000_000, "ids of puts that are kept at most", "rule 2"
    )

    @classmethod
    def of(cls, profile: Profile | str, changes: Mapping[str, int | None] | None = None) -> Self:
        """Give a profile's limits, with single ones changed.

        Raises:
            ValueError: an unknown profile or limit, or a value that makes no sense.
        """
        limits = cls()
        if Profile(profile) is Profile.AWS:
            limits = cls(**{each.name: each.metadata["aws"] for each in fields(cls)})
        if changes:
            known = {each.name: each for each in fields(cls)}
            for name, value in changes.items():
                _check_change(known.get(name), name, value)
            settings: dict[str, Any] = dict(changes)
            limits = replace(limits, **settings)
        return limits


def _check_change(known: Field[Any] | None, name: str, value: int | None) -> None:
    if known is None:
        names = ", ".join(each.name for each in fields(Limits))
        msg = f"there is no limit {name!r}; the limits are {names}"
        raise ValueError(msg)
    may_be_none = "None" in str(known.type)
    if value is None and not may_be_none:
        msg = f"limit {name} needs a number"
        raise ValueError(msg)
    first, last = known.metadata.get("first", 1), known.metadata["last"]
    if value is not None and not first <= value <= last:
        or_none = ", or none" if may_be_none else ""
        msg = f"limit {name}: {value} is not a number from {first} to {last}{or_none}"
        raise ValueError(msg)


def parse_limit(text: str) -> int | None:
    """Parse a limit's value as it is written in settings: a number, or `none`.

    Raises:
        ValueError: neither of the two.
    """
    return None if text.strip().lower() == "none" else int(text)
