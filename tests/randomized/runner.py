"""Runs a world: the real client over the scripted service, on virtual time."""

from __future__ import annotations

import hashlib
import logging
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random

import anyio

from aioimagebuilder import ImageBuilder
from randomized.clock import clock, leftovers, run_reproducibly
from randomized.scenarios import World, draw_world
from randomized.service import Call, Service
from randomized.waiters import Consumers, Record

_SHORTLY = 1e-9
_LONG_AFTER = 10_000.0


@dataclass(repr=False)
class History:
    """What happened in a world.

    Attributes:
        world: the world.
        calls: every call that was sent.
        records: what became of each waiter.
        unwanted: the calls that were made while nobody waited.
        left: what was left behind; ``None`` if nothing was.
        closed_at: when the client was closed; ``None`` if it was not, before all were done.
        hung: how many still waited when all must have ended.
    """

    world: World
    calls: list[Call]
    records: list[Record]
    unwanted: list[Call]
    left: str | None = None
    closed_at: float | None = None
    hung: int = 0

    @property
    def waits(self) -> int:
        """How many waits there were: one for each execution that a waiter waited for."""
        return sum(len(set(record.waiter.identifiers)) for record in self.records)

    @property
    def ends(self) -> Counter[str]:
        """How the waits ended."""
        found: Counter[str] = Counter()
        for record in self.records:
            for ends in record.ends.values():
                error = ends[0].error
                found["told" if error is None else type(error).__name__] += 1
            left = len(set(record.waiter.identifiers)) - len(record.ends)
            if left:
                found["cancelled" if record.was_cancelled else "left early"] += left
        return found

    @property
    def trace(self) -> str:
        """A digest of all that happened, and when."""
        digest = hashlib.sha256()
        for call in self.calls:
            digest.update(repr((call.operation, call.argument, call.page, call.began, call.ended)).encode())
        for record in self.records:
            digest.update(repr((record.began, record.ended, record.seen)).encode())
            for identifier, ends in record.ends.items():
                told = [(end.at, end.index, str(end.error)) for end in ends]
                digest.update(repr((identifier, told)).encode())
        return digest.hexdigest()


def run_world(seed: int, backend: str = "asyncio", *, wall_clock_jumps: bool = False) -> History:
    """Draw the world of a seed, and run it to its end."""
    world = draw_world(seed)
    with _quiet_log(), _wall_clock(seed, jumps=wall_clock_jumps):
        try:
            return run_reproducibly(backend, seed, lambda: _live(world, backend))
        except RuntimeError as error:
            error.add_note(replay_command(seed, backend))
            raise


def replay_command(seed: int, backend: str) -> str:
    """Get the command that runs one world again."""
    return f"make randomized SEED={seed} BACKEND={backend}"


async def _live(world: World, backend: str) -> History:
    now = clock(backend)
    service = Service(
        world.executions,
        list(world.faults),
        Random(world.seed),
        now,
        latency=world.latency,
        page=world.page,
        rate=world.rate,
    )
    ib = ImageBuilder(
        client=service,
        min_delay=world.cadence[0],
        max_delay=world.cadence[1],
        not_found_grace=world.not_found_grace,
    )
    consumers = Consumers(ib, now)
    service.may_call = lambda: consumers.active > 0
    history = History(world, service.calls, consumers.records, service.unwanted)
    async with ib:
        poller = ib._parts.poller
        with anyio.move_on_after(world.horizon) as scope:
            async with anyio.create_task_group() as tasks:
                for waiter in world.waiters:
                    tasks.start_soon(consumers.run, waiter, service.hooks)
                if world.closes_at is not None:
                    await anyio.sleep(world.closes_at)
                    history.closed_at = now()
                    consumers.is_closed = True
                    await ib.aclose()
        if scope.cancelled_caught:
            history.hung = sum(record.ended == now() for record in consumers.records)
        # What the last waiter leaves in flight is cancelled with it, at the next step of the event loop.
        await anyio.sleep(_SHORTLY)
        calls = len(service.calls)
        await anyio.sleep(_LONG_AFTER)
        if len(service.calls) != calls:
            history.left = f"{len(service.calls) - calls} calls after the last waiter had left"
        elif service.in_flight:
            history.left = f"{service.in_flight} calls on their way"
        elif not poller.is_idle:
            history.left = "a poller that is not idle"
        else:
            history.left = leftovers(backend)
    return history


@contextmanager
def _wall_clock(seed: int, *, jumps: bool) -> Iterator[None]:
    """Let the wall clock jump by days each time that anybody looks at it, while the world lasts."""
    if not jumps:
        yield
        return
    dice = Random(seed)
    real = time.time
    time.time = lambda: real() + dice.uniform(-1e6, 1e6)
    try:
        yield
    finally:
        time.time = real


@contextmanager
def _quiet_log() -> Iterator[None]:
    # For the world alone: other tests of the same run want to see what is logged.
    log = logging.getLogger("aioimagebuilder")
    before = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(before)
