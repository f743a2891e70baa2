"""Errors: every one of ours has a code and a status, and its own words reach the client."""

from __future__ import annotations

import http
import inspect
import json

import pytest

from stepwell.model import errors
from stepwell.server.asgi import error_answer
from stepwell.server.error_map import ERRORS, UNEXPECTED, wire_error

OURS = [
    each
    for _, each in inspect.getmembers(errors, inspect.isclass)
    if issubclass(each, errors.StepwellError)
]

#: botocore's standard mode retries these; the others it must not (CONTRACT part A, section 4).
RETRIED_CODES = {"ThrottlingException"}


def make(kind: type[errors.StepwellError]) -> errors.StepwellError:
    """Make an error of a kind."""
    return kind(["one thing"]) if kind is errors.ValidationError else kind("one thing")


@pytest.mark.parametrize("kind", OURS)
def test_every_error_is_mapped(kind: type[errors.StepwellError]) -> None:
    """Each of our errors that a client can meet is in the table, itself or by its base."""
    found = wire_error(make(kind))
    abstract = {errors.StepwellError, errors.RequestError, errors.AuthenticationError}
    # These are the command line's.
    abstract |= {errors.UnknownKeyError, errors.UnsafeError}
    assert (found is UNEXPECTED) == (kind in abstract)
    http.HTTPStatus(found.status)


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        (errors.SerializationError, 400, "SerializationException"),
        (errors.ValidationError, 400, "ValidationException"),
        (errors.PayloadTooLargeError, 413, None),
        (errors.UnknownOperationError, 404, "UnknownOperationException"),
        (errors.StoreUnavailableError, 503, "ServiceUnavailable"),
        (errors.StoreDefectError, 500, "InternalFailure"),
    ],
)
def test_codes_of_part_b(kind: type[errors.StepwellError], status: int, code: str | None) -> None:
    """The codes and statuses that rules 3 and 5 name are these."""
    found = wire_error(make(kind))
    assert found.status == status
    assert code is None or found.code == code


@pytest.mark.parametrize("kind", list(ERRORS))
def test_what_sdks_retry(kind: type[errors.StepwellError]) -> None:
    """An error says when to come again exactly if SDKs retry it: 503s and throttling."""
    found = ERRORS[kind]
    is_retried = found.status == 503 or found.code in RETRIED_CODES
    assert (found.retry_after_s is not None) == is_retried


@pytest.mark.parametrize("kind", [each for each in ERRORS if each is not errors.ValidationError])
def test_answers_carry_the_code_twice(kind: type[errors.StepwellError]) -> None:
    """An answer has the code in header and body, its own words, a request id and Retry-After."""
    found = wire_error(make(kind))
    answer = error_answer(make(kind), b"id-1")
    headers = {name.lower(): value.decode() for name, value in answer.headers}
    assert answer.status == found.status
    assert headers[b"x-amzn-errortype"] == found.code
    assert headers[b"x-amzn-requestid"] == "id-1"
    assert json.loads(answer.body) == {"__type": found.code, "message": "one thing"}
    if found.retry_after_s is not None:
        assert headers[b"retry-after"] == str(found.retry_after_s)
        assert headers[b"x-amz-retry-after"] == str(found.retry_after_s * 1000)


def test_other_errors_tell_nothing() -> None:
    """An error that is not ours is an InternalFailure whose words stay inside."""
    answer = error_answer(ZeroDivisionError("secret"), b"id-1")
    assert answer.status == 500
    assert json.loads(answer.body) == {"__type": "InternalFailure", "message": "Internal failure."}


def test_validation_messages_count() -> None:
    """A ValidationException counts its problems as AWS does and names every one."""
    assert str(errors.ValidationError(["a"])) == "1 validation error detected: a"
    assert str(errors.ValidationError(["a", "b"])) == "2 validation errors detected: a; b"
