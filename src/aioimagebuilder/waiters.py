"""Wait, watch, wait for all, take each as it ends: what a caller does with subscriptions.

Nothing here polls, and nothing here owns a task: a consumer that stops listening only unsubscribes.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Final, Self, TypedDict, TypeVar, cast

import anyio
import anyio.lowlevel

from .errors import (
    ClientClosedError,
    ExecutionCancelledError,
    ExecutionFailedError,
    ExecutionNotFoundError,
    ImageDeletedError,
    ObservationError,
    OperationError,
    ResourceNotFoundException,
    WaitError,
    WaitGroupError,
    WaitTimeoutError,
    one_line,
)
from .executions import Execution
from .identifiers import Identifier
from .poller import Poller
from .schedule import Cadence
from .statuses import ImageStatus, Outcome
from .subscriptions import Ended, Mailbox, Subscription

__all__ = ["AsCompleted", "Gathering", "Watch", "error_of", "failure_of", "wait", "wait_all"]

X = TypeVar("X", bound=Execution)

# How long the last poll, the one on the deadline, may take before the wait ends without its answer.
_LAST_POLL_GRACE: Final = 10.0
_NO_ANSWER: Final = "no answer came in time."


class _Listener:
    """Subscriptions of one consumer, which end when it does, even where it just stops iterating."""

    __slots__ = ("_cadence", "_deadline", "_mailbox", "_patience", "_poller", "_subscriptions", "_timeout")

    def __init__(self, poller: Poller, cadence: Cadence, timeout: float | None) -> None:
        self._poller = poller
        self._cadence = cadence
        self._timeout = timeout
        self._deadline = math.inf
        self._patience = math.inf
        self._mailbox = Mailbox()
        self._subscriptions: dict[Identifier, Subscription] = {}

    def _subscribe(self, identifiers: Iterable[Identifier]) -> None:
        if self._timeout is not None:
            self._deadline = self._patience = anyio.current_time() + self._timeout
        for identifier in identifiers:
            self._subscriptions[identifier] = self._poller.subscribe(
                identifier, cadence=self._cadence, deadline=self._deadline, mailbox=self._mailbox
            )

    async def _next(self) -> Subscription:
        """Wait for a subscription that has a new state, or has ended."""
        while (subscription := self._mailbox.pop()) is None:
            if self._deadline == math.inf:
                await self._mailbox.wait()
                continue
            with anyio.CancelScope(deadline=self._patience) as scope:
                await self._mailbox.wait()
            if not scope.cancelled_caught:
                continue
            now = anyio.current_time()
            if self._patience == self._deadline:
                # From now, not from the deadline: a machine that slept past it has yet to make the last poll.
                self._patience = now + _LAST_POLL_GRACE
                continue
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

    __slots__ = ("_identifier", "_is_over")

    def __init__(
        self, poller: Poller, identifier: Identifier, cadence: Cadence, timeout: float | None
    ) -> None:
        super().__init__(poller, cadence, timeout)
        self._identifier = identifier
        self._is_over = False

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
            if execution is not None:
                return cast("X", execution)
            if self._is_over:
                raise error_of(subscription)


class Gathering(_Listener):
    """Several executions awaited at once, duplicates among them once.

    Attributes:
        states: the newest state of each, as far as one was seen.
        errors: why each of those that ended other than well did so.
    """

    __slots__ = ("_check", "_identifiers", "_is_subscribed", "errors", "states")

    def __init__(
        self,
        poller: Poller,
        identifiers: Iterable[Identifier],
        cadence: Cadence,
        timeout: float | None,
        *,
        check: bool,
    ) -> None:
        super().__init__(poller, cadence, timeout)
        self._identifiers = tuple(identifiers)
        self._check = check
        self._is_subscribed = False
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
            identifier = subscription.identifier
            execution = subscription.take()
            error: WaitError | None
            if execution is not None:
                self.states[identifier] = execution
                error = failure_of(subscription, execution) if self._check else None
            else:
                error = error_of(subscription)
            if error is not None:
                self.errors[identifier] = error
            if execution is None or execution.is_terminal:
                self._poller.unsubscribe(self._subscriptions.pop(identifier))
                return identifier
        return None

    def raise_errors(self) -> None:
        """Raise the errors, if there are any, as one group in the order given."""
        if not self.errors:
            return
        distinct = tuple(dict.fromkeys(self._identifiers))
        errors = [self.errors[each] for each in distinct if each in self.errors]
        what = "ended other than well" if self._check else "could not be awaited to the end"
        group = WaitGroupError(f"{len(errors)} of {len(distinct)} executions {what}", errors)
        group.executions = tuple(self.states.get(each) for each in self._identifiers)
        raise group


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
    poller: Poller, identifier: Identifier, cadence: Cadence, timeout: float | None, *, check: bool
) -> Execution:
    """Get the terminal state of one execution; see `ImageBuilder.wait`."""
    async with Gathering(poller, [identifier], cadence, timeout, check=check) as gathering:
        await gathering.next_ended()
        for error in gathering.errors.values():
            raise error
        return gathering.states[identifier]


async def wait_all(
    poller: Poller,
    identifiers: Sequence[Identifier],
    cadence: Cadence,
    timeout: float | None,
    *,
    check: bool,
    fail_fast: bool,
) -> list[Execution]:
    """Get the terminal states of many executions; see `ImageBuilder.wait_all`."""
    async with Gathering(poller, identifiers, cadence, timeout, check=check) as gathering:
        while await gathering.next_ended() is not None:
            if fail_fast and gathering.errors:
                break
        gathering.raise_errors()
        return [gathering.states[each] for each in identifiers]


_FAILURES: Final[Mapping[Outcome, type[ExecutionFailedError]]] = {
    Outcome.FAILED: ExecutionFailedError,
    Outcome.CANCELLED: ExecutionCancelledError,
}


def failure_of(subscription: Subscription, execution: Execution) -> ExecutionFailedError | None:
    """Get the error that a terminal `execution` is; ``None`` for one that is no failure."""
    cls = None if execution.outcome is None else _FAILURES.get(execution.outcome)
    if cls is None:
        return None
    if execution.status == ImageStatus.DELETED:
        cls = ImageDeletedError
    reason = f": {execution.reason}" if execution.reason else ", and the service gives no reason"
    message = f"{_name(subscription)} is {execution.status}{reason}"
    return cls(one_line(message), **_facts(subscription, execution))


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
    seen = "never seen" if history.seen is None else f"last seen {history.seen.status}"
    cls: type[WaitError]
    if subscription.ended is Ended.CLOSED:
        cls, what = ClientClosedError, f"({seen}) is not awaited any more: the client was closed"
    elif failure is not None or history.seen is None:
        # Within the grace of a young id, only the last poll of all has the last word.
        is_last = failure is not None or history.failed_at >= subscription.deadline
        missing = is_last and isinstance(cause, ResourceNotFoundException)
        cls = ExecutionNotFoundError if missing else ObservationError
        what = f"cannot be observed ({seen}): {cause or _NO_ANSWER}"
    elif history.is_blind(subscription.ended_at, subscription.cadence):
        cls, what = ObservationError, f"could not be observed any more ({seen}): {cause or _NO_ANSWER}"
    else:
        cls, what = WaitTimeoutError, f"is still {history.seen.status}, and goes on at AWS"
    facts = _facts(subscription, history.seen)
    error = cls(one_line(f"{_name(subscription)} {what} ({_effort(facts)})"), **facts)
    error.__cause__ = cause
    return error


class _Facts(TypedDict):
    identifier: str
    execution: Execution | None
    elapsed: float
    polls: int
    throttles: int


def _facts(subscription: Subscription, execution: Execution | None) -> _Facts:
    return {
        "identifier": subscription.identifier.value,
        "execution": execution,
        "elapsed": min(subscription.ended_at, anyio.current_time()) - subscription.started,
        "polls": subscription.polls,
        "throttles": subscription.throttles,
    }


def _effort(facts: _Facts) -> str:
    throttled = f", {facts['throttles']} throttled" if facts["throttles"] else ""
    return f"after {facts['elapsed']:.0f} s, {facts['polls']} polls{throttled}"


def _name(subscription: Subscription) -> str:
    identifier = subscription.identifier
    return f"{identifier.kind.value.capitalize()} {identifier}"
