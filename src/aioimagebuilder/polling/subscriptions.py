"""Who waits for which execution, and how updates reach them. No I/O."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from enum import Enum, auto
from functools import reduce

import anyio

from ..models.estimates import Estimate
from ..models.executions import Detail, Execution, WorkflowExecution, WorkflowStepExecution
from ..models.identifiers import Identifier
from ..models.kinds import ExecutionKind
from .hint_events import Hint
from .history import Announcement, History
from .schedule import Cadence


class EndReason(Enum):
    """Why a subscription ended without a terminal state."""

    DEADLINE = auto()
    FAILURE = auto()
    CLOSED = auto()


class UpdateQueue:
    """The subscriptions of one consumer that have an update, in the order of the updates.

    Args:
        wants_changes: Whether the consumer wants states before the terminal one as well.
    """

    __slots__ = ("_ready", "_updated", "wants_changes")

    def __init__(self, *, wants_changes: bool) -> None:
        self.wants_changes: bool = wants_changes
        self._ready: dict[Subscription, None] = {}
        self._updated: anyio.Event | None = None

    def put(self, subscription: Subscription) -> None:
        """Add a subscription, unless it is in the queue."""
        self._ready[subscription] = None
        self.wake()

    def pop(self) -> Subscription | None:
        """Remove and return the first subscription; ``None`` if there is none."""
        first = next(iter(self._ready), None)
        if first is not None:
            del self._ready[first]
        return first

    def wake(self) -> None:
        """End `wait`."""
        if self._updated is not None:
            self._updated.set()

    async def wait(self, until: float = math.inf) -> None:
        """Wait until there is a subscription, or until that time of `anyio.current_time`."""
        if self._ready:
            return
        self._updated = anyio.Event()
        with anyio.move_on_at(until):
            await self._updated.wait()
        self._updated = None


class Subscription:
    """One consumer's interest in one execution.

    Attributes:
        target: The execution.
        cadence: How often this consumer wants it polled.
        started: When the consumer started to wait, on the clock of `anyio.current_time`.
        deadline: When its last poll is due, on the same clock.
        end_reason: Why there will be no more updates; ``None`` otherwise, and after a terminal state.
        ended_at: When it ended, or its terminal state was read; infinity before.
        failure: The error, if the reason is FAILURE.
        on_read: Called after each read that did not return a terminal state.
        wants_estimate: Whether to deliver when the execution can be expected to end.
        on_waiting_step: Called when a hint says that a step of the execution waits.
        wait: Its id in events; empty without hooks.
    """

    __slots__ = (
        "_detail",
        "_detail_status",
        "_estimate",
        "_estimate_delivered",
        "_history",
        "_is_updated",
        "_polls_before",
        "_queue",
        "_throttles_before",
        "_update",
        "cadence",
        "deadline",
        "end_reason",
        "ended_at",
        "failure",
        "on_read",
        "on_waiting_step",
        "started",
        "target",
        "wait",
        "wants_estimate",
    )

    def __init__(
        self, target: Target, cadence: Cadence, deadline: float, queue: UpdateQueue, now: float
    ) -> None:
        self.target: Target = target
        self._queue = queue
        self._history: History | None = None
        self._update: Execution | None = None
        self._detail: Detail | None = None
        self._detail_status: str | None = None
        self._is_updated = False
        self._polls_before = target.history.polls
        self._throttles_before = target.history.throttles
        self.cadence: Cadence = cadence
        self.deadline: float = deadline
        self.started: float = now
        self.end_reason: EndReason | None = None
        self.ended_at: float = math.inf
        self.failure: Exception | None = None
        self._estimate: Estimate | None = None
        self._estimate_delivered: Estimate | None = None
        self.wants_estimate: bool = False
        self.on_read: Callable[[Subscription], None] | None = None
        self.on_waiting_step: Callable[[Subscription], None] | None = None
        self.wait: str = ""

    @property
    def identifier(self) -> Identifier:
        """The id or ARN of the execution."""
        return self.target.identifier

    @property
    def history(self) -> History:
        """What is known of the execution, shared by its consumers; after the end, what was known then."""
        return self._history or self.target.history

    @property
    def seen(self) -> Execution | None:
        """The newest state, with the detail known to this consumer; ``None`` if none was seen."""
        seen = self.history.seen
        return None if seen is None else self._with_detail(seen)

    @property
    def polls(self) -> int:
        """The number of reads since this subscription started."""
        return self.history.polls - self._polls_before

    @property
    def throttles(self) -> int:
        """The number of those reads that were throttled."""
        return self.history.throttles - self._throttles_before

    def pop_update(self) -> Execution | None:
        """Return the newest state, unless it was returned before."""
        update, self._update = self._update, None
        # A terminal state is final: a deadline at the same time adds nothing to it.
        if update is not None and not update.is_terminal and self.end_reason is not None:
            self._queue.put(self)
        return None if update is None else self._with_detail(update)

    def deliver(self, execution: Execution, *, is_news: bool) -> None:
        """Deliver a state that was read. It replaces one that the consumer has not received yet."""
        if is_news or not self._is_updated:
            self._is_updated = True
            self._put(execution)
        if self.on_read is not None and not execution.is_terminal:
            self.on_read(self)

    def deliver_detail(self, detail: Detail) -> None:
        """Deliver the detail of the newest state, if that changes its progress."""
        seen = self.history.seen
        if seen is None or seen.is_terminal or self.end_reason is not None:
            return
        before, self._detail, self._detail_status = self._with_detail(seen), detail, seen.status
        if self._with_detail(seen).progress != before.progress:
            self._put(seen)

    def deliver_estimate(self, estimate: Estimate | None) -> None:
        """Deliver an estimate, which is an update by itself if it differs enough from the one before."""
        self._estimate = estimate
        seen = self.history.seen
        if seen is None or self.end_reason is not None or estimate is None:
            return
        if estimate.is_news_after(self._estimate_delivered):
            self._estimate_delivered = estimate
            self._put(seen)

    def end(self, reason: EndReason, now: float, failure: Exception | None = None) -> None:
        """End the subscription without a terminal state, unless a list has returned one."""
        if self.end_reason is not None:
            return
        if self.target.listed_end is not None:
            self.deliver(self.target.listed_end, is_news=True)
            self.ended_at = now
        else:
            self.end_reason = reason
            self.ended_at = now
            self.failure = failure
            # A slow consumer receives the end later, when others may have learned more.
            self._history = replace(self.target.history)
            self._queue.put(self)

    def _put(self, update: Execution) -> None:
        self._update = update
        if update.is_terminal:
            # A slow consumer receives it later.
            self.ended_at = max(self.started, self.target.history.seen_at)
        if update.is_terminal or self._queue.wants_changes:
            self._queue.put(self)

    def _with_detail(self, execution: Execution) -> Execution:
        # A detail that was read at another status is outdated.
        detail = self._detail if execution.status == self._detail_status else None
        if execution.is_terminal or (detail is None and self._estimate is None):
            return execution
        return replace(execution, detail=replace(detail or Detail(), estimate=self._estimate))


class Target:
    """An execution that somebody waits for.

    Attributes:
        identifier: Its id or ARN.
        name: The same in lower case, as in hints.
        subscriptions: Its subscriptions, which share its polls.
        history: What is known of it.
        listed_end: A terminal state from a list that lacks members, until a Get has returned it whole.
        announcement: What the newest hint said of it; ``None`` for none.
    """

    __slots__ = (
        "__weakref__",
        "announcement",
        "history",
        "identifier",
        "listed_end",
        "name",
        "subscriptions",
    )

    def __init__(self, identifier: Identifier, now: float) -> None:
        self.identifier: Identifier = identifier
        self.name: str = identifier.value.casefold()
        self.subscriptions: dict[Subscription, None] = {}
        self.history: History = History(started=now)
        self.listed_end: Execution | None = None
        self.announcement: Announcement | None = None

    def is_named_by(self, hint: Hint) -> bool:
        """Return whether a hint names it, or the image that it runs in."""
        if self.name in hint.names:
            return True
        seen = self.history.seen
        if not isinstance(seen, WorkflowExecution | WorkflowStepExecution):
            return False
        return (seen.image_build_version_arn or "").casefold() == hint.image

    @property
    def is_announced(self) -> bool:
        """Whether a hint has said something that no read has shown yet."""
        return self.announcement is not None and not self.announcement.is_settled

    def announce(self, hint: Hint, now: float) -> bool:
        """Record a hint that names it, and return whether it may say something new."""
        status = hint.status if self.identifier.kind is ExecutionKind.IMAGE else None
        if status is not None and self.history.has_reached(status):
            return False
        earlier, min_delay = self.announcement, self.cadence.min_delay
        if earlier and earlier.status == status and now - earlier.received_at < min_delay:
            return False
        self.announcement = Announcement(status, now)
        return True

    def next_read(self, read_started: float, now: float) -> float:
        """Return when a read is due because of a hint, after one that started then; infinity if none is."""
        hint = self.announcement
        if hint is None or hint.is_settled:
            return math.inf
        due = hint.next_read(read_started, now, self.cadence.min_delay)
        hint.is_settled = due == math.inf if hint.status is None else self.history.has_reached(hint.status)
        return math.inf if hint.is_settled else due

    def expired(self, now: float) -> list[Subscription]:
        """Return the subscriptions whose deadline has passed."""
        return [each for each in self.subscriptions if each.deadline <= now]

    @property
    def is_inspected(self) -> bool:
        """Whether a consumer wants to know what happens inside it."""
        return any(each.on_read is not None for each in self.subscriptions)

    @property
    def cadence(self) -> Cadence:
        """The cadence that satisfies all subscriptions."""
        return reduce(Cadence.fastest, (each.cadence for each in self.subscriptions))

    @property
    def deadline(self) -> float:
        """The earliest deadline of the subscriptions; infinity if there is none."""
        return min((each.deadline for each in self.subscriptions), default=math.inf)
