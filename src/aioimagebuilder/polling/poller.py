"""The one place of a client that polls, and tells its subscribers.

A target is an execution that somebody waits for. All who wait for it share its polls; a subscriber that
leaves takes nothing with it but itself, and with the last one the polling stops. Polls run in a background
task of the client's, never in a subscriber's: so no poll dies with one caller.

What falls due goes to the batcher, which chooses the call when its turn at the rate limiter has come. A
deadline gets one last poll that starts on it; a failing read is retried by tenacity for as long as anybody
waits; whoever joins is told the present state first.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Sequence
from contextlib import aclosing
from functools import partial
from typing import Final

import anyio
from tenacity import RetryCallState

from ..aws.backoff import Backoff, Tries
from ..aws.event_loops import BackgroundTask, current_time
from ..errors import AccessError, CredentialsError, OperationError, ThrottledError
from ..models.executions import Execution
from ..models.identifiers import Identifier
from .agenda import Agenda
from .batching import Batcher, Family, Read
from .flights import Flight, Reader
from .reruns import Reruns
from .schedule import Cadence, next_poll
from .subscriptions import Ended, Mailbox, Subscription, Target
from .unknown_statuses import UnknownStatuses
from .workers import Workers

__all__ = ["Poller"]

_log: Final = logging.getLogger("aioimagebuilder")


class Poller:
    """Polls what its subscribers wait for.

    Args:
        reader: makes the calls.
        backoff: how tenacity retries a read.
        not_found_grace: seconds for which an id that was never seen may be unknown to the service.
        jitter: gives a number from 0 to 1.
    """

    def __init__(
        self,
        reader: Reader,
        *,
        backoff: Backoff,
        not_found_grace: float,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._reader = reader
        self._backoff = backoff
        self._not_found_grace = not_found_grace
        self._jitter = jitter
        self._targets: dict[Identifier, Target] = {}
        self._batcher = Batcher()
        self._reruns = Reruns()
        # When the members of a family are polled next: who is read together had better fall due together.
        self._meetings: dict[Family, float] = {}
        self._flights: dict[Target, Flight] = {}
        self._agenda = Agenda()
        self._workers = Workers(self)
        self._turn: anyio.CancelScope | None = None
        self._unknown_statuses = UnknownStatuses()
        self._is_closed = False
        self._task = BackgroundTask(self._run)

    @property
    def is_idle(self) -> bool:
        """Whether nobody waits, and nothing runs."""
        return not self._targets and not self._task.is_running

    def subscribe(
        self, identifier: Identifier, *, cadence: Cadence, deadline: float, mailbox: Mailbox
    ) -> Subscription:
        """Begin to poll `identifier` for `mailbox`, until it is terminal or `unsubscribe` is called."""
        now = current_time()
        target = self._targets.get(identifier) or Target(identifier, now)
        subscription = Subscription(target, cadence, deadline, mailbox, now)
        if self._is_closed:
            subscription.end(Ended.CLOSED, now)
            return subscription
        self._targets[identifier] = target
        target.add(subscription)
        history = target.history
        is_fresh = history.seen is not None and now - history.seen_at < cadence.min_delay
        if history.seen is not None and is_fresh:
            subscription.tell(history.seen, is_news=True)
        if target not in self._flights and identifier not in self._batcher:
            # The others may be content with less than this one is.
            due = min(target.due, deadline, history.seen_at + cadence.max_delay)
            self._schedule(target, due if is_fresh else now)
        if (flight := self._flights.get(target)) is not None:
            flight.wake()
        self._task.start()
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """End the consumer's interest; with the last one, a read on its way is given up."""
        target = subscription.target
        target.discard(subscription)
        if not target.subscriptions:
            self._drop(target)

    def expect_rerun(self, identifier: Identifier, before: Execution | None = None) -> None:
        """Take in that `identifier` was asked to run again: for a while, its old end is no news.

        Args:
            identifier: the execution.
            before: its old end; the first that is read, if ``None``.
        """
        self._reruns.expect(identifier, before, current_time())
        if (target := self._targets.get(identifier)) is not None:
            target.history.expect_rerun()

    async def aclose(self) -> None:
        """End every subscription, and the polling."""
        self._is_closed = True
        await self._task.aclose()
        self._end_all()

    async def _run(self) -> None:
        try:
            # Somebody may subscribe while the task group is being left: then go round again.
            while self._targets:
                await self._workers.run()
        finally:
            # Cancelled: by aclose(), or by an event loop that shuts down.
            self._end_all()

    @property
    def has_more(self) -> bool:
        """Whether another target is due, or will be."""
        return bool(self._agenda or self._batcher)

    async def next_flight(self) -> Flight | None:
        """Get the next call once its time and its turn have come; ``None`` once nobody waits."""
        while self._targets:
            now = current_time()
            self._collect_due(now)
            if not self._batcher:
                await self._agenda.rest()
                continue
            # The turn first, then the choice of the call: what falls due in between goes with it.
            if not self._reader.try_turn(now):
                with anyio.CancelScope() as self._turn:
                    await self._reader.turn()
                self._turn = None
                self._collect_due(current_time())
            if (call := self._batcher.next_call()) is not None:
                flight = Flight(call, [self._targets[each] for each in call.answers])
                self._flights.update(dict.fromkeys(flight.targets, flight))
                return flight
        return None

    def _collect_due(self, now: float) -> None:
        for target in self._agenda.take_due(now):
            # Otherwise left over from a target that is being read, or was dropped since.
            if self._is_wanted(target) and target not in self._flights:
                self._batcher.add(target.identifier)

    async def fly(self, flight: Flight) -> None:
        """Make the call, and tell its subscribers what comes of it."""
        try:
            await self._read(flight)
        except OperationError as error:
            self._settle_failure(flight, error)
        except Exception as error:  # noqa: BLE001 - raised again in all who wait for this call
            if not flight.targets:
                # A search, which nobody in particular waits for: they are found by themselves.
                self._batcher.refuse(flight.call, for_all=True)
                _log.error("%s could not be read", flight.call.read.value, exc_info=error)
            for target in flight.targets:
                self._end(target, Ended.FAILURE, error)

    async def _read(self, flight: Flight) -> None:
        tries = Tries(
            partial(self._note_try, flight),
            lambda: self._backoff.of_read(
                before_sleep=partial(self._note_failure, flight), sleep=partial(self._pause, flight)
            ),
        )
        call = flight.call
        if call.read is Read.GET:
            execution = await self._reader.get(call.answers[0], tries)
            # It is over: nothing is left to be given up when the last who waited is told.
            flight.scope = None
            self._take_page(flight, [execution])
            return
        rows: list[Execution] = []
        found = 0
        async with aclosing(self._reader.pages(call, tries)) as pages:
            async for page in pages:
                flight.pages += 1
                rows.extend(page)
                self._take_page(flight, page)
                wanted = flight.answered.intersection(call.answers) if call.answers else flight.answered
                found = len(wanted)
                if not self._batcher.wants_more(call, flight.pages, found, page):
                    break
        self._batcher.listed(call, flight.pages, found, rows)

    def _take_page(self, flight: Flight, page: Sequence[Execution]) -> None:
        now = current_time()
        is_list = flight.call.read is not Read.GET
        for execution in page:
            # The service may spell an id otherwise than the caller did: a Get answers what was asked.
            identifier = Identifier(execution.id, execution.kind) if is_list else flight.call.answers[0]
            target = self._targets.get(identifier)
            if target is None:
                continue
            self._batcher.learn(identifier, execution)
            if is_list and target.history.is_contradicted_by(execution):
                continue
            flight.answered.add(identifier)
            is_bystander = self._flights.get(target) is not flight
            target.history.polls += is_bystander
            self._tell(target, execution, now)
            if is_bystander and self._is_wanted(target) and target not in self._flights:
                self._schedule_next(target, now)

    def settle(self, flight: Flight) -> None:
        """Schedule what the call was to answer anew."""
        for target in flight.targets:
            del self._flights[target]
        now = current_time()
        for target in filter(self._is_wanted, flight.targets):
            if flight.call.read is not Read.GET and target.identifier not in flight.answered:
                # Absence is no evidence: what a list lacks is asked for by itself, even past a deadline.
                self._batcher.ask_alone(target.identifier)
                self._schedule(target, now)
                continue
            self._expire(target, flight.tried)
            if self._is_wanted(target):
                self._schedule_next(target, now)

    def _settle_failure(self, flight: Flight, error: OperationError) -> None:
        if flight.call.read is not Read.GET:
            # A list is a way to save calls: that it is refused says nothing of an execution.
            is_denied = isinstance(error, AccessError) and not isinstance(error, CredentialsError)
            self._batcher.refuse(flight.call, for_all=is_denied)
            return
        self._take_error(flight, error)
        for target in flight.targets:
            if target.history.is_final(error, current_time(), self._not_found_grace):
                self._end(target, Ended.FAILURE, error)

    def _note_try(self, flight: Flight, now: float) -> None:
        if flight.pages == 0:
            flight.tried = now
            for target in flight.targets:
                target.history.polls += 1

    def _note_failure(self, flight: Flight, state: RetryCallState) -> None:
        error = state.outcome and state.outcome.exception()
        if isinstance(error, OperationError):
            self._take_error(flight, error)
            _log.info("%s; trying again in %.1f s", error, state.upcoming_sleep)
        for target in flight.targets:
            self._expire(target, flight.tried)

    def _take_error(self, flight: Flight, error: OperationError) -> None:
        now = current_time()
        for target in flight.targets:
            target.history.fail(error, now, is_throttle=isinstance(error, ThrottledError))

    async def _pause(self, flight: Flight, seconds: float) -> None:
        # tenacity's sleep before the next try: cut short by a deadline, for its last poll.
        until = current_time() + seconds
        while current_time() < min(until, flight.deadline):
            flight.woken = anyio.Event()
            with anyio.CancelScope(deadline=min(until, flight.deadline)):
                await flight.woken.wait()
            flight.woken = None

    def _tell(self, target: Target, execution: Execution, now: float) -> None:
        if self._reruns.is_old_end(target.identifier, execution, now):
            target.history.withhold(execution, now)
            return
        is_news = target.history.take(execution, now)
        seen = target.history.seen
        assert seen is not None  # noqa: S101 - for the type checker: something has just been taken
        self._unknown_statuses.warn_of(execution)
        for subscription in target.subscriptions:
            subscription.tell(seen, is_news=is_news)
        if seen.is_terminal:
            self._drop(target)

    def _expire(self, target: Target, tried: float) -> None:
        # A try that began on or after a deadline was its last poll.
        for subscription in target.expired(tried):
            subscription.end(Ended.DEADLINE, current_time())
            self.unsubscribe(subscription)

    def _schedule_next(self, target: Target, now: float) -> None:
        history = target.history
        family = self._batcher.family_of(target.identifier)
        meeting = None if family is None else self._meetings.get(family)
        due = next_poll(now, history.polls, target.cadence, target.deadline, self._jitter, meeting)
        if family is not None and due < target.deadline:
            self._meetings[family] = due
        if history.is_unread:
            # The grace of an unknown id ends with a poll of its own, not some time after it.
            due = min(due, max(now, history.started + self._not_found_grace))
        self._schedule(target, due)

    def _schedule(self, target: Target, due: float) -> None:
        self._batcher.discard(target.identifier)
        if self._agenda.put(target, due):
            self._wake()

    def _drop(self, target: Target) -> None:
        if self._is_wanted(target):
            del self._targets[target.identifier]
            family = self._batcher.family_of(target.identifier)
            self._batcher.forget(target.identifier)
            if family is not None and not self._batcher.is_awaited(family):
                self._meetings.pop(family, None)
        target.clear()
        if (flight := self._flights.get(target)) is not None:
            flight.give_up_if_unwanted()
        if not self._targets:
            self._wake()

    def _end(self, target: Target, ended: Ended, failure: Exception | None = None) -> None:
        now = current_time()
        for subscription in target.subscriptions:
            subscription.end(ended, now, failure)
        self._drop(target)

    def _end_all(self) -> None:
        for target in list(self._targets.values()):
            self._end(target, Ended.CLOSED)

    def _wake(self) -> None:
        self._workers.appoint()
        self._agenda.wake()
        if self._turn is not None and not self._targets:
            self._turn.cancel()

    def _is_wanted(self, target: Target) -> bool:
        return self._targets.get(target.identifier) is target
