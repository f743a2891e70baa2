"""The control plane: POST with `X-Amz-Target: SageMaker.<Operation>`, as one bare ASGI function.

A base path in front is allowed. Handlers run on threads of their own, so that a search does not
keep curves waiting.
"""

from __future__ import annotations

import asyncio
import logging
import time
from concurrent.futures import Executor

from stepwell.model.access import Identity
from stepwell.model.errors import StepwellError, UnknownOperationError
from stepwell.model.experiments import Author
from stepwell.server.asgi import (
    Bodies,
    ClientGoneError,
    Header,
    Receive,
    Scope,
    Send,
    error_answer,
    header,
    send_answer,
)
from stepwell.server.auth import STS, allow
from stepwell.server.control import (
    associations,
    components,
    experiments,
    lineage,
    search,
    sts,
    tags,
)
from stepwell.server.control.service import Control, Handler
from stepwell.server.edge import Edge
from stepwell.wire.control import decode_control, encode_document, operation_of

logger = logging.getLogger(__name__)

JSON_1_1: Header = (b"content-type", b"application/x-amz-json-1.1")
_TARGET = b"x-amz-target"
#: The query protocol has names of its own for some errors.
_STS_CODES = {
    "InvalidSignatureException": "SignatureDoesNotMatch",
    "IncompleteSignatureException": "IncompleteSignature",
    "MissingAuthenticationTokenException": "MissingAuthenticationToken",
    "UnrecognizedClientException": "InvalidClientTokenId",
}

HANDLERS: dict[str, Handler] = {
    **experiments.HANDLERS,
    **components.HANDLERS,
    **lineage.HANDLERS,
    **associations.HANDLERS,
    **search.HANDLERS,
    **tags.HANDLERS,
}


class ControlPlane:
    """Answers the operations of the Experiments API."""

    def __init__(
        self,
        control: Control,
        executor: Executor,
        edge: Edge,
    ) -> None:
        """Hold on to what it needs; it owns none of it."""
        self._control = control
        self._executor = executor
        self._authenticator = edge.authenticator
        self._telemetry = edge.telemetry
        self._request_ids = edge.request_ids
        self._bodies = Bodies(edge.limits)

    @staticmethod
    def handles(scope: Scope) -> bool:
        """Say whether a request names an operation in its header."""
        has_target = header(scope, _TARGET) is not None
        return sts.handles(scope) or (scope["method"] == "POST" and has_target)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request that `handles` has taken."""
        request_id = self._request_ids.next()
        if scope["method"] == "GET" or header(scope, _TARGET) is None:
            await self._answer_sts(scope, receive, send, request_id)
            return
        try:
            body = await self._bodies.read(scope, receive)
            identity = self._authenticator.identify(scope, body)
            loop = asyncio.get_running_loop()
            target = header(scope, _TARGET)
            started = time.perf_counter()
            operation, answer = await loop.run_in_executor(
                self._executor, self._answer, identity, target, body
            )
            self._telemetry.controlled(operation, time.perf_counter() - started)
        except ClientGoneError:
            return
        except Exception as error:
            if not isinstance(error, StepwellError):
                logger.exception("unexpected error", extra={"request_id": request_id.decode()})
            refusal = error_answer(error, request_id)
            self._telemetry.refused(refusal.code)
            headers = [each for each in refusal.headers if each[0] != JSON_1_1[0]]
            await send_answer(send, refusal.status, [*headers, JSON_1_1], refusal.body)
        else:
            headers = [(b"x-amzn-requestid", request_id), JSON_1_1]
            await send_answer(send, 200, headers, answer)

    async def _answer_sts(
        self, scope: Scope, receive: Receive, send: Send, request_id: bytes
    ) -> None:
        try:
            body = await self._bodies.read(scope, receive)
            sts.check_operation(scope, body)
            identity = self._authenticator.identify(scope, body, STS)
        except ClientGoneError:
            return
        except Exception as error:
            if not isinstance(error, StepwellError):
                logger.exception("unexpected error", extra={"request_id": request_id.decode()})
            refusal = error_answer(error, request_id)
            self._telemetry.refused(refusal.code)
            code = _STS_CODES.get(refusal.code, refusal.code)
            message = str(error) if isinstance(error, StepwellError) else "Internal failure."
            document = sts.error_document(code, message, request_id)
            headers = [(b"x-amzn-requestid", request_id), sts.XML]
            await send_answer(send, refusal.status, headers, document)
        else:
            headers = [(b"x-amzn-requestid", request_id), sts.XML]
            await send_answer(send, 200, headers, sts.caller_identity(identity, request_id))

    def _answer(self, identity: Identity, target: str | None, body: bytes) -> tuple[str, bytes]:
        # Who may not ask is not told what is wrong with the question.
        allow(identity, operation_of(target))
        operation, members = decode_control(target, body)
        author = Author(identity.account, identity.key_id, identity.region)
        handler = HANDLERS.get(operation)
        if handler is None:
            msg = f"Unknown operation: {operation}"
            raise UnknownOperationError(msg)
        return operation, encode_document(handler(self._control, author, members))
