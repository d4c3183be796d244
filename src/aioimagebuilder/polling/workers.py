"""The tasks that make the poller's calls, as leader and followers.

The leader waits for the next call and makes it itself, having appointed a follower in its place if anything
else can fall due meanwhile. So a single wait needs one task alone, and no poll waits for another's answer.
"""

from __future__ import annotations

from typing import Protocol

import anyio
from anyio.abc import TaskGroup

from ..aws.event_loops import Signal
from .flights import Flight

__all__ = ["Dispatcher", "Workers"]


class Dispatcher(Protocol):
    """Says what calls there are to make, and makes them."""

    @property
    def has_more(self) -> bool:
        """Whether another call may fall due before the newest one is answered."""

    async def next_flight(self) -> Flight | None:
        """Wait for the next call; ``None`` once there is nothing left to do."""

    async def fly(self, flight: Flight) -> None:
        """Make the call, and raise nothing but a cancellation."""

    def settle(self, flight: Flight) -> None:
        """Take in that the call is over, however it ended."""


class Workers:
    """Makes the calls of `dispatcher`, with as many tasks as there are calls on their way at once."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher: Dispatcher = dispatcher
        self._tasks: TaskGroup | None = None
        self._leader: _Worker | None = None
        self._followers: list[_Worker] = []

    async def run(self) -> None:
        """Make calls until there is nothing left to do."""
        self._followers.clear()
        self._leader = _Worker()
        try:
            async with anyio.create_task_group() as self._tasks:
                await self._work(self._leader)
        finally:
            self._tasks = None

    def appoint(self) -> None:
        """Let another task lead, if the leader is away with a call."""
        if self._leader is not None or self._tasks is None:
            return
        if self._followers:
            self._leader = self._followers.pop()
            self._leader.appointed.set()
        else:
            self._leader = _Worker()
            self._tasks.start_soon(self._work, self._leader)

    async def _work(self, worker: _Worker) -> None:
        # A task serves one flight after the other, and so does its scope as long as none is given up: to
        # start the one and to enter the other costs more than to poll.
        while True:
            with anyio.CancelScope() as scope:
                while not scope.cancel_called:
                    if self._leader is not worker:
                        worker.appointed = Signal()
                        self._followers.append(worker)
                        await worker.appointed.wait()
                    flight = await self._dispatcher.next_flight()
                    if flight is None:
                        assert self._tasks is not None  # noqa: S101 - for the type checker: it runs in them
                        self._tasks.cancel_scope.cancel()
                        return
                    flight.scope = scope
                    self._leader = None
                    if self._dispatcher.has_more:
                        self.appoint()
                    await self._make(flight, worker)

    async def _make(self, flight: Flight, worker: _Worker) -> None:
        try:
            await self._dispatcher.fly(flight)
        finally:
            # It leads again if no other does: what is scheduled in the settling need appoint nobody.
            self._leader = self._leader or worker
            self._dispatcher.settle(flight)


class _Worker:
    """A task, and what wakes it when it follows."""

    __slots__ = ("appointed",)

    def __init__(self) -> None:
        self.appointed: Signal = Signal()
