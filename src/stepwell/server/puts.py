"""BatchPutMetrics on the server's side: a request's bytes in, an answer out once it is durable.

No coroutine waits for a put: `Puts.take` hands it to the committer, whose report calls back. So a
put costs no task where its connection can do without one (see `connections`).
"""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Sequence

from stepwell.ingest.admission import Ingest
from stepwell.ingest.frames import Answer
from stepwell.model.errors import StepwellError, StoreDefectError
from stepwell.model.points import Outcome
from stepwell.server.asgi import JSON, Header, Reply, Scope, check_size, error_answer
from stepwell.server.auth import allow
from stepwell.server.edge import Edge
from stepwell.wire.put_metrics import decode_put, encode_put_answer

logger = logging.getLogger(__name__)

_PUT_ID_HEADERS = frozenset({b"amz-sdk-invocation-id", b"idempotency-key"})


class Puts:
    """Takes puts in and answers them. On the loop."""

    def __init__(self, ingest: Ingest, edge: Edge) -> None:
        """Hold on to what it needs; it owns none of it."""
        self._ingest = ingest
        self._limits = edge.limits
        self._authenticator = edge.authenticator
        self._telemetry = edge.telemetry
        self._request_ids = edge.request_ids

    @staticmethod
    def handles(scope: Scope) -> bool:
        """Say whether a request is a put. A base path in front of the operation is allowed."""
        is_put: bool = scope["method"] == "PUT" and scope["path"].endswith("/BatchPutMetrics")
        return is_put

    def take(self, scope: Scope, body: bytes, reply: Reply) -> None:
        """Take a whole request in. Never raises.

        Args:
            scope: the request's ASGI scope.
            body: its body.
            reply: is called once, now or later, with status, headers and body of the answer.
        """
        request_id = self._request_ids.next()
        size = len(body)
        try:
            check_size(size, self._limits)
            identity = self._authenticator.identify(scope, body)
            allow(identity, "BatchPutMetrics")
            put = decode_put(
                body,
                self._limits,
                time.time_ns() // 1000,
                account=identity.account,
                owner=identity.key_id,
                put_id=_put_id(scope["headers"]),
            )
            self._ingest.submit(put, size, functools.partial(self._answered, request_id, reply))
        except Exception as error:  # noqa: BLE001 - every error has an answer
            self._refuse(error, request_id, reply)

    def _answered(self, request_id: bytes, reply: Reply, answer: Answer) -> None:
        if isinstance(answer, Outcome):
            headers = [(b"x-amzn-requestid", request_id), JSON]
            reply(200, headers, encode_put_answer(answer.errors))
        else:
            self._refuse(answer, request_id, reply)

    def _refuse(self, error: Exception, request_id: bytes, reply: Reply) -> None:
        if isinstance(error, StoreDefectError) or not isinstance(error, StepwellError):
            logger.error(
                "unexpected error", exc_info=error, extra={"request_id": request_id.decode()}
            )
        answer = error_answer(error, request_id)
        self._telemetry.refused(answer.code)
        reply(answer.status, answer.headers, answer.body)


def _put_id(headers: Sequence[Header]) -> str | None:
    put_id = None
    for name, value in headers:
        if name in _PUT_ID_HEADERS:
            put_id = value.decode("latin-1") or put_id
    return put_id
