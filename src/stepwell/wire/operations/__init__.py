"""The control plane's operations: what each takes, and which errors its model names."""

from __future__ import annotations

from stepwell.wire.operations import experiments, lineage, search
from stepwell.wire.operations.members import Operation

OPERATIONS: dict[str, Operation] = {
    each.name: each for each in (*experiments.OPERATIONS, *search.OPERATIONS, *lineage.OPERATIONS)
}
