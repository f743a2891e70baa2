"""The native API as a page sees it: frames, points, runs, changes, and its words on bad input."""

from __future__ import annotations

import csv
import gzip
import http.client
import io
import json
import math
import re
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import numpy as np
import pytest

if TYPE_CHECKING:
    from tests.http.conftest import ExpectError, Reply, Server

NOW = 1_700_000_000
CHANGE = {"x-stepwell-csrf": "1"}
COLUMNS = ["bucket", "first_x", "min", "max", "mean", "last", "count", "nan", "pos_inf", "neg_inf"]
HOSTILE = ["<b>\"'&", "\U0001f600" * 60, "a/../b", "\u202eloss", "..", "%00", "a b+c", "=1+1", "ß"]


def ask(server: Server, method: str, path: str, body: Any = None, **headers: str) -> Reply:
    """Ask the native API."""
    content = None if body is None else json.dumps(body).encode()
    sent = {"content-type": "application/json", **CHANGE, **headers}
    return server.request(method, f"/api/v1/{path}", content, sent)


def put(server: Server, component: str, values: list[Any], metric: str = "loss") -> None:
    """Put values as steps 0, 1, ... a second apart."""
    items = [
        {"MetricName": metric, "Timestamp": NOW + step, "Step": step, "Value": value}
        for step, value in enumerate(values)
    ]
    assert server.put(component, items) == []


def read_frame(body: bytes) -> dict[str, Any]:
    """Take a binary frame apart: each series gets its columns as arrays."""
    (size,) = struct.unpack("<I", body[:4])
    assert (4 + size) % 8 == 0
    document = json.loads(body[4 : 4 + size])
    values = np.frombuffer(body[4 + size :], "<f8")
    used = 0
    for chart in document["charts"]:
        for series in chart["series"]:
            rows, first = series["rows"], series["offset"]
            names = series["columns"]
            series["columns"] = {
                name: values[first + index * rows : first + (index + 1) * rows].tolist()
                for index, name in enumerate(names)
            }
            used += rows * len(names)
    assert used == len(values)
    return document


def frame(server: Server, request: dict[str, Any]) -> dict[str, Any]:
    """Ask for a binary frame."""
    reply = ask(server, "POST", "frames", request)
    assert reply.status == 200, reply
    assert reply.headers["content-type"] == "application/vnd.stepwell.frame"
    return read_frame(reply.body)


def numbers(column: list[Any]) -> list[float]:
    """Read JSON's texts for what is no number."""
    return [float(each) for each in column]


def test_frames_are_the_same_in_every_form(server: Server, component: str) -> None:
    """Binary, JSON and CSV have the same buckets, by POST and by a link."""
    put(server, component, [3.0, "NaN", 1.0, "Infinity", "-Infinity", 2.5, 0.0])
    request = {
        "charts": [{"metric": "loss", "runs": [component, "nobody"]}],
        "buckets": 4,
        "smooth": {"kind": "ema", "weight": 0.5},
    }
    (chart,) = frame(server, request)["charts"]
    series, unknown = chart["series"]
    assert (chart["start"], chart["stop"], chart["width"], chart["buckets"]) == (0, 8, 2, 4)
    assert list(series["columns"]) == [*COLUMNS, "smooth"]
    assert series["columns"]["count"] == [2, 2, 2, 1]
    assert series["columns"]["nan"] == [1, 0, 0, 0]
    assert series["columns"]["pos_inf"] == [0, 1, 0, 0]
    assert series["columns"]["neg_inf"] == [0, 0, 1, 0]
    assert series["columns"]["min"] == [3.0, 1.0, 2.5, 0.0]
    assert series["columns"]["last"][1] == math.inf
    assert (series["points"], series["in_range"], series["without_x"]) == (7, 7, 0)
    assert (series["nan"], series["inf"], series["widest"]) == (1, 2, 2)
    at_ms = NOW * 1000
    assert series["first_nan"] == {"x": 1, "step": 1, "timestamp_ms": at_ms + 1000}
    assert series["first_inf"] == {"x": 3, "step": 3, "timestamp_ms": at_ms + 3000}
    assert series["last_ms"] == at_ms + 6000
    assert "does not exist" in unknown["error"]
    link = "?" + urlencode({"q": json.dumps(request)})
    linked = read_frame(ask(server, "GET", "frames" + link).body)["charts"][0]["series"][0]
    assert str(linked) == str(series)
    for reply in (
        ask(server, "POST", "frames.json", request),
        ask(server, "GET", "frames.json" + link),
    ):
        (of_json,) = reply.json()["charts"]
        for name, column in series["columns"].items():
            np.testing.assert_array_equal(numbers(of_json["series"][0]["columns"][name]), column)
    for reply in (
        ask(server, "POST", "frames.csv", request),
        ask(server, "GET", "frames.csv" + link),
    ):
        assert reply.headers["content-type"].startswith("text/csv")
        rows = list(csv.DictReader(io.StringIO(reply.body.decode())))
        assert [row["run"] for row in rows] == [component] * 4
        assert [float(row["bucket_start"]) for row in rows] == [0, 2, 4, 6]
        for name in (*COLUMNS[2:], "smooth"):
            np.testing.assert_array_equal(
                [float(row[name]) for row in rows], series["columns"][name]
            )


def test_averages_by_x(server: Server, component: str) -> None:
    """A weight by x is a half-life that no zoom changes, and that the answer states."""
    steps = [0, 1, 2, 10, 20, 30, 50]
    items = [
        {"MetricName": "loss", "Timestamp": NOW + step, "Step": step, "Value": step}
        for step in steps
    ]
    assert server.put(component, items) == []
    request = {
        "charts": [{"metric": "loss", "runs": [component]}],
        "smooth": {"kind": "ema", "weight": 0.5, "by": "x"},
    }
    (chart,) = frame(server, request)["charts"]
    # Seven points over 50 steps are 8.3 apart: 5, rounded down.
    assert chart["half_life"] == 5
    weights = [0.5 ** ((50 - step) / 5) for step in steps]
    expected = sum(w * step for w, step in zip(weights, steps, strict=True)) / sum(weights)
    assert chart["series"][0]["columns"]["smooth"][-1] == pytest.approx(expected)
    (near,) = frame(server, {**request, "start": 45, "stop": 60})["charts"]
    assert near["half_life"] == 5
    assert near["series"][0]["columns"]["smooth"] == [pytest.approx(expected)]
    (timed,) = frame(server, {**request, "x": "wall"})["charts"]
    assert timed["half_life"] == 5000
    reply = ask(server, "POST", "frames.csv", request)
    rows = list(csv.DictReader(io.StringIO(reply.body.decode())))
    assert {row["half_life"] for row in rows} == {"5.0"}
    (plain,) = frame(server, {**request, "smooth": {"kind": "ema", "weight": 0.5}})["charts"]
    assert plain["half_life"] is None
    wrong = {**request, "smooth": {"kind": "ema", "half_life": 5, "by": "x"}}
    assert ask(server, "POST", "frames", wrong).status == 400


def test_time_axes(server: Server, component: str) -> None:
    """Wall time is in epoch milliseconds; relative time begins with a run's first point."""
    put(server, component, [1.0, 2.0, 3.0], "early")
    late = [{"MetricName": "late", "Timestamp": NOW + 10.5, "Value": 5.0}]
    assert server.put(component, late) == []
    charts = [{"metric": "late", "runs": [component]}]
    wall = frame(server, {"x": "wall", "charts": charts})["charts"][0]
    assert wall["series"][0]["columns"]["first_x"] == [NOW * 1000 + 10_500]
    relative = frame(server, {"x": "relative", "charts": charts})["charts"][0]
    assert relative["series"][0]["columns"]["first_x"] == [10_500]
    moved = {"x": "relative", "charts": charts, "align": {component: -500}}
    assert frame(server, moved)["charts"][0]["series"][0]["columns"]["first_x"] == [10_000]
    step = frame(server, {"charts": charts})["charts"][0]
    series = step["series"][0]
    assert (series["points"], series["without_x"], series["in_range"]) == (1, 1, 0)
    assert step["buckets"] == 0


def test_only_the_columns_that_are_asked_for(server: Server, component: str) -> None:
    """`columns` chooses what is sent."""
    put(server, component, [1.0, 2.0])
    request = {"charts": [{"metric": "loss", "runs": [component]}], "columns": ["mean", "bucket"]}
    series = frame(server, request)["charts"][0]["series"][0]
    assert series["columns"] == {"bucket": [0, 1], "mean": [1.0, 2.0]}


def test_a_robust_axis(server: Server, component: str) -> None:
    """The axis is fitted to the points of the range, and all that are outside of it are counted."""
    put(server, component, [*range(300), 1e6, -5e5, "NaN", "Infinity", 1e6])
    request: dict[str, Any] = {
        "charts": [{"metric": "loss", "runs": [component, "nobody"]}, {"metric": "x", "runs": []}],
        "buckets": 4,
        "robust": True,
    }
    chart, nothing = frame(server, request)["charts"]
    assert nothing["robust"] is None
    found = chart["robust"]
    assert (found["below"], found["above"]) == (1, 2)
    assert (found["least"], found["greatest"]) == (-5e5, 1e6)
    assert (found["low"], found["high"]) == pytest.approx((2 - 14.8, 298 + 14.8))
    (near,) = frame(server, {**request, "charts": request["charts"][:1], "stop": 10})["charts"]
    # Of few points all are on the axis.
    assert near["robust"]["above"] == near["robust"]["below"] == 0
    assert near["robust"]["greatest"] == near["stop"] - 1
    assert ask(server, "POST", "frames.json", request).json()["charts"][0]["robust"] == found
    assert frame(server, {**request, "robust": False})["charts"][0]["robust"] is None


def test_restarts(server: Server, component: str) -> None:
    """Where a run was resumed at an earlier step is told."""
    put(server, component, [1.0] * 5)
    items = [
        {"MetricName": "loss", "Timestamp": NOW + 100 + step, "Step": step, "Value": 2.0}
        for step in (2, 3, 4, 5)
    ]
    assert server.put(component, items) == []
    charts = [{"metric": "loss", "runs": [component]}]
    assert frame(server, {"charts": charts})["charts"][0]["series"][0]["restarts"] == [2]
    wall = frame(server, {"x": "wall", "charts": charts})["charts"][0]["series"][0]
    assert wall["restarts"] == [(NOW + 102) * 1000]


def test_raw_points(server: Server, component: str) -> None:
    """The points of a bucket are listed as they came, page by page, and add up."""
    put(server, component, [1.0, "NaN", 3.0, 4.0, 5.0])
    assert server.put(component, [{"MetricName": "loss", "Timestamp": NOW, "Value": 9}]) == []

    def points(**members: Any) -> Any:
        query = urlencode({"run": component, "metric": "loss", **members})
        reply = ask(server, "GET", f"points.json?{query}")
        assert reply.status == 200, reply
        return reply.json()

    everything = points()
    assert everything["total"] == 6
    assert everything["points"][1] == [1, NOW * 1000 + 1000, "NaN"]
    assert everything["points"][-1] == [None, NOW * 1000, 9]
    some = points(start=1, stop=4, limit=2)
    assert [each[0] for each in some["points"]] == [1, 2]
    assert some["total"] == 3
    rest = points(start=1, stop=4, limit=2, cursor=some["next"])
    assert [each[0] for each in rest["points"]] == [3]
    assert rest["next"] is None
    wall = points(x="wall", start=NOW * 1000, stop=NOW * 1000 + 1)
    assert [each[2] for each in wall["points"]] == [1.0, 9.0]
    query = urlencode({"run": component, "metric": "loss", "start": 0, "stop": 2})
    lines = ask(server, "GET", f"points.csv?{query}").body.decode().splitlines()
    assert lines[0] == "step,timestamp_ms,value"
    assert len(lines) == 3


def test_runs(server: Server, component: str) -> None:
    """A list finds runs by text, sorts by anything, and goes page by page."""
    for suffix, value in (("a", 3.0), ("b", 1.0), ("c", 2.0)):
        put(server, f"{component}-{suffix}", [9.0, value])
        members = {
            "TrialComponentName": f"{component}-{suffix}",
            "Parameters": {"lr": {"NumberValue": value}, "kind": {"StringValue": suffix}},
        }
        assert server.control("UpdateTrialComponent", members).status == 200

    def names(**members: Any) -> list[str]:
        found, cursor = [], None
        while True:
            query = {"text": component.upper(), "limit": 2, **members}
            query |= {"cursor": cursor} if cursor else {}
            reply = ask(server, "GET", f"runs?{urlencode(query)}")
            assert reply.status == 200, reply
            document = reply.json()
            assert document["total"] == 3
            found += [each["name"].removeprefix(component + "-") for each in document["runs"]]
            cursor = document["next"]
            if cursor is None:
                return found

    assert names(sort="name", order="asc") == ["a", "b", "c"]
    assert names(sort="parameters.lr", order="asc") == ["b", "c", "a"]
    assert names(sort="metrics.loss", order="desc") == ["a", "c", "b"]
    assert names(sort="metrics.loss.min", order="asc") == ["b", "c", "a"]
    assert names(sort="created", order="asc") == ["a", "b", "c"]
    run = ask(server, "GET", f"runs/{component}-a").json()
    assert run["parameters"] == {"lr": 3.0, "kind": "a"}
    assert (run["points"], run["metrics"], run["status"]) == (2, 1, "InProgress")
    assert run["last_point_ms"] == (NOW + 1) * 1000
    (summary,) = run["metric_summaries"]
    assert (summary["name"], summary["count"], summary["last"]) == ("loss", 2, 3.0)


def test_names_without_regard_to_case(server: Server, component: str) -> None:
    """A run has one name everywhere, however it was written, and is found by any spelling of it."""
    written = f"My-{component}"
    assert server.control("CreateTrialComponent", {"TrialComponentName": written}).status == 200
    put(server, written, [1.0])
    run = ask(server, "GET", f"runs/{written.upper()}").json()
    assert (run["name"], run["display_name"], run["points"]) == (written.lower(), written, 1)
    event = listen(server, "runs", lambda: put(server, written, [2.0]), written)
    assert event["runs"] == [written.lower()]
    charts = [{"metric": "loss", "runs": [written]}]
    assert frame(server, {"charts": charts})["charts"][0]["series"][0]["points"] == 2


def test_experiments(server: Server, component: str) -> None:
    """Experiments are listed with the number of their runs, which can be asked for by them."""
    put(server, component, [1.0])
    experiment, trial = f"e-{component}", f"t-{component}"
    for operation, members in (
        ("CreateExperiment", {"ExperimentName": experiment}),
        ("CreateTrial", {"TrialName": trial, "ExperimentName": experiment}),
        ("AssociateTrialComponent", {"TrialName": trial, "TrialComponentName": component}),
    ):
        assert server.control(operation, members).status == 200
    found = ask(server, "GET", "experiments").json()["experiments"]
    assert {"name": experiment, "runs": 1} in [
        {"name": each["name"], "runs": each["runs"]} for each in found
    ]
    (run,) = ask(server, "GET", f"runs?experiment={experiment}").json()["runs"]
    assert (run["name"], run["experiments"], run["trials"]) == (component, [experiment], [trial])
    # Deleted although it is in a trial.
    assert ask(server, "DELETE", f"runs/{component}").status == 204
    assert ask(server, "GET", f"runs?experiment={experiment}").json()["total"] == 0


def test_metrics_and_summaries(server: Server, component: str) -> None:
    """Names of metrics are counted over runs; tables and ranks are of what was asked for."""
    runs = [f"{component}-{index}" for index in range(3)]
    for index, run in enumerate(runs):
        put(server, run, [1.0 + index, 1.0 + index + 0.01], "differs")
        put(server, run, [5.0, 6.0], "same")
    put(server, runs[0], ["NaN", 1.0], "nan")
    found = ask(server, "POST", "metrics", {"runs": [*runs, "nobody"]}).json()["metrics"]
    assert found == [
        {"name": "differs", "runs": 3},
        {"name": "nan", "runs": 1},
        {"name": "same", "runs": 3},
    ]
    asked = {"runs": [*runs, "nobody"], "metrics": ["differs", "nan", "none"]}
    columns = ask(server, "POST", "runs:summaries", asked).json()["columns"]
    assert columns["differs"]["last"] == [1.01, 2.01, 3.01, None]
    assert columns["nan"]["count"] == [2, 0, 0, 0]
    assert columns["none"]["min"] == [None] * 4
    for by, best in (("difference", "differs"), ("nan", "nan")):
        ranked = ask(server, "POST", "metrics:rank", {"runs": runs, "by": by}).json()["metrics"]
        assert ranked[0]["name"] == best
        assert len(ranked) == 3
    put(server, runs[0], ["NaN"] * 3, "same")
    ranked = ask(server, "POST", "metrics:rank", {"runs": runs, "by": "nan"}).json()["metrics"]
    assert (ranked[0]["name"], ranked[0]["nan"]) == ("same", 3)


def test_times_to_a_target(server: Server, component: str) -> None:
    """The first point by time that is beyond a value, and how long after the run's beginning."""
    put(server, component, ["NaN", 5.0, 3.0, 2.0, 2.5, "-Infinity"])
    item = {"MetricName": "acc", "Timestamp": NOW - 10, "Step": 0, "Value": 0.1}
    early = {"MetricName": "loss", "Timestamp": NOW + 1.5, "Value": 1.0}
    assert server.put(component, [item, early]) == []

    def reached(**members: Any) -> Any:
        body = {"runs": [component, "nobody"], "metric": "loss", **members}
        found, nobody = ask(server, "POST", "runs:targets", body).json()["targets"]
        assert nobody is None
        return found

    at_ms = NOW * 1000
    # It came later, and without a step, but is of an earlier time.
    assert reached(below=3.0) == {
        "step": None, "timestamp_ms": at_ms + 1500, "elapsed_ms": 11_500, "value": 1.0,
    }  # fmt: skip
    assert reached(above=4.0) == {
        "step": 1, "timestamp_ms": at_ms + 1000, "elapsed_ms": 11_000, "value": 5.0,
    }  # fmt: skip
    assert reached(below=-1e308)["value"] == "-Infinity"
    assert reached(above=5.0) is None
    assert reached(metric="none", above=5.0) is None


def test_notes_of_many_runs(server: Server, component: str) -> None:
    """Notes come by run, in order of steps, with their place on every axis."""
    put(server, component, [0.0] * 5)
    put(server, component, [1.0] * 2, "short")
    item = {"MetricName": "loss", "Timestamp": NOW + 90, "Step": 20, "Value": 0.0}
    assert server.put(component, [item]) == []
    for step, text, metric in [
        (10, "late", None),
        (2, "<b>", None),
        (1, "s", "short"),
        (21, "never", None),
    ]:
        note = {"step": step, "text": text, "metric": metric}
        assert ask(server, "POST", f"runs/{component}/notes", note).status == 200

    def listed(**members: Any) -> Any:
        body = {"runs": [component.upper(), "nobody"], **members}
        return ask(server, "POST", "runs:notes", body).json()["notes"]

    assert list(listed()) == [component.upper()]
    found = listed()[component.upper()]
    assert [(each["step"], each["x"]) for each in found] == [(1, 1), (2, 2), (10, 10), (21, 21)]
    assert [each["text"] for each in found] == ["s", "<b>", "late", "never"]
    assert [each["metric"] for each in found] == ["short", None, None, None]
    relative = listed(x="relative")[component.upper()]
    assert [each["x"] for each in relative] == [1000, 2000, 90_000, None]
    wall = listed(x="wall")[component.upper()]
    assert wall[2]["x"] == (NOW + 90) * 1000


def test_changes(server: Server, component: str) -> None:
    """A run can be named, tagged, noted and deleted; each change is in the next answer."""
    put(server, component, [1.0])
    path = f"runs/{component}"
    patch = {"display_name": "<Best> run", "tags": {"team": "a", "old": "b"}}
    assert ask(server, "PATCH", path, patch).json()["tags"] == patch["tags"]
    changed = ask(server, "PATCH", path, {"tags": {"old": None, "team": "c"}}).json()
    assert (changed["display_name"], changed["tags"]) == ("<Best> run", {"team": "c"})
    note = {"step": 7, "text": "\u202e<script>", "metric": "loss"}
    made = ask(server, "POST", f"{path}/notes", note).json()
    assert note.items() <= made.items()
    assert ask(server, "GET", path).json()["notes"] == [made]
    assert ask(server, "DELETE", f"{path}/notes/{made['id']}").status == 204
    assert ask(server, "DELETE", f"{path}/notes/{made['id']}").status == 404
    assert ask(server, "POST", f"{path}/notes", note).status == 200
    assert ask(server, "DELETE", path).status == 204
    for method in ("GET", "DELETE"):
        assert ask(server, method, path).status == 404
    charts = [{"metric": "loss", "runs": [component]}]
    (series,) = frame(server, {"charts": charts})["charts"][0]["series"]
    assert "does not exist" in series["error"]


def test_a_change_needs_the_header(
    server: Server, component: str, expect_error: ExpectError
) -> None:
    """Without the header that no foreign page can send, nothing changes; nor from another site."""
    put(server, component, [1.0])
    path = f"/api/v1/runs/{component}"
    expect_error(server.request("DELETE", path), 403, "AccessDeniedException", "x-stepwell-csrf")
    for foreign in ({"origin": "http://evil.example"}, {"sec-fetch-site": "cross-site"}):
        reply = server.request("DELETE", path, headers=CHANGE | foreign)
        expect_error(reply, 403, "AccessDeniedException", "another site")
    # What is not looked at here, or what a browser may send by itself, stands for nothing.
    for trick in ("?X-Amz-Signature=x", "?x-stepwell-csrf=1"):
        expect_error(server.request("DELETE", path + trick), 403, "AccessDeniedException")
    basic = {"authorization": "Basic YTpi", "cookie": "stepwell_session=x"}
    expect_error(server.request("DELETE", path, headers=basic), 403, "AccessDeniedException")
    signed = {"authorization": "AWS4-HMAC-SHA256 Credential=any/20261125/us-east-1/sagemaker/x"}
    expect_error(
        server.request("DELETE", path, headers=signed | {"origin": "http://evil.example"}),
        403,
        "AccessDeniedException",
    )
    ours = {"origin": f"http://127.0.0.1:{server.port}", "sec-fetch-site": "same-origin"}
    assert server.request("DELETE", path, headers=CHANGE | ours).status == 204


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names(server: Server, component: str, name: str) -> None:
    """A metric of any name is put, listed and drawn; a run of any name is merely unknown."""
    put(server, component, [1.0, 2.0], name)
    assert ask(server, "POST", "metrics", {"runs": [component]}).json()["metrics"] == [
        {"name": name, "runs": 1}
    ]
    request = {"charts": [{"metric": name, "runs": [component, name]}]}
    known, unknown = frame(server, request)["charts"][0]["series"]
    assert known["points"] == 2
    assert unknown["error"]
    query = urlencode({"run": component, "metric": name})
    assert ask(server, "GET", f"points.json?{query}").json()["total"] == 2
    # A cell that a spreadsheet would take for a formula is kept from that.
    row = ask(server, "POST", "frames.csv", request).body.decode().splitlines()[1]
    assert not row.startswith("=")
    assert ask(server, "GET", f"runs/{quote(name, safe='')}").status == 404


CHART = {"metric": "loss", "runs": ["a"]}
BAD_FRAMES: list[tuple[Any, str]] = [
    ([], "object"),
    ({}, "charts"),
    ({"charts": [{"metric": "loss"}]}, "runs"),
    ({"charts": [CHART] * 101}, "charts"),
    ({"charts": [{"metric": "loss", "runs": ["a"] * 301}]}, "charts[0].runs"),
    ({"charts": [{"metric": "loss", "runs": ["a"] * 300}] * 34}, "10000 series"),
    ({"charts": [{"metric": "", "runs": []}]}, "metric"),
    ({"charts": [{"metric": "m" * 256, "runs": []}]}, "metric"),
    ({"charts": [CHART], "buckets": 0}, "buckets"),
    ({"charts": [CHART], "buckets": 4001}, "buckets"),
    ({"charts": [CHART], "buckets": 10**40}, "buckets"),
    ({"charts": [CHART], "buckets": "4"}, "buckets"),
    ({"charts": [CHART], "x": "epoch"}, "x"),
    ({"charts": [CHART], "start": "NaN"}, "start"),
    ({"charts": [CHART], "start": 2, "stop": 2}, "start"),
    ({"charts": [CHART], "start": 3, "stop": 2}, "start"),
    ({"charts": [CHART], "smooth": {"kind": "ema"}}, "smooth"),
    ({"charts": [CHART], "smooth": {"kind": "ema", "weight": 0.5, "half_life": 1}}, "smooth"),
    ({"charts": [CHART], "smooth": {"kind": "ema", "weight": 1}}, "weight"),
    ({"charts": [CHART], "smooth": {"kind": "ema", "half_life": 0}}, "half_life"),
    ({"charts": [CHART], "smooth": {"kind": "ema", "weight": 0.5, "window": 3}}, "smooth"),
    ({"charts": [CHART], "smooth": {"kind": "median"}}, "window"),
    ({"charts": [CHART], "smooth": {"kind": "median", "window": 3, "weight": 0.5}}, "smooth"),
    ({"charts": [CHART], "smooth": {"kind": "median", "window": 0}}, "smooth.window"),
    ({"charts": [CHART], "smooth": {"kind": "median", "window": 1002}}, "smooth.window"),
    ({"charts": [CHART], "smooth": {"kind": "median", "window": 2.5}}, "smooth.window"),
    ({"charts": [CHART], "smooth": {"kind": "sma", "weight": 0.5}}, "kind"),
    ({"charts": [CHART], "align": {"a": 1e300}}, "align"),
    ({"charts": [CHART], "robust": "yes"}, "robust"),
    ({"charts": [CHART], "columns": ["price"]}, "columns"),
    ({"charts": [CHART], "columns": []}, "columns"),
    ({"charts": [CHART], "columns": ["smooth"]}, "columns"),
]


@pytest.mark.parametrize(("request_", "word"), BAD_FRAMES)
@pytest.mark.parametrize("form", ["", ".json", ".csv"])
def test_bad_frames(
    server: Server, request_: Any, word: str, form: str, expect_error: ExpectError
) -> None:
    """Every broken member is named."""
    reply = ask(server, "POST", f"frames{form}", request_)
    expect_error(reply, 400, "ValidationException", word)


@pytest.mark.parametrize("body", [b"{", b"\xff", b"[" * 100_000, b'{"charts": NaN}', b"1e999"])
def test_no_json(server: Server, body: bytes) -> None:
    """What is not JSON is refused, however deep."""
    reply = server.request("POST", "/api/v1/frames", body, {"content-type": "application/json"})
    assert reply.status == 400
    assert reply.json()["__type"] in {"SerializationException", "ValidationException"}


@pytest.mark.parametrize("bound", [1e308, -1e308, 2**63, -(2**63), 0.5])
@pytest.mark.parametrize("x", ["step", "relative", "wall"])
def test_ranges_of_any_size(server: Server, component: str, bound: float, x: str) -> None:
    """Ranges beyond all points are taken: what lies outside is still counted among the points."""
    put(server, component, [1.0, 2.0])
    for members in ({"start": bound}, {"stop": bound}, {"start": min(bound, 0) - 1, "stop": 1e308}):
        request = {"x": x, "charts": [{"metric": "loss", "runs": [component]}], **members}
        series = frame(server, request)["charts"][0]["series"][0]
        assert series["points"] == 2
        assert series["in_range"] == sum(series["columns"]["count"])


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("runs?limit=0", "limit"),
        ("runs?limit=1001", "limit"),
        ("runs?limit=x", "limit"),
        ("runs?order=up", "order"),
        ("runs?sort=price", "sort"),
        ("runs?status=Asleep", "status"),
        ("runs?cursor=AAAA", "oken"),
        ("experiments?cursor=%F0%9F%98%80", "oken"),
        ("points.json?run=a", "metric"),
        ("points.json?run=a&metric=b&start=nan", "start"),
        ("points.json?run=a&metric=b&start=inf", "start"),
        ("points.json?run=a&metric=b&start=2&stop=1", "start"),
        ("points.json?run=a&metric=b&limit=100001", "limit"),
        ("points.json?run=a&metric=b&cursor=-1", "cursor"),
        ("points.json?run=a&metric=b&x=y", "x"),
        ("frames", "q"),
    ],
)
def test_bad_queries(server: Server, path: str, word: str, expect_error: ExpectError) -> None:
    """Every broken part of a query string is named."""
    expect_error(ask(server, "GET", path), 400, "ValidationException", word)


@pytest.mark.parametrize(
    ("path", "body", "word"),
    [
        ("metrics", {"runs": ["a"] * 1001}, "runs"),
        ("metrics", {"runs": [1]}, "runs[0]"),
        ("metrics:rank", {"runs": ["a"], "by": "luck"}, "by"),
        ("runs:summaries", {"runs": ["a"], "metrics": ["m"] * 51}, "metrics"),
        ("runs:notes", {"runs": ["a"] * 301}, "runs"),
        ("runs:notes", {"runs": [7]}, "runs[0]"),
        ("runs:notes", {"runs": ["a"], "x": "epoch"}, "x"),
        ("runs:notes", {"x": "step"}, "runs"),
        ("runs:targets", {"runs": ["a"], "metric": "m"}, "below"),
        ("runs:targets", {"runs": ["a"], "metric": "m", "below": 1, "above": 1}, "above"),
        ("runs:targets", {"runs": ["a"], "metric": "m", "below": "1"}, "below"),
        ("runs:targets", {"runs": ["a"], "metric": "m", "below": "NaN"}, "below"),
        ("runs:targets", {"runs": ["a"] * 1001, "metric": "m", "below": 1}, "runs"),
        ("runs:targets", {"runs": ["a"], "metric": "", "below": 1}, "metric"),
        ("runs/a/notes", {"step": -1, "text": "x"}, "step"),
        ("runs/a/notes", {"step": 2**53, "text": "x"}, "step"),
        ("runs/a/notes", {"step": 1, "text": "x" * 1001}, "text"),
        ("runs/a/notes", {"step": 1, "text": "  "}, "text"),
    ],
)
def test_bad_bodies(
    server: Server, path: str, body: Any, word: str, expect_error: ExpectError
) -> None:
    """Every broken member of a body is named."""
    expect_error(ask(server, "POST", path, body), 400, "ValidationException", word)


def test_too_many_rows(server: Server, component: str, expect_error: ExpectError) -> None:
    """An answer that would be too large is refused before it is made."""
    put(server, component, [1.0] * 500)
    charts = [{"metric": "loss", "runs": [component] * 300}] * 14
    reply = ask(server, "POST", "frames", {"charts": charts, "buckets": 4000})
    expect_error(reply, 400, "ValidationException", "rows", "2000000")


def test_a_base_path(server: Server, component: str) -> None:
    """Everything is there under any path that a proxy leaves in front."""
    put(server, component, [1.0])
    reply = server.request("GET", f"/proxy/7837/api/v1/runs/{component}")
    assert reply.json()["name"] == component
    page = {"accept": "text/html"}
    bare = server.request("GET", "/proxy/7837", headers=page)
    assert (bare.status, bare.headers["location"]) == (307, "7837/")
    assert server.request("GET", "/proxy/7837").status == 404
    assert server.request("GET", "/api/v1/none", headers=page).status == 404
    under = server.request("GET", "/proxy/7837/", headers=page)
    assert (under.status, under.body) == (200, server.request("GET", "/", headers=page).body)
    for name in set(re.findall(r"assets/([\w.-]+)", under.body.decode())):
        assert server.request("GET", f"/proxy/7837/assets/{name}").status == 200
    session = server.request("GET", "/proxy/7837/api/v1/session").json()
    assert session["endpoint"] == f"http://127.0.0.1:{server.port}/proxy/7837"


def test_the_page(server: Server) -> None:
    """Browsers get a page that loads nothing from elsewhere; everyone else a word of JSON."""
    reply = server.request("GET", "/", headers={"accept": "text/html,*/*"})
    assert reply.status == 200
    if reply.headers["content-type"].startswith("text/html"):
        policy = reply.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        for name in set(re.findall(r"assets/([\w.-]+)", reply.body.decode())):
            asset = server.request("GET", f"/assets/{name}")
            assert asset.status == 200
            assert "immutable" in asset.headers["cache-control"]
            headers = {"accept-encoding": "gzip, br"}
            packed = server.request("GET", f"/assets/{name}", headers=headers)
            is_packed = packed.headers.get("content-encoding") == "gzip"
            assert (gzip.decompress(packed.body) if is_packed else packed.body) == asset.body
    assert reply.headers["x-content-type-options"] == "nosniff" or b"not built" in reply.body
    assert server.request("GET", "/").json()["service"] == "stepwell"
    for path in ("/assets/..%2findex.html", "/assets/none.js", "/assets/%2e%2e/index.html"):
        assert server.request("GET", path).status == 404


def listen(
    server: Server, key: str, act: Callable[[], object], runs: str = "", seconds: float = 10
) -> dict[str, Any]:
    """Listen while something is done; give the first event that has such names.

    Others may come before it: a run may be told of again when its points take their final form.
    """
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=seconds)
    connection.request("GET", f"/api/v1/live?runs={runs}")
    response = connection.getresponse()
    assert response.status == 200
    assert response.getheader("content-type") == "text/event-stream; charset=utf-8"
    assert response.readline() == b"retry: 1000\n"
    act()
    try:
        while line := response.readline():
            if line.startswith(b"data: "):
                event: dict[str, Any] = json.loads(line.removeprefix(b"data: "))
                assert event.keys() == {"runs", "new", "deleted", "modified"}
                if event[key]:
                    return event
    finally:
        response.close()
        connection.close()
    pytest.fail("the server has ended the stream")


def test_live(server: Server, component: str) -> None:
    """Who listens is told of new runs, of new points and of deletions, of those asked for."""
    event = listen(server, "new", lambda: put(server, component, [1.0]))
    assert event["new"] == [component]
    assert event["modified"] == event["deleted"] == []
    event = listen(server, "runs", lambda: put(server, component, [2.0]), component)
    assert event["runs"] == [component]
    patch = {"tags": {"a": "b"}}
    event = listen(server, "modified", lambda: ask(server, "PATCH", f"runs/{component}", patch))
    assert event["modified"] == [component]
    note = {"step": 1, "text": "x"}
    path = f"runs/{component}"
    event = listen(server, "modified", lambda: ask(server, "POST", f"{path}/notes", note))
    assert event["modified"] == [component]
    event = listen(server, "deleted", lambda: ask(server, "DELETE", path), component)
    assert event["deleted"] == [component]
    other = f"{component}-x"
    event = listen(server, "new", lambda: put(server, other, [1.0]), component)
    assert (event["new"], event["runs"]) == ([other], [])
