"""Points as columns, puts, and what became of a put.

A point is (step, timestamp, value). Nothing here knows JSON, SQL or HTTP.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import msgspec
import numpy as np
import numpy.typing as npt

from stepwell.model.names import Component

Int64Array = npt.NDArray[np.int64]
Float64Array = npt.NDArray[np.float64]

#: The sentinel for a point that has no step. Steps on the wire are never negative.
NO_STEP = -1


@dataclass(frozen=True, slots=True)
class Points:
    """The points of one series, in order of arrival. The arrays are read-only views.

    Attributes:
        steps: int64[n]; `NO_STEP` where the point has none.
        timestamps_us: int64[n]; microseconds since the epoch.
        values: float64[n]; NaN and the infinities are values.
    """

    steps: Int64Array
    timestamps_us: Int64Array
    values: Float64Array

    def __len__(self) -> int:
        """Count the points."""
        return len(self.values)


def is_single(values: Float64Array) -> bool:
    """Say whether float32 holds every value exactly, NaN payloads and the sign of zero too."""
    with np.errstate(over="ignore", invalid="ignore"):
        again = values.astype(np.float32).astype(np.float64)
    return bool((again.view(np.int64) == values.view(np.int64)).all())


class ItemErrorCode(IntEnum):
    """What can befall one item of a put (rule 4). The number is what the store keeps."""

    VALIDATION_ERROR = 1
    METRIC_LIMIT_EXCEEDED = 2
    CONFLICT_ERROR = 3
    INTERNAL_ERROR = 4


@dataclass(frozen=True, slots=True, order=True)
class ItemError:
    """One refused item: its place in the request, from 0, and why."""

    index: int
    code: ItemErrorCode


class Put(msgspec.Struct, array_like=True, gc=False):
    """One accepted request: the points that passed, and who sent them.

    The four columns have equal length; `positions` maps them to places in the request
    and is None where nothing was refused.

    Attributes:
        component: whose points they are.
        metrics: str[n]; the metric of each point.
        steps: int[n]; `NO_STEP` where there is none.
        timestamps_us: int[n].
        values: float[n].
        item_count: items in the request, refused ones too.
        refused: items that failed validation, in request order.
        owner: the access key that sent it; idempotency ids are scoped by it.
        put_id: the idempotency id, or None.
        content_crc: CRC-32 of the request's body, to tell a retry from a reused id.
        received_us: when it came; a component deleted after that gives CONFLICT_ERROR.
    """

    component: Component
    metrics: Sequence[str]
    steps: Sequence[int] | Int64Array
    timestamps_us: Sequence[int] | Int64Array
    values: Sequence[float] | Float64Array
    item_count: int
    refused: Sequence[ItemError] = ()
    positions: Sequence[int] | None = None
    owner: str = ""
    put_id: str | None = None
    content_crc: int = 0
    received_us: int | None = None

    def position(self, index: int) -> int:
        """Give the place in the request of the point at `index`."""
        return index if self.positions is None else self.positions[index]


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """What a store did with a put, once that is durable.

    Attributes:
        errors: the answer: refused items in request order.
        stored: points stored by this very call (0 for a retry).
        is_retry: the id was committed before, and `errors` is the first answer.
    """

    errors: Sequence[ItemError] = ()
    stored: int = 0
    is_retry: bool = False
