"""Cancels a run at any of its steps: run it once to count them, then once for each."""

from collections.abc import Coroutine, Generator
from types import coroutine
from typing import Any, TypeVar

import anyio

T = TypeVar("T")


class Steps:
    """The steps of one run: each time that it waits for the event loop, and whatever else calls `step`.

    Attributes:
        count: the steps so far.
        scope: is cancelled at step number `cancel_at`.
        was_own: whether that step was one of the run itself, which so had to be cancelled there.
    """

    def __init__(self, cancel_at: int | None = None) -> None:
        self.count = 0
        self.scope = anyio.CancelScope()
        self.was_own = False
        self._cancel_at = cancel_at

    def step(self, *, is_own: bool = False) -> None:
        """Take a step."""
        self.count += 1
        if self.count == self._cancel_at:
            self.was_own = is_own
            self.scope.cancel()

    async def run(self, run: Coroutine[Any, Any, T]) -> T | None:
        """Get what `run` returns; ``None`` if it was cancelled."""
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
                except BaseException as error:  # noqa: BLE001 - whatever the event loop throws in
                    resume, value = run.throw, error
        finally:
            # An error that holds this frame, which holds the error, would keep alive all that `run` had.
            value = None
