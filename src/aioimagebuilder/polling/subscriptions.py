"""Who waits for what, and how they are told: the poller's side of the counter, and the consumer's."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from dataclasses import replace
from enum import Enum, auto
from functools import reduce

from ..aws.event_loops import Signal
from ..models.executions import Execution
from ..models.identifiers import Identifier
from ..models.progress import Detail
from .schedule import Cadence, History

__all__ = ["Ended", "Mailbox", "Subscription", "Target"]


class Ended(Enum):
    """Why a subscription ended without a terminal state."""

    DEADLINE = auto()
    FAILURE = auto()
    CLOSED = auto()


class Mailbox:
    """Tells one consumer which of its subscriptions has something new, in the order that it came.

    Args:
        takes_changes: whether its consumer wants to know of the states before the last, too.
    """

    __slots__ = ("_arrived", "_ready", "takes_changes")

    def __init__(self, *, takes_changes: bool) -> None:
        self.takes_changes: bool = takes_changes
        self._ready: list[Subscription] = []
        self._arrived: Signal | None = None

    def put(self, subscription: Subscription) -> None:
        """Tell that `subscription` has something new."""
        if not subscription.is_ready:
            subscription.is_ready = True
            self._ready.append(subscription)
        if self._arrived is not None:
            self._arrived.set()
            self._arrived = None

    def pop(self) -> Subscription | None:
        """Get the first subscription with something new; ``None`` if there is none."""
        if not self._ready:
            return None
        first = self._ready.pop(0)
        first.is_ready = False
        return first

    def wait(self, until: float = math.inf) -> Awaitable[None]:
        """Wait until there is one, or until that time of `anyio.current_time`."""
        signal = Signal()
        if self._ready:
            signal.set()
        else:
            self._arrived = signal
        return signal.wait(until)


class Subscription:
    """One consumer's interest in one execution.

    Attributes:
        target: the execution, and all who wait for it.
        cadence: how often this consumer wants it polled.
        started: when it began to wait, on the clock of `anyio.current_time`.
        deadline: when its last poll falls, on the same clock.
        ended: why nothing more will come; ``None`` while something may, and after a terminal state.
        ended_at: when that was.
        failure: the error, if `ended` is FAILURE.
        on_read: told of each read that leaves the execution running, by those who look inside it, too.
        is_ready: whether its mailbox holds it.
    """

    __slots__ = (
        "_detail",
        "_detail_status",
        "_history",
        "_mailbox",
        "_news",
        "_polls",
        "_throttles",
        "_told",
        "cadence",
        "deadline",
        "ended",
        "ended_at",
        "failure",
        "is_ready",
        "on_read",
        "started",
        "target",
    )

    def __init__(
        self, target: Target, cadence: Cadence, deadline: float, mailbox: Mailbox, now: float
    ) -> None:
        self.target: Target = target
        self._mailbox = mailbox
        self._history: History | None = None
        self._news: Execution | None = None
        self._detail: Detail | None = None
        self._detail_status: str | None = None
        self._told = False
        self._polls = target.history.polls
        self._throttles = target.history.throttles
        self.cadence: Cadence = cadence
        self.deadline: float = deadline
        self.started: float = now
        self.ended: Ended | None = None
        self.ended_at: float = math.inf
        self.failure: Exception | None = None
        self.on_read: Callable[[Subscription], None] | None = None
        self.is_ready: bool = False

    @property
    def identifier(self) -> Identifier:
        """The id or ARN of what is waited for."""
        return self.target.identifier

    @property
    def history(self) -> History:
        """What is known of the execution, shared with all who wait for it; of an end, what was known then."""
        return self._history or self.target.history

    @property
    def seen(self) -> Execution | None:
        """The newest state, with what this consumer knows of its inside; ``None`` if none was seen."""
        seen = self.history.seen
        return None if seen is None else self._detailed(seen)

    @property
    def polls(self) -> int:
        """The reads made since this subscription began."""
        return self.history.polls - self._polls

    @property
    def throttles(self) -> int:
        """How many of them were throttled."""
        return self.history.throttles - self._throttles

    def take(self) -> Execution | None:
        """Get the newest state, if it has not been taken yet."""
        news, self._news = self._news, None
        # A terminal state is the last word: a deadline in the same instant adds nothing to it.
        if news is not None and not news.is_terminal and self.ended is not None:
            self._mailbox.put(self)
        return None if news is None else self._detailed(news)

    def tell(self, execution: Execution, *, is_news: bool) -> None:
        """Tell the consumer of a state, if it is news to it. What it has not taken yet is replaced."""
        if is_news or not self._told:
            self._told = True
            self._bring(execution)
        if self.on_read is not None and not execution.is_terminal:
            self.on_read(self)

    def inform(self, detail: Detail) -> None:
        """Tell the consumer of the inside of what runs, if its progress is another now."""
        seen = self.history.seen
        if seen is None or seen.is_terminal or self.ended is not None:
            return
        before, self._detail, self._detail_status = self._detailed(seen), detail, seen.status
        if self._detailed(seen).progress != before.progress:
            self._bring(seen)

    def _bring(self, news: Execution) -> None:
        self._news = news
        if news.is_terminal or self._mailbox.takes_changes:
            self._mailbox.put(self)

    def _detailed(self, execution: Execution) -> Execution:
        # What was seen inside while it had another status is of the past.
        if self._detail is None or execution.is_terminal or execution.status != self._detail_status:
            return execution
        return replace(execution, detail=self._detail)

    def end(self, ended: Ended, now: float, failure: Exception | None = None) -> None:
        """Tell the consumer that nothing more will come."""
        if self.ended is None:
            self.ended = ended
            self.ended_at = now
            self.failure = failure
            # A slow consumer takes it later, and others may have learned more by then: that is not its end.
            self._history = replace(self.target.history)
            self._mailbox.put(self)


class Target:
    """An execution that somebody waits for.

    Attributes:
        identifier: its id or ARN.
        subscriptions: who waits for it; to be changed by the methods.
        history: what was learned of it.
        due: when it is to be polled next, on the clock of `anyio.current_time`.
    """

    __slots__ = ("__weakref__", "_cadence", "_deadline", "due", "history", "identifier", "subscriptions")

    def __init__(self, identifier: Identifier, now: float) -> None:
        self.identifier: Identifier = identifier
        self.subscriptions: dict[Subscription, None] = {}
        self._cadence: Cadence | None = None
        self._deadline: float | None = None
        self.history: History = History(started=now)
        self.due: float = math.inf

    def add(self, subscription: Subscription) -> None:
        """Take in who waits for it, too."""
        self.subscriptions[subscription] = None
        self._cadence = self._deadline = None

    def discard(self, subscription: Subscription) -> None:
        """Take in who waits for it no more."""
        self.subscriptions.pop(subscription, None)
        self._cadence = self._deadline = None

    def clear(self) -> None:
        """Take in that nobody waits for it any more."""
        self.subscriptions.clear()
        self._cadence = self._deadline = None

    def expired(self, now: float) -> list[Subscription]:
        """Get those whose deadline has come."""
        return [] if self.deadline > now else [each for each in self.subscriptions if each.deadline <= now]

    @property
    def cadence(self) -> Cadence:
        """The cadence that serves all who wait."""
        if self._cadence is None:
            self._cadence = reduce(Cadence.fastest, (each.cadence for each in self.subscriptions))
        return self._cadence

    @property
    def deadline(self) -> float:
        """The nearest deadline of those who wait."""
        if self._deadline is None:
            self._deadline = min((each.deadline for each in self.subscriptions), default=math.inf)
        return self._deadline
