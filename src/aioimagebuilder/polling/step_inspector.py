"""Inspection of the steps inside an execution, and of those that wait, for consumers that request it.

A build that waits for a person has the status BUILDING or TESTING like any other: only
ListWaitingWorkflowSteps and the lists of steps show the difference. An inspection is made at every second
poll of the execution, so its result is never older than two polls, and costs nothing where nobody requests
it. ListWaitingWorkflowSteps has no filter: one call serves all consumers of a client.

Inspections share the call rate of the client. Each is attempted once within a time limit, and one that fails
is left out: it never changes, delays or ends a wait.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import Final, TypeVar
from weakref import WeakKeyDictionary

import anyio

from ..aws.backoff import Backoff
from ..aws.call import Caller
from ..aws.error_mapping import is_denied
from ..aws.event_loops import BackgroundTask
from ..aws.reads import WAITING_WORKFLOW_STEPS, list_executions
from ..errors import OperationError
from ..models.executions import Detail, Execution, WorkflowExecution, WorkflowStepExecution
from ..models.identifiers import Identifier
from ..models.kinds import KINDS, ExecutionKind, ListOperation
from ..models.statuses import WorkflowStepExecutionStatus
from .subscriptions import Subscription, Target

X = TypeVar("X", bound=Execution)

# Returns what an inspection found inside an execution.
GetDetail = Callable[[Execution], Detail]
# Makes an inspection; returns None if it fails.
Inspect = Callable[[], Awaitable[GetDetail | None]]

_TIMEOUT: Final = 10.0
# The service runs up to five test workflows at once (model, WorkflowConfiguration.parallelGroup).
_MAXIMUM_WORKFLOWS: Final = 5
# For so long an answered step may still read as waiting.
_ANSWER_GRACE_PERIOD: Final = 60.0
_MAXIMUM_REPORTED: Final = 1000


class StepInspector:
    """Inspects executions in one background task, which ends when there is nothing to inspect.

    Args:
        caller: Makes the calls.
    """

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._notice = caller.emitter.notice
        self._waiting_steps: WaitingSteps = WaitingSteps()
        self._account: _Subject = _Subject(self._inspect_account)
        self._subjects: WeakKeyDictionary[Target, _Subject] = WeakKeyDictionary()
        self._requested: dict[_Subject, None] = {}
        self._disabled: set[ListOperation] = set()
        self._task: BackgroundTask = BackgroundTask(self._run)

    def follow(self, subscription: Subscription, *, steps: bool, reports: bool) -> None:
        """Inspect the execution of a subscription from now on, and deliver what is found to its consumer.

        Args:
            subscription: The subscription.
            steps: Whether to read all steps that run, rather than only those that wait.
            reports: Whether to log a warning for each step that waits.
        """
        subject = None
        if KINDS[subscription.identifier.kind].has_waiting_steps:
            subject = self._subject_of(subscription.target) if steps else self._account
        follower = _Follower(self, subject, steps=steps, reports=reports)
        subscription.on_read, subscription.on_waiting_step = follower.on_read, follower.on_waiting_step
        if subscription.history.seen is not None:
            follower.on_read(subscription)

    def request(self, subject: _Subject, follower: _Follower, subscription: Subscription) -> None:
        """Inspect `subject` soon, for this consumer and for others that request it meanwhile."""
        subject.requests.append((follower, subscription))
        self._requested[subject] = None
        self._task.start()

    def step_answered(self, step_execution_id: str) -> None:
        """Record that a step was answered: it may still read as waiting for a while."""
        self._waiting_steps.answered(step_execution_id, anyio.current_time())

    def waiting_steps_of(self, execution: Execution) -> tuple[WorkflowStepExecution, ...]:
        """Return the steps of `execution` that wait, without those that were answered a moment ago."""
        return self._waiting_steps.unanswered(execution.progress.waiting_steps, anyio.current_time())

    def report(self, identifier: Identifier, execution: Execution) -> None:
        """Log the steps of `execution` that wait, each once."""
        if steps := self._waiting_steps.unreported(self.waiting_steps_of(execution)):
            what, described = identifier.kind.value.capitalize(), describe_waiting_steps(steps)
            text = "%s %s is %s: %s"
            self._notice(logging.WARNING, text, what, identifier, execution.status, described)

    async def aclose(self) -> None:
        """End all inspections."""
        self._requested.clear()
        await self._task.aclose()

    async def _run(self) -> None:
        while self._requested:
            subject = next(iter(self._requested))
            del self._requested[subject]
            requests, subject.requests = subject.requests, []
            subject.attempted_at = anyio.current_time()
            get_detail = None
            with anyio.move_on_after(_TIMEOUT):
                get_detail = await subject.inspect()
            if get_detail is not None:
                subject.inspected_at, subject.get_detail = subject.attempted_at, get_detail
                for follower, subscription in requests:
                    follower.deliver(subscription, subject)

    def _subject_of(self, target: Target) -> _Subject:
        if (found := self._subjects.get(target)) is None:
            found = _Subject(partial(self._inspect_steps, target.identifier))
            self._subjects[target] = found
        return found

    async def _inspect_account(self) -> GetDetail | None:
        steps = await self._list(WAITING_WORKFLOW_STEPS, None, WorkflowStepExecution)
        if steps is None:
            return None
        self._waiting_steps.update(steps)
        return lambda execution: Detail(steps=self._waiting_steps.of(execution))

    async def _inspect_steps(self, identifier: Identifier) -> GetDetail | None:
        if identifier.kind is ExecutionKind.WORKFLOW_EXECUTION:
            steps = await self._children(identifier.value, WorkflowStepExecution)
            return None if steps is None else _constant(Detail(steps=tuple(steps)))
        rows = await self._children(identifier.value, WorkflowExecution)
        if rows is None:
            return None
        workflows = tuple(each for each in rows if not each.retried)
        found: list[WorkflowStepExecution] = []
        for workflow in [each for each in workflows if not each.is_terminal][:_MAXIMUM_WORKFLOWS]:
            found.extend(await self._children(workflow.id, WorkflowStepExecution) or ())
        return _constant(Detail(workflows, tuple(found)))

    async def _children(self, parent: str, cls: type[X]) -> list[X] | None:
        return await self._list(KINDS[cls.kind].list, parent, cls)

    async def _list(self, listing: ListOperation, parent: str | None, cls: type[X]) -> list[X] | None:
        if listing in self._disabled:
            return None
        try:
            listed = list_executions(self._caller, listing, cls.kind, parent, retrying=Backoff.none())
            async with aclosing(listed) as pages:
                return [each async for page in pages for each in page if isinstance(each, cls)]
        except OperationError as error:
            if is_denied(error):
                self._disabled.add(listing)
                self._notice(logging.WARNING, "Steps are not shown, since they cannot be read: %s", error)
            else:
                self._notice(logging.INFO, "%s The steps shown may be outdated.", error)
        except Exception as error:  # noqa: BLE001 - logged with its traceback, and not repeated
            self._disabled.add(listing)
            self._notice(logging.ERROR, "%s failed", listing.operation, error=error)
        return None


class _Subject:
    """Something to inspect, and the newest result.

    Attributes:
        inspect: Makes an inspection.
        attempted_at: When the newest inspection started, successful or not.
        inspected_at: When the newest successful inspection started.
        get_detail: Its result.
        requests: The consumers that wait for the next inspection.
    """

    __slots__ = ("__weakref__", "attempted_at", "get_detail", "inspect", "inspected_at", "requests")

    def __init__(self, inspect: Inspect) -> None:
        self.inspect: Inspect = inspect
        self.attempted_at: float = -math.inf
        self.inspected_at: float = -math.inf
        self.get_detail: GetDetail = _constant(Detail())
        self.requests: list[tuple[_Follower, Subscription]] = []


class _Follower:
    """One consumer's interest in a subject; ``None`` if the execution's own response contains everything."""

    __slots__ = ("_inspector", "_read_at", "_reports", "_status", "_steps", "_subject")

    def __init__(
        self, inspector: StepInspector, subject: _Subject | None, *, steps: bool, reports: bool
    ) -> None:
        self._inspector: StepInspector = inspector
        self._subject: _Subject | None = subject
        self._steps: bool = steps
        self._reports: bool = reports
        self._read_at: float = -math.inf
        self._status: str | None = None

    def on_read(self, subscription: Subscription) -> None:
        """Request an inspection unless there is a recent one; called after each read of the execution."""
        history, subject = subscription.history, self._subject
        since, self._read_at = self._read_at, history.seen_at
        status = None if history.seen is None else history.seen.status
        has_changed, self._status = status != self._status, status
        if has_changed and self._steps:
            # Other steps run now: an earlier inspection is outdated.
            since = history.seen_at
        if subject is None:
            self._report(subscription)
        elif has_changed and not self._steps:
            # A step that waits now has just started: the next poll is soon enough. So a watch of something
            # that ends soon costs nothing but its polls.
            return
        elif subject.inspected_at >= since:
            self.deliver(subscription, subject)
        elif subject.attempted_at < since:
            self._inspector.request(subject, self, subscription)

    def on_waiting_step(self, subscription: Subscription) -> None:
        """Request an inspection, since a hint says that a step waits."""
        if self._subject is not None:
            self._inspector.request(self._subject, self, subscription)

    def deliver(self, subscription: Subscription, subject: _Subject) -> None:
        """Deliver the result of an inspection to the consumer."""
        if (seen := subscription.history.seen) is not None:
            subscription.deliver_detail(subject.get_detail(seen))
            self._report(subscription)

    def _report(self, subscription: Subscription) -> None:
        seen = subscription.seen
        if self._reports and seen is not None and seen.progress.waiting_steps:
            self._inspector.report(subscription.identifier, seen)


class WaitingSteps:
    """The waiting steps of the account, those that were answered, and those that were reported. No I/O."""

    def __init__(self) -> None:
        self._steps: tuple[WorkflowStepExecution, ...] = ()
        self._answered: dict[str, float] = {}
        self._reported: set[str] = set()

    def update(self, steps: Sequence[WorkflowStepExecution]) -> None:
        """Replace the waiting steps by those of a newer list."""
        # The list contains no status: every step in it waits.
        waiting = WorkflowStepExecutionStatus.WAITING
        self._steps = tuple(each if each.is_waiting else replace(each, status=waiting) for each in steps)

    def of(self, execution: Execution) -> tuple[WorkflowStepExecution, ...]:
        """Return the waiting steps of an image or a workflow execution."""
        if isinstance(execution, WorkflowExecution):
            return tuple(each for each in self._steps if each.workflow_execution_id == execution.id)
        return tuple(each for each in self._steps if each.image_build_version_arn == execution.id)

    def answered(self, step_execution_id: str, now: float) -> None:
        """Record that a step was answered."""
        self._answered = {each: until for each, until in self._answered.items() if until > now}
        self._answered[step_execution_id] = now + _ANSWER_GRACE_PERIOD

    def unanswered(
        self, steps: Sequence[WorkflowStepExecution], now: float
    ) -> tuple[WorkflowStepExecution, ...]:
        """Return those of `steps` that were not answered a moment ago."""
        return tuple(each for each in steps if self._answered.get(each.id, -math.inf) <= now)

    def unreported(self, steps: Sequence[WorkflowStepExecution]) -> tuple[WorkflowStepExecution, ...]:
        """Return those of `steps` that this method has not returned before."""
        new = tuple(each for each in steps if each.id not in self._reported)
        if len(self._reported) > _MAXIMUM_REPORTED:
            self._reported.clear()
        self._reported.update(each.id for each in new)
        return new


def describe_waiting_steps(steps: Sequence[WorkflowStepExecution]) -> str:
    """Return which steps wait, since when, and how to answer the first. Untrusted text."""
    first = steps[0]
    since = "" if first.start_time is None else f" since {first.start_time:%Y-%m-%d %H:%M:%S} UTC"
    others = "" if len(steps) == 1 else f", and {len(steps) - 1} more,"
    return (
        f"step {first.name or '?'} ({first.id}){others} waits for a person{since}: "
        f'answer it with resume("{first.id}") or stop("{first.id}", reason="…")'
    )


def _constant(detail: Detail) -> GetDetail:
    return lambda _: detail
