"""STS GetCallerIdentity, which the SageMaker SDK v3 asks: a form or a query in, XML out."""

from __future__ import annotations

from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from stepwell.model.access import Identity
from stepwell.model.errors import UnknownOperationError
from stepwell.server.asgi import Header, Scope, header

XML: Header = (b"content-type", b"text/xml")
_ACTION = b"Action="
_FORM = "application/x-www-form-urlencoded"
_NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"


def handles(scope: Scope) -> bool:
    """Say whether a request is a form, as the query protocol sends it, or a presigned query."""
    if scope["method"] not in {"GET", "POST"}:
        return False
    is_form = (header(scope, b"content-type") or "").startswith(_FORM)
    return (is_form and scope["method"] == "POST") or _ACTION in scope["query_string"]


def check_operation(scope: Scope, body: bytes) -> None:
    """Let GetCallerIdentity pass.

    Raises:
        UnknownOperationError: another action.
    """
    query: bytes = scope["query_string"]
    form = query if _ACTION in query else body
    actions = parse_qs(form.decode("latin-1")).get("Action", [])
    if actions != ["GetCallerIdentity"]:
        msg = f"Unknown operation: {', '.join(actions)[:200]!r}. Of STS there is GetCallerIdentity."
        raise UnknownOperationError(msg)


def caller_identity(identity: Identity, request_id: bytes) -> bytes:
    """Say who the caller is."""
    user = identity.key_id or "anonymous"
    arn = f"arn:aws:iam::{identity.account}:user/{user}"
    return (
        f'<GetCallerIdentityResponse xmlns="{_NAMESPACE}"><GetCallerIdentityResult>'
        f"<Arn>{escape(arn)}</Arn><UserId>{escape(user)}</UserId>"
        f"<Account>{identity.account}</Account></GetCallerIdentityResult>"
        f"<ResponseMetadata><RequestId>{request_id.decode()}</RequestId></ResponseMetadata>"
        "</GetCallerIdentityResponse>"
    ).encode()


def error_document(code: str, message: str, request_id: bytes) -> bytes:
    """Put an error in the query protocol's form."""
    return (
        f'<ErrorResponse xmlns="{_NAMESPACE}"><Error><Type>Sender</Type><Code>{escape(code)}</Code>'
        f"<Message>{escape(message)}</Message></Error>"
        f"<RequestId>{request_id.decode()}</RequestId></ErrorResponse>"
    ).encode()
