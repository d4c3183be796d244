"""The exceptions of a wait, with everything that was learned until then."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final, TypedDict, TypeVar

import anyio

from ..errors import (
    ClientClosedError,
    ExecutionCancelledError,
    ExecutionFailedError,
    ExecutionNotFoundError,
    ImageDeletedError,
    ObservationError,
    OperationError,
    ResourceNotFoundException,
    WaitError,
    WaitingForActionError,
    WaitTimeoutError,
)
from ..models.executions import Execution, Image, WorkflowStepExecution
from ..models.identifiers import Identifier
from ..models.redaction import one_line
from ..models.statuses import ImageStatus, Outcome
from ..polling.pipelines import PipelineSubscription
from ..polling.step_inspector import describe_waiting_steps
from ..polling.subscriptions import EndReason, Subscription

E = TypeVar("E", bound=WaitError)

_NO_RESPONSE: Final = "no response came in time."
_FAILURES: Final[Mapping[Outcome | None, type[ExecutionFailedError]]] = {
    Outcome.FAILED: ExecutionFailedError,
    Outcome.CANCELLED: ExecutionCancelledError,
}


class WaitFacts(TypedDict):
    """The attributes of a `WaitError`."""

    identifier: str
    execution: Execution | None
    elapsed: float
    polls: int
    throttles: int


def facts_of(subscription: Subscription, execution: Execution | None) -> WaitFacts:
    """Return the facts of the wait of `subscription`, whose last state is `execution`."""
    return {
        "identifier": subscription.identifier.value,
        "execution": execution,
        "elapsed": (anyio.current_time() if subscription.ended_at == math.inf else subscription.ended_at)
        - subscription.started,
        "polls": subscription.polls,
        "throttles": subscription.throttles,
    }


def facts_after(error: WaitError, execution: Execution | None, elapsed: float) -> WaitFacts:
    """Return the facts of a wait that ended with `error`, updated by what happened afterwards."""
    return {
        "identifier": error.identifier,
        "execution": execution,
        "elapsed": elapsed,
        "polls": error.polls,
        "throttles": error.throttles,
    }


def create_error(
    cls: type[E], identifier: Identifier, what: str, facts: WaitFacts, cause: Exception | None = None
) -> E:
    """Return an exception that says `what` happened to `identifier`."""
    error = cls(one_line(f"{identifier.kind.value.capitalize()} {identifier} {what}"), **facts)
    error.__cause__ = cause
    return error


def failure_of(identifier: Identifier, execution: Execution, facts: WaitFacts) -> ExecutionFailedError | None:
    """Return the exception for a terminal state; ``None`` if it is not a failure."""
    cls = _FAILURES.get(execution.outcome)
    if cls is None:
        return None
    if isinstance(execution, Image) and execution.status == ImageStatus.DELETED:
        cls = ImageDeletedError
    reason = f": {execution.reason}" if execution.reason else ", and the service gives no reason"
    return create_error(cls, identifier, f"is {execution.status}{reason}", {**facts, "execution": execution})


def waiting_step_error(
    subscription: Subscription, execution: Execution, steps: Sequence[WorkflowStepExecution]
) -> WaitingForActionError:
    """Return the exception for an execution of which `steps` wait for a person."""
    what = f"is {execution.status}: {describe_waiting_steps(steps)}"
    facts = facts_of(subscription, execution)
    error = create_error(WaitingForActionError, subscription.identifier, what, facts)
    error.steps = tuple(steps)
    return error


def pipeline_error(subscription: PipelineSubscription) -> WaitError:
    """Return the exception for a subscription to a pipeline that ended, and gives no more images.

    Raises:
        Exception: The exception that ended it, if it was not an error of a call to AWS.
    """
    failure, cause = _errors_of(subscription)
    history = subscription.history
    facts = facts_of(subscription, None)
    effort = _effort_of(facts)
    cls: type[WaitError]
    if subscription.end_reason is EndReason.CLOSED:
        cls, what = ClientClosedError, f"is no longer watched, since the client was closed ({effort})"
    elif isinstance(failure, ResourceNotFoundException):
        was_listed = history.seen_at > -math.inf
        verb = "no longer exists, so it makes no new image" if was_listed else "does not exist"
        cls, what = ExecutionNotFoundError, f"{verb} ({effort}): {failure}"
    elif failure is not None or not subscription.has_started:
        cls, what = ObservationError, f"could not be observed ({effort}): {cause or _NO_RESPONSE}"
    elif cause is not None and history.is_outdated(subscription.ended_at, subscription.cadence):
        cls, what = ObservationError, f"could no longer be observed ({effort}): {cause}"
    else:
        another = "another" if subscription.received else "a new"
        cls, what = WaitTimeoutError, f"has not made {another} image ({effort})"
    return create_error(cls, subscription.identifier, what, facts, cause)


def _errors_of(subscription: Subscription) -> tuple[OperationError | None, OperationError | None]:
    """Return the error that ended a subscription, and the last error; raise one of another type."""
    failure = subscription.failure
    if failure is not None and not isinstance(failure, OperationError):
        raise failure
    return failure, failure or subscription.history.error


def _effort_of(facts: WaitFacts) -> str:
    throttled = f", {facts['throttles']} throttled" if facts["throttles"] else ""
    return f"after {facts['elapsed']:.0f} s, {facts['polls']} polls{throttled}"


def end_error(subscription: Subscription) -> WaitError:
    """Return the exception for a subscription that ended without a terminal state.

    Raises:
        Exception: The exception that ended it, if it was not an error of a call to AWS.
    """
    failure, cause = _errors_of(subscription)
    history = subscription.history
    newest = history.withheld or subscription.seen
    facts = facts_of(subscription, newest)
    effort = _effort_of(facts)
    seen = f"never seen; {effort}" if newest is None else f"last seen {newest.status}; {effort}"
    cls: type[WaitError]
    if subscription.end_reason is EndReason.CLOSED:
        cls, what = ClientClosedError, f"is no longer awaited, since the client was closed ({seen})"
    elif failure is not None or newest is None:
        # Within the grace period of a new id, only the last poll decides that it does not exist.
        is_decided = failure is not None or history.failed_at >= subscription.deadline
        is_missing = is_decided and isinstance(cause, ResourceNotFoundException)
        cls = ExecutionNotFoundError if is_missing else ObservationError
        what = f"could not be observed ({seen}): {cause or _NO_RESPONSE}"
    elif history.is_outdated(subscription.ended_at, subscription.cadence):
        cls, what = ObservationError, f"could no longer be observed ({seen}): {cause or _NO_RESPONSE}"
    elif history.withheld is not None:
        cls, what = (
            WaitTimeoutError,
            f"is being retried, and still reads {newest.status} as before ({effort})",
        )
    elif newest.progress.waiting_steps:
        steps = describe_waiting_steps(newest.progress.waiting_steps)
        cls, what = WaitTimeoutError, f"is still {newest.status} ({effort}): {steps}"
    else:
        cls, what = WaitTimeoutError, f"is still {newest.status}, and continues at AWS ({effort})"
    return create_error(cls, subscription.identifier, what, facts, cause)
