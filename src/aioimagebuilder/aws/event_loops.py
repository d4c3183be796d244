"""What anyio does not offer: background tasks with an owner, and the event loop to which a client belongs.

A client may be opened and closed in different tasks: pytest-asyncio and web frameworks do that. anyio
requires that the task which enters a task group also leaves it, so a client cannot hold one open. A
`BackgroundTask` can outlive the task that starts it, and is cancelled by its owner. Inside it, anyio can be
used without restriction.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from contextvars import Context, copy_context
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar, cast

import anyio
from anyio.lowlevel import current_token

if TYPE_CHECKING:
    from trio.lowlevel import TrioToken

F = TypeVar("F", bound=Callable[..., Any])


class BackgroundTask:
    """Runs `function` in its own task until it returns or the owner calls `aclose`.

    It runs in the context in which this object was created, not in the context of the task that starts it.

    Args:
        function: Takes no arguments. It must not raise, since nothing awaits it.
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
        """Start the task unless it is running. It can be started again after it has ended."""
        if self.is_running:
            return
        self._scope, self._ended = anyio.CancelScope(), anyio.Event()
        context, name = self._context.copy(), getattr(self._function, "__qualname__", None)
        if (trio := running_trio()) is not None:
            trio.lowlevel.spawn_system_task(self._run, self._scope, self._ended, context=context, name=name)
        else:
            run = self._run(self._scope, self._ended)
            # The event loop itself holds only a weak reference.
            self._asyncio_task = asyncio.get_running_loop().create_task(run, context=context, name=name)

    async def aclose(self) -> None:
        """Cancel the task and wait until it has ended."""
        if self._scope is not None and self._ended is not None:
            ended = self._ended
            self._scope.cancel()
            with anyio.CancelScope(shield=True):
                await ended.wait()

    async def _run(self, scope: anyio.CancelScope, ended: anyio.Event) -> None:
        try:
            with scope:
                await self._function()
        finally:
            self._scope = self._ended = self._asyncio_task = None
            ended.set()


class Origin:
    """The process and the event loop in which a client was opened, and in which alone it can be used."""

    def __init__(self) -> None:
        self._process_id = os.getpid()
        self._event_loop = current_token()

    def check(self) -> None:
        """Check that the current process and event loop are these.

        Raises:
            RuntimeError: They are not.
        """
        check_process(self._process_id)
        if current_token() != self._event_loop:
            raise RuntimeError(
                "This ImageBuilder was opened in another event loop, and can only be used and closed in that "
                "one: open one in each event loop, for example inside the function that asyncio.run() runs."
            )

    def run_soon(self, function: Callable[[], object]) -> bool:
        """Call `function` in the event loop, from any thread or finalizer; return ``False`` if it has ended.

        In a fork of the process, it is not called.
        """
        if os.getpid() != self._process_id:
            return True
        token = self._event_loop.native_token
        try:
            if isinstance(token, asyncio.AbstractEventLoop):
                # In a task, since anyio knows the event loop only there. It ends with its first step.
                token.call_soon_threadsafe(lambda: token.create_task(_call(function)))
            else:
                cast("TrioToken", token).run_sync_soon(function)
        except RuntimeError:
            return False
        return True


async def _call(function: Callable[[], object]) -> None:
    function()


def check_process(opened_in: int) -> None:
    """Check that the current process is the one with this id, in which a client was opened.

    Raises:
        RuntimeError: It is a fork of that process.
    """
    if (current := os.getpid()) != opened_in:
        raise RuntimeError(
            f"This ImageBuilder was opened in process {opened_in}, and process {current} is a fork of it, in "
            "which its event loop does not run: open one in each process, after the fork."
        )


def protect_from_interrupts(function: F) -> F:
    """Return the coroutine function, protected from KeyboardInterrupt on trio as background tasks are.

    trio raises it in any task that runs. In a background task or a child task of it, it would crash trio.
    """
    if (trio := running_trio()) is not None:
        trio.lowlevel.enable_ki_protection(function)
    return function


def running_trio() -> ModuleType | None:
    """Return the trio module if the current task runs on trio, otherwise ``None``."""
    trio = sys.modules.get("trio")
    return trio if trio is not None and trio.lowlevel.in_trio_run() else None
