"""The demo's numbers come back as they were computed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

DEMO = Path(__file__).parents[2] / "examples" / "digits.py"


def test_the_curves_come_back_right(tmp_path: Path) -> None:
    """Every value that the training computed is in the curves by step, over time and by minute."""
    file = tmp_path / "demo.json"
    done = subprocess.run(
        [sys.executable, DEMO, "--epochs", "4", "--json", file],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "digits-fast" in done.stdout
    result = json.loads(file.read_text())
    assert set(result["got"]) == {"Last by step", "Last over time", "Avg by minute"}
    expected = defaultdict(list)
    for component, points in result["logged"].items():
        for point in points:
            expected[f"{component} {point['MetricName']}"].append(point)
    assert len(expected) == 8
    for key, points in expected.items():
        values = [point["Value"] for point in points]
        by_step, over_time, by_minute = (result["got"][form][key] for form in result["got"])
        assert by_step == [[point["Step"] for point in points], values]
        times = [round(point["Timestamp"] * 1e6) // 1000 for point in points]
        assert over_time == [times, values]
        minutes = defaultdict(list)
        for point in points:
            minutes[int(point["Timestamp"] // 60) * 60_000].append(point["Value"])
        assert by_minute[0] == list(minutes)
        means = [sum(part) / len(part) for part in minutes.values()]
        assert by_minute[1] == pytest.approx(means, rel=1e-12)
    # It really learned something.
    assert result["got"]["Last by step"]["digits-fast test:accuracy"][1][-1] > 0.9
