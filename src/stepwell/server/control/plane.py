"""The control plane: POST with `X-Amz-Target: SageMaker.<Operation>`, as one bare ASGI function.

A base path in front is allowed. Handlers run on threads of their own, so that a search does not
keep curves waiting.
"""

from __future__ import annotations

import asyncio
import logging
import time
from concurrent.futures import Executor

from stepwell.model.errors import StepwellError, UnknownOperationError
from stepwell.model.experiments import Author
from stepwell.model.limits import Limits
from stepwell.server.asgi import (
    Bodies,
    ClientGoneError,
    Header,
    Receive,
    RequestIds,
    Scope,
    Send,
    error_answer,
    header,
    send_answer,
)
from stepwell.server.control import components, experiments, search, tags
from stepwell.server.control.service import Control, Handler
from stepwell.server.telemetry import Telemetry
from stepwell.wire.control import decode_control, encode_document

logger = logging.getLogger(__name__)

JSON_1_1: Header = (b"content-type", b"application/x-amz-json-1.1")
_TARGET = b"x-amz-target"

HANDLERS: dict[str, Handler] = {
    **experiments.HANDLERS,
    **components.HANDLERS,
    **search.HANDLERS,
    **tags.HANDLERS,
}


class ControlPlane:
    """Answers the operations of the Experiments API."""

    def __init__(
        self,
        control: Control,
        limits: Limits,
        executor: Executor,
        telemetry: Telemetry,
        request_ids: RequestIds,
    ) -> None:
        """Hold on to what it needs; it owns none of it."""
        self._control = control
        self._executor = executor
        self._telemetry = telemetry
        self._request_ids = request_ids
        self._bodies = Bodies(limits)

    @staticmethod
    def handles(scope: Scope) -> bool:
        """Say whether a request names an operation in its header."""
        return scope["method"] == "POST" and header(scope, _TARGET) is not None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request that `handles` has taken."""
        request_id = self._request_ids.next()
        try:
            body = await self._bodies.read(scope, receive)
            loop = asyncio.get_running_loop()
            target = header(scope, _TARGET)
            started = time.perf_counter()
            author = Author("000000000000")
            operation, answer = await loop.run_in_executor(
                self._executor, self._answer, author, target, body
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

    def _answer(self, author: Author, target: str | None, body: bytes) -> tuple[str, bytes]:
        operation, members = decode_control(target, body)
        handler = HANDLERS.get(operation)
        if handler is None:
            msg = f"Unknown operation: {operation}"
            raise UnknownOperationError(msg)
        return operation, encode_document(handler(self._control, author, members))
