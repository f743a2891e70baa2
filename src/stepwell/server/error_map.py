"""The one table from an error to its AWS code and HTTP status."""

from __future__ import annotations

from typing import NamedTuple

from stepwell.model import errors


class WireError(NamedTuple):
    """How an error goes out. `retry_after_s` is for those that a client should try again."""

    status: int
    code: str
    retry_after_s: int | None = None


#: Looked up by the error's class, then by its bases.
ERRORS: dict[type[errors.StepwellError], WireError] = {
    errors.SerializationError: WireError(400, "SerializationException"),
    errors.ValidationError: WireError(400, "ValidationException"),
    errors.PayloadTooLargeError: WireError(413, "RequestEntityTooLargeException"),
    errors.BodyTimeoutError: WireError(408, "RequestTimeout"),
    errors.UnknownOperationError: WireError(404, "UnknownOperationException"),
    errors.AlreadyExistsError: WireError(400, "ValidationException"),
    errors.NotFoundError: WireError(400, "ResourceNotFound"),
    errors.ConstraintError: WireError(400, "ValidationException"),
    errors.LimitExceededError: WireError(400, "ResourceLimitExceeded"),
    errors.ThrottledError: WireError(429, "ThrottlingException", 1),
    errors.MissingAuthenticationError: WireError(403, "MissingAuthenticationTokenException"),
    errors.IncompleteSignatureError: WireError(403, "IncompleteSignatureException"),
    errors.SignatureError: WireError(403, "InvalidSignatureException"),
    errors.RequestExpiredError: WireError(403, "RequestExpired"),
    errors.RequestSkewedError: WireError(403, "RequestTimeTooSkewed"),
    errors.UnrecognizedClientError: WireError(403, "UnrecognizedClientException"),
    errors.SignInError: WireError(401, "SignInFailed"),
    errors.AccessDeniedError: WireError(403, "AccessDeniedException"),
    errors.KeyEncryptionError: WireError(500, "InternalFailure"),
    errors.UnknownComponentError: WireError(404, "ResourceNotFound"),
    errors.QueryError: WireError(400, "ValidationException"),
    errors.StoreUnavailableError: WireError(503, "ServiceUnavailable", 1),
    errors.StoreError: WireError(500, "InternalFailure"),
}
UNEXPECTED = WireError(500, "InternalFailure")


def wire_error(error: Exception) -> WireError:
    """Find how an error goes out; one that we did not raise is an InternalFailure."""
    for kind in type(error).__mro__:
        found = ERRORS.get(kind)
        if found is not None:
            return found
    return UNEXPECTED
