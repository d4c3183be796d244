"""The waiters: wait, watch, wait for all, and receive each as it ends.

They subscribe to the poller, and poll nothing themselves. They own no task: a consumer that stops only
unsubscribes.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from types import TracebackType
from typing import Final, Protocol, Self, TypeVar, cast

import anyio
import anyio.lowlevel

from ..errors import WaitError, WaitGroupError
from ..instrumentation.emitter import Emitter
from ..models.executions import Execution, Progress
from ..models.identifiers import Identifier
from ..polling.poller import Poller
from ..polling.schedule import Cadence
from ..polling.step_inspector import StepInspector
from ..polling.subscriptions import EndReason, Subscription, UpdateQueue
from .options import WaitSettings
from .outcomes import end_error, facts_after, facts_of, failure_of, waiting_step_error
from .wait_events import WaitRecorder

X = TypeVar("X", bound=Execution)

# Returns the outcome of an execution after the deadline of the wait that ended with this error; raises
# WaitError.
AtDeadline = Callable[[Identifier, WaitError], Awaitable[Execution]]

# How long the last poll, which is made at the deadline, may take before the wait ends without its response.
_LAST_POLL_TIMEOUT: Final = 10.0


class Publisher(Protocol):
    """What a consumer subscribes to: a `Poller` or a `PipelinePoller`."""

    @property
    def emitter(self) -> Emitter:
        """What delivers the events of the client."""

    def check_origin(self) -> None:
        """Check that the current event loop is that of the client."""

    def run_soon(self, function: Callable[[], object]) -> bool:
        """Call `function` in that event loop, and return ``False`` if it has ended."""

    def subscribe(
        self, identifier: Identifier, *, cadence: Cadence, deadline: float, queue: UpdateQueue
    ) -> Subscription:
        """Subscribe to `identifier`; updates go to `queue`."""

    def unsubscribe(self, subscription: Subscription) -> None:
        """End a subscription."""


class Consumer:
    """The subscriptions of one consumer. They end with it, even if it only stops to iterate.

    Args:
        publisher: What it subscribes to.
        settings: The options.
        wants_changes: Whether it wants states before the terminal one as well.
        prepare: Called with each new subscription.
    """

    def __init__(
        self,
        publisher: Publisher,
        settings: WaitSettings,
        *,
        wants_changes: bool,
        prepare: Callable[[Subscription], None],
    ) -> None:
        self._publisher = publisher
        self._settings = settings
        self._prepare = prepare
        self._deadline = math.inf
        self._give_up_at = math.inf
        self._updates = UpdateQueue(wants_changes=wants_changes)
        self._recorder = WaitRecorder(publisher.emitter)
        self._subscriptions: dict[Identifier, Subscription] = {}
        self._is_subscribed = False
        self._is_waiting = False
        self._is_closed = False

    def _subscribe(self, identifiers: Iterable[Identifier]) -> None:
        """Subscribe to the executions, once, unless this was closed before."""
        if self._is_subscribed or self._is_closed:
            return
        self._is_subscribed = True
        settings = self._settings
        if settings.timeout is not None:
            self._deadline = self._give_up_at = anyio.current_time() + settings.timeout
        for identifier in identifiers:
            subscription = self._publisher.subscribe(
                identifier, cadence=settings.cadence, deadline=self._deadline, queue=self._updates
            )
            self._subscriptions[identifier] = subscription
            self._prepare(subscription)
        self._recorder.begin(self._subscriptions.values(), settings.timeout)

    async def _next_update(self) -> Subscription | None:
        """Wait for a subscription that has a new state, or has ended; return ``None`` if this was closed.

        Raises:
            RuntimeError: Another task waits for the same consumer.
        """
        self._publisher.check_origin()
        if self._is_waiting:
            raise RuntimeError("Another task is waiting for the next item of this iterator.")
        self._is_waiting = True
        try:
            while (subscription := self._updates.pop()) is None and self._subscriptions:
                await self._wait()
        finally:
            self._is_waiting = False
        return subscription

    async def _wait(self) -> None:
        now = anyio.current_time()
        if now < self._give_up_at:
            await self._updates.wait(self._give_up_at)
        elif self._give_up_at == self._deadline:
            # From now, not from the deadline: after sleeping past it, a machine has yet to make the last
            # poll.
            self._give_up_at = now + _LAST_POLL_TIMEOUT
        else:
            for each in self._subscriptions.values():
                each.end(EndReason.DEADLINE, now)
                # A slow consumer receives the end later: nothing is read for it until then.
                self._publisher.unsubscribe(each)

    def close(self) -> None:
        """End the subscriptions at once."""
        self._is_closed = True
        try:
            while self._subscriptions:
                self._publisher.unsubscribe(self._subscriptions.popitem()[1])
            self._updates.wake()
        finally:
            self._recorder.close()

    async def aclose(self) -> None:
        """End the subscriptions at once."""
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        # In any thread, and inside any function: hooks and the poller are called in the event loop alone.
        if self._subscriptions and not self._publisher.run_soon(self.close):
            # Without a running event loop, the poller has ended as well.
            with contextlib.suppress(RuntimeError):
                self.close()


def _preparing(inspector: StepInspector, settings: WaitSettings) -> Callable[[Subscription], None]:
    """Return what prepares a subscription for the estimates and steps that the options ask for."""

    def prepare(subscription: Subscription) -> None:
        subscription.wants_estimate = settings.estimate
        if settings.waiting_steps or settings.steps:
            reports = settings.on_waiting_step == "report"
            inspector.follow(subscription, steps=settings.steps, reports=reports)

    return prepare


class Watch(Consumer, AsyncIterator[X]):
    """The states of one execution: the present one first, then each change, up to the terminal one.

    A slow consumer misses states in between, but never the last one. It may stop at any time. As an async
    context manager, a watch ends at once when it is left.
    """

    def __init__(
        self, poller: Poller, inspector: StepInspector, settings: WaitSettings, identifier: Identifier
    ) -> None:
        super().__init__(poller, settings, wants_changes=True, prepare=_preparing(inspector, settings))
        self._identifier = identifier
        self._shown: tuple[Execution, Progress] | None = None

    async def __anext__(self) -> X:
        await anyio.lowlevel.checkpoint()
        if self._is_closed:
            raise StopAsyncIteration
        self._subscribe([self._identifier])
        while True:
            subscription = await self._next_update()
            if subscription is None:
                raise StopAsyncIteration
            execution = subscription.pop_update()
            is_over = execution.is_terminal if execution else subscription.end_reason is not None
            error: WaitError | None = None
            if is_over:
                try:
                    error = end_error(subscription) if execution is None else None
                    self._recorder.end(subscription, execution, error)
                finally:
                    self.close()
            # A slow consumer may have missed a change and its reversal. The progress is not part of the
            # equality of executions, but a change of it is a change as well.
            if execution is not None and (shown := (execution, execution.progress)) != self._shown:
                self._shown = shown
                return cast("X", execution)
            if is_over:
                raise error or end_error(subscription)


class Gathering(Consumer):
    """Several executions that are awaited together; duplicates are awaited once.

    Attributes:
        states: The newest state of each execution whose wait has ended, if one was seen.
        errors: The exceptions of those that did not succeed.
    """

    def __init__(
        self,
        poller: Poller,
        inspector: StepInspector,
        settings: WaitSettings,
        identifiers: Iterable[Identifier],
    ) -> None:
        # Changes matter only if the wait is to end at a waiting step.
        wants_changes = settings.on_waiting_step == "raise"
        prepare = _preparing(inspector, settings)
        super().__init__(poller, settings, wants_changes=wants_changes, prepare=prepare)
        self._inspector = inspector
        self._identifiers = tuple(identifiers)
        # Those that reached the deadline and wait for `settle`.
        self._expired: dict[Subscription, None] = {}
        self.states: dict[Identifier, Execution] = {}
        self.errors: dict[Identifier, WaitError] = {}

    async def next_ended(self) -> Identifier | None:
        """Wait for the next execution whose wait ends, in whatever way; return ``None`` after the last."""
        await anyio.lowlevel.checkpoint()
        self._subscribe(dict.fromkeys(self._identifiers))
        while self._subscriptions:
            subscription = await self._next_update()
            if subscription is not None and self._handle_update(subscription):
                return subscription.identifier
        return None

    def collect_ended(self) -> None:
        """Collect all executions whose wait has ended by now."""
        while (subscription := self._updates.pop()) is not None:
            self._handle_update(subscription)

    def _handle_update(self, subscription: Subscription) -> bool:
        """Record an update, and return whether the wait for its execution has ended."""
        identifier = subscription.identifier
        execution = subscription.pop_update()
        error = self._error(subscription, execution)
        if execution is not None:
            self.states[identifier] = execution
        if error is not None:
            self.errors[identifier] = error
        has_ended = error is not None or execution is None or execution.is_terminal
        if has_ended:
            self._publisher.unsubscribe(self._subscriptions.pop(identifier))
            if subscription not in self._expired:
                self._recorder.end(subscription, execution, error)
        return has_ended

    def _error(self, subscription: Subscription, execution: Execution | None) -> WaitError | None:
        if execution is None:
            if subscription.end_reason is EndReason.DEADLINE and self._settings.on_timeout == "cancel":
                self._expired[subscription] = None
            return end_error(subscription)
        if self._settings.on_waiting_step == "raise" and (
            steps := self._inspector.waiting_steps_of(execution)
        ):
            return waiting_step_error(subscription, execution, steps)
        if not self._settings.check:
            return None
        return failure_of(subscription.identifier, execution, facts_of(subscription, execution))

    async def settle(self, at_deadline: AtDeadline) -> None:
        """Replace the result of each wait that reached the deadline by what `at_deadline` returns."""
        async with anyio.create_task_group() as tasks:
            for subscription in self._expired:
                tasks.start_soon(self._settle, at_deadline, subscription)

    async def _settle(self, at_deadline: AtDeadline, subscription: Subscription) -> None:
        identifier = subscription.identifier
        expired = self.errors.pop(identifier)
        since = anyio.current_time()
        execution: Execution | None
        error: WaitError | None = None
        try:
            execution = await at_deadline(identifier, expired)
        except WaitError as settled:
            execution, error = settled.execution, settled
        else:
            if self._settings.check:
                elapsed = expired.elapsed + anyio.current_time() - since
                error = failure_of(identifier, execution, facts_after(expired, execution, elapsed))
        if execution is not None:
            self.states[identifier] = execution
        if error is not None:
            self.errors[identifier] = error
        self._recorder.end(subscription, execution, error)

    def raise_errors(self) -> None:
        """Raise the exceptions, if there are any, as one group in the order of the identifiers."""
        if not self.errors:
            return
        distinct = tuple(dict.fromkeys(self._identifiers))
        errors = [self.errors[each] for each in distinct if each in self.errors]
        what = "did not succeed" if self._settings.check else "could not be awaited"
        group = WaitGroupError(f"{len(errors)} of {len(distinct)} executions {what}", errors)
        group.executions = tuple(self._newest(each) for each in self._identifiers)
        raise group

    def _newest(self, identifier: Identifier) -> Execution | None:
        running = self._subscriptions.get(identifier)
        return self.states.get(identifier) if running is None else running.seen


class AsCompleted(Gathering, AsyncIterator[Execution]):
    """Executions, each as it ends. At the end, exceptions of those that could not be awaited are raised.

    The consumer may stop at any time. As an async context manager, it ends at once when it is left.
    """

    async def __anext__(self) -> Execution:
        while (identifier := await self.next_ended()) is not None:
            if identifier not in self.errors:
                return self.states[identifier]
        self.raise_errors()
        raise StopAsyncIteration


async def wait(
    poller: Poller,
    inspector: StepInspector,
    settings: WaitSettings,
    identifier: Identifier,
    at_deadline: AtDeadline | None = None,
) -> Execution:
    """Return an execution when it has ended; see `ImageBuilder.wait`."""
    async with Gathering(poller, inspector, settings, [identifier]) as gathering:
        await gathering.next_ended()
        if at_deadline is not None:
            await gathering.settle(at_deadline)
        error = gathering.errors.get(identifier)
        if error is not None:
            raise error
        return gathering.states[identifier]


def waiting_for_end(
    poller: Poller, inspector: StepInspector, cadence: Cadence
) -> Callable[[Identifier, float], Awaitable[Execution]]:
    """Return a function that waits for an execution to end with any outcome, up to a deadline."""

    def wait_for_end(identifier: Identifier, deadline: float) -> Awaitable[Execution]:
        settings = WaitSettings(cadence=cadence, timeout=None, check=False).until(deadline)
        return wait(poller, inspector, settings, identifier)

    return wait_for_end


async def wait_all(
    poller: Poller,
    inspector: StepInspector,
    settings: WaitSettings,
    identifiers: Sequence[Identifier],
    at_deadline: AtDeadline | None = None,
    *,
    fail_fast: bool,
) -> list[Execution]:
    """Return executions when all have ended; see `ImageBuilder.wait_all`."""
    async with Gathering(poller, inspector, settings, identifiers) as gathering:
        while await gathering.next_ended() is not None:
            if fail_fast and gathering.errors:
                gathering.collect_ended()
                break
        if at_deadline is not None:
            await gathering.settle(at_deadline)
        gathering.raise_errors()
        return [gathering.states[each] for each in identifiers]
