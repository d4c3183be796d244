"""The errors of a wait: what ended it other than well, and all that was learned until then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, TypedDict, TypeVar

from ..aws.event_loops import current_time
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
from ..models.executions import Execution, WorkflowStepExecution
from ..models.identifiers import Identifier
from ..models.redaction import one_line
from ..models.statuses import ImageStatus, Outcome
from ..polling.subscriptions import Ended, Subscription
from ..polling.waiting_steps import describe

__all__ = ["Facts", "error_of", "facts_after", "facts_of", "failure_of", "made", "waiting_error_of"]

E = TypeVar("E", bound=WaitError)

_NO_ANSWER: Final = "no answer came in time."
_FAILURES: Final[Mapping[Outcome, type[ExecutionFailedError]]] = {
    Outcome.FAILED: ExecutionFailedError,
    Outcome.CANCELLED: ExecutionCancelledError,
}


class Facts(TypedDict):
    """What every error of a wait tells."""

    identifier: str
    execution: Execution | None
    elapsed: float
    polls: int
    throttles: int


def facts_of(subscription: Subscription, execution: Execution | None) -> Facts:
    """Get what an error of the wait that `subscription` was made for tells."""
    return {
        "identifier": subscription.identifier.value,
        "execution": execution,
        "elapsed": min(subscription.ended_at, current_time()) - subscription.started,
        "polls": subscription.polls,
        "throttles": subscription.throttles,
    }


def facts_after(error: WaitError, execution: Execution | None, elapsed: float) -> Facts:
    """Get what an error tells of a wait that had ended with `error`, and of what came after it."""
    return {
        "identifier": error.identifier,
        "execution": execution,
        "elapsed": elapsed,
        "polls": error.polls,
        "throttles": error.throttles,
    }


def made(cls: type[E], identifier: Identifier, what: str, facts: Facts, cause: Exception | None = None) -> E:
    """Get an error that says what became of `identifier`."""
    error = cls(one_line(f"{identifier.kind.value.capitalize()} {identifier} {what}"), **facts)
    error.__cause__ = cause
    return error


def failure_of(identifier: Identifier, execution: Execution, facts: Facts) -> ExecutionFailedError | None:
    """Get the error that a terminal `execution` is; ``None`` for one that is no failure."""
    cls = None if execution.outcome is None else _FAILURES.get(execution.outcome)
    if cls is None:
        return None
    if execution.status == ImageStatus.DELETED:
        cls = ImageDeletedError
    reason = f": {execution.reason}" if execution.reason else ", and the service gives no reason"
    return made(cls, identifier, f"is {execution.status}{reason}", {**facts, "execution": execution})


def waiting_error_of(
    subscription: Subscription, execution: Execution, steps: Sequence[WorkflowStepExecution]
) -> WaitingForActionError:
    """Get the error that a running `execution` is whose `steps` wait for a person."""
    what = f"is {execution.status}: {describe(steps)}"
    facts = facts_of(subscription, execution)
    error = made(WaitingForActionError, subscription.identifier, what, facts)
    error.steps = tuple(steps)
    return error


def error_of(subscription: Subscription) -> WaitError:
    """Get the error that a subscription is which ended without a terminal state.

    Raises:
        Exception: what failed the read, if it was no call to AWS.
    """
    failure = subscription.failure
    if failure is not None and not isinstance(failure, OperationError):
        raise failure
    history = subscription.history
    cause = failure or history.error
    newest = history.withheld or subscription.seen
    seen = "never seen" if newest is None else f"last seen {newest.status}"
    cls: type[WaitError]
    if subscription.ended is Ended.CLOSED:
        cls, what = ClientClosedError, f"({seen}) is not awaited any more: the client was closed"
    elif failure is not None or newest is None:
        # Within the grace of a young id, only the last poll of all has the last word.
        is_last = failure is not None or history.failed_at >= subscription.deadline
        missing = is_last and isinstance(cause, ResourceNotFoundException)
        cls = ExecutionNotFoundError if missing else ObservationError
        what = f"cannot be observed ({seen}): {cause or _NO_ANSWER}"
    elif history.is_blind(subscription.ended_at, subscription.cadence):
        cls, what = ObservationError, f"could not be observed any more ({seen}): {cause or _NO_ANSWER}"
    elif history.withheld is not None:
        cls, what = WaitTimeoutError, f"was asked to run again, and still reads {newest.status}, as before"
    elif newest.progress.waiting_steps:
        cls, what = WaitTimeoutError, f"is still {newest.status}: {describe(newest.progress.waiting_steps)}"
    else:
        cls, what = WaitTimeoutError, f"is still {newest.status}, and goes on at AWS"
    facts = facts_of(subscription, newest)
    return made(cls, subscription.identifier, f"{what} ({_effort(facts)})", facts, cause)


def _effort(facts: Facts) -> str:
    throttled = f", {facts['throttles']} throttled" if facts["throttles"] else ""
    return f"after {facts['elapsed']:.0f} s, {facts['polls']} polls{throttled}"
