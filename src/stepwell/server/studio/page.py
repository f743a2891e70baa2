"""The Studio's page: what Vite built into the package folder `studio/`, under a strict policy.

The page names its assets relative to itself, so it works under any path prefix. Assets have their
content's hash in their names and never change.
"""

from __future__ import annotations

import gzip
import mimetypes
from pathlib import Path

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

import stepwell
from stepwell import __version__
from stepwell.model.errors import UnknownOperationError

#: Nothing but what this server sends is loaded, run or asked.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; connect-src 'self';"
    " worker-src 'self'; img-src 'self' data: blob:; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'self'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
}
_FOREVER = "public, max-age=31536000, immutable"
_TYPES = {".woff2": "font/woff2", ".js": "text/javascript", ".svg": "image/svg+xml"}
#: Text: a third of its size when it is compressed.
_COMPRESSED = {".js", ".css", ".svg"}
_NOT_BUILT = """\
This is Stepwell. Its Studio, the web page, was not built into this installation: a wheel has it,
and `pip install .` in the sources builds it. The APIs work; the native one is at api/v1/docs.
"""


class Page:
    """The built files, read once."""

    def __init__(self, folder: Path | None = None) -> None:
        """Read the folder; without it there is no page."""
        self._folder = folder or Path(stepwell.__file__).parent / "studio"
        index = self._folder / "index.html"
        self._index = index.read_bytes() if index.is_file() else None
        assets = self._folder / "assets"
        self._assets = (
            {each.name: each.read_bytes() for each in assets.iterdir() if each.is_file()}
            if assets.is_dir()
            else {}
        )
        self._compressed = {
            name: gzip.compress(content, mtime=0)
            for name, content in self._assets.items()
            if Path(name).suffix in _COMPRESSED
        }

    def routes(self) -> list[Route]:
        """Give the routes of the page and of its assets."""
        return [
            Route("/", self.index, methods=["GET"]),
            Route("/index.html", self.index, methods=["GET"]),
            Route("/assets/{name}", self.asset, methods=["GET"]),
        ]

    async def index(self, request: Request) -> Response:
        """Give the page to browsers, and a word of JSON to everyone else."""
        if "text/html" not in request.headers.get("accept", ""):
            document = {"service": "stepwell", "version": __version__}
            return JSONResponse(document, headers={"vary": "accept"})
        headers = {**HEADERS, "cache-control": "no-cache", "vary": "accept"}
        if self._index is None:
            return Response(_NOT_BUILT, 200, headers, "text/plain; charset=utf-8")
        return Response(self._index, 200, headers, "text/html; charset=utf-8")

    async def asset(self, request: Request) -> Response:
        """Give a file of the page."""
        name = request.path_params["name"]
        content = self._assets.get(name)
        if content is None:
            msg = f"Unknown operation: GET {request.url.path[:200]}"
            raise UnknownOperationError(msg)
        suffix = Path(name).suffix
        kind = _TYPES.get(suffix) or mimetypes.types_map.get(suffix, "application/octet-stream")
        headers = {**HEADERS, "cache-control": _FOREVER, "vary": "accept-encoding"}
        compressed = self._compressed.get(name)
        if compressed is not None and "gzip" in request.headers.get("accept-encoding", ""):
            return Response(compressed, 200, {**headers, "content-encoding": "gzip"}, kind)
        return Response(content, 200, headers, kind)
