"""Run by a SageMaker SDK's own Python: one of several processes that log into one run at once.

Not a test module: `test_sagemaker` starts it with the SDK v2 or v3 on the path. Its rank stands in
every step, so that each point can be told from all others. Rank -1 makes the run.
"""

# ruff: noqa: PLC0415 - which module there is depends on the version
from __future__ import annotations

import logging
import sys
import warnings
from typing import Any

warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)

POINTS = 25


def load(version: str) -> tuple[Any, ...]:
    """Import the SDK's names from where its version has them."""
    if version == "2":
        from sagemaker.experiments import Run, load_run
        from sagemaker.session import Session
    else:
        from sagemaker.core.experiments.run import Run, load_run
        from sagemaker.core.helper.session_helper import Session
    return Run, load_run, Session


def main(version: str, rank: int) -> None:
    """Log points of one metric that all share and one of its own, and a parameter."""
    run_type, load_run, session_type = load(version)
    names = {"experiment_name": f"ranks-{version}", "run_name": "many"}
    open_run = run_type if rank < 0 else load_run
    with open_run(**names, sagemaker_session=session_type()) as run:
        if rank < 0:
            return
        run.log_parameter(f"rank-{rank}", rank)
        for step in range(POINTS):
            run.log_metric("shared", rank * POINTS + step, step=step)
            run.log_metric(f"own-{rank}", step, step=step)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
