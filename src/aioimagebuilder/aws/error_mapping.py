"""Mapping of botocore's errors to those of this library, by error code and HTTP status.

Never by the text of a message: texts change, and are not part of any contract.
"""

from __future__ import annotations

import ssl
import traceback
from collections.abc import Container, Mapping, Sequence
from typing import Final, cast

from botocore import exceptions as botocore_exceptions
from botocore.parsers import ResponseParserError

from ..errors import (
    AccessDeniedException,
    AccessError,
    CertificateError,
    ConnectionFailedError,
    CredentialsError,
    CredentialsRefreshError,
    MalformedResponseError,
    OperationError,
    ParameterValidationError,
    RequestError,
    ResourceNotFoundException,
    ServerError,
    ThrottledError,
)

# Every error code of the service's model is the name of a class.
_BY_CODE: Final[Mapping[str, type[OperationError]]] = {
    cls.__name__: cls
    for base in (ThrottledError, ServerError, AccessError, RequestError)
    for cls in base.__subclasses__()
    if cls.__name__.endswith("Exception")
} | {
    # Not in the model, but returned by AWS's front ends for any service, and retried by botocore.
    "BandwidthLimitExceeded": ThrottledError,
    "EC2ThrottledException": ThrottledError,
    "LimitExceededException": ThrottledError,
    "PriorRequestNotComplete": ThrottledError,
    "ProvisionedThroughputExceeded": ThrottledError,
    "ProvisionedThroughputExceededException": ThrottledError,
    "RequestLimitExceeded": ThrottledError,
    "RequestThrottled": ThrottledError,
    "RequestThrottledException": ThrottledError,
    "SlowDown": ThrottledError,
    "ThrottledException": ThrottledError,
    "Throttling": ThrottledError,
    "ThrottlingException": ThrottledError,
    "TooManyRequests": ThrottledError,
    "TransactionInProgressException": ThrottledError,
    "InternalError": ServerError,
    "InternalException": ServerError,
    "InternalFailure": ServerError,
    "InternalServerError": ServerError,
    "InternalServerException": ServerError,
    "RequestTimeout": ServerError,
    "RequestTimeoutException": ServerError,
    "ServiceUnavailable": ServerError,
    "AccessDenied": AccessDeniedException,
    "NotAuthorized": AccessDeniedException,
    "UnauthorizedOperation": AccessDeniedException,
    "ExpiredToken": CredentialsError,
    "ExpiredTokenException": CredentialsError,
    "IncompleteSignature": CredentialsError,
    "InvalidClientTokenId": CredentialsError,
    "InvalidSignatureException": CredentialsError,
    "MissingAuthenticationToken": CredentialsError,
    "MissingAuthenticationTokenException": CredentialsError,
    "RequestExpired": CredentialsError,
    "RequestInTheFuture": CredentialsError,
    "RequestTimeTooSkewed": CredentialsError,
    "SignatureDoesNotMatch": CredentialsError,
    "UnrecognizedClientException": CredentialsError,
}

# For unknown codes, the HTTP status: the first matching row.
_BY_STATUS: Final[Sequence[tuple[Container[int], type[OperationError]]]] = (
    # Redirects are not followed: the credentials would be sent to another address.
    (range(300, 400), MalformedResponseError),
    ({429}, ThrottledError),
    # Request Timeout, Misdirected Request, Too Early: the connection failed, not the request.
    ({408, 421, 425}, ServerError),
    ({401}, CredentialsError),
    ({403}, AccessDeniedException),
    ({404}, ResourceNotFoundException),
    (range(400, 500), RequestError),
    # Not Implemented: a server that lacks an operation lacks it in the next attempt as well.
    ({501}, RequestError),
    (range(500, 600), ServerError),
)

# botocore's errors without a response: the first matching row.
_BY_BOTOCORE_ERROR: Final[Sequence[tuple[tuple[type[Exception], ...], type[OperationError]]]] = (
    ((botocore_exceptions.ParamValidationError,), ParameterValidationError),
    (
        (
            botocore_exceptions.NoCredentialsError,
            botocore_exceptions.PartialCredentialsError,
            botocore_exceptions.CredentialRetrievalError,
            botocore_exceptions.NoAuthTokenError,
            botocore_exceptions.TokenRetrievalError,
            botocore_exceptions.MetadataRetrievalError,
            botocore_exceptions.SSOError,
            botocore_exceptions.LoginError,
        ),
        CredentialsError,
    ),
    (
        (
            botocore_exceptions.ConnectionError,
            botocore_exceptions.HTTPClientError,
            botocore_exceptions.IncompleteReadError,
        ),
        ConnectionFailedError,
    ),
)

# The maximum delay in seconds that a server can request. botocore's own retries allow five seconds in
# addition to their backoff (botocore.retries.standard).
_MAXIMUM_RETRY_AFTER: Final = 60.0

# botocore's parser assumes that a response matches the model. One that does not makes it fail with any of
# Python's exceptions. It looks up the shape of an error's code in the model, and the code may not even be a
# string.
_PARSERS: Final = frozenset({"aiobotocore.parsers", "botocore.parsers", "botocore.model"})

# Exceptions of a credentials provider surface in the call that needed the credentials: malformed JSON of a
# ``credential_process``, or botocore's RuntimeError for refreshed credentials that have expired already.
_CREDENTIALS: Final = frozenset({"aiobotocore.credentials"})

# Exactly these classes: their subclasses are raised by networks as well, such as SSLCertVerificationError and
# UnicodeDecodeError, which are ValueErrors.
_BUGS: Final = frozenset(
    {RuntimeError, TypeError, ValueError, KeyError, IndexError, AttributeError, AssertionError}
)


def from_botocore(error: Exception, operation: str) -> OperationError | None:
    """Return the error of this library for an exception raised by botocore in `operation`.

    Return ``None`` for an exception that does not come from botocore, a response or the credentials.
    """
    if isinstance(error, botocore_exceptions.ClientError):
        found = _from_response(error, operation)
        return found if error.operation_name == operation else _from_credentials_call(found, error, operation)
    if _raised_in(_CREDENTIALS, error):
        passes = isinstance(error, botocore_exceptions.ConnectionError | botocore_exceptions.HTTPClientError)
        cls = CredentialsRefreshError if passes else CredentialsError
        return cls.create(operation, f"the credentials could not be refreshed: {error!r}")
    if isinstance(error, ResponseParserError) or _raised_in(_PARSERS, error):
        return MalformedResponseError.create(operation, f"the response could not be parsed: {error!r}")
    if isinstance(error, botocore_exceptions.BotoCoreError):
        return _from_botocore_error(error, operation)
    return None


def is_denied(error: OperationError) -> bool:
    """Return whether AWS knows the caller and denies the call, which would be denied again."""
    return isinstance(error, AccessError) and not isinstance(error, CredentialsError)


def _raised_in(modules: frozenset[str], error: Exception) -> bool:
    frames = traceback.walk_tb(error.__traceback__)
    return any(frame.f_globals.get("__name__") in modules for frame, _ in frames)


def _from_credentials_call(
    found: OperationError, error: botocore_exceptions.ClientError, operation: str
) -> CredentialsError:
    """Return the error for a call that failed while botocore refreshed the credentials, to STS for example.

    It says nothing about Image Builder.
    """
    passes = isinstance(found, ThrottledError | ServerError | MalformedResponseError)
    cls = CredentialsRefreshError if passes else CredentialsError
    return cls.create(operation, f"the credentials could not be refreshed: {error}")


def _from_botocore_error(error: botocore_exceptions.BotoCoreError, operation: str) -> OperationError:
    # aiobotocore wraps every exception of its HTTP client. A bug (a client that is closed already, an
    # argument of the wrong type) would recur, and retries would hide it.
    cause = error.kwargs.get("error")
    if type(cause) in _BUGS:
        return OperationError.create(operation, f"{error} Is the client closed already?")
    if isinstance(cause, ssl.SSLCertVerificationError):
        return CertificateError.create(operation, str(error))
    for classes, cls in _BY_BOTOCORE_ERROR:
        if isinstance(error, classes):
            return cls.create(operation, str(error))
    # Any other BotoCoreError is final: the same call would fail again.
    return RequestError.create(operation, str(error))


def _from_response(error: botocore_exceptions.ClientError, operation: str) -> OperationError:
    response = cast("Mapping[str, Mapping[str, object]]", error.response)
    metadata = response.get("ResponseMetadata", {})
    code = str(response.get("Error", {}).get("Code", "Unknown"))
    status = metadata.get("HTTPStatusCode")
    status_code = status if isinstance(status, int) else None
    cls = _classify(code, status_code)
    message = str(response.get("Error", {}).get("Message") or "no message").strip()
    found = cls.create(operation, f"{code} (HTTP {status_code}): {message}")
    found.code = code
    found.status_code = status_code
    found.request_id = cast("str | None", metadata.get("RequestId"))
    found.retry_after = _retry_after(cast("Mapping[str, object]", metadata.get("HTTPHeaders") or {}))
    return found


def _classify(code: str, status: int | None) -> type[OperationError]:
    by_code = _BY_CODE.get(code)
    by_status = next((cls for statuses, cls in _BY_STATUS if status in statuses), OperationError)
    if by_code is None or by_status is MalformedResponseError:
        return by_status
    # A throttle takes precedence over a failure of the server, and this over everything else.
    for cls in (ThrottledError, ServerError):
        if issubclass(by_code, cls):
            return by_code
        if by_status is cls:
            return by_status
    return by_code


def _retry_after(headers: Mapping[str, object]) -> float | None:
    # x-amz-retry-after is in milliseconds (botocore.retries.standard), Retry-After in seconds or a date.
    # Image Builder has not been seen to send either, so dates are ignored.
    for header, unit in (("x-amz-retry-after", 0.001), ("retry-after", 1.0)):
        value = str(headers.get(header, ""))
        if value.isascii() and value.isdigit():
            return min(float(value) * unit, _MAXIMUM_RETRY_AFTER)
    return None
