"""The exceptions of this library.

Three types tell apart whether the work failed, the wait ended, or the work could not be observed. A fourth is
raised only on request, with ``on_waiting_step="raise"``. docs/errors.md has their tree.

Exceptions that the service's model defines keep its spelling, so that the name in AWS's documentation is the
name to catch. `aws.error_mapping` creates them from botocore's errors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Self, TypeVar, cast

from botocore.exceptions import ClientError

from .models.diagnosis import Diagnosis
from .models.executions import Execution, WorkflowStepExecution
from .models.redaction import one_line, redact_json

T = TypeVar("T", bound="ImageBuilderError")
E = TypeVar("E", bound="OperationError")


class ImageBuilderError(Exception):
    """Base of all exceptions of this library, except those for invalid arguments and misuse.

    They can be pickled and copied, with everything they carry. Pickling and deep-copying keep only the text
    of a cause that is neither an exception of this library nor a botocore ClientError.
    """

    def __reduce__(self) -> tuple[object, ...]:
        return _restore, (type(self), self.args, vars(self), _picklable(self.__cause__))

    def __copy__(self) -> Self:
        return _restore(type(self), self.args, vars(self), self.__cause__)


class WaitError(ImageBuilderError):
    """Base of the exceptions that end a wait, with everything that was learned until then.

    Attributes:
        identifier: The id or ARN that was waited for.
        execution: The last state seen; ``None`` if none was seen.
        elapsed: The duration of the wait in seconds.
        polls: The number of reads made for it, answered or not.
        throttles: The number of reads that were throttled.
    """

    def __init__(
        self,
        message: str,
        *,
        identifier: str,
        execution: Execution | None,
        elapsed: float,
        polls: int,
        throttles: int,
    ) -> None:
        super().__init__(message)
        self.identifier = identifier
        self.execution = execution
        self.elapsed = elapsed
        self.polls = polls
        self.throttles = throttles


class ExecutionFailedError(WaitError):
    """The work failed, according to the service.

    Attributes:
        execution: The terminal state.
        diagnosis: Why it failed, if requested by ``diagnose=True``; ``str()`` then names the root cause.
    """

    execution: Execution
    diagnosis: Diagnosis | None = None

    def __str__(self) -> str:
        return super().__str__() if self.diagnosis is None else str(self.diagnosis)


class ExecutionCancelledError(ExecutionFailedError):
    """The work was cancelled at AWS."""


class ImageDeletedError(ExecutionFailedError):
    """The image was deleted. Whether its build had succeeded is not known."""


class WaitingForActionError(WaitError):
    """A step waits for a person. The work continues when `ImageBuilder.resume` or `stop` answers the step.

    Attributes:
        steps: The waiting steps, the one that has waited longest first.
    """

    execution: Execution
    steps: tuple[WorkflowStepExecution, ...] = ()


class WaitTimeoutError(WaitError, TimeoutError):
    """The wait reached its deadline. The work continues at AWS.

    With ``on_timeout="cancel"``, its cancellation was requested: `execution` and the message have the result.
    """


class ObservationError(WaitError):
    """The execution could not be observed, so its state is unknown; the cause says why."""


class ExecutionNotFoundError(ObservationError):
    """The service knows no such execution, or pipeline, in this account and region."""


class ClientClosedError(ObservationError):
    """The client was closed during the wait."""


class WaitGroupError(ImageBuilderError, ExceptionGroup[WaitError]):
    """Several waits did not succeed: one exception for each execution, in the order given.

    Attributes:
        executions: The last state seen of every execution that was waited for, in the order given, including
            those that succeeded; ``None`` where none was seen.
    """

    executions: tuple[Execution | None, ...] = ()

    @property
    def errors(self) -> tuple[WaitError, ...]:
        """The exceptions in the group, in the order given."""
        return tuple(each for each in self.exceptions if isinstance(each, WaitError))

    def derive(self, excs: Sequence[WaitError]) -> WaitGroupError:  # type: ignore[override]
        """Return a group of some of the exceptions, for ``split`` and ``except*``."""
        group = WaitGroupError(self.message, excs)
        group.executions = self.executions
        return group


class OperationError(ImageBuilderError):
    """One call to AWS failed.

    Attributes:
        operation: The operation, as AWS names it; ``"ImageBuilder"`` for an error of opening the client.
        code: The service's error code; ``None`` without a response.
        status_code: The HTTP status; ``None`` without a response.
        request_id: The id that AWS support asks for; ``None`` without a response.
        retry_after: The seconds after which the server asks to be called again; ``None`` if it does not say.
    """

    operation: str = ""
    code: str | None = None
    status_code: int | None = None
    request_id: str | None = None
    retry_after: float | None = None

    @classmethod
    def create(cls, operation: str, detail: str) -> Self:
        """Return an exception for `operation`, with the advice for its class appended to the message."""
        advice = _ADVICE.get(cls, "")
        error = cls(f"{operation}: {_sentence(one_line(detail))}{' ' if advice else ''}{advice}")
        error.operation = operation
        return error

    def converted(self, cls: type[E]) -> E:
        """Return this error as one of another class, with the same message and attributes."""
        error = cls(*self.args)
        vars(error).update(vars(self))
        return error


class ThrottledError(OperationError):
    """The account's call rate is exceeded (HTTP 429, or a throttling code)."""


class CallRateLimitExceededException(ThrottledError):
    """The service's throttle, for the EC2 APIs that Image Builder calls on your behalf (service model)."""


class TooManyRequestsException(ThrottledError):
    """The throttle of DistributeImage and ImportDiskImage."""


class ServerError(OperationError):
    """The service or the connection failed (HTTP 5xx, 408, 421, 425); the same call may succeed later."""


class ServiceException(ServerError):
    """The service's HTTP 500."""


class ServiceUnavailableException(ServerError):
    """The service's HTTP 503."""


class ConnectionFailedError(OperationError):
    """There was no response: the endpoint is unreachable, the connection broke, or it took too long."""


class CertificateError(OperationError):
    """The certificate of the endpoint is not trusted, and never was while the client was open."""


class MalformedResponseError(OperationError):
    """The response does not contain what it must, or redirects to another address."""


class AccessError(OperationError):
    """The caller is not authenticated or not authorized."""


class ForbiddenException(AccessError):
    """The service's HTTP 403."""


class AccessDeniedException(AccessError):
    """IAM denies the call."""


class CredentialsError(AccessError):
    """There are no credentials, or AWS does not accept them."""


class CredentialsRefreshError(CredentialsError):
    """The credentials were rejected or could not be refreshed, possibly only for a while."""


class RequestError(OperationError):
    """The request is invalid (HTTP 4xx)."""


class ParameterValidationError(RequestError, ValueError):
    """botocore rejected the parameters before anything was sent."""


class ClientException(RequestError):
    """The service's general error for an invalid call."""


class InvalidRequestException(RequestError):
    """The request, or something in it, is invalid."""


class InvalidParameterException(RequestError):
    """A parameter is invalid."""


class InvalidParameterValueException(RequestError):
    """The value of a parameter is invalid."""


class InvalidParameterCombinationException(RequestError):
    """Two parameters are mutually exclusive."""


class InvalidPaginationTokenException(RequestError):
    """A pagination token is invalid or has expired."""


class InvalidVersionNumberException(RequestError):
    """A version is invalid or exists already."""


class IdempotentParameterMismatchException(RequestError):
    """The client token was used before with other parameters."""


class ResourceNotFoundException(RequestError):
    """The resource does not exist."""


class ResourceInUseException(RequestError):
    """The resource is in use by another operation."""


class ResourceDependencyException(RequestError):
    """Another resource depends on it."""


class ResourceAlreadyExistsException(RequestError):
    """The resource exists already."""


class ServiceQuotaExceededException(RequestError):
    """The quota of the account is exhausted (HTTP 402)."""


class DryRunOperationException(RequestError):
    """The dry run succeeded (HTTP 412)."""


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."


def _restore(
    cls: type[T], args: tuple[object, ...], attributes: Mapping[str, object], cause: BaseException | None
) -> T:
    error = cls.__new__(cls, *args)
    error.args = args
    vars(error).update(attributes)
    error.__cause__ = cause
    return error


def _picklable(cause: BaseException | None) -> BaseException | None:
    if cause is None or isinstance(cause, ImageBuilderError):
        return cause
    if isinstance(cause, ClientError):
        # The classes that botocore creates for a client's exceptions cannot be pickled.
        response = redact_json(cause.response)
        return cast("BaseException", ClientError(response, cause.operation_name))
    return Exception(f"{type(cause).__name__}: {cause}")


_ADVICE: Final[Mapping[type[OperationError], str]] = {
    CredentialsError: "Set AWS credentials (environment, profile, role), or pass profile_name= or session=.",
    ForbiddenException: "Check the IAM permissions of these credentials.",
    AccessDeniedException: "Check the IAM permissions of these credentials.",
    CertificateError: "Set AWS_CA_BUNDLE to the file of the authority that signed it.",
    ConnectionFailedError: "Check the region, endpoint_url and the network.",
    IdempotentParameterMismatchException: "Use another client_token, or the same parameters.",
}
