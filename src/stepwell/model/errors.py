"""Every error that Stepwell raises on purpose. HTTP codes live in `server/error_map.py`.

StepwellError
├── RequestError                 the request as a whole cannot be taken
│   ├── SerializationError       not JSON, or the wrong JSON type at the top
│   ├── ValidationError          members that break a rule, all of them named
│   ├── PayloadTooLargeError     the body is over the limit
│   ├── BodyTimeoutError         the body stopped arriving
│   ├── UnknownOperationError    no such path, method or target
│   ├── AlreadyExistsError       the name is taken
│   ├── NotFoundError            no such entity in the catalog
│   ├── ConstraintError          the request is well formed, but what there is forbids it
│   ├── LimitExceededError       a limit of the profile on entities is reached
│   └── ThrottledError           too much is waiting already; try again
├── AuthenticationError          we do not know whose the request is, or that one may not do it
│   ├── MissingAuthenticationError   it is not signed
│   ├── IncompleteSignatureError     its signature is malformed
│   ├── SignatureError               its signature does not match
│   ├── RequestExpiredError          it was presigned for a time that is over
│   ├── RequestSkewedError           it was signed at another time than now
│   ├── UnrecognizedClientError      no such access key
│   ├── SignInError                  the key and the secret of a sign-in do not go together
│   └── AccessDeniedError            the key's role does not cover the operation
├── UnknownKeyError              no access key of that id
├── UnsafeError                  a server that everyone could use
├── KeyEncryptionError           the key-encryption key is missing, unsafe or not the right one
├── QueryError                   one query of many cannot be answered as asked
│   └── UnknownComponentError    no such trial component
└── StoreError
    ├── StoreUnavailableError    nothing could be committed or read; try again
    ├── StoreDefectError         it failed in a way that it should not
    ├── DamagedSeriesError       a chunk does not hold what it should
    ├── FolderInUseError         another server has this data folder
    └── FormatError              the folder is not ours, or of a newer version
"""

from __future__ import annotations

from collections.abc import Sequence


class StepwellError(Exception):
    """The root of all errors raised on purpose."""


class RequestError(StepwellError):
    """A request that is refused as a whole, before anything is stored."""


class SerializationError(RequestError):
    """The body is not JSON, or a top-level member has the wrong JSON type."""


class ValidationError(RequestError):
    """One or more members break a rule.

    Attributes:
        problems: one sentence a broken member, in the order of the request.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        """Word the message as AWS does: a count, then every problem."""
        self.problems = tuple(problems)
        count = len(self.problems)
        noun = "error" if count == 1 else "errors"
        super().__init__(f"{count} validation {noun} detected: " + "; ".join(self.problems))


class PayloadTooLargeError(RequestError):
    """The body is larger than `Limits.body_bytes_max`."""


class BodyTimeoutError(RequestError):
    """The client stopped sending its body."""


class UnknownOperationError(RequestError):
    """No operation has this path, method or target."""


class AlreadyExistsError(RequestError):
    """The name is taken."""


class NotFoundError(RequestError):
    """There is no such entity in the catalog."""


class ConstraintError(RequestError):
    """The request is well formed, but what there is forbids it: a trial still has components."""


class LimitExceededError(RequestError):
    """A limit of the profile on how many entities there may be is reached."""


class ThrottledError(RequestError):
    """Too many bytes or puts are waiting to be committed. Nothing was stored."""


class AuthenticationError(StepwellError):
    """We do not know whose the request is, or that one may not do what it asks."""


class MissingAuthenticationError(AuthenticationError):
    """The request is not signed."""


class IncompleteSignatureError(AuthenticationError):
    """The signature is malformed, or does not sign what it must."""


class SignatureError(AuthenticationError):
    """The signature does not match the request."""


class RequestExpiredError(AuthenticationError):
    """The request was presigned for a time that is over."""


class RequestSkewedError(AuthenticationError):
    """The request was signed at another time than now."""


class UnrecognizedClientError(AuthenticationError):
    """There is no such access key, or it does not work any more."""


class SignInError(AuthenticationError):
    """Someone signed in with a key that does not work, or with another secret."""


class AccessDeniedError(AuthenticationError):
    """The access key's role does not cover the operation."""


class UnknownKeyError(StepwellError):
    """There is no access key of that id."""


class UnsafeError(StepwellError):
    """The server was told to listen where others could use it without a key."""


class KeyEncryptionError(StepwellError):
    """The key-encryption key is missing, unsafe, or not the right one."""


class QueryError(StepwellError):
    """One query that cannot be answered as asked; the others are not affected."""


class UnknownComponentError(QueryError):
    """The trial component does not exist (or was deleted)."""


class StoreError(StepwellError):
    """The store could not do what it was asked."""


class StoreUnavailableError(StoreError):
    """Nothing was committed: the disk is full, or the store is away. Try again."""


class StoreDefectError(StoreError):
    """The store failed in a way that it should not; the error's cause says how.

    To try again may help no more than this time, so it is not `StoreUnavailableError`.
    """


class DamagedSeriesError(StoreError):
    """A stored chunk does not hold what it should; the message names the series."""


class FolderInUseError(StoreError):
    """Another process holds the lock that was asked for."""


class FormatError(StoreError):
    """The data folder is not one of ours, or was written by a newer version."""
