"""The two things that anyio has not, and that this one room asks of the event loops themselves.

`BackgroundTask` may outlive the task that starts it, and has an owner that ends it. anyio's task groups must
be left by the task that entered them, and a client cannot promise that: pytest-asyncio and web frameworks
open and close it in different tasks. The task inside is free to use anyio as it likes.

`Signal` is an event for one waiter, once: ten thousand waits hold ten thousand of them, and anyio's own event
weighs a kilobyte on asyncio.
"""

from __future__ import annotations

import asyncio
import math
import sys
from collections.abc import Awaitable, Callable
from contextvars import Context, copy_context
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["BackgroundTask", "Signal", "current_time", "running_trio"]


class BackgroundTask:
    """Runs `function` in a task of its own, until it returns or the owner calls `aclose`.

    It runs in the context of the task that made this object, not of the one that happens to start it.

    Args:
        function: takes no argument; it must not raise, since nobody awaits it.
    """

    def __init__(self, function: Callable[[], Awaitable[None]]) -> None:
        self._function = function
        self._context: Context = copy_context()
        self._scope: anyio.CancelScope | None = None
        self._ended: anyio.Event | None = None
        self._asyncio_task: asyncio.Task[None] | None = None

    @property
    def is_running(self) -> bool:
        """Whether the task has been started and has not ended yet."""
        return self._ended is not None

    def start(self) -> None:
        """Start the task, if it does not run already. It can be started again after it has ended."""
        if self.is_running:
            return
        self._scope = anyio.CancelScope()
        self._ended = anyio.Event()
        if (trio := running_trio()) is not None:
            trio.lowlevel.spawn_system_task(self._run, context=self._context.copy(), name=self._name)
        else:
            # The loop itself holds tasks weakly.
            self._asyncio_task = asyncio.get_running_loop().create_task(
                self._run(), context=self._context.copy(), name=self._name
            )

    async def aclose(self) -> None:
        """Cancel the task and wait until it has ended."""
        if self._scope is not None and self._ended is not None:
            ended = self._ended
            self._scope.cancel()
            with anyio.CancelScope(shield=True):
                await ended.wait()

    @property
    def _name(self) -> str:
        return getattr(self._function, "__qualname__", repr(self._function))

    async def _run(self) -> None:
        scope, ended = self._scope, self._ended
        assert scope is not None  # noqa: S101 - for the type checker: start() has set both
        assert ended is not None  # noqa: S101
        try:
            with scope:
                await self._function()
        finally:
            self._scope = self._ended = self._asyncio_task = None
            ended.set()


class Signal:
    """Lets one task wait until another sets it, or a time comes, once."""

    __slots__ = ("_future", "_is_set", "_task", "_timer")

    def __init__(self) -> None:
        self._is_set = False
        self._future: asyncio.Future[None] | None = None
        self._task: object = None
        self._timer: asyncio.TimerHandle | None = None

    def set(self) -> None:
        """Let the waiting task go on."""
        if self._is_set:
            return
        self._is_set = True
        if self._future is not None:
            # Done already if the waiting task has been cancelled, and has not run since.
            if not self._future.done():
                self._future.set_result(None)
        elif self._task is not None and (trio := running_trio()) is not None:
            trio.lowlevel.reschedule(self._task)
            self._task = None

    async def wait(self, until: float = math.inf) -> None:
        """Wait until it is set, or until that time of `current_time`."""
        if self._is_set:
            return
        if (trio := running_trio()) is None:
            loop = asyncio.get_running_loop()
            self._future = loop.create_future()
            if until != math.inf:
                self._timer = loop.call_at(until, self._set_at, until)
            try:
                await self._future
            finally:
                if self._timer is not None:
                    self._timer.cancel()
            return
        self._task = trio.lowlevel.current_task()

        def abort(_: object) -> object:
            self._task = None
            return trio.lowlevel.Abort.SUCCEEDED

        with trio.CancelScope(deadline=until):
            await trio.lowlevel.wait_task_rescheduled(abort)

    def _set_at(self, until: float) -> None:
        # asyncio's timers go off early, by as much as the resolution of the clock. Whoever looks at the clock
        # after the wait would only begin it anew.
        loop = asyncio.get_running_loop()
        if loop.time() < until:
            self._timer = loop.call_at(until, self._set_at, until)
        else:
            self.set()


def current_time() -> float:
    """Get what `anyio.current_time` gives, at a fraction of its price: each poll asks several times."""
    trio = running_trio()
    now: float = asyncio.get_running_loop().time() if trio is None else trio.current_time()
    return now


def running_trio() -> ModuleType | None:
    """Get the trio module if this task runs on trio: then, and only then, it is imported already."""
    trio = sys.modules.get("trio")
    return trio if trio is not None and trio.lowlevel.in_trio_run() else None
