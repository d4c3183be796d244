"""The events of waits: the start of each, and how it ended."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

import anyio

from ..errors import (
    ClientClosedError,
    ExecutionFailedError,
    ObservationError,
    OperationError,
    WaitError,
    WaitingForActionError,
    WaitTimeoutError,
)
from ..instrumentation.emitter import Emitter, text_of
from ..instrumentation.events import WaitEnded, WaitOutcome, WaitStarted
from ..models.executions import Execution
from ..models.redaction import one_line
from ..polling.subscriptions import EndReason, Subscription

_OUTCOMES: Final[tuple[tuple[type[WaitError], WaitOutcome], ...]] = (
    (WaitTimeoutError, "timed_out"),
    (WaitingForActionError, "step_waiting"),
    (ClientClosedError, "client_closed"),
    (ObservationError, "unobserved"),
)


class WaitRecorder:
    """Emits the events of the waits of one consumer.

    Args:
        emitter: Delivers them.
    """

    def __init__(self, emitter: Emitter) -> None:
        self._emitter = emitter
        self._open: dict[Subscription, None] = {}
        self._is_closed = False

    def begin(self, subscriptions: Iterable[Subscription], timeout: float | None) -> None:
        """Record that waits have started, with this timeout in seconds."""
        if not self._emitter.has_hooks:
            return
        for subscription in tuple(subscriptions):
            # A hook may close the consumer.
            if self._is_closed:
                return
            subscription.wait = self._emitter.new_id()
            self._open[subscription] = None
            self._emitter.emit(
                WaitStarted(
                    region=self._emitter.region,
                    wait=subscription.wait,
                    id=one_line(subscription.identifier.value),
                    kind=subscription.identifier.kind.value,
                    timeout=timeout,
                )
            )

    def end(
        self,
        subscription: Subscription,
        execution: Execution | None = None,
        error: Exception | None = None,
        *,
        outcome: WaitOutcome | None = None,
    ) -> None:
        """Record that a wait has ended, once.

        Args:
            subscription: Its subscription.
            execution: The state that it returns.
            error: The exception that it raises.
            outcome: How it ended, unless that follows from the others.
        """
        if subscription not in self._open:
            return
        del self._open[subscription]
        if isinstance(error, WaitError):
            execution = error.execution
        seen = execution or subscription.seen
        status = None if seen is None else seen.status
        self._emitter.emit(
            WaitEnded(
                region=self._emitter.region,
                wait=subscription.wait,
                id=one_line(subscription.identifier.value),
                kind=subscription.identifier.kind.value,
                outcome=outcome or _outcome(execution, error),
                status=None if status is None else one_line(status),
                duration=error.elapsed if isinstance(error, WaitError) else _elapsed(subscription),
                polls=subscription.polls,
                throttles=subscription.throttles,
                poll=subscription.history.poll or None,
                error=None if error is None else text_of(error),
                error_type=None if error is None else type(error).__name__,
            )
        )

    def close(self) -> None:
        """Record that the consumer has stopped to wait."""
        self._is_closed = True
        for subscription in list(self._open):
            failure = subscription.failure
            if failure is not None and not isinstance(failure, OperationError):
                self.end(subscription, error=failure)
            elif subscription.end_reason is EndReason.CLOSED:
                self.end(subscription, outcome="client_closed")
            else:
                self.end(subscription, subscription.seen)


def _outcome(execution: Execution | None, error: Exception | None) -> WaitOutcome:
    for cls, outcome in _OUTCOMES:
        if isinstance(error, cls):
            return outcome
    if error is not None and not isinstance(error, ExecutionFailedError):
        return "error"
    ended = None if execution is None else execution.outcome
    return "left" if ended is None else ended.value


def _elapsed(subscription: Subscription) -> float:
    # After a deadline, its end at AWS may have been awaited.
    if subscription.end_reason is None and subscription.ended_at < math.inf:
        return subscription.ended_at - subscription.started
    try:
        return anyio.current_time() - subscription.started
    except RuntimeError:
        # The consumer was left when its event loop had ended.
        return 0.0
