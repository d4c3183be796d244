"""The poller's calls on their way, and what makes them."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Sequence
from typing import Protocol

import anyio

from ..aws.backoff import Tries
from ..models.executions import Execution
from ..models.identifiers import Identifier
from .batching import Call
from .subscriptions import Target

__all__ = ["Flight", "Reader"]


class Reader(Protocol):
    """Makes calls for the poller."""

    def try_turn(self, now: float) -> bool:
        """Take the turn of the next call if there is one at once, and tell whether it was taken."""

    async def turn(self) -> None:
        """Wait for the turn of the next call."""

    async def get(self, identifier: Identifier, tries: Tries) -> Execution:
        """Get one execution, tried by `tries`; raises OperationError."""

    def pages(self, call: Call, tries: Tries) -> AsyncGenerator[Sequence[Execution]]:
        """Get what a list tells, page by page, each tried by `tries`; raises OperationError."""


class Flight:
    """A call on its way, with the tries that tenacity makes of it.

    Attributes:
        call: the call.
        targets: those that it is to answer, who have no other on its way.
        scope: cancels it; given by who makes the call.
        tried: when the newest try of its first page began, on the clock of `anyio.current_time`.
        pages: the pages that came.
        answered: whom they told about.
        woken: set to cut a backoff short.
    """

    __slots__ = ("answered", "call", "pages", "scope", "targets", "tried", "woken")

    def __init__(self, call: Call, targets: list[Target]) -> None:
        self.call: Call = call
        self.targets: list[Target] = targets
        self.scope: anyio.CancelScope | None = None
        self.tried: float = -math.inf
        self.pages: int = 0
        self.answered: set[Identifier] = set()
        self.woken: anyio.Event | None = None

    @property
    def deadline(self) -> float:
        """The nearest deadline of those who wait for it."""
        return min((target.deadline for target in self.targets), default=math.inf)

    def wake(self) -> None:
        """Cut a backoff short, to look at the deadline anew."""
        if self.woken is not None:
            self.woken.set()

    def give_up_if_unwanted(self) -> None:
        """Cancel it if nobody waits for it any more."""
        # What is made to find out where executions belong answers nobody in particular: the others want it.
        if self.scope and self.targets and not any(target.subscriptions for target in self.targets):
            self.scope.cancel()
