"""A task that may outlive the task which starts it, with an owner that ends it.

anyio has none: its task groups must be left by the task that entered them. A client cannot promise that:
pytest-asyncio and web frameworks open and close it in different tasks. So this one room speaks to the event
loops themselves. The task inside is free to use anyio as it likes.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from contextvars import Context, copy_context
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["BackgroundTask", "running_trio"]


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


def running_trio() -> ModuleType | None:
    """Get the trio module if this task runs on trio: then, and only then, it is imported already."""
    trio = sys.modules.get("trio")
    return trio if trio is not None and trio.lowlevel.in_trio_run() else None
