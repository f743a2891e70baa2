"""What the documentation says: its tables, links, names, commands and examples are right."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import pytest

from stepwell.model.limits import Limits
from stepwell.server.telemetry import METRICS

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "stepwell"
#: What others wrote, or a build: not ours to hold.
_NOT_OURS = {"node_modules", "studio", "dist"}
PAGES = sorted(
    page
    for page in ROOT.rglob("*.md")
    if not any(
        part.startswith(".") or part in _NOT_OURS for part in page.relative_to(ROOT).parts[:-1]
    )
)
#: Where a name in the text may start from.
BASES = (ROOT, ROOT / "src", SOURCE)
START_S = 60

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_PATH = re.compile(r"[\w-][\w.-]*(?:/[\w.-]+)*(?:\.(?:py|md|toml|txt|json)|/)")


def prose(page: Path) -> str:
    """Give a page's text without its code blocks."""
    return _FENCE.sub("", page.read_text())


def blocks(page: Path, language: str) -> list[str]:
    """Give a page's code blocks of one language; none is the empty language."""
    return [text for kind, text in _FENCE.findall(page.read_text()) if kind == language]


def anchors(page: Path) -> set[str]:
    """Give what a link to a page may name after its #: its headings as GitHub spells them."""
    text = prose(page)
    headings = (heading.lower().replace(" ", "-") for heading in _HEADING.findall(text))
    named = re.findall(r'<a id="([^"]+)">', text)
    return {re.sub(r"[^\w-]", "", heading) for heading in headings} | set(named)


def names_in(path: Path) -> set[str]:
    """Give the functions, classes, methods and constants that a module defines."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {target.id for target in targets if isinstance(target, ast.Name)}
    return found


def find(name: str, page: Path) -> Path | None:
    """Find a file that a page names, from the page's folder or one of the usual places."""
    places = (base / name for base in (page.parent, *BASES))
    return next((place for place in places if place.exists()), None)


def page_id(page: Path) -> str:
    """Name a page in a test's id."""
    return str(page.relative_to(ROOT))


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    """Give the program that writes the generated parts."""
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_generated_parts_are_fresh(generator: ModuleType) -> None:
    """`make docs` would change nothing."""
    assert not [page.name for page in generator.stale()]


def test_every_generated_part_has_its_place(generator: ModuleType) -> None:
    """Each table that can be generated stands on one page, and no other page has markers."""
    found = [
        name
        for page in PAGES
        for name in re.findall(r"^<!-- generated: (\w+) -->$", page.read_text(), re.MULTILINE)
        if page.name in generator.PAGES
    ]
    assert sorted(found) == sorted(generator.PARTS)


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_links(page: Path) -> None:
    """Every relative link leads to a file that is there, and to a place on its page."""
    for link in _LINK.findall(prose(page)):
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), f"{link}: there is no such file"
        if anchor:
            assert anchor in anchors(target), f"{link}: {target.name} has no such place"


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_files_that_are_named(page: Path) -> None:
    """Every file and folder of ours that a page names in backticks is there."""
    present = prose(page).partition("\n## What comes later")[0]
    for span in _SPAN.findall(present):
        # The data folder's default is no folder of the repository.
        if _PATH.fullmatch(span) and span != "stepwell/":
            assert find(span, page) is not None, f"`{span}` is not there"


def test_the_folders_of_the_architecture() -> None:
    """ARCHITECTURE.md's tree has every module and folder of the package, and no other."""
    (tree,) = (text for text in blocks(ROOT / "ARCHITECTURE.md", "") if "src/stepwell/" in text)
    listed = set(re.findall(r"^  (\w+(?:/|\.py)) ", tree, re.MULTILINE))
    there = {each.name + "/" for each in SOURCE.iterdir() if (each / "__init__.py").exists()}
    there |= {each.name for each in SOURCE.glob("*.py")} - {"__init__.py"}
    assert listed == there


def rule_rows() -> list[str]:
    """Give the rows of ARCHITECTURE.md's table of rules."""
    text = (ROOT / "ARCHITECTURE.md").read_text().partition("## Where to find each rule")[2]
    return re.findall(r"^\| \d+ .*\|$", text.partition("\n## ")[0], re.MULTILINE)


def test_every_rule_can_be_found() -> None:
    """ARCHITECTURE.md and docs/api.md have all fourteen rules of the contract, in order."""
    numbers = list(range(1, 15))
    assert [int(row.split()[1]) for row in rule_rows()] == numbers
    api = (ROOT / "docs" / "api.md").read_text()
    assert [int(each) for each in re.findall(r"^### (\d+)\. ", api, re.MULTILINE)] == numbers


@pytest.mark.parametrize("row", rule_rows(), ids=lambda row: f"rule-{row.split()[1]}")
def test_rules_name_code_and_tests(row: str) -> None:
    """Each rule names code and tests; names that follow a file are defined in it."""
    _, _, code, tests, _ = row.split("|")
    for cell in (code, tests):
        defined: set[str] = set()
        files = 0
        for span in _SPAN.findall(cell):
            if span.endswith(".py"):
                path = find(span, ROOT / "ARCHITECTURE.md")
                assert path is not None, f"`{span}` is not there"
                defined = names_in(path)
                files += 1
            else:
                assert span in defined, f"`{span}` is not defined in the file named before it"
        assert files


def test_commands_of_the_makefile() -> None:
    """Every `make X` that a page names is a target of the Makefile."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {"run", "test", "fuzz", "docs"} <= targets
    for page in PAGES:
        lines = _SPAN.findall(prose(page))
        lines += [line for text in blocks(page, "") for line in text.splitlines()]
        for line in lines:
            if line.startswith("make "):
                words = re.match(r"make((?: [a-z-]+)+)", line)
                assert words is not None, line
                assert set(words.group(1).split()) <= targets, f"{page.name}: {line}"


class Command(NamedTuple):
    """A command of `stepwell` and its options, as its --help tells them."""

    name: str
    options: set[str]


def help_of(*arguments: str) -> str:
    """Ask a command for its help."""
    command = [sys.executable, "-m", "stepwell.cli.main", *arguments, "--help"]
    env = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"}
    return subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def commands() -> list[Command]:
    """Give every command; the first one is `stepwell` itself."""
    first = help_of()
    names = re.findall(r"^│ (\w+) ", first.partition("Commands")[2], re.MULTILINE)
    texts = {"": first, **{name: help_of(name) for name in names}}
    for group in ("keys",):
        words = re.findall(r"^│ (\w+) ", texts.pop(group).partition("Commands")[2], re.MULTILINE)
        texts |= {f"{group} {word}": help_of(group, word) for word in words}
    return [Command(name, set(re.findall(r" (--[a-z-]+)", text))) for name, text in texts.items()]


def test_every_option_is_documented(commands: list[Command]) -> None:
    """docs/operations.md has each option of each command; README.md has each command."""
    assert {"serve", "info", "check", "compact", "backup", "restore"} <= {
        command.name for command in commands
    }
    operations = (ROOT / "docs" / "operations.md").read_text()
    readme = (ROOT / "README.md").read_text()
    for name, options in commands:
        command = f"`stepwell {name}".rstrip()
        assert command in readme + operations
        for option in options - {"--help"}:
            # The options of `serve` have a table of their own.
            first = "" if name == "serve" else rf"{command}` \| "
            assert re.search(rf"^\| {first}`{option}[` ]", operations, re.MULTILINE), option


def test_commands_that_are_shown(commands: list[Command]) -> None:
    """Every `stepwell X --option` in a code block is a command with that option."""
    known = dict(commands)
    for page in PAGES:
        for line in "".join(blocks(page, "")).splitlines():
            found = re.search(r"(?:^|=\S+ )stepwell ((?:keys )?\w+)(.*)", line)
            if found:
                assert set(re.findall(r" (--[a-z-]+)", found[2])) <= known[found[1]], line


def test_variables_and_metrics_are_there() -> None:
    """Every STEPWELL_* variable and stepwell_* metric that a page names exists."""
    limits = {f"STEPWELL_LIMIT_{each.name.upper()}" for each in fields(Limits)}
    code = "".join(path.read_text() for path in (*SOURCE.rglob("*.py"), ROOT / "Makefile"))
    for page in PAGES:
        for name in re.findall(r"\bSTEPWELL_\w*[A-Z]\b", page.read_text()):
            assert name in limits or re.search(rf"\b{name}\b", code), f"{page.name}: {name}"
        for name in re.findall(r"\bstepwell_[a-z_]+[a-z]", page.read_text()):
            assert re.sub("_(bucket|sum|count)$", "", name) in METRICS, f"{page.name}: {name}"


def test_log_lines_are_what_is_logged() -> None:
    """Each line that docs/operations.md explains stands in the code."""
    section = (ROOT / "docs" / "operations.md").read_text().partition("\n## Logs")[2]
    lines = re.findall(r"^\| `([^`]+)` \|", section.partition("\n## ")[0], re.MULTILINE)
    assert lines
    code = "".join(path.read_text() for path in SOURCE.rglob("*.py"))
    assert not [line for line in lines if line not in code]


def test_folders_of_tests_are_explained() -> None:
    """CONTRIBUTING.md says of each folder of tests what it shows."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    folders = [path.name for path in (ROOT / "tests").iterdir() if list(path.glob("test_*.py"))]
    assert not [name for name in folders if f"`tests/{name}`" not in text]


class Screen(NamedTuple):
    """What a server said when it started: its address and the example to paste."""

    address: str
    example: str


@pytest.fixture
def screen(tmp_path: Path) -> Iterator[Screen]:
    """Give the first screen of a server with an empty folder, on a free port."""
    command = [sys.executable, "-m", "stepwell.cli.main", "serve", "--port", "0"]
    env = {name: text for name, text in os.environ.items() if not name.startswith("STEPWELL_")}
    env["XDG_DATA_HOME"] = str(tmp_path)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as process:
        try:
            text = ""
            for line in process.stdout or ():
                text += line
                if "MetricQueryResults" in line:
                    break
            assert (tmp_path / "stepwell" / "FORMAT").exists()
            found = re.search(r"http://127\.0\.0\.1:\d+", text)
            assert found is not None
            yield Screen(found.group(), text[text.index("import boto3") :])
        finally:
            process.terminate()
            process.communicate(timeout=START_S)


def run_python(code: str, home: Path) -> str:
    """Run an example as a stranger would, without settings of AWS; give what it prints."""
    kept = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH")
    env = {name: os.environ[name] for name in kept if name in os.environ} | {"HOME": str(home)}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def at(code: str, address: str) -> str:
    """Change nothing in an example but the port of its server."""
    assert code.count("http://127.0.0.1:7837") == 1
    return code.replace("http://127.0.0.1:7837", address)


def test_the_example_of_the_readme(screen: Screen, tmp_path: Path) -> None:
    """README.md's example runs as it stands and prints what README.md says."""
    (code,) = blocks(ROOT / "README.md", "python")
    (printed,) = blocks(ROOT / "README.md", "text")
    assert run_python(at(code, screen.address), tmp_path) == printed


def test_the_example_on_the_first_screen(screen: Screen, tmp_path: Path) -> None:
    """What `stepwell serve` prints to be pasted runs as it stands, and gets what was put."""
    errors, results = run_python(screen.example, tmp_path).splitlines()
    values = [1 / (step + 1) for step in range(10)]
    steps = list(range(10))
    assert errors == "[]"
    assert ast.literal_eval(results) == [
        {"Status": "Complete", "XAxisValues": steps, "MetricValues": values}
    ]


def test_the_example_without_an_aws_client(screen: Screen, tmp_path: Path) -> None:
    """docs/api.md's example of plain HTTP runs as it stands and reads back what it put."""
    (code,) = blocks(ROOT / "docs" / "api.md", "python")
    errors, steps, times, values = run_python(at(code, screen.address), tmp_path).splitlines()
    assert errors == "{'Errors': []}"
    assert steps == "step [0 1 2]"
    assert times.startswith("timestamp_us [1795435200000000 ")
    assert values.startswith("value [1. ")
