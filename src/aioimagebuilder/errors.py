"""Everything that can go wrong.

Three facts are three families, never one (a fourth is of those who ask for it, by ``on_waiting_step="raise"``):

    ImageBuilderError
    ├── ExecutionFailedError            the work failed
    │   ├── ExecutionCancelledError         … because somebody cancelled it
    │   └── ImageDeletedError               … there is no image any more
    ├── WaitingForActionError           it waits for a person, and the caller wants to know
    ├── WaitTimeoutError                the wait ended at its own deadline (also a TimeoutError)
    ├── ObservationError                nobody could observe: what became of the work is not known
    │   ├── ExecutionNotFoundError          the service knows no such execution
    │   └── ClientClosedError               the client was closed under the wait
    ├── WaitGroupError                  several of these, from `wait_all` and `as_completed`
    └── OperationError                  one call to AWS failed; the botocore error is its cause
        ├── ThrottledError                  429: CallRateLimitExceededException, TooManyRequestsException
        ├── ServerError                     5xx: ServiceException, ServiceUnavailableException
        ├── ConnectionFailedError           no answer: unreachable, reset, timed out
        ├── MalformedResponseError          an answer that is none
        ├── AccessError                     ForbiddenException, AccessDeniedException, CredentialsError
        │   └── CredentialsRefreshError         … which were good before, and may be again
        └── RequestError                    4xx: the request itself is wrong, each by the service's name

The errors named as the service names them keep its spelling, so that what one reads in AWS's documentation
is what one catches. All of them can be caught by their family. `error_mapping` makes them of botocore's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, Self

from .models.executions import Execution, WorkflowStepExecution
from .models.redaction import one_line

if TYPE_CHECKING:
    from .diagnosis import Diagnosis

__all__ = [
    "AccessDeniedException",
    "AccessError",
    "CallRateLimitExceededException",
    "ClientClosedError",
    "ClientException",
    "ConnectionFailedError",
    "CredentialsError",
    "CredentialsRefreshError",
    "DryRunOperationException",
    "ExecutionCancelledError",
    "ExecutionFailedError",
    "ExecutionNotFoundError",
    "ForbiddenException",
    "IdempotentParameterMismatchException",
    "ImageBuilderError",
    "ImageDeletedError",
    "InvalidPaginationTokenException",
    "InvalidParameterCombinationException",
    "InvalidParameterException",
    "InvalidParameterValueException",
    "InvalidRequestException",
    "InvalidVersionNumberException",
    "MalformedResponseError",
    "ObservationError",
    "OperationError",
    "ParameterValidationError",
    "RequestError",
    "ResourceAlreadyExistsException",
    "ResourceDependencyException",
    "ResourceInUseException",
    "ResourceNotFoundException",
    "ServerError",
    "ServiceException",
    "ServiceQuotaExceededException",
    "ServiceUnavailableException",
    "ThrottledError",
    "TooManyRequestsException",
    "WaitError",
    "WaitGroupError",
    "WaitTimeoutError",
    "WaitingForActionError",
]


class ImageBuilderError(Exception):
    """The base of every error that this library raises for something that happened."""


class WaitError(ImageBuilderError):
    """The base of how a wait can end other than well, with all that was learned until then.

    Attributes:
        identifier: the id or ARN that was waited for.
        execution: the last state seen; ``None`` if none ever was.
        elapsed: seconds since the wait began.
        polls: reads that were made for it, whether answered or not.
        throttles: how many of them were throttled.
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
    """The work failed: the service says so. `execution` tells how.

    Attributes:
        execution: the terminal state.
        diagnosis: why it failed, if ``diagnose=True`` asked for it; then ``str()`` names the root cause.
    """

    execution: Execution
    diagnosis: Diagnosis | None = None

    def __str__(self) -> str:
        return super().__str__() if self.diagnosis is None else str(self.diagnosis)


class ExecutionCancelledError(ExecutionFailedError):
    """The work was cancelled at AWS, by whomever."""


class ImageDeletedError(ExecutionFailedError):
    """The image was deleted; whether its build had succeeded is no longer known."""


class WaitingForActionError(WaitError):
    """A step waits for a person; the work goes on at AWS once `ImageBuilder.resume` or `stop` answers it.

    Attributes:
        steps: the steps that wait, the one that has waited longest first.
    """

    execution: Execution
    steps: tuple[WorkflowStepExecution, ...] = ()


class WaitTimeoutError(WaitError, TimeoutError):
    """The wait reached its own deadline; the work goes on at AWS, untouched.

    With ``on_timeout="cancel"`` it does not: then `execution` and the message tell what became of it.
    """


class ObservationError(WaitError):
    """Nobody could observe the execution, so what became of it is not known; the cause says why."""


class ExecutionNotFoundError(ObservationError):
    """The service knows no such execution, in this account and region."""


class ClientClosedError(ObservationError):
    """The client was closed while somebody still waited with it."""


class WaitGroupError(ImageBuilderError, ExceptionGroup[WaitError]):
    """Several waits ended other than well: one error an execution, in the order given.

    Attributes:
        executions: the last state seen of every execution that was waited for, in the order given, with
            those that succeeded; ``None`` where none was seen.
    """

    executions: tuple[Execution | None, ...] = ()

    @property
    def errors(self) -> tuple[WaitError, ...]:
        """The errors in it: one an execution, in the order given."""
        return tuple(each for each in self.exceptions if isinstance(each, WaitError))

    def derive(self, excs: Sequence[WaitError]) -> WaitGroupError:  # type: ignore[override]
        """Get a group of some of the errors: what ``split`` and ``except*`` ask for."""
        group = WaitGroupError(self.message, excs)
        group.executions = self.executions
        return group


class OperationError(ImageBuilderError):
    """One call to AWS failed.

    Attributes:
        operation: the operation, as AWS names it.
        code: the service's error code; ``None`` if no answer came.
        status_code: the HTTP status; ``None`` if no answer came.
        request_id: what AWS support asks for; ``None`` if no answer came.
        retry_after: seconds after which the server asks to be called again; ``None`` if it did not.
    """

    operation: str = ""
    code: str | None = None
    status_code: int | None = None
    request_id: str | None = None
    retry_after: float | None = None

    @classmethod
    def made(cls, operation: str, detail: str) -> Self:
        """Get the error for `operation`, with the advice of its class."""
        advice = _ADVICE.get(cls, "")
        error = cls(f"{operation}: {one_line(detail)}{' ' if advice else ''}{advice}")
        error.operation = operation
        return error


class ThrottledError(OperationError):
    """The account's call rate is exceeded (HTTP 429, or a throttling code)."""


class CallRateLimitExceededException(ThrottledError):
    """The service's own throttle; of the EC2 APIs that Image Builder calls for you (its model)."""


class TooManyRequestsException(ThrottledError):
    """The throttle of DistributeImage and ImportDiskImage."""


class ServerError(OperationError):
    """The service failed to answer (HTTP 5xx); the same call may succeed later."""


class ServiceException(ServerError):
    """The service's own HTTP 500."""


class ServiceUnavailableException(ServerError):
    """The service's own HTTP 503."""


class ConnectionFailedError(OperationError):
    """No answer came: the endpoint is unreachable, the connection broke, or it took too long."""


class MalformedResponseError(OperationError):
    """An answer came that does not hold what it must."""


class AccessError(OperationError):
    """The caller is not let in, or not known."""


class ForbiddenException(AccessError):
    """The service's own HTTP 403."""


class AccessDeniedException(AccessError):
    """IAM's refusal."""


class CredentialsError(AccessError):
    """There are no credentials, or AWS does not accept those that there are."""


class CredentialsRefreshError(CredentialsError):
    """Credentials that were good before have run out, or cannot be refreshed just now: that may pass."""


class RequestError(OperationError):
    """The request itself is wrong (HTTP 4xx)."""


class ParameterValidationError(RequestError, ValueError):
    """botocore refused the parameters, before anything was sent."""


class ClientException(RequestError):
    """The service's general complaint about a call."""


class InvalidRequestException(RequestError):
    """The request, or something in it, is not valid."""


class InvalidParameterException(RequestError):
    """A parameter is not valid."""


class InvalidParameterValueException(RequestError):
    """The value of a parameter is not valid."""


class InvalidParameterCombinationException(RequestError):
    """Two parameters exclude each other."""


class InvalidPaginationTokenException(RequestError):
    """The token of a page is not, or no longer, valid."""


class InvalidVersionNumberException(RequestError):
    """A version is none, or exists already."""


class IdempotentParameterMismatchException(RequestError):
    """The client token was used before, with other parameters."""


class ResourceNotFoundException(RequestError):
    """There is no such thing."""


class ResourceInUseException(RequestError):
    """Another operation is at work on it."""


class ResourceDependencyException(RequestError):
    """Something else depends on it."""


class ResourceAlreadyExistsException(RequestError):
    """There is one already."""


class ServiceQuotaExceededException(RequestError):
    """The account's quota is used up (HTTP 402)."""


class DryRunOperationException(RequestError):
    """A dry run would have succeeded (HTTP 412)."""


_ADVICE: Final[Mapping[type[OperationError], str]] = {
    CredentialsError: "Set AWS credentials (environment, profile, role), or pass profile_name= or session=.",
    ForbiddenException: "Check the IAM permissions of these credentials.",
    AccessDeniedException: "Check the IAM permissions of these credentials.",
    ConnectionFailedError: "Check the region, endpoint_url and the network.",
    IdempotentParameterMismatchException: "Use another client_token, or the same parameters.",
}
