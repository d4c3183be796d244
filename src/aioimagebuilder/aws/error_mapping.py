"""The one place where a botocore error becomes one of ours, by its code and its HTTP status.

Never by the text of a reason: texts change, and what stands in them is nobody's contract.
"""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from typing import Final, cast

from botocore import exceptions as botocore_exceptions
from botocore.parsers import ResponseParserError

from ..errors import (
    AccessDeniedException,
    AccessError,
    ConnectionFailedError,
    CredentialsError,
    MalformedResponseError,
    OperationError,
    ParameterValidationError,
    RequestError,
    ResourceNotFoundException,
    ServerError,
    ThrottledError,
)

__all__ = ["from_botocore"]

# Every code that the service's model has is the name of a class here.
_BY_CODE: Final[Mapping[str, type[OperationError]]] = {
    cls.__name__: cls
    for family in (ThrottledError, ServerError, AccessError, RequestError)
    for cls in family.__subclasses__()
    if cls.__name__.endswith("Exception")
} | {
    # Not modelled, but what AWS's front ends answer for any service.
    "ThrottlingException": ThrottledError,
    "Throttling": ThrottledError,
    "ThrottledException": ThrottledError,
    "RequestThrottled": ThrottledError,
    "RequestThrottledException": ThrottledError,
    "RequestLimitExceeded": ThrottledError,
    "LimitExceededException": ThrottledError,
    "SlowDown": ThrottledError,
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

# Where the code says nothing, the HTTP status does: the first row that fits.
_BY_STATUS: Final[Sequence[tuple[range, type[OperationError]]]] = (
    (range(429, 430), ThrottledError),
    (range(401, 402), CredentialsError),
    (range(403, 404), AccessDeniedException),
    (range(404, 405), ResourceNotFoundException),
    (range(400, 500), RequestError),
    (range(500, 600), ServerError),
)

# What botocore raises with no answer in hand: the first row that fits.
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

# The longest that a server is listened to that asks to be left alone, in seconds. botocore's own retries
# listen for five seconds more than their backoff (botocore.retries.standard): a hint is not a promise.
_LONGEST_RETRY_AFTER: Final = 60.0

# botocore's parser takes an answer to be what the model says. One that is not breaks it anywhere, with any
# error of Python's; the model is asked for the shape of an error's code, which may be no text at all.
_PARSERS: Final = frozenset({"aiobotocore.parsers", "botocore.parsers", "botocore.model"})

# Whatever a source of credentials raises comes out of the call that needed them: broken JSON of a
# ``credential_process``, botocore's own RuntimeError for refreshed ones that have run out already.
_CREDENTIALS: Final = frozenset({"aiobotocore.credentials"})

_BUGS: Final = (RuntimeError, TypeError, ValueError, LookupError, AttributeError, AssertionError)


def from_botocore(error: Exception, operation: str) -> OperationError | None:
    """Get the error of ours for what botocore raised in `operation`; chain it with ``raise … from error``.

    ``None`` for an error that neither botocore nor an answer nor the credentials are to blame for.
    """
    if isinstance(error, botocore_exceptions.ClientError):
        return _from_response(error, operation)
    if isinstance(error, ResponseParserError) or _came_up_in(_PARSERS, error):
        return MalformedResponseError.made(operation, f"the answer could not be read: {error!r}.")
    if isinstance(error, botocore_exceptions.BotoCoreError):
        return _from_botocore_error(error, operation)
    if _came_up_in(_CREDENTIALS, error):
        return CredentialsError.made(operation, f"the credentials could not be refreshed: {error!r}.")
    return None


def _came_up_in(modules: frozenset[str], error: Exception) -> bool:
    frames = traceback.walk_tb(error.__traceback__)
    return any(frame.f_globals.get("__name__") in modules for frame, _ in frames)


def _from_botocore_error(error: botocore_exceptions.BotoCoreError, operation: str) -> OperationError:
    # aiobotocore wraps whatever its HTTP client raises. An error of the program (a client that is closed
    # already, an argument of the wrong type) would come again and again: a retry would hide it.
    if isinstance(error.kwargs.get("error"), _BUGS):
        return OperationError.made(operation, f"{error}. Is the client closed already?")
    for classes, cls in _BY_BOTOCORE_ERROR:
        if isinstance(error, classes):
            return cls.made(operation, str(error))
    # A BotoCoreError that is none of these: nothing that the same call would mend.
    return RequestError.made(operation, str(error))


def _from_response(error: botocore_exceptions.ClientError, operation: str) -> OperationError:
    response = cast("Mapping[str, Mapping[str, object]]", error.response)
    metadata = response.get("ResponseMetadata", {})
    code = str(response.get("Error", {}).get("Code", "Unknown"))
    status = metadata.get("HTTPStatusCode")
    status_code = status if isinstance(status, int) else None
    cls = _classify(code, status_code)
    said = str(response.get("Error", {}).get("Message") or "no message").strip()
    found = cls.made(operation, f"{code} (HTTP {status_code}): {said}{'' if said.endswith('.') else '.'}")
    found.code = code
    found.status_code = status_code
    found.request_id = cast("str | None", metadata.get("RequestId"))
    found.retry_after = _retry_after(cast("Mapping[str, object]", metadata.get("HTTPHeaders") or {}))
    return found


def _classify(code: str, status: int | None) -> type[OperationError]:
    by_code = _BY_CODE.get(code)
    by_status = next((cls for statuses, cls in _BY_STATUS if status in statuses), OperationError)
    # A throttle or a failing server is one, whatever word it uses for it.
    if by_code is None or (by_status in {ThrottledError, ServerError} and not issubclass(by_code, by_status)):
        return by_status
    return by_code


def _retry_after(headers: Mapping[str, object]) -> float | None:
    # x-amz-retry-after is in milliseconds (botocore.retries.standard), Retry-After in seconds or a date;
    # nobody has seen Image Builder send either, so a date is not worth a parser.
    for header, unit in (("x-amz-retry-after", 0.001), ("retry-after", 1.0)):
        value = str(headers.get(header, ""))
        if value.isascii() and value.isdigit():
            return min(float(value) * unit, _LONGEST_RETRY_AFTER)
    return None
