"""The poller of a client: polls what its subscribers wait for, and delivers what it reads.

A target is an execution that somebody waits for. All subscribers of a target share its polls. A subscriber
that leaves affects nobody else, and when the last one has left, polling stops. Calls are made in a background
task of the client, never in a subscriber's task, so no call depends on a single subscriber.

What is due is handed to the batcher, which chooses a call once there is a permit for it. One last poll falls
on the deadline of each subscriber. A read that fails is retried by tenacity as long as somebody waits for it.
A new subscriber receives the present state first.
"""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import aclosing
from functools import partial
from typing import Final

import anyio
from anyio.abc import TaskGroup
from tenacity import RetryCallState, stop_never

from ..aws.backoff import TRANSIENT_ERRORS, Backoff
from ..aws.call import Caller
from ..aws.error_mapping import is_denied
from ..aws.event_loops import BackgroundTask, protect_from_interrupts
from ..aws.reads import get, list_executions
from ..errors import OperationError, ThrottledError
from ..models.executions import Execution
from ..models.identifiers import Identifier
from ..models.kinds import KINDS
from .batching import Batch, Batcher, Call
from .estimator import Estimator
from .hint_events import Hint
from .hints import HintReceiver
from .history import Reruns
from .pace import Pace
from .poll_events import report_state
from .requests import Request, stops_list_retries
from .schedule import Cadence, DueQueue, next_poll
from .subscriptions import EndReason, Subscription, Target, UpdateQueue

# For so long, Gets replace a list that fails, in seconds.
_LIST_SUSPENSION: Final = 60.0


class Poller:
    """Polls executions for its subscribers.

    Args:
        caller: Makes the calls.
        pace: Decides how soon an execution is polled again.
        estimator: Is shown what is read, and delivers estimates.
        backoff: How tenacity retries a read.
        not_found_grace: Seconds for which the service may not know an id that was never read.
        hints: Receives push hints, which make what they name due at once; ``None`` for none.
    """

    def __init__(
        self,
        caller: Caller,
        pace: Pace,
        estimator: Estimator,
        backoff: Backoff,
        *,
        not_found_grace: float,
        hints: HintReceiver | None = None,
    ) -> None:
        self._caller = caller
        self.emitter: Final = caller.emitter
        self._backoff = backoff
        self._not_found_grace = not_found_grace
        self._pace = pace
        self._estimator = estimator
        self._hints = hints
        if hints is not None:
            hints.connect(self.poll_hinted, self._shorten_delays)
        self._targets: dict[Identifier, Target] = {}
        self._queue: DueQueue[Target] = DueQueue()
        self._batcher = Batcher()
        self._batch_due: dict[Batch, float] = {}
        self._requests: dict[Target, Request] = {}
        self._reruns = Reruns()
        self._suspended_lists: deque[tuple[float, Call]] = deque()
        self._rescheduled = anyio.Event()
        self._scope = anyio.CancelScope()
        self._is_closed = False
        self._task = BackgroundTask(self._run)

    @property
    def is_idle(self) -> bool:
        """Whether there are neither subscribers nor tasks."""
        return not self._targets and not self._task.is_running

    def subscribe(
        self, identifier: Identifier, *, cadence: Cadence, deadline: float, queue: UpdateQueue
    ) -> Subscription:
        """Poll `identifier` until it is terminal or `unsubscribe` is called. Updates go to `queue`."""
        self.check_origin()
        now = anyio.current_time()
        target = self._targets.get(identifier) or Target(identifier, now)
        subscription = Subscription(target, cadence, deadline, queue, now)
        if self._is_closed:
            subscription.end(EndReason.CLOSED, now)
            return subscription
        self._targets[identifier] = target
        target.subscriptions[subscription] = None
        history = target.history
        is_fresh = history.seen is not None and now - history.seen_at < cadence.min_delay
        if history.seen is not None and is_fresh:
            subscription.deliver(history.seen, is_news=True)
        if target in self._requests:
            self._poll_at(target, deadline)
        elif is_fresh:
            # The next poll may be later than this cadence permits.
            self._poll_at(
                target, min(deadline, self._queue.due_of(target), history.seen_at + cadence.longest_delay)
            )
        else:
            self._poll_at(target, now)
        self._task.start()
        if self._hints is not None and KINDS[identifier.kind].is_of_image:
            self._hints.start(self)
        return subscription

    def check_origin(self) -> None:
        """Check that the current event loop is that of the client; see `Caller.check_origin`."""
        self._caller.check_origin()

    def run_soon(self, function: Callable[[], object]) -> bool:
        """Call `function` in the event loop of the client; see `Origin.run_soon`."""
        return self._caller.run_soon(function)

    def unsubscribe(self, subscription: Subscription) -> None:
        """End a subscription. With the last one of a target, its request in flight is cancelled."""
        target = subscription.target
        target.subscriptions.pop(subscription, None)
        if not target.subscriptions:
            self._drop(target)

    def poll_hinted(self, hint: Hint) -> bool:
        """Poll at once what a hint names, and what runs in that image. Return whether anything is awaited.

        What is in flight is polled again: its response may be older than the hint.
        """
        now = anyio.current_time()
        named = [each for each in self._targets.values() if each.is_named_by(hint)]
        for target in named:
            if not target.announce(hint, now):
                continue
            self._poll_at(target, min(self._queue.due_of(target), max(now, self._caller.paused_until)))
            for subscription in target.subscriptions if hint.is_waiting_step else ():
                if subscription.on_waiting_step is not None:
                    subscription.on_waiting_step(subscription)
        return bool(named)

    def _shorten_delays(self) -> None:
        """Poll images as without hints, which are no longer proven."""
        now = anyio.current_time()
        for target in self._targets.values():
            if now + target.cadence.max_delay < self._queue.due_of(target) < math.inf:
                self._schedule_next(target, now, math.inf)

    def expect_rerun(self, identifier: Identifier, before: Execution | None = None) -> None:
        """Prepare for a retry of `identifier`: for a while, its state before the retry is not news.

        Args:
            identifier: The execution.
            before: Its terminal state before the retry; if ``None``, the first terminal state that is read.
        """
        self._reruns.expect(identifier, before, anyio.current_time())
        if (target := self._targets.get(identifier)) is not None:
            target.history.expect_rerun()

    async def aclose(self) -> None:
        """End every subscription, and stop polling."""
        self._is_closed = True
        await self._task.aclose()
        self._end_all()

    async def _run(self) -> None:
        try:
            # Somebody may subscribe while the task group is being left.
            while self._targets:
                with anyio.CancelScope() as self._scope:
                    async with anyio.create_task_group() as tasks:
                        await self._send_requests(tasks)
        finally:
            # Also if the event loop shuts down.
            self._end_all()

    async def _send_requests(self, tasks: TaskGroup) -> None:
        """Start a task for each call, until the last target is dropped and cancels this."""
        perform = protect_from_interrupts(self._perform)
        while True:
            self._collect_due()
            if not self._batcher:
                await self._sleep_until(math.inf)
                continue
            last_poll = self._last_poll_in_a_pause()
            if last_poll is not None and last_poll.deadline > anyio.current_time():
                await self._sleep_until(min(last_poll.deadline, self._caller.paused_until))
                continue
            # The permit first, then the choice of the call: it includes what has become due meanwhile.
            await self._caller.acquire_permit(respects_pause=False)
            self._collect_due()
            first = last_poll or self._pace.most_urgent(
                (self._targets[each] for each in self._batcher), anyio.current_time()
            )
            preferred = None if first is None else first.identifier
            if (call := self._batcher.next_call(preferred)) is not None:
                request = Request(call, [self._targets[each] for each in call.answers], self.emitter)
                self._requests.update(dict.fromkeys(request.targets, request))
                tasks.start_soon(perform, request)

    def _last_poll_in_a_pause(self) -> Target | None:
        """Return the target with the earliest deadline while the service has asked for a pause.

        Nothing is polled in a pause, except at a deadline. What is in flight already is not polled again.
        """
        if self._caller.paused_until <= anyio.current_time():
            return None
        waiting = [each for each in self._targets.values() if each not in self._requests]
        return min(waiting, key=lambda each: each.deadline, default=None)

    async def _sleep_until(self, time: float) -> None:
        """Sleep until a time, or until something is due."""
        self._rescheduled = anyio.Event()
        with anyio.move_on_at(min(time, self._queue.next_due)):
            await self._rescheduled.wait()

    def _poll_at(self, target: Target, due: float) -> None:
        """Poll `target` at this time: by a new request, or by the next attempt of one in flight."""
        if (request := self._requests.get(target)) is not None:
            request.backoff.deadline = min(request.backoff.deadline, due)
        elif target.identifier not in self._batcher:
            is_first = due < self._queue.next_due
            self._queue.put(target, due)
            if is_first:
                self._rescheduled.set()

    def _collect_due(self) -> None:
        now = anyio.current_time()
        while self._suspended_lists and self._suspended_lists[0][0] <= now:
            self._batcher.enable(self._suspended_lists.popleft()[1])
        for target in self._queue.pop_due(now):
            self._batcher.add(target.identifier)

    async def _perform(self, request: Request) -> None:
        """Make a call, and deliver the result."""
        with request.scope:
            try:
                await self._read(request)
                request.recorder.end()
            except OperationError as error:
                request.recorder.fail(error, request.targets)
                self._handle_final_error(request, error)
            except Exception as error:  # noqa: BLE001 - raised in all who wait for this call
                request.recorder.fail(error, request.targets)
                if not request.targets:
                    self._batcher.disable(request.call, for_all=True)
                    what = "Listing images to find executions failed"
                    self.emitter.notice(logging.ERROR, what, error=error)
                for target in request.targets:
                    self._end(target, EndReason.FAILURE, error)
            finally:
                request.recorder.close()
                self._finish(request)

    async def _read(self, request: Request) -> None:
        call = request.call
        retrying = self._backoff.for_poll(
            before=lambda _: self._record_attempt(request),
            before_sleep=partial(self._record_failure, request),
            sleep=partial(self._back_off, request),
            stop=stop_never if call.listing is None else stops_list_retries,
        )
        if call.listing is None:
            value = call.answers[0].value
            execution = await get(self._caller, call.kind, value, retrying=retrying, has_permit=True)
            self._receive(request, [execution])
            return
        rows: list[Execution] = []
        found = 0
        listed = list_executions(
            self._caller, call.listing, call.kind, call.argument, retrying=retrying, has_permit=True
        )
        async with aclosing(listed) as pages:
            async for page in pages:
                request.pages += 1
                rows.extend(page)
                self._receive(request, page)
                found = len(request.answered.intersection(call.answers) if call.answers else request.answered)
                if not self._batcher.wants_more(call, request.pages, found, page):
                    break
        self._batcher.record_list(call, request.pages, found, rows)

    async def _back_off(self, request: Request, seconds: float) -> None:
        """Sleep before the next attempt, but not past the deadline of a subscriber, for its last poll."""
        deadlines = [target.deadline for target in request.targets]
        until = max(anyio.current_time() + seconds, self._caller.paused_until)
        with anyio.move_on_at(min([until, *deadlines])) as request.backoff:
            await anyio.sleep_forever()

    def _record_attempt(self, request: Request) -> None:
        if request.pages == 0:
            request.attempted_at = anyio.current_time()
            for target in request.targets:
                target.history.polls += 1
        request.recorder.begin()

    def _record_failure(self, request: Request, state: RetryCallState) -> None:
        error = state.outcome and state.outcome.exception()
        if isinstance(error, OperationError):
            self._record_error(request, error)
            request.recorder.fail(error, request.targets, retry_in=state.upcoming_sleep)
        for target in request.targets:
            self._expire(target, request.attempted_at)

    def _record_error(self, request: Request, error: OperationError) -> None:
        now = anyio.current_time()
        for target in request.targets:
            target.history.record_failure(error, now, is_throttle=isinstance(error, ThrottledError))

    def _handle_final_error(self, request: Request, error: OperationError) -> None:
        if request.call.listing is not None:
            # A list only saves calls: that it fails says nothing about an execution.
            request.has_list_failed = True
            self._batcher.disable(request.call, for_all=is_denied(error))
            if isinstance(error, TRANSIENT_ERRORS):
                self._suspended_lists.append((anyio.current_time() + _LIST_SUSPENSION, request.call))
            return
        self._record_error(request, error)
        for target in request.targets:
            if target.history.is_final(error, anyio.current_time(), self._not_found_grace):
                self._end(target, EndReason.FAILURE, error)

    def _receive(self, request: Request, page: Sequence[Execution]) -> None:
        now = anyio.current_time()
        is_list = request.call.listing is not None
        for row in page:
            execution = row
            # The service may spell an id differently; the response of a Get is what was requested.
            identifier = Identifier(execution.id, execution.kind) if is_list else request.call.answers[0]
            target = self._targets.get(identifier)
            if target is None:
                continue
            self._batcher.learn(identifier, execution)
            if is_list and not KINDS[execution.kind].list.is_complete and target.history.seen is not None:
                execution = execution.with_members_of(target.history.seen)
            if is_list and target.history.is_contradicted_by(execution):
                continue
            if is_list and self._is_incomplete_end(identifier, execution, now):
                target.listed_end = execution
                self._batcher.read_alone(identifier)
                if target not in self._requests:
                    self._poll_at(target, now)
                continue
            request.answered.add(identifier)
            is_additional = self._requests.get(target) is not request
            target.history.polls += is_additional
            request.recorder.serve(target, target.subscriptions, None if is_list else execution)
            self._deliver(target, execution, now)
            if is_additional and self._is_current(target) and target not in self._requests:
                self._schedule_next(target, now, request.attempted_at)

    def _is_incomplete_end(self, identifier: Identifier, execution: Execution, now: float) -> bool:
        """Return whether a row of a list is the end of a wait, and lacks members that a Get returns."""
        if not execution.is_terminal or KINDS[execution.kind].list.is_complete:
            return False
        return not self._reruns.precedes(identifier, execution, now)

    def _deliver(self, target: Target, execution: Execution, now: float) -> None:
        target.listed_end = None
        if self._reruns.precedes(target.identifier, execution, now):
            target.history.withhold(execution, now)
            return
        before = target.history.seen
        is_news = target.history.record(execution, now)
        seen = target.history.seen
        assert seen is not None  # noqa: S101 - for the type checker: one has just been recorded
        self._estimator.record(target, seen, now)
        if self._hints is not None and is_news:
            self._hints.found(execution, before)
        for subscription in target.subscriptions:
            subscription.deliver(seen, is_news=is_news)
        if seen.is_terminal:
            self._drop(target)
        if is_news:
            report_state(self.emitter, execution, before)

    def _finish(self, request: Request) -> None:
        """Schedule the next poll of the targets of a request that is over."""
        for target in request.targets:
            del self._requests[target]
        now = anyio.current_time()
        for target in filter(self._is_current, request.targets):
            if request.call.listing is not None and target.identifier not in request.answered:
                # That a list lacks an execution proves nothing: it is read by a Get, even past a deadline.
                if not request.has_list_failed:
                    self._batcher.read_alone(target.identifier)
                self._poll_at(target, now)
                continue
            self._expire(target, request.attempted_at)
            if self._is_current(target):
                self._schedule_next(target, now, request.attempted_at)

    def _schedule_next(self, target: Target, now: float, read_started: float) -> None:
        history = target.history
        due_to_hint = target.next_read(read_started, now)
        batch = self._batcher.batch_of(target.identifier)
        batch_due = None if batch is None else self._batch_due.get(batch)
        deadline = target.deadline
        siblings = [self._targets[each] for each in self._batcher.siblings(target.identifier)]
        delay = self._pace.delay(target, siblings, now)
        hinted = None if self._hints is None else self._hints.delay(target)
        due = next_poll(now, delay, target.cadence, deadline, batch_due, hinted)
        if batch is not None and due < deadline:
            self._batch_due[batch] = due
        if history.is_unread:
            # Poll at the end of the grace period of an unknown id, not some time after it.
            due = min(due, max(now, history.started + self._not_found_grace))
        self._batcher.discard(target.identifier)
        self._poll_at(target, min(due, due_to_hint))

    def _expire(self, target: Target, attempted_at: float) -> None:
        """End the subscriptions whose last poll this was: it started at or after their deadline."""
        for subscription in target.expired(attempted_at):
            subscription.end(EndReason.DEADLINE, anyio.current_time())
            self.unsubscribe(subscription)

    def _end(self, target: Target, reason: EndReason, failure: Exception | None = None) -> None:
        now = anyio.current_time()
        for subscription in target.subscriptions:
            subscription.end(reason, now, failure)
        self._drop(target)

    def _end_all(self) -> None:
        for target in list(self._targets.values()):
            self._end(target, EndReason.CLOSED)

    def _drop(self, target: Target) -> None:
        """Stop polling `target`."""
        target.subscriptions.clear()
        if self._is_current(target):
            del self._targets[target.identifier]
            self._queue.discard(target)
            batch = self._batcher.batch_of(target.identifier)
            self._batcher.forget(target.identifier)
            if batch is not None and not self._batcher.has_members(batch):
                self._batch_due.pop(batch, None)
        if (request := self._requests.get(target)) is not None:
            request.cancel_if_unwanted()
        if not self._targets:
            self._scope.cancel()
        if self._hints is not None and not any(KINDS[each.kind].is_of_image for each in self._targets):
            self._hints.stop(self)

    def _is_current(self, target: Target) -> bool:
        return self._targets.get(target.identifier) is target
