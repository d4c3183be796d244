"""Who waits in a world: how each is drawn, what it does with the library, and what it got."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

import anyio

from aioimagebuilder import Execution, ExecutionFailedError, ImageBuilder, WaitError, WaitGroupError
from randomized.executions import Truth


@dataclass(frozen=True, slots=True)
class Waiter:
    """A waiter, as drawn; times are seconds since the world began.

    Attributes:
        verb: which method it calls.
        identifiers: what it waits for.
        starts: when.
        timeout: its timeout.
        cadence: its own min_delay and max_delay; ``None`` for the client's.
        check: whether it wants failures raised.
        fail_fast: whether `wait_all` is to end with the first.
        cancelled_at: when it is cancelled.
        cancelled_on: at which event of the service it is cancelled.
        pause: what a slow consumer does between two states, in seconds.
        leaves_after: after how many states it stops iterating.
    """

    verb: str
    identifiers: tuple[str, ...]
    starts: float
    timeout: float | None
    cadence: tuple[float, float] | None
    check: bool
    fail_fast: bool
    cancelled_at: float | None
    cancelled_on: int | None
    pause: float
    leaves_after: int | None


@dataclass(slots=True)
class End:
    """How the wait for one execution ended.

    Attributes:
        at: when the consumer had it.
        asked: since when it had been waiting for it.
        index: the state of the truth that it was told as the last; ``None`` for an error.
        error: the error; ``None`` for a state.
        status: the status that it was told.
        raised: whether the state came as an ExecutionFailedError.
    """

    at: float
    asked: float
    index: int | None = None
    error: WaitError | None = None
    status: str | None = None
    raised: bool = False


@dataclass(slots=True)
class Record:
    """What became of a waiter.

    Attributes:
        waiter: who.
        began: when it began to wait.
        ended: when it was done; ``None`` while it is not.
        was_cancelled: whether its cancellation came through.
        cancel_called: when its cancellation was asked for.
        has_left: whether it stopped by itself before the end.
        ends: how each execution ended for it.
        seen: for a watch, the states it was shown: when, which, and its status.
        surprise: what it raised that no wait should.
    """

    waiter: Waiter
    began: float
    ended: float | None = None
    was_cancelled: bool = False
    cancel_called: float | None = None
    has_left: bool = False
    ends: dict[str, list[End]] = field(default_factory=dict)
    seen: list[tuple[float, int, str]] = field(default_factory=list)
    surprise: BaseException | None = None

    def end(self, identifier: str, end: End) -> None:
        """Take in that the wait for `identifier` has ended."""
        self.ends.setdefault(identifier, []).append(end)


def told(execution: Execution) -> tuple[int, str]:
    """Get which state of the truth an execution shows, and its status."""
    reason = execution.reason
    assert reason is not None, f"{execution.id} lost its reason"
    return int(reason.removeprefix("#")), str(execution.status)


class Consumers:
    """The waiters of a world at work.

    Args:
        ib: the client.
        now: the clock.
    """

    def __init__(self, ib: ImageBuilder, now: Callable[[], float]) -> None:
        self._ib = ib
        self._now = now
        self.records: list[Record] = []
        self.active = 0
        self.is_closed = False

    async def run(self, waiter: Waiter, hooks: dict[int, Callable[[], None]]) -> None:
        """Let `waiter` wait, from its start to its end."""
        await anyio.sleep(waiter.starts - self._now())
        if self.is_closed:
            return
        record = Record(waiter, self._now())
        self.records.append(record)
        with anyio.CancelScope() as scope:
            if waiter.cancelled_at is not None:
                scope.deadline = anyio.current_time() + waiter.cancelled_at - self._now()
            if waiter.cancelled_on is not None:
                hooks[waiter.cancelled_on] = lambda: self._cancel(record, scope)
            self.active += 1
            try:
                await _VERBS[waiter.verb](self, record)
            except Exception as error:  # noqa: BLE001 - the invariants tell of it
                record.surprise = error
            finally:
                self.active -= 1
                record.ended = self._now()
        record.was_cancelled = scope.cancelled_caught
        if scope.cancel_called and record.cancel_called is None:
            record.cancel_called = waiter.cancelled_at

    def _cancel(self, record: Record, scope: anyio.CancelScope) -> None:
        if record.ended is None:
            record.cancel_called = self._now()
            scope.cancel()

    def _options(self, waiter: Waiter) -> dict[str, Any]:
        if waiter.cadence is None:
            return {"timeout": waiter.timeout}
        return {
            "timeout": waiter.timeout,
            "min_delay": waiter.cadence[0],
            "max_delay": waiter.cadence[1],
        }

    def _state(self, record: Record, execution: Execution, asked: float, *, raised: bool = False) -> None:
        index, status = told(execution)
        record.end(execution.id, End(self._now(), asked, index, status=status, raised=raised))

    def _error(self, record: Record, error: WaitError, asked: float) -> None:
        if isinstance(error, ExecutionFailedError):
            self._state(record, error.execution, asked, raised=True)
        else:
            record.end(error.identifier, End(record.began + error.elapsed, asked, error=error))

    async def wait(self, record: Record) -> None:
        """`wait` for one execution."""
        waiter = record.waiter
        try:
            execution = await self._ib.wait(
                waiter.identifiers[0], check=waiter.check, **self._options(waiter)
            )
        except WaitError as error:
            self._error(record, error, record.began)
        else:
            self._state(record, execution, record.began)

    async def watch(self, record: Record) -> None:
        """`watch` one execution."""
        waiter = record.waiter
        asked = record.began
        try:
            async with self._ib.watch(waiter.identifiers[0], **self._options(waiter)) as watch:
                async for execution in watch:
                    record.seen.append((self._now(), *told(execution)))
                    if execution.is_terminal:
                        self._state(record, execution, asked)
                    if len(record.seen) == waiter.leaves_after:
                        record.has_left = True
                        return
                    if waiter.pause:
                        await anyio.sleep(waiter.pause)
                    asked = self._now()
        except WaitError as error:
            self._error(record, error, asked)

    async def wait_all(self, record: Record) -> None:
        """`wait_all` for several."""
        waiter = record.waiter
        began = record.began
        try:
            executions = await self._ib.wait_all(
                waiter.identifiers,
                check=waiter.check,
                fail_fast=waiter.fail_fast,
                **self._options(waiter),
            )
        except WaitGroupError as group:
            for error in group.exceptions:
                self._error(record, error, began)
            for identifier, state in zip(waiter.identifiers, group.executions, strict=True):
                if identifier not in record.ends and state is not None and state.is_terminal:
                    self._state(record, state, began)
        else:
            assert [each.id for each in executions] == list(waiter.identifiers)
            for execution in dict.fromkeys(executions):
                self._state(record, execution, began)

    async def as_completed(self, record: Record) -> None:
        """Take each of several `as_completed`."""
        waiter = record.waiter
        asked = record.began
        taken = 0
        try:
            async with self._ib.as_completed(waiter.identifiers, **self._options(waiter)) as completed:
                async for execution in completed:
                    self._state(record, execution, asked)
                    taken += 1
                    if taken == waiter.leaves_after:
                        record.has_left = True
                        return
                    if waiter.pause:
                        await anyio.sleep(waiter.pause)
                    asked = self._now()
        except WaitGroupError as group:
            for error in group.exceptions:
                self._error(record, error, asked)


_VERBS: Final[Mapping[str, Callable[[Consumers, Record], Awaitable[None]]]] = {
    "wait": Consumers.wait,
    "watch": Consumers.watch,
    "wait_all": Consumers.wait_all,
    "as_completed": Consumers.as_completed,
}


def draw_waiter(dice: Random, executions: Sequence[Truth], span: float) -> Waiter:
    """Draw a waiter for some of `executions`."""
    verb = dice.choices(("wait", "watch", "wait_all", "as_completed"), (2, 1, 3, 2))[0]
    identifiers = _draw_identifiers(dice, executions, verb)
    timeout = dice.choice((None, None, None, None, 0.0, dice.uniform(0, 30), dice.uniform(0, 2 * span)))
    min_delay = dice.choice((1.0, dice.uniform(2, 15), dice.uniform(2, 15)))
    cancelled_at, cancelled_on = None, None
    starts = dice.choice((0.0, 0.0, round(dice.uniform(0, span)), dice.uniform(0, span)))
    match dice.randrange(12):
        case 0:
            cancelled_at = starts + dice.choice((0.0, dice.uniform(0, span)))
        case 1:
            cancelled_on = dice.randrange(1, 20 + 4 * len(executions))
    known = {each.identifier: each for each in executions}
    if any(known[each].ends_at is None for each in identifiers if known[each].states) and timeout is None:
        timeout = dice.uniform(0, 2 * span)
    check = dice.random() < 0.5
    return Waiter(
        verb=verb,
        identifiers=identifiers,
        starts=starts,
        timeout=timeout,
        cadence=None if dice.random() < 0.8 else (min_delay, min_delay * dice.uniform(1, 8)),
        check=check,
        fail_fast=check and dice.random() < 0.2,
        cancelled_at=cancelled_at,
        cancelled_on=cancelled_on,
        pause=dice.choice((0.0, 0.0, 0.0, dice.uniform(0, 5 if len(identifiers) > 10 else 90))),
        leaves_after=dice.randrange(1, 4) if dice.random() < 0.05 else None,
    )


def _draw_identifiers(dice: Random, executions: Sequence[Truth], verb: str) -> tuple[str, ...]:
    if verb in {"wait", "watch"}:
        return (dice.choice(executions).identifier,)
    # Neighbours belong together: a gathering is of some families, or of anything at all.
    count = dice.choice((1, 3, 10, len(executions) // 2, len(executions)))
    count = max(1, min(count, len(executions)))
    if dice.random() < 0.5:
        first = dice.randrange(len(executions) - count + 1)
        chosen = [each.identifier for each in executions[first : first + count]]
    else:
        chosen = [each.identifier for each in dice.sample(executions, count)]
    if dice.random() < 0.1:
        chosen.append(dice.choice(chosen))
    return tuple(chosen)
