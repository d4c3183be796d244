"""Wait, watch, wait for all, take each as it ends: what a caller does with subscriptions.

Nothing here polls, and nothing here owns a task: a consumer that stops listening only unsubscribes.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Iterable, Sequence
from types import TracebackType
from typing import Final, Self, TypeVar, cast

import anyio
import anyio.lowlevel

from ..aws.event_loops import current_time
from ..errors import WaitError, WaitGroupError
from ..models.executions import Execution
from ..models.identifiers import Identifier
from ..models.progress import Progress
from ..polling.poller import Poller
from ..polling.step_inspector import Inspector
from ..polling.subscriptions import Ended, Mailbox, Subscription
from .options import AtDeadline, WaitOptions
from .outcomes import error_of, facts_after, facts_of, failure_of, waiting_error_of

__all__ = ["AsCompleted", "Gathering", "Watch", "wait", "wait_all"]

X = TypeVar("X", bound=Execution)

# How long the last poll, the one on the deadline, may take before the wait ends without its answer.
_LAST_POLL_GRACE: Final = 10.0


class _Listener:
    """Subscriptions of one consumer, which end when it does, even where it just stops iterating."""

    __slots__ = ("_deadline", "_inspector", "_mailbox", "_options", "_patience", "_poller", "_subscriptions")

    def __init__(
        self, poller: Poller, inspector: Inspector, options: WaitOptions, *, takes_changes: bool
    ) -> None:
        self._poller = poller
        self._inspector = inspector
        self._options = options
        self._deadline = math.inf
        self._patience = math.inf
        self._mailbox = Mailbox(takes_changes=takes_changes)
        self._subscriptions: dict[Identifier, Subscription] = {}

    def _subscribe(self, identifiers: Iterable[Identifier]) -> None:
        options = self._options
        if options.timeout is not None:
            self._deadline = self._patience = current_time() + options.timeout
        for identifier in identifiers:
            subscription = self._poller.subscribe(
                identifier, cadence=options.cadence, deadline=self._deadline, mailbox=self._mailbox
            )
            self._subscriptions[identifier] = subscription
            self._inspector.follow(subscription, options)

    async def _next(self) -> Subscription:
        """Wait for a subscription that has a new state, or has ended."""
        while (subscription := self._mailbox.pop()) is None:
            now = current_time()
            if now < self._patience:
                await self._mailbox.wait(self._patience)
            elif self._patience == self._deadline:
                # From now, not from the deadline: a machine that slept past it has yet to make the last poll.
                self._patience = now + _LAST_POLL_GRACE
            else:
                for each in self._subscriptions.values():
                    each.end(Ended.DEADLINE, now)
        return subscription

    def close(self) -> None:
        """End it at once; the polling ends with the last who waits."""
        while self._subscriptions:
            self._poller.unsubscribe(self._subscriptions.popitem()[1])

    async def aclose(self) -> None:
        """End it at once; the polling ends with the last who waits."""
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()


class Watch(_Listener, AsyncIterator[X]):
    """The states of one execution: the present one first, then each change, up to the terminal one.

    A consumer that is slow misses states in between, never the last. It may stop at any time. Used as an
    async context manager, too, it ends the polling at once when it is left.
    """

    __slots__ = ("_identifier", "_is_over", "_shown")

    def __init__(
        self, poller: Poller, inspector: Inspector, options: WaitOptions, identifier: Identifier
    ) -> None:
        super().__init__(poller, inspector, options, takes_changes=True)
        self._identifier = identifier
        self._is_over = False
        self._shown: tuple[Execution, Progress] | None = None

    async def __anext__(self) -> X:
        await anyio.lowlevel.checkpoint()
        if self._is_over:
            raise StopAsyncIteration
        if not self._subscriptions:
            self._subscribe([self._identifier])
        while True:
            subscription = await self._next()
            execution = subscription.take()
            self._is_over = execution.is_terminal if execution else subscription.ended is not None
            if self._is_over:
                self.close()
            # What a slow consumer missed may have gone back to what it was shown: that is no change to it.
            # Its progress is no part of what makes two executions equal, and a change all the same.
            if execution is not None and (shown := (execution, execution.progress)) != self._shown:
                self._shown = shown
                return cast("X", execution)
            if self._is_over:
                raise error_of(subscription)


class Gathering(_Listener):
    """Several executions awaited at once, duplicates among them once.

    Attributes:
        states: the newest state of each that ended, as far as one was seen.
        errors: why each of those that ended other than well did so.
    """

    __slots__ = ("_expired", "_identifiers", "_is_subscribed", "errors", "states")

    def __init__(
        self, poller: Poller, inspector: Inspector, options: WaitOptions, identifiers: Iterable[Identifier]
    ) -> None:
        # Of what runs on, there is nothing to say to it, unless it is to end at a step that waits.
        super().__init__(poller, inspector, options, takes_changes=options.on_waiting_step == "raise")
        self._identifiers = tuple(identifiers)
        self._is_subscribed = False
        self._expired: list[Identifier] = []
        self.states: dict[Identifier, Execution] = {}
        self.errors: dict[Identifier, WaitError] = {}

    async def next_ended(self) -> Identifier | None:
        """Wait for the next execution that ends, in whatever way; ``None`` after the last."""
        await anyio.lowlevel.checkpoint()
        if not self._is_subscribed:
            self._is_subscribed = True
            self._subscribe(dict.fromkeys(self._identifiers))
        while self._subscriptions:
            subscription = await self._next()
            if self._take_end(subscription):
                return subscription.identifier
        return None

    def take_ended(self) -> None:
        """Take in all that have ended by now."""
        while (subscription := self._mailbox.pop()) is not None:
            self._take_end(subscription)

    def _take_end(self, subscription: Subscription) -> bool:
        identifier = subscription.identifier
        execution = subscription.take()
        error = self._error(subscription, execution)
        if execution is not None:
            self.states[identifier] = execution
        if error is not None:
            self.errors[identifier] = error
        has_ended = error is not None or execution is None or execution.is_terminal
        if has_ended:
            self._poller.unsubscribe(self._subscriptions.pop(identifier))
        return has_ended

    def _error(self, subscription: Subscription, execution: Execution | None) -> WaitError | None:
        if execution is None:
            if subscription.ended is Ended.DEADLINE:
                self._expired.append(subscription.identifier)
            return error_of(subscription)
        if self._options.on_waiting_step == "raise" and (waiting := self._inspector.gates_of(execution)):
            return waiting_error_of(subscription, execution, waiting)
        if not self._options.check:
            return None
        return failure_of(subscription.identifier, execution, facts_of(subscription, execution))

    async def settle(self, at_deadline: AtDeadline) -> None:
        """Find out what became of those whose wait ended at the deadline."""
        async with anyio.create_task_group() as tasks:
            for identifier in self._expired:
                tasks.start_soon(self._settle, at_deadline, identifier)

    async def _settle(self, at_deadline: AtDeadline, identifier: Identifier) -> None:
        expired = self.errors.pop(identifier)
        since = current_time()
        try:
            execution = await at_deadline(identifier, expired)
        except WaitError as error:
            self.errors[identifier] = error
            if error.execution is not None:
                self.states[identifier] = error.execution
            return
        self.states[identifier] = execution
        if self._options.check:
            elapsed = expired.elapsed + current_time() - since
            failure = failure_of(identifier, execution, facts_after(expired, execution, elapsed))
            if failure is not None:
                self.errors[identifier] = failure

    def raise_errors(self) -> None:
        """Raise the errors, if there are any, as one group in the order given."""
        if not self.errors:
            return
        distinct = tuple(dict.fromkeys(self._identifiers))
        errors = [self.errors[each] for each in distinct if each in self.errors]
        what = "ended other than well" if self._options.check else "could not be awaited to the end"
        group = WaitGroupError(f"{len(errors)} of {len(distinct)} executions {what}", errors)
        group.executions = tuple(self._newest(each) for each in self._identifiers)
        raise group

    def _newest(self, identifier: Identifier) -> Execution | None:
        running = self._subscriptions.get(identifier)
        return self.states.get(identifier) if running is None else running.seen


class AsCompleted(Gathering, AsyncIterator[Execution]):
    """Executions, each as it ends. When all the others have, those that could not be awaited are raised.

    It may be left at any time. Used as an async context manager, too, it ends the polling at once when it
    is left.
    """

    async def __anext__(self) -> Execution:
        while (identifier := await self.next_ended()) is not None:
            if identifier not in self.errors:
                return self.states[identifier]
        self.raise_errors()
        raise StopAsyncIteration


async def wait(
    poller: Poller,
    inspector: Inspector,
    options: WaitOptions,
    identifier: Identifier,
    at_deadline: AtDeadline | None = None,
) -> Execution:
    """Get the terminal state of one execution; see `ImageBuilder.wait`."""
    async with Gathering(poller, inspector, options, [identifier]) as gathering:
        await gathering.next_ended()
        if at_deadline is not None:
            await gathering.settle(at_deadline)
        for error in gathering.errors.values():
            raise error
        return gathering.states[identifier]


async def wait_all(
    poller: Poller,
    inspector: Inspector,
    options: WaitOptions,
    identifiers: Sequence[Identifier],
    at_deadline: AtDeadline | None = None,
    *,
    fail_fast: bool,
) -> list[Execution]:
    """Get the terminal states of many executions; see `ImageBuilder.wait_all`."""
    async with Gathering(poller, inspector, options, identifiers) as gathering:
        while await gathering.next_ended() is not None:
            if fail_fast and gathering.errors:
                gathering.take_ended()
                break
        if at_deadline is not None:
            await gathering.settle(at_deadline)
        gathering.raise_errors()
        return [gathering.states[each] for each in identifiers]
