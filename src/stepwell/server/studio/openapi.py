"""The native API described: an OpenAPI document and a page that lists it, both made of the code.

What an endpoint takes and gives are the types by which it reads and writes.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from html import escape
from typing import Any

import msgspec
import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from stepwell import __version__
from stepwell.model.access import role_for
from stepwell.server.api import FRAME_TYPE as COLUMNS_TYPE
from stepwell.server.studio.answers import ErrorDocument, SessionDocument
from stepwell.server.studio.framing import FRAME_TYPE
from stepwell.server.studio.page import HEADERS
from stepwell.server.studio.requests import ColumnsRequest, LiveRequest, SignInRequest
from stepwell.server.studio.service import JSON_TYPE, Answer, Asked, Endpoint, Studio
from stepwell.server.studio.session import CSRF_HEADER

_REF = "#/components/schemas/{name}"
_EVENTS_TYPE = "text/event-stream"


def _elsewhere(_studio: Studio, _asked: Asked) -> Answer:
    """Stand for what is not answered by a handler."""
    raise NotImplementedError


#: What is answered on the event loop, or by others.
OTHERS = [
    Endpoint(
        "GET",
        "session",
        "GetSession",
        "Say who is signed in, and what a page needs to know of this server. Anyone may ask.",
        _elsewhere,
        None,
        SessionDocument,
    ),
    Endpoint(
        "POST",
        "session",
        "CreateSession",
        "Sign in with an access key: sets the session's cookie. Anyone may ask.",
        _elsewhere,
        SignInRequest,
        SessionDocument,
    ),
    Endpoint("DELETE", "session", "DeleteSession", "Sign out. Anyone may ask.", _elsewhere),
    Endpoint(
        "GET",
        "live",
        "GetLive",
        "Tell what changes as it happens: events `changed` name the `runs` that got"
        " points, of `new` ones, and of those `deleted` or `modified`.",
        _elsewhere,
        LiveRequest,
        None,
        _EVENTS_TYPE,
    ),
    Endpoint(
        "GET",
        "points",
        "GetPoints",
        "Give all points of a series as columns: a uint32 length, a JSON head, int64 steps (-1:"
        " none) and timestamps in microseconds, and float64 values, in order of arrival.",
        _elsewhere,
        ColumnsRequest,
        None,
        COLUMNS_TYPE,
    ),
    Endpoint(
        "GET", "openapi.json", "GetOpenApi", "Give this document.", _elsewhere, None, dict[str, Any]
    ),
    Endpoint(
        "GET",
        "docs",
        "GetDocs",
        "Give a page that lists the API.",
        _elsewhere,
        None,
        None,
        "text/html",
    ),
]
_STYLE = """\
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h2 { margin-top: 2.5rem; border-top: 1px solid; padding-top: 1rem; font-size: 1.1rem; }
code, pre { font: 0.9em ui-monospace, monospace; }
pre { overflow-x: auto; padding: 0.75rem; border: 1px solid; border-radius: 6px; }
table { border-collapse: collapse; } td, th { text-align: left; padding: 0.15rem 1rem 0.15rem 0; }
"""


def routes(prefix: str, endpoints: Sequence[Endpoint]) -> list[Route]:
    """Give the routes of the document and of the page."""
    described = [*endpoints, *OTHERS]
    document = functools.cache(lambda: orjson.dumps(describe(described)))
    page = functools.cache(lambda: _page(described))

    async def openapi(_request: Request) -> Response:
        return Response(document(), headers={"cache-control": "no-cache"}, media_type=JSON_TYPE)

    async def docs(_request: Request) -> Response:
        headers = {**HEADERS, "cache-control": "no-cache"}
        return Response(page(), headers=headers, media_type="text/html; charset=utf-8")

    async def style(_request: Request) -> Response:
        return Response(_STYLE, headers=dict(HEADERS), media_type="text/css; charset=utf-8")

    return [
        Route(prefix + "openapi.json", openapi, methods=["GET"]),
        Route(prefix + "docs", docs, methods=["GET"]),
        Route(prefix + "docs.css", style, methods=["GET"]),
    ]


def describe(endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """Describe endpoints as OpenAPI 3.1 does."""
    kinds: list[Any] = [ErrorDocument]
    for each in endpoints:
        kinds += [kind for kind in (each.request, each.response) if kind is not None]
    schemas, components = msgspec.json.schema_components(kinds, ref_template=_REF)
    of_kind = {str(kind): schema for kind, schema in zip(kinds, schemas, strict=True)}
    paths: dict[str, Any] = {}
    for each in endpoints:
        path = paths.setdefault("/" + each.path, {})
        path[each.method.lower()] = _operation(each, of_kind, components)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Stepwell's native API",
            "version": __version__,
            "description": (
                "Requests are signed with SigV4, as everywhere, or carry the cookie of a session."
                f" A change without a signature needs the header {CSRF_HEADER}. Times are in"
                ' epoch milliseconds; NaN and the infinities are "NaN", "Infinity" and'
                ' "-Infinity" in JSON. A run is a trial component.'
            ),
        },
        # Relative to the document's own address, whatever is in front of it.
        "servers": [{"url": "./"}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "session": {"type": "apiKey", "in": "cookie", "name": "stepwell_session"},
                "signature": {"type": "apiKey", "in": "header", "name": "Authorization"},
            },
        },
        "security": [{"session": []}, {"signature": []}],
    }


def _operation(
    endpoint: Endpoint, of_kind: dict[str, Any], components: dict[str, Any]
) -> dict[str, Any]:
    names = [part[1:-1] for part in endpoint.path.split("/") if part.startswith("{")]
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in names
    ]
    document: dict[str, Any] = {
        "operationId": endpoint.operation,
        "summary": endpoint.summary,
        "description": f"Needs the role {role_for(endpoint.operation)}.",
        "responses": {
            "default": {
                "description": "Why it was refused.",
                "content": {JSON_TYPE: {"schema": of_kind[str(ErrorDocument)]}},
            }
        },
    }
    if endpoint.request is not None:
        schema = of_kind[str(endpoint.request)]
        if endpoint.method != "GET":
            document["requestBody"] = {
                "required": True,
                "content": {JSON_TYPE: {"schema": schema}},
            }
        elif endpoint.path.startswith("frames"):
            content = {JSON_TYPE: {"schema": schema}}
            parameters.append({"name": "q", "in": "query", "required": True, "content": content})
        else:
            parameters += _query(components[endpoint.request.__name__])
    if endpoint.changes and endpoint.operation != "CreateSession":
        parameters.append({"name": CSRF_HEADER, "in": "header", "schema": {"type": "string"}})
    if parameters:
        document["parameters"] = parameters
    is_empty = endpoint.response is None and endpoint.media_type == JSON_TYPE
    if is_empty:
        document["responses"]["204"] = {"description": "It is done."}
        return document
    schema = {"type": "string"}
    if endpoint.response is not None:
        schema = of_kind[str(endpoint.response)]
    elif endpoint.media_type in {FRAME_TYPE, COLUMNS_TYPE}:
        schema = {"type": "string", "format": "binary"}
    document["responses"]["200"] = {
        "description": "The answer.",
        "content": {endpoint.media_type: {"schema": schema}},
    }
    return document


def _query(schema: dict[str, Any]) -> list[dict[str, Any]]:
    required = schema.get("required", [])
    return [
        {"name": name, "in": "query", "required": name in required, "schema": each}
        for name, each in schema["properties"].items()
    ]


def _page(endpoints: Sequence[Endpoint]) -> bytes:
    document = describe(endpoints)
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width">',
        '<title>Stepwell\'s native API</title><link rel="stylesheet" href="docs.css"></head><body>',
        f"<h1>Stepwell's native API</h1><p>{escape(document['info']['description'])}</p>",
        '<p>The same as an <a href="openapi.json">OpenAPI document</a>.</p>',
    ]
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            parts.append(f"<h2><code>{method.upper()} api/v1{escape(path)}</code></h2>")
            summary = f"{operation['summary']} {operation['description']}"
            parts.append(f"<p>{escape(summary)}</p>")
            if "parameters" in operation:
                parts.append(_table(operation["parameters"]))
            for title, content in _contents(operation, document["components"]["schemas"]):
                parts.append(f"<p>{escape(title)}</p><pre>{escape(content)}</pre>")
    return "".join([*parts, "</body></html>"]).encode()


def _table(parameters: Sequence[dict[str, Any]]) -> str:
    rows = []
    for each in parameters:
        kind = orjson.dumps(each.get("schema", "a request as JSON")).decode()
        cells = (each["name"], each["in"], kind)
        rows.append("<tr>" + "".join(f"<td><code>{escape(c)}</code></td>" for c in cells) + "</tr>")
    return f"<table><tr><th>name</th><th>in</th><th>what</th></tr>{''.join(rows)}</table>"


def _contents(operation: dict[str, Any], schemas: dict[str, Any]) -> list[tuple[str, str]]:
    found = []
    for title, holder in (
        ("Takes", operation.get("requestBody")),
        ("Answers", operation["responses"].get("200")),
    ):
        for kind, content in (holder or {}).get("content", {}).items():
            name = content["schema"].get("$ref", "").rpartition("/")[2]
            shown = schemas.get(name, content["schema"])
            text = orjson.dumps(shown, option=orjson.OPT_INDENT_2).decode()
            found.append((f"{title} {kind}:", text))
    return found
