"""How many examples the fuzz tests run, and how many they did run.

`make test` gives them `EXAMPLES` in all, `make fuzz` more: STEPWELL_FUZZ_EXAMPLES says how many.
"""

from __future__ import annotations

import os
from collections import Counter

from hypothesis import HealthCheck, settings

EXAMPLES = int(os.environ.get("STEPWELL_FUZZ_EXAMPLES", "300"))

#: What was run, by the name of what was tried.
ran: Counter[str] = Counter()

# A server process answers: no example is timed, and a slow machine makes no test fail.
settings.register_profile(
    "fuzz",
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def share(percent: int) -> settings:
    """Give the settings of a test that runs this share of all examples."""
    count = max(1, EXAMPLES * percent // 100)
    return settings(settings.get_profile("fuzz"), max_examples=count)
