"""Writes the generated parts of docs/ anew: `make docs`. With `--check` it only says which are old.

A generated part stands between `<!-- generated: NAME -->` and `<!-- end: NAME -->`. What is in it
comes from the code, so that no number is written twice.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import typer

from stepwell.cli.commands import app
from stepwell.model import names
from stepwell.model.access import role_for
from stepwell.model.limits import STEP_LAST, Limits, Profile
from stepwell.server.connections import KEEP_ALIVE_S
from stepwell.server.control.plane import HANDLERS
from stepwell.server.error_map import ERRORS, UNEXPECTED
from stepwell.server.studio.openapi import OTHERS
from stepwell.server.studio.routes import ENDPOINTS
from stepwell.server.telemetry import METRICS, Telemetry
from stepwell.store.sqlite.chunks import CHUNK_POINTS_MAX
from stepwell.store.sqlite.folder import FORMAT_VERSION
from stepwell.wire.operations import OPERATIONS

DOCS = Path(__file__).parent
PAGES = ("api.md", "limits.md", "operations.md", "sagemaker.md", "studio-api.md")

#: When a request is answered with a code. A code without a line here is a KeyError.
WHEN = {
    "SerializationException": "the body is not UTF-8, not JSON, or nested too deeply; or it, or a"
    " member at its top, has the wrong JSON type",
    "ValidationException": "members at the top, or parameters, are missing or break a rule; the"
    " message names every one. On the control plane also: the name is taken, or what there is"
    " forbids it",
    "RequestEntityTooLargeException": "the body is over `body_bytes_max`",
    "RequestTimeout": "the body did not arrive within `body_timeout_s`",
    "UnknownOperationException": "no operation or endpoint has this path and method",
    "ThrottlingException": "too much is waiting to be committed, or arriving; nothing was stored",
    "ResourceNotFound": "an entity of the control plane does not exist (400); the native API: 404",
    "ResourceLimitExceeded": "a limit of the profile on entities is reached",
    "MissingAuthenticationTokenException": "the request is not signed",
    "IncompleteSignatureException": "the signature is malformed, or does not sign what it must",
    "InvalidSignatureException": "the signature does not match the request; the message shows what"
    " should have been signed",
    "RequestExpired": "the request was presigned for a time that is over",
    "RequestTimeTooSkewed": "the request was signed at another time than now; set the clock",
    "UnrecognizedClientException": "there is no such access key, or it does not work any more; or"
    " the credentials are temporary",
    "SignInFailed": "there is no valid access key of this id and secret (`POST api/v1/session`)",
    "AccessDeniedException": "the access key's role does not cover the operation; or a change on"
    " the native API does not show that it comes from its page",
    "ServiceUnavailable": "nothing could be committed, or read at all: no room on the disk, or it"
    " fails",
    "InternalFailure": "a defect of Stepwell; from `/api/v1/points` also: the series is damaged",
}
_MIB = 1024 * 1024
_RULE = re.compile(r"(?:CONTRACT part B, )?rule (\d+)")


def errors() -> list[str]:
    """Make the table of request-level errors."""
    rows = {}
    for answer in sorted({*ERRORS.values(), UNEXPECTED}, key=lambda each: each[:2]):
        retry = "-" if answer.retry_after_s is None else f"{answer.retry_after_s} s"
        rows[answer.code] = (answer.status, f"`{answer.code}`", WHEN[answer.code], retry)
    return table(("status", "code", "when", "`retry-after`"), rows.values())


def limits() -> list[str]:
    """Make the table of limits: both profiles, variables and sources."""
    ours, aws = Limits.of(Profile.STEPWELL), Limits.of(Profile.AWS)
    rows = [
        (
            f"`{each.name}`",
            each.metadata["what"],
            _limit(each.name, getattr(ours, each.name)),
            _limit(each.name, getattr(aws, each.name)),
            f"`STEPWELL_LIMIT_{each.name.upper()}`",
            _RULE.sub(r"[rule \1](api.md#rule-\1)", each.metadata["source"]),
            f"{each.metadata.get('first', 1)} to {_limit(each.name, each.metadata['last'])}"
            + (", or `none`" if "None" in str(each.type) else ""),
        )
        for each in fields(Limits)
    ]
    head = ("limit", "bounds", "`stepwell`", "`aws`", "variable", "source", "may be")
    return table(head, rows)


def fixed() -> list[str]:
    """Make the table of bounds that no setting changes."""
    rows = [
        ("characters in a trial component's name", names.COMPONENT_NAME_CHARS_MAX),
        ("characters in a metric's name", names.METRIC_NAME_CHARS_MAX),
        ("characters in an ARN", names.ARN_CHARS_MAX),
        (
            "timestamps",
            "1970-01-01T00:00:00Z to 9999-12-31T23:59:59.999999Z, as the nearest float64",
        ),
        ("points in one chunk", f"{CHUNK_POINTS_MAX:,}"),
        ("seconds that a connection may be idle", KEEP_ALIVE_S),
        ("version of the data folder's format", FORMAT_VERSION),
    ]
    return table(("what", "bound"), rows)


def options() -> list[str]:
    """Make the table of what `stepwell serve` can be told."""
    return table(("option", "variable", "default", ""), _options("serve"))


def commands() -> list[str]:
    """Make the table of all other commands' arguments and options."""
    rows = [("`stepwell`", *row) for row in _options(None)]
    group: Any = typer.main.get_command(app)
    for name, command in group.commands.items():
        for words, found in _commands(name, command):
            if words != "serve":
                rows += [(f"`stepwell {words}`", *row) for row in _rows(found)]
    return table(("command", "option", "variable", "default", ""), rows)


def operations() -> list[str]:
    """Make the table of the control plane's operations: roles, and the errors of their models."""
    rows = [
        (
            f"`{name}`",
            role_for(name).value,
            ", ".join(f"`{error}`" for error in operation.errors) or "-",
        )
        for name, operation in OPERATIONS.items()
        if name in HANDLERS
    ]
    return table(("operation", "role", "errors that its model names"), rows)


def endpoints() -> list[str]:
    """Make the table of the native API."""
    rows = [
        (f"`{each.method} {each.path}`", role_for(each.operation).value, each.summary)
        for each in (*ENDPOINTS, *OTHERS)
    ]
    return table(("endpoint", "role", ""), rows)


def metrics() -> list[str]:
    """Make the table of Prometheus metrics."""
    kinds = {}
    for family in Telemetry().registry.collect():
        kinds[family.name + ("_total" if family.type == "counter" else "")] = family.type
    # What is counted in the store when someone asks is a gauge.
    rows = [(f"`{name}`", kinds.get(name, "gauge"), what) for name, what in METRICS.items()]
    return table(("metric", "type", "what"), rows)


PARTS: dict[str, Callable[[], list[str]]] = {
    each.__name__: each
    for each in (errors, limits, fixed, options, commands, operations, endpoints, metrics)
}


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """Write a Markdown table."""
    lines = [
        "| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |"
        for line in (head, *rows)
    ]
    lines.insert(1, "|---" * len(head) + "|")
    return lines


def rewrite(text: str) -> str:
    """Give a page's text with every generated part made anew.

    Raises:
        KeyError: a part has a name that nothing generates.
        ValueError: a part has no end.
    """
    lines: list[str] = []
    inside = None
    for line in text.splitlines():
        begin = re.fullmatch(r"<!-- generated: (\w+) -->", line)
        if inside is None:
            lines.append(line)
            if begin:
                inside = begin.group(1)
                lines += PARTS[inside]()
        elif line == f"<!-- end: {inside} -->":
            lines.append(line)
            inside = None
    if inside is not None:
        msg = f"the generated part {inside!r} has no end"
        raise ValueError(msg)
    return "\n".join(lines) + "\n"


def stale() -> dict[Path, str]:
    """Give the pages whose generated parts are old, each with the text that it should have."""
    texts = {DOCS / name: (DOCS / name).read_text() for name in PAGES}
    wanted = {page: rewrite(text) for page, text in texts.items()}
    return {page: text for page, text in wanted.items() if text != texts[page]}


def _options(command: str | None) -> list[tuple[str, ...]]:
    """Give a row for each argument and option of a command; None: those that belong to none."""
    group: Any = typer.main.get_command(app)
    return _rows(group if command is None else group.commands[command])


def _commands(name: str, command: Any) -> Iterable[tuple[str, Any]]:
    """Give a command, or those of a group, with the words that call it."""
    for sub, found in getattr(command, "commands", {"": command}).items():
        yield f"{name} {sub}".strip(), found


def _rows(found: Any) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for each in found.params:
        name = each.opts[0]
        spelled = name.upper() if each.param_type_name == "argument" else name
        if each.metavar:
            spelled += f" {each.metavar}"
        variable = each.envvar or ("STEPWELL_LIMIT_<NAME>" if name == "--limit" else None)
        what = each.help.removesuffix(".").removesuffix(" Also STEPWELL_LIMIT_<NAME>")
        if getattr(each, "min", None) is not None and getattr(each, "max", None) is not None:
            what += f" ({each.min:,} to {each.max:,})".replace(",", "" if name == "--port" else ",")
        default = None if isinstance(each.default, bool) else each.default
        rows.append((f"`{spelled}`", _code(variable), _code(default), what.removesuffix(".")))
    return rows


def _code(value: object) -> str:
    return "-" if value is None else f"`{value}`"


def _limit(name: str, value: int | None) -> str:
    if value is None:
        return "none"
    if value == STEP_LAST:
        return f"{value:,} (2^53-1)"
    return f"{value:,}" + (f" ({value // _MIB} MiB)" if "bytes" in name else "")


def main() -> None:
    """Write what is old, or say it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit status 1 if old")
    is_check = parser.parse_args().check
    old = stale()
    for page, text in old.items():
        if not is_check:
            page.write_text(text)
        sys.stdout.write(f"{page.name}: {'is old; run make docs' if is_check else 'written'}\n")
    sys.exit(bool(old) and is_check)


if __name__ == "__main__":
    main()
