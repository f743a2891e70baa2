"""House rules that a machine can hold: import direction, sizes, names, and what is installed."""

from __future__ import annotations

import ast
import importlib.metadata
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import stepwell

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "stepwell"
MODULES = sorted(SOURCE.rglob("*.py"))

#: Each layer may import those before it. `testing` is for tests and may import what it tests.
LAYERS = ["model", "wire", "store", "catalog", "query", "ingest", "components", "server", "cli"]
#: Layers that do not know each other although one comes first.
STRANGERS = {("store", "wire"), ("catalog", "wire"), ("catalog", "store"), ("ingest", "query")}
FORBIDDEN_NAMES = {"utils", "helpers", "common", "manager", "base", "misc"}
FUNCTION_LINES_MAX = 70
MODULE_LINES_MAX = 500
METHODS_MAX = 25


def imports_of(path: Path) -> Iterator[str]:
    """Give the modules that a file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def layer_of(path: Path) -> str:
    """Give the layer that a file belongs to."""
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_point_one_way(path: Path) -> None:
    """No module imports a layer above its own, or one that is a stranger to it."""
    own = layer_of(path)
    if own not in LAYERS:
        assert own in {"__init__", "__main__", "testing"}
        return
    for name in imports_of(path):
        parts = name.split(".")
        if parts[0] != "stepwell" or len(parts) == 1 or parts[1] == own:
            continue
        other = parts[1]
        assert other in LAYERS, f"{path}: imports {name}"
        assert LAYERS.index(other) < LAYERS.index(own), f"{path}: {own} imports {other}"
        assert (own, other) not in STRANGERS, f"{path}: {own} does not know {other}"


def test_the_stores_do_not_know_each_other() -> None:
    """A store's folder imports the protocol and itself, no other store."""
    for path in (SOURCE / "store").rglob("*.py"):
        own = path.relative_to(SOURCE / "store").parts[0]
        for name in imports_of(path):
            if name.startswith("stepwell.store."):
                assert name.split(".")[2] in {"protocol", own}, f"{path}: imports {name}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_sizes(path: Path) -> None:
    """Modules, classes and functions stay small enough to be read."""
    text = path.read_text()
    assert len(text.splitlines()) <= MODULE_LINES_MAX
    # A migration is one long list, written once and never changed.
    if "migrations" in path.parts:
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or 0) - node.lineno + 1
            is_test_class = node.name == "run_machine"
            assert lines <= FUNCTION_LINES_MAX or is_test_class, f"{path}: {node.name}"
        if isinstance(node, ast.ClassDef) and "testing" not in path.parts:
            methods = [each for each in node.body if isinstance(each, ast.FunctionDef)]
            assert len(methods) <= METHODS_MAX, f"{path}: {node.name}"


def test_names() -> None:
    """No module has a name that says nothing."""
    assert not [path for path in MODULES if path.stem in FORBIDDEN_NAMES]


def test_the_installed_wheel_is_tested() -> None:
    """In CI the tests run on what users install, not on the source tree."""
    installed = Path(stepwell.__file__)
    if os.environ.get("CI"):
        assert "site-packages" in installed.parts
    assert (installed.parent / "py.typed").exists()


def test_what_the_wheel_needs_is_pinned() -> None:
    """`make run` installs without looking for versions: each dependency stands in run.txt."""
    text = (ROOT / "requirements" / "run.txt").read_text()
    pinned = {line.split("==")[0].lower().replace("_", "-") for line in text.split()}
    for needed in importlib.metadata.requires("stepwell") or []:
        name, _, marker = needed.partition(";")
        if "extra ==" not in marker:
            assert re.split(r"[<>=!~\[ ]", name)[0].lower() in pinned, needed


def test_files_name_no_download_hosts_or_machine_paths() -> None:
    """Pinned requirements have versions only; no file names a place on somebody's machine."""
    for path in (ROOT / "requirements").rglob("*.txt"):
        for line in path.read_text().splitlines():
            assert "://" not in line
            assert line.startswith(("#", "-r ")) or "==" in line or not line
