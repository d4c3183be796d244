"""Looks inside what runs, for those who ask: which step runs, and whether one waits for a person.

It is told of each read that the poller makes for them, and looks at every second one: what it shows is never
older than two polls, and costs nothing where nobody asks. One ListWaitingWorkflowSteps, which has no filter,
serves all of a client who want to know of gates. Its looks share the client's call rate; each is tried once,
within a budget of its own, and one that fails is left out: it never changes, delays or ends a wait.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final, TypeVar
from weakref import WeakKeyDictionary

import anyio

from ..aws.event_loops import BackgroundTask, current_time
from ..errors import AccessError, CredentialsRefreshError, OperationError
from ..models.executions import Execution, WorkflowExecution, WorkflowStepExecution
from ..models.identifiers import ExecutionKind, Identifier
from ..models.progress import Detail
from ..models.redaction import one_line
from ..waiting.options import WaitOptions
from .batching import Read
from .subscriptions import Subscription, Target
from .waiting_steps import Gates, describe

__all__ = ["Inspector", "ListRows"]

X = TypeVar("X", bound=Execution)

# Gets all rows of a list, by one try for each page; raises OperationError.
ListRows = Callable[[Read, str | None], Awaitable[Sequence[Execution]]]
# Gives what a look saw of an execution.
Seen = Callable[[Execution], Detail]
# Looks, and tells what was seen; ``None`` if that failed.
Look = Callable[[], Awaitable[Seen | None]]

_log: Final = logging.getLogger("aioimagebuilder")
# Seconds that one look may take: it is worth no more than that.
_BUDGET: Final = 10.0
# The service runs up to five tests at once.
_MOST_WORKFLOWS: Final = 5
_WITH_GATES: Final = (ExecutionKind.IMAGE, ExecutionKind.WORKFLOW_EXECUTION)


class _Subject:
    """Something to look at, and when that was done.

    Attributes:
        look: looks at it.
        tried: when the newest look began, whatever came of it.
        seen: when the newest look began that saw something.
        detail: gives what that was, for an execution.
        asking: who wants to know what the next look sees.
    """

    __slots__ = ("__weakref__", "asking", "detail", "look", "seen", "tried")

    def __init__(self, look: Look) -> None:
        self.look: Look = look
        self.tried: float = -math.inf
        self.seen: float = -math.inf
        self.detail: Seen = _nothing
        self.asking: list[tuple[_Follower, Subscription]] = []


class _Follower:
    """One consumer's interest in a subject; ``None`` if the execution's own answer tells all."""

    __slots__ = ("_inspector", "_read_at", "_reports", "_status", "_subject", "_wants_steps")

    def __init__(self, inspector: Inspector, subject: _Subject | None, options: WaitOptions) -> None:
        self._inspector: Inspector = inspector
        self._subject: _Subject | None = subject
        self._wants_steps: bool = options.shows_steps
        self._reports: bool = options.on_waiting_step == "report"
        self._read_at: float = -math.inf
        self._status: str | None = None

    def note_read(self, subscription: Subscription) -> None:
        """Take in that the execution was read, and see whether another look is due."""
        history, subject = subscription.history, self._subject
        since, self._read_at = self._read_at, history.seen_at
        status = None if history.seen is None else history.seen.status
        is_new_stage, self._status = status != self._status, status
        if is_new_stage and self._wants_steps:
            # Other steps run now: a look from before tells nothing of them.
            since = history.seen_at
        if subject is None:
            self._report(subscription)
        elif is_new_stage and not self._wants_steps:
            # Whoever waits here begins to wait now: the next poll is soon enough. So to watch what ends soon
            # costs its polls alone.
            return
        elif subject.seen >= since:
            self.inform(subscription, subject)
        elif subject.tried < since:
            self._inspector.ask(subject, self, subscription)

    def inform(self, subscription: Subscription, subject: _Subject) -> None:
        """Tell the consumer what was seen."""
        if (seen := subscription.history.seen) is not None:
            subscription.inform(subject.detail(seen))
            self._report(subscription)

    def _report(self, subscription: Subscription) -> None:
        seen = subscription.seen
        if self._reports and seen is not None and seen.progress.waiting_steps:
            self._inspector.report(subscription.identifier, seen)


class Inspector:
    """Looks inside executions for those who ask, in one background task that ends when nobody does.

    Args:
        list_rows: reads a list.
    """

    def __init__(self, list_rows: ListRows) -> None:
        self._list_rows: ListRows = list_rows
        self._gates: Gates = Gates()
        self._account: _Subject = _Subject(self._look_for_gates)
        self._insides: WeakKeyDictionary[Target, _Subject] = WeakKeyDictionary()
        self._asked: dict[_Subject, None] = {}
        self._refused: set[Read] = set()
        self._task: BackgroundTask = BackgroundTask(self._run)

    def follow(self, subscription: Subscription, options: WaitOptions) -> None:
        """Begin to look inside what `subscription` is for, as its consumer's `options` ask."""
        if not (options.shows_gates or options.shows_steps):
            return
        subject = None
        if subscription.identifier.kind in _WITH_GATES:
            subject = self._inside_of(subscription.target) if options.shows_steps else self._account
        follower = _Follower(self, subject, options)
        subscription.on_read = follower.note_read
        if subscription.history.seen is not None:
            follower.note_read(subscription)

    def ask(self, subject: _Subject, follower: _Follower, subscription: Subscription) -> None:
        """Look at `subject` soon, for this consumer and all who ask until then."""
        subject.asking.append((follower, subscription))
        self._asked[subject] = None
        self._task.start()

    def answered(self, step_execution_id: str) -> None:
        """Take in that a step was answered: it may read as waiting for a while yet."""
        self._gates.answer(step_execution_id, current_time())

    def gates_of(self, execution: Execution) -> tuple[WorkflowStepExecution, ...]:
        """Get the steps that `execution` waits at, but for those that were answered just now."""
        return self._gates.unanswered(execution.progress.waiting_steps, current_time())

    def report(self, identifier: Identifier, execution: Execution) -> None:
        """Log what `execution` waits at, once for each step."""
        if steps := self._gates.unreported(self.gates_of(execution)):
            _log.warning(
                "%s %s is %s: %s",
                identifier.kind.value.capitalize(),
                identifier,
                execution.status,
                one_line(describe(steps)),
            )

    async def aclose(self) -> None:
        """End the looks."""
        self._asked.clear()
        await self._task.aclose()

    async def _run(self) -> None:
        while self._asked:
            subject = next(iter(self._asked))
            del self._asked[subject]
            asking, subject.asking = subject.asking, []
            subject.tried = current_time()
            detail = None
            with anyio.move_on_after(_BUDGET):
                detail = await subject.look()
            if detail is not None:
                subject.seen, subject.detail = subject.tried, detail
                for follower, subscription in asking:
                    follower.inform(subscription, subject)

    def _inside_of(self, target: Target) -> _Subject:
        if (found := self._insides.get(target)) is None:
            found = _Subject(partial(self._look_inside, target.identifier))
            self._insides[target] = found
        return found

    async def _look_for_gates(self) -> Seen | None:
        rows = await self._rows(Read.WAITING_STEPS, None, WorkflowStepExecution)
        if rows is None:
            return None
        self._gates.take(rows)
        return lambda execution: Detail(steps=self._gates.of(execution))

    async def _look_inside(self, identifier: Identifier) -> Seen | None:
        if identifier.kind is ExecutionKind.WORKFLOW_EXECUTION:
            steps = await self._steps_of(identifier.value)
            return None if steps is None else _always(Detail(steps=tuple(steps)))
        rows = await self._rows(Read.WORKFLOW_EXECUTIONS_OF_IMAGE, identifier.value, WorkflowExecution)
        if rows is None:
            return None
        workflows = tuple(each for each in rows if not each.retried)
        found: list[WorkflowStepExecution] = []
        for workflow in [each for each in workflows if not each.is_terminal][:_MOST_WORKFLOWS]:
            found.extend(await self._steps_of(workflow.id) or ())
        return _always(Detail(workflows, tuple(found)))

    async def _steps_of(self, workflow_execution_id: str) -> list[WorkflowStepExecution] | None:
        return await self._rows(
            Read.STEPS_OF_WORKFLOW_EXECUTION, workflow_execution_id, WorkflowStepExecution
        )

    async def _rows(self, read: Read, argument: str | None, cls: type[X]) -> list[X] | None:
        if read in self._refused:
            return None
        try:
            return [each for each in await self._list_rows(read, argument) if isinstance(each, cls)]
        except OperationError as error:
            if isinstance(error, AccessError) and not isinstance(error, CredentialsRefreshError):
                self._refused.add(read)
                _log.warning("What runs inside cannot be shown: %s", error)
            else:
                _log.info("%s; what runs inside is not shown for now", error)
        except Exception as error:  # noqa: BLE001 - logged as it is, and not asked for again
            self._refused.add(read)
            _log.error("%s could not be read", read.value, exc_info=error)
        return None


def _always(detail: Detail) -> Seen:
    return lambda _: detail


def _nothing(_: Execution) -> Detail:
    return Detail()
