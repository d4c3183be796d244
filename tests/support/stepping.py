"""Cancellation of a coroutine at each of its steps: run it once to count them, then once for each."""

from collections.abc import Coroutine, Generator
from types import coroutine
from typing import Any, TypeVar

import anyio

T = TypeVar("T")


class Steps:
    """The steps of one run: each suspension of the coroutine, and each call of `step`.

    Attributes:
        count: The number of steps so far.
        scope: The cancel scope of the run, cancelled at step number `cancel_at`.
        was_own: Whether that step was a suspension of the coroutine itself, which is then cancelled there.
    """

    def __init__(self, cancel_at: int | None = None) -> None:
        self.count = 0
        self.scope = anyio.CancelScope()
        self.was_own = False
        self._cancel_at = cancel_at

    def step(self, *, is_own: bool = False) -> None:
        """Count a step, and cancel the run if it is the one to cancel at."""
        self.count += 1
        if self.count == self._cancel_at:
            self.was_own = is_own
            self.scope.cancel()

    async def run(self, run: Coroutine[Any, Any, T]) -> T | None:
        """Return the result of `run`; ``None`` if it was cancelled."""
        with self.scope:
            return await self._stepped(run)
        return None

    @coroutine
    def _stepped(self, run: Coroutine[Any, Any, T]) -> Generator[Any, Any, T]:
        resume, value = run.send, None
        try:
            while True:
                try:
                    waits_for = resume(value)
                except StopIteration as stop:
                    return stop.value
                self.step(is_own=True)
                try:
                    resume, value = run.send, (yield waits_for)
                except BaseException as error:  # noqa: BLE001 - passed on to the coroutine
                    resume, value = run.throw, error
        finally:
            # Breaks the cycle of frame and exception, which would keep the objects of `run` alive.
            value = None
