"""Push hints: receives the events of Image Builder from a queue, and makes the poller look at once.

Only a poll determines the result of a wait. Whatever becomes of the queue, a wait costs and lasts as without
hints. While hints are proven (see `hint_health`), images are polled less often.
"""

from __future__ import annotations

import logging
import math
import random
from collections import Counter
from collections.abc import Callable
from typing import Final

import anyio

from ..aws.event_loops import BackgroundTask
from ..aws.session import SessionArguments
from ..aws.sqs import SqsHints, SqsQueue
from ..errors import OperationError
from ..instrumentation.emitter import Emitter
from ..instrumentation.events import HintReceived
from ..models.executions import Execution
from ..models.kinds import KINDS, ExecutionKind
from ..models.redaction import one_line
from .hint_events import Hint, Ignored, parse_hint
from .hint_health import TIMELY, HintHealth
from .schedule import Delay, hinted_delay
from .subscriptions import Target

# The shortest time between two receives of an empty queue, for a server that does not wait for messages, and
# of one that returns messages again since they cannot be deleted.
_SHORTEST_LONG_POLL: Final = 1.0
_MAXIMUM_KNOWN_EVENTS: Final = 1000


class HintReceiver:
    """Receives hints in one background task, while somebody waits for something that they can announce.

    Args:
        queue: The queue.
        region: The region of the client; events of others are ignored.
        max_delay: The maximum delay between two polls of an image while hints are proven, in seconds.
        emitter: Delivers events; by default, they are only logged.
        jitter: Returns a random number from 0 to 1.
    """

    def __init__(
        self,
        queue: SqsQueue,
        region: str,
        max_delay: float,
        *,
        emitter: Emitter | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._max_delay = max_delay
        self._jitter = jitter
        self._queue = queue
        self._region = region
        self._emitter = emitter or Emitter(region)
        self._health = HintHealth()
        self._was_proven = False
        self._poll: Callable[[Hint], bool] = lambda _: False
        self._on_doubt: Callable[[], None] = lambda: None
        self._poll_pipelines: Callable[[str], None] = lambda _: None
        self._known_events: dict[str, None] = {}
        self._counts: Counter[str] = Counter()
        self._wanted_by: set[object] = set()
        self._stops_at = -math.inf
        self._is_receiving = False
        self._has_warned = False
        self._scope = anyio.CancelScope()
        self._task = BackgroundTask(self._run)

    @classmethod
    def of(
        cls, hints: SqsHints | None, arguments: SessionArguments, emitter: Emitter, max_delay: float
    ) -> HintReceiver | None:
        """Return a receiver of `hints`, or ``None`` for none."""
        return (
            None
            if hints is None
            else cls(SqsQueue(hints, arguments), emitter.region, max_delay, emitter=emitter)
        )

    def delay(self, target: Target) -> Delay | None:
        """Return the delay before the next poll of a target that hints permit; ``None`` if they do not.

        They do while they are proven and nothing announced remains to be read, for an image of which no
        consumer wants to know the steps: hardly any event announces those.
        """
        has_events = bool(KINDS[target.identifier.kind].announced) and not target.is_inspected
        is_relied_on = self._health.is_proven and has_events and not target.is_announced
        if not is_relied_on:
            return None
        return hinted_delay(target.history.polls, target.cadence, self._max_delay, self._jitter)

    def connect(self, poll: Callable[[Hint], bool], on_doubt: Callable[[], None]) -> None:
        """Set the functions of the poller.

        Args:
            poll: Polls at once what a hint names, and returns whether somebody waits for any of it.
            on_doubt: Called when hints are no longer proven.
        """
        self._poll, self._on_doubt = poll, on_doubt

    def connect_pipelines(self, poll_pipelines: Callable[[str], None]) -> None:
        """Set the function of the poller of pipelines, which polls those that may have made an image."""
        self._poll_pipelines = poll_pipelines

    def start(self, poller: object) -> None:
        """Receive hints from now on, for this poller."""
        self._wanted_by.add(poller)
        self._scope.deadline = math.inf
        self._task.start()

    def stop(self, poller: object) -> None:
        """Stop receiving hints if no other poller needs them.

        That is once it is known whether the last changes were announced.
        """
        self._wanted_by.discard(poller)
        if not self._wanted_by:
            self._scope.deadline = self._stops_at = self._health.awaited_until

    def found(self, execution: Execution, before: Execution | None) -> None:
        """Record the state that a poll has found, and the one before it; ``None`` if it is the first."""
        status, now = execution.status, anyio.current_time()
        has_changed = before is not None and status is not None and status != before.status
        is_receiving = self._is_receiving and now >= self._health.paused_until
        if has_changed and is_receiving and status in KINDS[execution.kind].announced:
            self._review(now)
            self._health.found((str(status), execution.id.casefold()), now)
            self._review(now)

    async def aclose(self) -> None:
        """Stop at once, and close the queue."""
        self._wanted_by.clear()
        try:
            await self._task.aclose()
        finally:
            # Also if asyncio cancels this, which no scope of anyio prevents.
            await self._queue.aclose()

    async def _run(self) -> None:
        while self._wanted_by:
            with anyio.CancelScope() as self._scope:
                await self._receive()
            self._is_receiving = False
            self._review(max(anyio.current_time(), self._stops_at))

    async def _receive(self) -> None:
        while True:
            await anyio.sleep_until(self._health.paused_until)
            self._is_receiving = True
            try:
                await self._receive_once()
            except Exception as error:  # noqa: BLE001 - logged, and no reason to end a wait
                self._is_receiving = False
                self._health.pause(anyio.current_time())
                self._report_pause(one_line(str(error)), error)
            self._review(anyio.current_time())

    async def _receive_once(self) -> None:
        started = anyio.current_time()
        messages = await self._queue.receive()
        for message in messages:
            self._handle(message.body)
        if not messages or not await self._queue.delete(messages):
            await anyio.sleep_until(started + _SHORTEST_LONG_POLL)

    def _handle(self, body: str) -> None:
        hint = parse_hint(body, self._region)
        if isinstance(hint, Ignored):
            self._counts[hint.value] += 1
        elif hint.event_id in self._known_events:
            self._counts["doubled"] += 1
        else:
            self._remember(hint)
            now = anyio.current_time()
            is_awaited = self._poll(hint)
            self._poll_pipelines(hint.image)
            self._report(hint, is_awaited=is_awaited)
            self._counts["hints" if is_awaited else "of images that nobody waits for"] += 1
            if hint.status in KINDS[ExecutionKind.IMAGE].announced:
                self._review(now)
                self._health.announced((str(hint.status), hint.image), now, is_awaited=is_awaited)
                self._review(now)

    def _remember(self, hint: Hint) -> None:
        if hint.event_id is not None:
            self._known_events[hint.event_id] = None
        if len(self._known_events) > _MAXIMUM_KNOWN_EVENTS:
            del self._known_events[next(iter(self._known_events))]

    def _report(self, hint: Hint, *, is_awaited: bool) -> None:
        if self._emitter.has_hooks:
            self._emitter.emit(
                HintReceived(
                    region=self._emitter.region,
                    id=hint.image,
                    status=None if hint.status is None else one_line(hint.status),
                    is_waiting_step=hint.is_waiting_step,
                    is_awaited=is_awaited,
                )
            )

    def _review(self, now: float) -> None:
        """Count the changes that were not announced in time, and act on what that changes."""
        if self._health.expire(now):
            self._report_pause(
                f"two changes of images were not announced within {TIMELY:.0f} s. Check that the rule sends "
                "the events to this queue, and that nobody else receives from it."
            )
        was_proven, self._was_proven = self._was_proven, self._health.is_proven
        if was_proven and not self._health.is_proven:
            self._on_doubt()
        elif self._health.is_proven and not was_proven:
            self._has_warned = False
            text = "The hints of %s are proven: images are polled less often."
            self._emitter.notice(logging.INFO, text, self._queue.url)

    def _report_pause(self, why: str, error: Exception | None = None) -> None:
        """Log a warning, once until hints are proven again."""
        is_bug = error is not None and not isinstance(error, OperationError | ValueError)
        counts = ", ".join(f"{number} {what}" for what, number in sorted(self._counts.items())) or "none"
        self._emitter.notice(
            logging.INFO if self._has_warned else logging.WARNING,
            "Polling as without hints, and trying %s again in %.0f s: %s (Messages so far: %s.)",
            self._queue.url,
            self._health.paused_until - anyio.current_time(),
            why,
            counts,
            error=error if is_bug else None,
        )
        self._has_warned = True
