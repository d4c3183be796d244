"""Waiters with the interface of botocore's, for code that was written for boto3 or aiobotocore.

They wait as `ImageBuilder.wait` does: polls are shared, and throttles fail no wait. The models of the waiters
are made of the table of kinds, in the format of botocore's ``waiters-2.json``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final, Generic, Literal, NotRequired, Protocol, TypedDict, TypeVar, Unpack, cast, overload

from botocore import xform_name
from botocore.exceptions import ClientError, ParamValidationError, WaiterError
from botocore.model import ShapeResolver, StructureShape
from botocore.validate import validate_parameters
from botocore.waiter import SingleWaiterConfig

from ..errors import (
    CallRateLimitExceededException,
    ExecutionFailedError,
    ServiceException,
    ServiceUnavailableException,
    TooManyRequestsException,
    WaitError,
    WaitTimeoutError,
)
from ..models.executions import Execution
from ..models.identifiers import Identifier, ResourceKind
from ..models.kinds import KINDS, ExecutionKind, Kind
from ..models.redaction import one_line, redact_json
from ..models.statuses import Outcome
from ..polling.poller import Poller
from ..polling.schedule import Cadence
from ..polling.step_inspector import StepInspector
from .options import WaitSettings, parse_seconds
from .waiters import wait

R_co = TypeVar("R_co", covariant=True)

Response = dict[str, object]

# Those of AWS's own waiter, ImageAvailable: once a minute, for six hours.
_DELAY: Final = 60
_MAXIMUM_ATTEMPTS: Final = 360
# The part of a delay that is random. Without it, a poll that falls just before the deadline is skipped.
_JITTER: Final = 0.1
# 2.0 ** 1024 exceeds a float, and sys.maxsize is a usual word for "without limit".
_UNLIMITED: Final = 2**63
# After these errors, a waiter polls again. They are those of the service's model that pass.
_PASSING_ERRORS: Final = (
    CallRateLimitExceededException,
    TooManyRequestsException,
    ServiceException,
    ServiceUnavailableException,
)


class WaiterConfiguration(TypedDict, total=False):
    """The argument ``WaiterConfig``.

    Attributes:
        Delay: The seconds between two polls. Up to a tenth of it is left out, at random.
        MaxAttempts: The number of polls of botocore's waiter. Here, the last poll is made when botocore's
            would make it: ``Delay * (MaxAttempts - 1)`` seconds after the first one.
    """

    Delay: float
    MaxAttempts: int


class ImageAvailableArguments(TypedDict):
    """The arguments of the waiter ``image_available``."""

    imageBuildVersionArn: str
    WaiterConfig: NotRequired[WaiterConfiguration]


class WorkflowExecutionCompletedArguments(TypedDict):
    """The arguments of the waiter ``workflow_execution_completed``."""

    workflowExecutionId: str
    WaiterConfig: NotRequired[WaiterConfiguration]


class WorkflowStepExecutionCompletedArguments(TypedDict):
    """The arguments of the waiter ``workflow_step_execution_completed``."""

    stepExecutionId: str
    WaiterConfig: NotRequired[WaiterConfiguration]


class LifecycleExecutionSucceededArguments(TypedDict):
    """The arguments of the waiter ``lifecycle_execution_succeeded``."""

    lifecycleExecutionId: str
    WaiterConfig: NotRequired[WaiterConfiguration]


class WaiterModel(Protocol):
    """The part of botocore's ``SingleWaiterConfig`` that callers use.

    Attributes:
        operation: The operation that is polled.
        delay: The default of ``Delay``.
        max_attempts: The default of ``MaxAttempts``.
    """

    operation: str
    delay: float
    max_attempts: int


class Waiter(Generic[R_co]):
    """A waiter with the interface of botocore's.

    Attributes:
        kind: What it waits for.
        name: Its name in messages, as botocore writes it.
        config: Its model. As in botocore, ``config.delay`` and ``config.max_attempts`` may be set.
    """

    def __init__(
        self, kind: ExecutionKind, run: Callable[[Waiter[object], Mapping[str, object]], R_co]
    ) -> None:
        self.kind = kind
        self.name: str = KINDS[kind].waiter
        self.config: WaiterModel = SingleWaiterConfig(_create_model(kind))
        self._run = run


class NamedWaiter(Protocol[R_co]):
    """A waiter of a name that type checkers do not know.

    Attributes:
        name: Its name in messages.
        config: Its model.
    """

    name: str
    config: WaiterModel

    @property
    def wait(self) -> Callable[..., R_co]:
        """Wait; see `GetWaiter`."""


class ImageAvailable(Waiter[R_co]):
    """The waiter ``image_available``."""

    def wait(self, **arguments: Unpack[ImageAvailableArguments]) -> R_co:
        """Wait until an image is AVAILABLE; see `GetWaiter`."""
        return self._run(self, arguments)


class WorkflowExecutionCompleted(Waiter[R_co]):
    """The waiter ``workflow_execution_completed``."""

    def wait(self, **arguments: Unpack[WorkflowExecutionCompletedArguments]) -> R_co:
        """Wait until a workflow execution is COMPLETED or SKIPPED; see `GetWaiter`."""
        return self._run(self, arguments)


class WorkflowStepExecutionCompleted(Waiter[R_co]):
    """The waiter ``workflow_step_execution_completed``."""

    def wait(self, **arguments: Unpack[WorkflowStepExecutionCompletedArguments]) -> R_co:
        """Wait until a workflow step is COMPLETED or SKIPPED; see `GetWaiter`."""
        return self._run(self, arguments)


class LifecycleExecutionSucceeded(Waiter[R_co]):
    """The waiter ``lifecycle_execution_succeeded``."""

    def wait(self, **arguments: Unpack[LifecycleExecutionSucceededArguments]) -> R_co:
        """Wait until a lifecycle execution has the status SUCCESS; see `GetWaiter`."""
        return self._run(self, arguments)


_WAITERS: Final[Mapping[ExecutionKind, type[Waiter[object]]]] = {
    ExecutionKind.IMAGE: ImageAvailable,
    ExecutionKind.WORKFLOW_EXECUTION: WorkflowExecutionCompleted,
    ExecutionKind.WORKFLOW_STEP_EXECUTION: WorkflowStepExecutionCompleted,
    ExecutionKind.LIFECYCLE_EXECUTION: LifecycleExecutionSucceeded,
}
_KINDS: Final[Mapping[str, ExecutionKind]] = {
    xform_name(KINDS[kind].waiter): kind for kind in sorted(_WAITERS, key=lambda kind: KINDS[kind].waiter)
}
WAITER_NAMES: Final = tuple(_KINDS)


class GetWaiter(Generic[R_co]):
    """Returns waiters by their names, like the method of a client of boto3.

    ``wait`` takes the arguments of the operation and ``WaiterConfig``. It returns the response of the last
    poll, as in aiobotocore; boto3's returns nothing.

    Args:
        run: Waits for what the arguments of ``wait`` identify.
    """

    def __init__(self, run: Callable[[Waiter[object], Mapping[str, object]], R_co]) -> None:
        self.run = run

    @overload
    def __call__(self, waiter_name: Literal["image_available"]) -> ImageAvailable[R_co]: ...
    @overload
    def __call__(
        self, waiter_name: Literal["workflow_execution_completed"]
    ) -> WorkflowExecutionCompleted[R_co]: ...
    @overload
    def __call__(
        self, waiter_name: Literal["workflow_step_execution_completed"]
    ) -> WorkflowStepExecutionCompleted[R_co]: ...
    @overload
    def __call__(
        self, waiter_name: Literal["lifecycle_execution_succeeded"]
    ) -> LifecycleExecutionSucceeded[R_co]: ...
    @overload
    def __call__(self, waiter_name: str) -> NamedWaiter[R_co]: ...
    def __call__(self, waiter_name: str) -> NamedWaiter[R_co]:
        """Return a waiter.

        Raises:
            ValueError: There is no waiter of this name.
        """
        if waiter_name not in _KINDS:
            raise ValueError(f"Waiter does not exist: {waiter_name}")
        kind = _KINDS[waiter_name]
        return cast("NamedWaiter[R_co]", _WAITERS[kind](kind, self.run))


async def run_waiter(
    poller: Poller,
    inspector: StepInspector,
    region: str,
    waiter: Waiter[object],
    arguments: Mapping[str, object],
) -> Response:
    """Wait for what the arguments of a waiter identify, and return the response of the last poll.

    Raises:
        WaiterError: It failed, it was still running at the deadline, or it could not be observed.
        ParamValidationError: An argument of the operation is missing, unknown or of another kind.
        TypeError, ValueError: ``WaiterConfig`` is invalid.
    """
    operation = dict(arguments)
    settings = _parse_config(waiter, operation.pop("WaiterConfig", {}))
    identifier = _identify(waiter.kind, operation, region)
    try:
        return _to_response(await wait(poller, inspector, settings, identifier))
    except WaitError as error:
        reason, response = _explain(waiter, error)
        raise WaiterError(name=waiter.name, reason=reason, last_response=response) from error


def create_models() -> dict[str, Mapping[str, object]]:
    """Return the models of the waiters that AWS has none of, as in the member ``waiters`` of a model."""
    kinds = (kind for kind in _KINDS.values() if kind is not ExecutionKind.IMAGE)
    return {KINDS[kind].waiter: _create_model(kind) for kind in kinds}


def _create_model(kind: ExecutionKind) -> Mapping[str, object]:
    row = KINDS[kind]
    successes, failures = (
        [each for each, outcome in row.outcomes.items() if _is_success(outcome) is wanted]
        for wanted in (True, False)
    )
    return {
        "description": f"Wait until the {kind} is {_join(successes)}. Fails if it is {_join(failures)}.",
        "operation": row.get.operation,
        "delay": _DELAY,
        "maxAttempts": _MAXIMUM_ATTEMPTS,
        "acceptors": _create_acceptors(row),
    }


def _create_acceptors(row: Kind) -> list[Mapping[str, object]]:
    path = row.status_path
    # A status that is in both is terminal only when no attempts are left. Some real responses lack both.
    retried = (
        f"{path} == '{each}' && (attemptNumber || `1`) < (maxAttempts || `1`)"
        for each in row.outcomes
        if each in row.ranks
    )
    states = {status: "success" if _is_success(each) else "failure" for status, each in row.outcomes.items()}
    return [
        *({"state": "retry", "matcher": "path", "argument": each, "expected": True} for each in retried),
        *(
            {"state": state, "matcher": "path", "argument": path, "expected": str(status)}
            for status, state in states.items()
        ),
        *({"state": "retry", "matcher": "error", "expected": each.__name__} for each in _PASSING_ERRORS),
    ]


def _is_success(outcome: Outcome) -> bool:
    return outcome in {Outcome.SUCCEEDED, Outcome.SKIPPED}


def _join(words: list[str]) -> str:
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _parse_config(waiter: Waiter[object], given: object) -> WaitSettings:
    """Return the options of a wait: botocore's waiter would poll for the last time at its deadline."""
    if not isinstance(given, Mapping):
        raise TypeError(f"WaiterConfig must be a dict, not {type(given).__name__}.")
    for name in given.keys() - WaiterConfiguration.__annotations__.keys():
        raise TypeError(f"Unknown key {name!r} in WaiterConfig: expected Delay, MaxAttempts.")
    delay = parse_seconds(given.get("Delay", waiter.config.delay), "Delay in WaiterConfig")
    attempts = given.get("MaxAttempts", waiter.config.max_attempts)
    if isinstance(attempts, bool) or not isinstance(attempts, int):
        raise TypeError(f"MaxAttempts in WaiterConfig must be an int, not {type(attempts).__name__}.")
    if not (delay > 0 and attempts > 0):
        raise ValueError(
            f"Delay and MaxAttempts in WaiterConfig must be more than 0, not {delay:g} and {attempts}."
        )
    timeout = parse_seconds(delay * (min(attempts, _UNLIMITED) - 1), "Delay * (MaxAttempts - 1)")
    return WaitSettings(cadence=Cadence(delay * (1 - _JITTER), delay), timeout=timeout)


def _identify(kind: ExecutionKind, arguments: Mapping[str, object], region: str) -> Identifier:
    parameter = KINDS[kind].get.parameter
    model = {"type": "structure", "required": [parameter], "members": {parameter: {"shape": "Id"}}}
    validate_parameters(arguments, StructureShape("Input", model, ShapeResolver({"Id": {"type": "string"}})))
    value = cast("str", arguments[parameter])
    try:
        return Identifier.parse(value, kind, client_region=region)
    except ValueError as error:
        with suppress(ValueError):
            Identifier.parse(value, *ExecutionKind, *ResourceKind)
            raise ParamValidationError(report=str(error)) from error
        # The response of the service is what the caller expects, as with botocore.
        return Identifier(value, kind)


def _explain(waiter: Waiter[object], error: WaitError) -> tuple[str, Response]:
    """Return the reason of a failure as botocore words it, and the last response."""
    response = {} if error.execution is None else _to_response(error.execution)
    if isinstance(error, ExecutionFailedError):
        acceptors = SingleWaiterConfig(_create_model(waiter.kind)).acceptors
        failures = (each for each in acceptors if each.state == "failure")
        explanation = next(each.explanation for each in failures if each.matcher_func(response))
        return f"Waiter encountered a terminal failure state: {explanation}", response
    if isinstance(error, WaitTimeoutError):
        return "Max attempts exceeded", response
    cause: BaseException | None = error
    while not isinstance(cause, ClientError | None):
        cause = cause.__cause__
    if cause is None:
        return str(error), response
    response = cast("Response", redact_json(cause.response))
    details = cast("Mapping[str, object]", response["Error"])
    return one_line(f"An error occurred ({details.get('Code')}): {details.get('Message')}"), response


def _to_response(execution: Execution) -> Response:
    members, output = execution.to_wire(), KINDS[execution.kind].get.output
    # The response may have been one of a list. It was a success in any case.
    return {**({output: members} if output else members), "ResponseMetadata": {"HTTPStatusCode": 200}}
