"""Who asks: by a signature, or by the session of someone who signed in on the page.

A browser sends a session's cookie along with whatever any page makes it send, so a change by cookie
must show a token that only our page has read, and must not come from another site. The cookie is
the browser's alone (HttpOnly) and is not sent along from other sites (SameSite).
"""

from __future__ import annotations

import hmac
import time
from collections import OrderedDict
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from stepwell import __version__
from stepwell.model.access import ANYONE, Identity
from stepwell.model.errors import (
    AccessDeniedError,
    MissingAuthenticationError,
    SignInError,
    ThrottledError,
    ValidationError,
)
from stepwell.model.names import DEFAULT_REGION
from stepwell.server.asgi import Bodies
from stepwell.server.auth import Authenticator, Keys, SignatureAuthentication, allow
from stepwell.server.studio.answers import SessionDocument
from stepwell.server.studio.cookies import COOKIE, SESSION_S, Cookies
from stepwell.server.studio.requests import SignInRequest, decode
from stepwell.server.studio.service import JSON_TYPE

if TYPE_CHECKING:
    from stepwell.catalog.keys import AccessKey

CSRF_HEADER = "x-stepwell-csrf"
#: How the header of a signed request begins.
_SIGNED = "AWS4-HMAC-SHA256 "
#: Sign-ins that fail, from one address and in all, before more are refused for a while.
_FAILURES_MAX = 10
_FAILURES_OF_ALL_MAX = 200
_FAILURES_KEPT_S = 60.0
_ADDRESSES_MAX = 10_000


class Failures:
    """Counts sign-ins that failed lately, so that nobody can try secrets at speed."""

    def __init__(self) -> None:
        """Count none yet."""
        self._times: OrderedDict[str, list[float]] = OrderedDict()

    def check(self, address: str, now_s: float) -> None:
        """Refuse an address from which too many have failed, or everyone where too many did.

        Raises:
            ThrottledError: they have.
        """
        since_s = now_s - _FAILURES_KEPT_S
        for each in list(self._times):
            kept = [time_s for time_s in self._times[each] if time_s > since_s]
            if kept:
                self._times[each] = kept
            else:
                del self._times[each]
        count = sum(map(len, self._times.values()))
        if len(self._times.get(address, ())) >= _FAILURES_MAX or count >= _FAILURES_OF_ALL_MAX:
            msg = "Rate exceeded: too many sign-ins have failed. Try again in a minute."
            raise ThrottledError(msg)

    def note(self, address: str, now_s: float) -> None:
        """Count a failure."""
        self._times.setdefault(address, []).append(now_s)
        while len(self._times) > _ADDRESSES_MAX:
            self._times.popitem(last=False)


class Gate:
    """Lets requests of the native API in, or refuses them. Used by the event loop alone."""

    def __init__(self, authenticator: Authenticator, cookies: Cookies) -> None:
        """Hold what says whose requests are."""
        self._authenticator = authenticator
        self._cookies = cookies
        self._keys: Keys | None = (
            authenticator.keys if isinstance(authenticator, SignatureAuthentication) else None
        )
        self._failures = Failures()

    def let_in(self, request: Request, body: bytes, operation: str, *, changes: bool) -> Identity:
        """Say who asks, if they may.

        Raises:
            AuthenticationError: they are not known, or may not.
        """
        identity = self._identify(request, body, changes=changes)
        allow(identity, operation)
        return identity

    def routes(self, prefix: str, bodies: Bodies) -> list[Route]:
        """Give the routes of the session itself."""

        async def get(request: Request) -> Response:
            return _json(self._document(request, request.cookies.get(COOKIE)))

        async def sign_in(request: Request) -> Response:
            body = await bodies.read(request.scope, request.receive)
            return self._sign_in(request, body)

        async def sign_out(request: Request) -> Response:
            _check_site(request)
            response = Response(status_code=204)
            response.delete_cookie(COOKIE, _base(request), httponly=True, samesite="strict")
            return response

        path = prefix + "session"
        return [
            Route(path, get, methods=["GET"]),
            Route(path, sign_in, methods=["POST"]),
            Route(path, sign_out, methods=["DELETE"]),
        ]

    def _identify(self, request: Request, body: bytes, *, changes: bool) -> Identity:
        headers = request.headers
        # No page can make a browser send such a header elsewhere without asking us first.
        has_header = headers.get("authorization", "").startswith(_SIGNED)
        if self._keys is None:
            if changes:
                _check_site(request)
                if not has_header and not headers.get(CSRF_HEADER):
                    raise _missing_token()
            return self._authenticator.identify(request.scope, body)
        if has_header or "X-Amz-Signature" in request.query_params:
            return self._authenticator.identify(request.scope, body)
        cookie = request.cookies.get(COOKIE)
        key = None if cookie is None else self._key_of(cookie)
        if cookie is None or key is None:
            msg = "Missing Authentication Token: sign the request, or sign in."
            raise MissingAuthenticationError(msg)
        if changes:
            _check_site(request)
            token = headers.get(CSRF_HEADER, "").encode()
            if not hmac.compare_digest(token, self._cookies.csrf(cookie).encode()):
                raise _missing_token()
        return Identity(key.account, key.id, key.role, DEFAULT_REGION)

    def _key_of(self, cookie: str) -> AccessKey | None:
        """Give the key of a session that counts."""
        session = self._cookies.read(cookie, time.time())
        found = None if session is None or self._keys is None else self._keys.find(session.key_id)
        if session is None or found is None or not self._cookies.fits(session, found[1]):
            return None
        return found[0]

    def _sign_in(self, request: Request, body: bytes) -> Response:
        _check_site(request)
        if not request.headers.get("content-type", "").startswith(JSON_TYPE):
            # A foreign page's form cannot send this type.
            raise ValidationError([f"Value at 'content-type' must be {JSON_TYPE}"])
        if self._keys is None:
            return _json(self._document(request, None))
        address = request.client.host if request.client else ""
        self._failures.check(address, time.monotonic())
        asked = decode(body, SignInRequest)
        found = self._keys.find(asked.access_key_id)
        secret = "" if found is None else found[1]
        is_right = hmac.compare_digest(secret.encode(), asked.secret_access_key.encode())
        if found is None or not is_right:
            self._failures.note(address, time.monotonic())
            msg = "There is no valid access key of this id and secret."
            raise SignInError(msg)
        cookie = self._cookies.make(found[0].id, secret, time.time())
        response = _json(self._document(request, cookie))
        response.set_cookie(
            COOKIE,
            cookie,
            max_age=SESSION_S,
            path=_base(request),
            secure=_scheme(request) == "https",
            httponly=True,
            samesite="strict",
        )
        return response

    def _document(self, request: Request, cookie: str | None) -> SessionDocument:
        document = SessionDocument(
            auth="off" if self._keys is None else "keys",
            signed_in=True,
            account=ANYONE.account,
            key_id=None,
            role=ANYONE.role.value,
            csrf="1",
            region=DEFAULT_REGION,
            endpoint=f"{_scheme(request)}://{_host(request)}{_base(request).rstrip('/')}",
            version=__version__,
        )
        if self._keys is None:
            return document
        key = None if cookie is None else self._key_of(cookie)
        document.signed_in = key is not None
        document.account = None if key is None else key.account
        document.key_id = None if key is None else key.id
        document.role = None if key is None else key.role.value
        document.csrf = None if key is None or cookie is None else self._cookies.csrf(cookie)
        return document


def _json(document: SessionDocument) -> Response:
    headers = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
    return Response(msgspec.json.encode(document), headers=headers, media_type=JSON_TYPE)


def _missing_token() -> AccessDeniedError:
    msg = f"A change needs the header {CSRF_HEADER} with the session's token."
    return AccessDeniedError(msg)


def _check_site(request: Request) -> None:
    """Refuse what another site's page has sent.

    Raises:
        AccessDeniedError: a browser says that it comes from elsewhere.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        is_ours = site in {"same-origin", "none"}
    else:
        origin = request.headers.get("origin")
        is_ours = origin is None or urlsplit(origin).netloc in {
            request.headers.get("host"),
            request.headers.get("x-forwarded-host"),
        }
    if not is_ours:
        msg = "This request comes from the page of another site."
        raise AccessDeniedError(msg)


def _host(request: Request) -> str:
    forwarded = request.headers.get("x-forwarded-host", "")
    return forwarded or request.headers.get("host", "")


def _scheme(request: Request) -> str:
    forwarded = request.headers.get("x-forwarded-proto", "")
    return forwarded if forwarded in {"http", "https"} else request.url.scheme


def _base(request: Request) -> str:
    """Give the path that everything here begins with, as the browser sees it."""
    base = request.headers.get("x-forwarded-prefix") or request.scope.get("root_path", "")
    if not base.startswith("/") or any(each in base for each in ';,"\\ \t'):
        base = ""
    return base.rstrip("/") + "/"
