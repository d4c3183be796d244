"""A call in flight, and when its retries stop."""

from __future__ import annotations

import math
from typing import Final

import anyio
from tenacity import RetryCallState

from ..errors import ThrottledError
from ..instrumentation.emitter import Emitter
from ..models.identifiers import Identifier
from ..models.kinds import KINDS
from .batching import Call
from .poll_events import PollRecorder
from .subscriptions import Target

# Gets may work where a list does not: after so many attempts that failed, or that were throttled, they
# replace the list for a while.
_MAXIMUM_LIST_ATTEMPTS: Final = 2
_MAXIMUM_THROTTLED_LIST_ATTEMPTS: Final = 10


def stops_list_retries(state: RetryCallState) -> bool:
    """Return whether a list is not retried any more."""
    is_throttled = isinstance(state.outcome and state.outcome.exception(), ThrottledError)
    maximum = _MAXIMUM_THROTTLED_LIST_ATTEMPTS if is_throttled else _MAXIMUM_LIST_ATTEMPTS
    return state.attempt_number >= maximum


class Request:
    """A call in flight, from its first attempt to its last.

    Attributes:
        call: The call.
        targets: The targets that it is meant to read.
        scope: Cancels it.
        backoff: The delay before its next attempt, which ends at the deadline of this scope.
        attempted_at: When the newest attempt of its first page started.
        pages: The number of pages received.
        answered: The identifiers in those pages.
        has_list_failed: Whether it is a list that failed.
        recorder: Emits its events.
    """

    def __init__(self, call: Call, targets: list[Target], emitter: Emitter) -> None:
        self.call = call
        self.targets = targets
        self.scope = anyio.CancelScope()
        self.backoff = anyio.CancelScope()
        self.attempted_at = -math.inf
        self.pages = 0
        self.has_list_failed = False
        self.answered: set[Identifier] = set()
        operation = KINDS[call.kind].get.operation if call.listing is None else call.listing.operation
        self.recorder = PollRecorder(emitter, operation, call.kind, call.argument)

    def cancel_if_unwanted(self) -> None:
        """Cancel it if its targets have no subscribers left. A search has no targets, and is completed."""
        if self.targets and not any(target.subscriptions for target in self.targets):
            self.scope.cancel()
