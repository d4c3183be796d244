"""Runs a scenario: the real client on virtual time, with the scripted service."""

from __future__ import annotations

import hashlib
import logging
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

import anyio

from aioimagebuilder import ImageBuilder, SqsHints
from randomized.clock import describe_leftovers, event_loop_clock, run_reproducibly
from randomized.events import EventChecker
from randomized.scenarios import Scenario, draw_scenario
from randomized.service import Call, Service
from randomized.waiters import Record, WaiterRunner
from support.scripted_queue import URL

# Cancelled calls end in the next step of the event loop.
_CANCELLATION_TIME = 1e-9
_IDLE_TIME = 10_000.0


@dataclass(repr=False)
class History:
    """What happened in a scenario.

    Attributes:
        scenario: The scenario.
        calls: The calls that were sent.
        records: What happened to each waiter.
        unneeded_calls: The calls that were sent while nothing was awaited.
        leftovers: What remained after the last waiter; ``None`` if nothing did.
        closed_at: When the client was closed during the waits; ``None`` if it was closed after them.
        hung_waiters: The number of waiters that had not ended by the horizon of the scenario.
        events: What was wrong with the events.
    """

    scenario: Scenario
    calls: list[Call]
    records: list[Record]
    unneeded_calls: list[Call]
    leftovers: str | None = None
    closed_at: float | None = None
    hung_waiters: int = 0
    events: EventChecker = field(default_factory=EventChecker)

    @property
    def wait_count(self) -> int:
        """The number of waits: one for each execution of each waiter."""
        return sum(len(set(record.waiter.identifiers)) for record in self.records)

    @property
    def outcomes(self) -> Counter[str]:
        """The number of waits for each outcome."""
        counts: Counter[str] = Counter()
        for record in self.records:
            for results in record.results.values():
                error = results[0].error
                counts["terminal state" if error is None else type(error).__name__] += 1
            without_result = len(set(record.waiter.identifiers)) - len(record.results)
            if without_result:
                counts["cancelled" if record.was_cancelled else "stopped early"] += without_result
        return counts

    @property
    def trace(self) -> str:
        """A digest of everything that happened, and when."""
        digest = hashlib.sha256()
        for call in self.calls:
            parts = (call.operation, call.argument, call.first_row, call.sent_at, call.answered_at)
            digest.update(repr(parts).encode())
        for record in self.records:
            digest.update(repr((record.started, record.ended, record.watched)).encode())
            for identifier, results in record.results.items():
                received = [(each.received_at, each.index, str(each.error)) for each in results]
                digest.update(repr((identifier, received)).encode())
        return digest.hexdigest()


def run_scenario(seed: int, backend: str = "asyncio", *, wall_clock_jumps: bool = False) -> History:
    """Run the scenario of a seed."""
    scenario = draw_scenario(seed)
    with _muted_log(), _wall_clock(seed, jumps=wall_clock_jumps):
        try:
            return run_reproducibly(backend, seed, lambda: _run(scenario, backend))
        except RuntimeError as error:
            error.add_note(replay_command(seed, backend))
            raise


def replay_command(seed: int, backend: str) -> str:
    """Return the command that runs one scenario again."""
    return f"make randomized SEED={seed} BACKEND={backend}"


async def _run(scenario: Scenario, backend: str) -> History:
    now = event_loop_clock(backend)
    service = Service(scenario, now)
    min_delay, max_delay = scenario.cadence
    grace = scenario.not_found_grace
    events = EventChecker()
    options: dict[str, Any] = {"on_event": events}
    if scenario.hints is not None:
        options["hints"] = SqsHints(URL, client=scenario.hints.open_queue(now))
        options["hinted_max_delay"] = scenario.hints.max_delay
    ib = ImageBuilder(
        client=service, min_delay=min_delay, max_delay=max_delay, not_found_grace=grace, **options
    )
    runner = WaiterRunner(ib, now)
    service.has_waiters = lambda: runner.active > 0
    history = History(scenario, service.calls, runner.records, service.unneeded_calls, events=events)
    async with ib:
        poller = ib._parts.poller
        with anyio.move_on_after(scenario.horizon) as scope:
            async with anyio.create_task_group() as tasks:
                for waiter in scenario.waiters:
                    tasks.start_soon(runner.run, waiter, service.hooks)
                if scenario.closes_at is not None:
                    await anyio.sleep(scenario.closes_at)
                    history.closed_at = now()
                    runner.is_closed = True
                    await ib.aclose()
        if scope.cancelled_caught:
            history.hung_waiters = sum(record.ended == now() for record in runner.records)
        await anyio.sleep(_CANCELLATION_TIME)
        sent = len(service.calls)
        await anyio.sleep(_IDLE_TIME)
        if len(service.calls) != sent:
            history.leftovers = f"{len(service.calls) - sent} calls sent after the last waiter"
        elif service.in_flight:
            history.leftovers = f"{service.in_flight} calls in flight"
        elif not poller.is_idle:
            history.leftovers = "a poller that is not idle"
        else:
            history.leftovers = describe_leftovers(backend)
    events.finish()
    return history


@contextmanager
def _wall_clock(seed: int, *, jumps: bool) -> Iterator[None]:
    """Let the wall clock jump by days whenever it is read, if `jumps`."""
    if not jumps:
        yield
        return
    rng = Random(seed)
    real = time.time
    time.time = lambda: real() + rng.uniform(-1e6, 1e6)
    try:
        yield
    finally:
        time.time = real


@contextmanager
def _muted_log() -> Iterator[None]:
    # Only for the scenario: other tests of the same run check what is logged.
    log = logging.getLogger("aioimagebuilder")
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(level)
