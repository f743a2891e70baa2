"""Who asks: by a signature, or by the session of someone who signed in on the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from stepwell import __version__
from stepwell.model.access import ANYONE, Identity
from stepwell.model.errors import AccessDeniedError
from stepwell.server.asgi import Bodies
from stepwell.server.auth import NoAuthentication, allow
from stepwell.server.studio.answers import SessionDocument
from stepwell.server.studio.service import JSON_TYPE

if TYPE_CHECKING:
    from stepwell.server.app import Parts

_CSRF = "x-stepwell-csrf"


class Gate:
    """Lets requests of the native API in, or refuses them."""

    def __init__(self, parts: Parts) -> None:
        """Hold what says whose requests are."""
        self._authenticator = parts.authenticator
        self._is_open = isinstance(parts.authenticator, NoAuthentication)

    def let_in(self, request: Request, body: bytes, operation: str, *, changes: bool) -> Identity:
        """Say who asks, if they may.

        Raises:
            AuthenticationError: they are not known, or may not.
        """
        identity = self._authenticator.identify(request.scope, body)
        allow(identity, operation)
        if changes and self._is_open and not request.headers.get(_CSRF):
            msg = f"A change needs the header {_CSRF}, so that no other page can make it."
            raise AccessDeniedError(msg)
        return identity

    def routes(self, prefix: str, bodies: Bodies) -> list[Route]:
        """Give the routes of the session itself."""
        del bodies

        async def get(request: Request) -> Response:
            return Response(msgspec.json.encode(self._document(request)), media_type=JSON_TYPE)

        return [Route(prefix + "session", get, methods=["GET"])]

    def _document(self, request: Request) -> SessionDocument:
        host = request.headers.get("host", "")
        return SessionDocument(
            auth="off",
            signed_in=True,
            account=ANYONE.account,
            key_id=None,
            role=ANYONE.role.value,
            csrf="1",
            region=ANYONE.region,
            endpoint=f"{request.url.scheme}://{host}{request.scope.get('root_path', '')}",
            version=__version__,
        )
