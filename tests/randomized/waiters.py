"""The waiters of a scenario: how they are drawn, how they use the library, and what they receive."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

import anyio

from aioimagebuilder import Execution, ExecutionFailedError, ImageBuilder, WaitError, WaitGroupError
from randomized.executions import ScriptedExecution


@dataclass(frozen=True, slots=True)
class Waiter:
    """A waiter: when it waits for what, and the options `timeout`, `check` and `fail_fast`.

    Attributes:
        method: The method that it calls.
        identifiers: What it waits for.
        starts: When it starts to wait, in seconds since the start of the scenario.
        cadence: Its own min_delay and max_delay; ``None`` for the client's.
        cancelled_at: When it is cancelled.
        cancelled_at_event: The number of the event of the service at which it is cancelled.
        pause: The seconds that it takes to process a state.
        stops_after: The number of states after which it stops to iterate.
    """

    method: str
    identifiers: tuple[str, ...]
    starts: float
    timeout: float | None
    cadence: tuple[float, float] | None
    check: bool
    fail_fast: bool
    cancelled_at: float | None
    cancelled_at_event: int | None
    pause: float
    stops_after: int | None


@dataclass(slots=True)
class Result:
    """The result of the wait for one execution.

    Attributes:
        received_at: When the waiter received it.
        requested_at: When the waiter started to wait for it.
        index: The index of the last state; ``None`` for an error.
        error: The error; ``None`` for a state.
        status: The status of the last state.
        was_raised: Whether the state was raised as an ExecutionFailedError.
    """

    received_at: float
    requested_at: float
    index: int | None = None
    error: WaitError | None = None
    status: str | None = None
    was_raised: bool = False


@dataclass(slots=True)
class Record:
    """What happened to a waiter.

    Attributes:
        waiter: The waiter.
        started: When it started to wait.
        ended: When it ended; ``None`` if it has not.
        was_cancelled: Whether a cancellation ended it.
        cancel_requested_at: When its cancellation was requested.
        has_stopped: Whether it stopped to iterate by itself.
        results: The results for each execution.
        watched: The states that a watch received: the time, the index and the status.
        unexpected_error: An exception that no wait should raise.
    """

    waiter: Waiter
    started: float
    ended: float | None = None
    was_cancelled: bool = False
    cancel_requested_at: float | None = None
    has_stopped: bool = False
    results: dict[str, list[Result]] = field(default_factory=dict)
    watched: list[tuple[float, int, str]] = field(default_factory=list)
    unexpected_error: BaseException | None = None

    def add_result(self, identifier: str, result: Result) -> None:
        """Add the result for an execution."""
        self.results.setdefault(identifier, []).append(result)


def _index_and_status(execution: Execution) -> tuple[int, str]:
    reason = execution.reason
    assert reason is not None, f"{execution.id} lost its reason"
    return int(reason.removeprefix("#")), str(execution.status)


class WaiterRunner:
    """Runs the waiters of a scenario, and records what happens to them.

    Args:
        ib: The client.
        now: The clock.
    """

    def __init__(self, ib: ImageBuilder, now: Callable[[], float]) -> None:
        self._ib = ib
        self._now = now
        self.records: list[Record] = []
        self.active = 0
        self.is_closed = False

    async def run(self, waiter: Waiter, hooks: dict[int, Callable[[], None]]) -> None:
        """Run `waiter` from its start to its end."""
        await anyio.sleep(waiter.starts - self._now())
        if self.is_closed:
            return
        record = Record(waiter, self._now())
        self.records.append(record)
        with anyio.CancelScope() as scope:
            if waiter.cancelled_at is not None:
                scope.deadline = anyio.current_time() + waiter.cancelled_at - self._now()
            if waiter.cancelled_at_event is not None:
                hooks[waiter.cancelled_at_event] = lambda: self._cancel(record, scope)
            self.active += 1
            try:
                await _METHODS[waiter.method](self, record)
            except Exception as error:  # noqa: BLE001 - the invariants report it
                record.unexpected_error = error
            finally:
                self.active -= 1
                record.ended = self._now()
        record.was_cancelled = scope.cancelled_caught
        if scope.cancel_called and record.cancel_requested_at is None:
            record.cancel_requested_at = waiter.cancelled_at

    def _cancel(self, record: Record, scope: anyio.CancelScope) -> None:
        if record.ended is None:
            record.cancel_requested_at = self._now()
            scope.cancel()

    def _options(self, waiter: Waiter) -> dict[str, Any]:
        options: dict[str, Any] = {"timeout": waiter.timeout}
        if waiter.cadence is not None:
            options["min_delay"], options["max_delay"] = waiter.cadence
        return options

    def _add_state(
        self, record: Record, execution: Execution, requested_at: float, *, was_raised: bool = False
    ) -> None:
        index, status = _index_and_status(execution)
        result = Result(self._now(), requested_at, index, status=status, was_raised=was_raised)
        record.add_result(execution.id, result)

    def _add_error(self, record: Record, error: WaitError, requested_at: float) -> None:
        if isinstance(error, ExecutionFailedError):
            self._add_state(record, error.execution, requested_at, was_raised=True)
        else:
            result = Result(record.started + error.elapsed, requested_at, error=error)
            record.add_result(error.identifier, result)

    async def wait(self, record: Record) -> None:
        """Call `wait` for one execution."""
        waiter = record.waiter
        try:
            execution = await self._ib.wait(
                waiter.identifiers[0], check=waiter.check, **self._options(waiter)
            )
        except WaitError as error:
            self._add_error(record, error, record.started)
        else:
            self._add_state(record, execution, record.started)

    async def watch(self, record: Record) -> None:
        """Iterate `watch` for one execution."""
        waiter = record.waiter
        requested_at = record.started
        try:
            async with self._ib.watch(waiter.identifiers[0], **self._options(waiter)) as watch:
                async for execution in watch:
                    record.watched.append((self._now(), *_index_and_status(execution)))
                    if execution.is_terminal:
                        self._add_state(record, execution, requested_at)
                    if len(record.watched) == waiter.stops_after:
                        record.has_stopped = True
                        return
                    if waiter.pause:
                        await anyio.sleep(waiter.pause)
                    requested_at = self._now()
        except WaitError as error:
            self._add_error(record, error, requested_at)

    async def wait_all(self, record: Record) -> None:
        """Call `wait_all` for several executions."""
        waiter = record.waiter
        started = record.started
        try:
            executions = await self._ib.wait_all(
                waiter.identifiers, check=waiter.check, fail_fast=waiter.fail_fast, **self._options(waiter)
            )
        except WaitGroupError as group:
            for error in group.exceptions:
                self._add_error(record, error, started)
            for identifier, state in zip(waiter.identifiers, group.executions, strict=True):
                if identifier not in record.results and state is not None and state.is_terminal:
                    self._add_state(record, state, started)
        else:
            assert [each.id for each in executions] == list(waiter.identifiers)
            for execution in dict.fromkeys(executions):
                self._add_state(record, execution, started)

    async def as_completed(self, record: Record) -> None:
        """Iterate `as_completed` for several executions."""
        waiter = record.waiter
        requested_at = record.started
        received = 0
        try:
            async with self._ib.as_completed(waiter.identifiers, **self._options(waiter)) as completed:
                async for execution in completed:
                    self._add_state(record, execution, requested_at)
                    received += 1
                    if received == waiter.stops_after:
                        record.has_stopped = True
                        return
                    if waiter.pause:
                        await anyio.sleep(waiter.pause)
                    requested_at = self._now()
        except WaitGroupError as group:
            for error in group.exceptions:
                self._add_error(record, error, requested_at)


_METHODS: Final[Mapping[str, Callable[[WaiterRunner, Record], Awaitable[None]]]] = {
    "wait": WaiterRunner.wait,
    "watch": WaiterRunner.watch,
    "wait_all": WaiterRunner.wait_all,
    "as_completed": WaiterRunner.as_completed,
}


def draw_waiter(rng: Random, executions: Sequence[ScriptedExecution], span: float) -> Waiter:
    """Draw a waiter for some of `executions`, which starts within `span` seconds."""
    method = rng.choices(("wait", "watch", "wait_all", "as_completed"), (2, 1, 3, 2))[0]
    identifiers = _draw_identifiers(rng, executions, method)
    timeout = rng.choice((None, None, None, None, 0.0, rng.uniform(0, 30), rng.uniform(0, 2 * span)))
    min_delay = rng.choice((1.0, rng.uniform(2, 15), rng.uniform(2, 15)))
    cancelled_at, cancelled_at_event = None, None
    starts = rng.choice((0.0, 0.0, round(rng.uniform(0, span)), rng.uniform(0, span)))
    match rng.randrange(12):
        case 0:
            cancelled_at = starts + rng.choice((0.0, rng.uniform(0, span)))
        case 1:
            cancelled_at_event = rng.randrange(1, 20 + 4 * len(executions))
    by_id = {each.identifier: each for each in executions}
    if timeout is None and any(by_id[each].states and by_id[each].ends_at is None for each in identifiers):
        timeout = rng.uniform(0, 2 * span)
    check = rng.random() < 0.5
    return Waiter(
        method=method,
        identifiers=identifiers,
        starts=starts,
        timeout=timeout,
        cadence=None if rng.random() < 0.8 else (min_delay, min_delay * rng.uniform(1, 8)),
        check=check,
        fail_fast=check and rng.random() < 0.2,
        cancelled_at=cancelled_at,
        cancelled_at_event=cancelled_at_event,
        pause=rng.choice((0.0, 0.0, 0.0, rng.uniform(0, 5 if len(identifiers) > 10 else 90))),
        stops_after=rng.randrange(1, 4) if rng.random() < 0.05 else None,
    )


def _draw_identifiers(rng: Random, executions: Sequence[ScriptedExecution], method: str) -> tuple[str, ...]:
    if method in {"wait", "watch"}:
        return (rng.choice(executions).identifier,)
    count = rng.choice((1, 3, 10, len(executions) // 2, len(executions)))
    count = max(1, min(count, len(executions)))
    if rng.random() < 0.5:
        # Adjacent executions have the same parent, and can be read by one list.
        first = rng.randrange(len(executions) - count + 1)
        chosen = [each.identifier for each in executions[first : first + count]]
    else:
        chosen = [each.identifier for each in rng.sample(executions, count)]
    if rng.random() < 0.1:
        chosen.append(rng.choice(chosen))
    return tuple(chosen)
