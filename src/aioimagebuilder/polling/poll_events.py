"""The events of polls: the start of each attempt, how it ended, whom it served, and what it found."""

from __future__ import annotations

import logging
from collections.abc import Iterable

import anyio

from ..errors import ThrottledError
from ..instrumentation.emitter import Emitter, text_of
from ..instrumentation.events import PollFinished, PollOutcome, PollStarted, StateChanged
from ..models.executions import Execution
from ..models.identifiers import IdentifierKind
from ..models.redaction import one_line
from .subscriptions import Subscription, Target


class PollRecorder:
    """Emits the events of one call that polls, attempt by attempt.

    Args:
        emitter: Delivers them.
        operation: The operation, as AWS writes it.
        kind: The kind of what it reads.
        identifier: What it reads, or whose list; ``None`` for a list of the whole account.
    """

    __slots__ = (
        "_attempt",
        "_emitter",
        "_identifier",
        "_is_open",
        "_kind",
        "_operation",
        "_poll",
        "_read",
        "_started",
        "_status",
        "_waits",
    )

    def __init__(
        self, emitter: Emitter, operation: str, kind: IdentifierKind, identifier: str | None
    ) -> None:
        self._emitter = emitter
        self._operation = operation
        self._kind = kind
        self._identifier = identifier
        self._poll = ""
        self._attempt = 0
        self._is_open = False
        self._started = 0.0
        self._status: str | None = None
        self._read: set[Target] = set()
        self._waits: dict[str, None] = {}

    def begin(self) -> None:
        """Record that an attempt is about to be made. A later page is part of the attempt of the first."""
        if self._is_open or not self._emitter.has_hooks:
            return
        self._is_open = True
        self._attempt += 1
        # It may be any text that a caller gave.
        self._identifier = None if self._identifier is None else one_line(self._identifier)
        self._poll = self._emitter.new_id()
        self._started = anyio.current_time()
        self._emitter.emit(
            PollStarted(
                region=self._emitter.region,
                poll=self._poll,
                operation=self._operation,
                kind=self._kind.value,
                id=self._identifier,
                attempt=self._attempt,
            )
        )

    def serve(
        self, target: Target, subscriptions: Iterable[Subscription], execution: Execution | None = None
    ) -> None:
        """Record that an attempt has read `target` for these subscriptions.

        Args:
            target: What it has read.
            subscriptions: Those whom it serves.
            execution: What it has read, if it was to read nothing else.
        """
        if self._is_open:
            self._read.add(target)
            self._waits.update((each.wait, None) for each in subscriptions)
            target.history.poll = self._poll
            if execution is not None and execution.status is not None:
                self._status = one_line(execution.status)

    def fail(
        self, error: Exception, targets: Iterable[Target] = (), *, retry_in: float | None = None
    ) -> None:
        """Record that an attempt to read `targets` has failed, and when the next one follows."""
        if not self._is_open and not (retry_in is not None and self._emitter.wants(logging.INFO)):
            return
        self._waits.update((each.wait, None) for target in targets for each in target.subscriptions)
        outcome: PollOutcome = "throttled" if isinstance(error, ThrottledError) else "failed"
        self._end(outcome, error, retry_in)

    def end(self) -> None:
        """Record that the attempt has succeeded."""
        if self._is_open:
            self._end("succeeded")

    def close(self) -> None:
        """Record that an attempt was cancelled, if there is one in flight."""
        if self._is_open:
            self._end("cancelled")

    def _end(
        self, outcome: PollOutcome, error: Exception | None = None, retry_in: float | None = None
    ) -> None:
        event = PollFinished(
            region=self._emitter.region,
            poll=self._poll,
            operation=self._operation,
            kind=self._kind.value,
            id=self._identifier,
            attempt=self._attempt,
            outcome=outcome,
            duration=anyio.current_time() - self._started,
            status=self._status,
            executions=len(self._read),
            waits=tuple(self._waits),
            error=None if error is None else text_of(error),
            error_type=None if error is None else type(error).__name__,
            retry_in=retry_in,
        )
        self._is_open, self._status = False, None
        self._read.clear()
        self._waits.clear()
        self._emitter.emit(event)


def report_state(emitter: Emitter, execution: Execution, before: Execution | None) -> None:
    """Emit the change of the status of an execution, if it is one.

    Args:
        emitter: Delivers it.
        execution: The execution as it was read.
        before: The execution as it was read before; ``None`` if it was not.
    """
    status, previous = execution.status, None if before is None else before.status
    if status is None or status == previous:
        return
    # What is known is not logged.
    if emitter.has_hooks or not status.is_known:
        emitter.emit(
            StateChanged(
                region=emitter.region,
                id=one_line(execution.id),
                kind=execution.kind.value,
                status=one_line(status),
                previous=None if previous is None else one_line(previous),
                outcome=None if execution.outcome is None else execution.outcome.value,
                is_known=status.is_known,
            )
        )
