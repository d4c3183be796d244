"""The poller of pipelines: finds their new images, for their subscribers.

All subscribers of a pipeline share its polls, each of which reads ListImagePipelineImages, whole or in part
(`pipeline_images`). A subscription starts with the first poll that is sent after it was made: what that lists
is old, and what later polls list in addition is new. No clock is compared with the service's. A poll sent
before does not count, so what a subscriber receives does not depend on the others.

Calls are made in a background task of the client, at its call rate, with the delays and retries of other
polls, and one last poll at each deadline.
"""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import aclosing
from datetime import datetime
from functools import partial
from typing import Final

import anyio
from anyio.abc import TaskGroup
from tenacity import RetryCallState

from ..aws.backoff import TRANSIENT_ERRORS, Backoff
from ..aws.call import Caller
from ..aws.event_loops import BackgroundTask, protect_from_interrupts
from ..aws.reads import IMAGE_PIPELINE_IMAGES, list_pipeline_images
from ..errors import (
    InvalidPaginationTokenException,
    OperationError,
    RequestError,
    ResourceNotFoundException,
    ThrottledError,
)
from ..models.executions import Image
from ..models.identifiers import Identifier
from .hints import HintReceiver
from .pipeline_images import ListRead, PipelineImages, in_order, is_later
from .poll_events import PollRecorder
from .schedule import Cadence, next_poll, smithy_delay
from .subscriptions import EndReason, Subscription, Target, UpdateQueue

_MAXIMUM_HINTED: Final = 1000
# Seconds between two polls that hints cause: images of other pipelines may start all the time.
_HINTED_DELAY: Final = 5.0


class PipelineSubscription(Subscription):
    """One consumer's interest in the new images of a pipeline, each of which it receives once.

    Attributes:
        after: The image whose successors are new as well; ``None`` if only what is listed later is new.
        includes_running: Whether images that run at the first poll are new as well.
        has_started: Whether its first poll has been answered.
        received: The number of images that its consumer has received.
    """

    __slots__ = ("_images", "_since", "after", "has_started", "includes_running", "received")

    def __init__(
        self, target: Target, cadence: Cadence, deadline: float, queue: UpdateQueue, now: float
    ) -> None:
        super().__init__(target, cadence, deadline, queue, now)
        self._images: deque[Image] = deque()
        self._since: datetime | None = None
        self.after: Image | None = None
        self.includes_running: bool = False
        self.has_started: bool = False
        self.received: int = 0

    @property
    def needs_whole_list(self) -> bool:
        """Whether its first poll has to read the whole list."""
        return self.after is not None or self.includes_running

    def start(self, listed: Sequence[Image], newest: datetime | None) -> None:
        """Start with the images of the first poll.

        Args:
            listed: The images, in the order of their creation.
            newest: The latest date of creation of all images of the pipeline.
        """
        self.has_started = True
        self._since = newest
        if (after := self.after) is not None:
            self.after = next((each for each in listed if each.id.casefold() == after.id.casefold()), after)
            self._since = self.after.date_created
        if self.needs_whole_list:
            self._put_all(each for each in listed if self._counts_as_new(each))

    def deliver_new(self, images: Iterable[Image]) -> None:
        """Deliver images that were not listed before."""
        self._put_all(each for each in images if not self._is_overlooked(each))

    def pop_image(self) -> Image | None:
        """Remove and return the first image that the consumer has not received; ``None`` if there is none."""
        image = self._images.popleft() if self._images else None
        self.received += image is not None
        if image is not None and (self._images or self.end_reason is not None):
            self._queue.put(self)
        return image

    def _counts_as_new(self, image: Image) -> bool:
        """Return whether an image of the first poll counts as new."""
        is_successor = self.after is not None and is_later(image, self.after)
        return is_successor or (self.includes_running and not image.is_terminal)

    def _is_overlooked(self, image: Image) -> bool:
        """Return whether an image is older than where this starts, and was just not listed then.

        Pages shift when images are deleted, so a list of several pages may lack some. And the image that
        another one is to follow may be listed late.
        """
        if self.after is not None and image.id.casefold() == self.after.id.casefold():
            return True
        return self._since is not None and image.date_created is not None and image.date_created < self._since

    def _put_all(self, images: Iterable[Image]) -> None:
        self._images.extend(images)
        if self._images:
            self._queue.put(self)


class _Pipeline(Target):
    """A pipeline whose images somebody waits for.

    Attributes:
        images: Its images.
        scope: Cancels its polls.
        sleep: The delay before the next poll or attempt, which ends at the deadline of this scope.
        due: When the next poll is due.
        attempted_at: When the newest attempt of the first page of a poll started.
        is_polling: Whether a poll has begun and is not complete.
        starting: The subscriptions that start with this poll.
    """

    __slots__ = ("attempted_at", "due", "images", "is_polling", "scope", "sleep", "starting")

    def __init__(self, identifier: Identifier, now: float) -> None:
        super().__init__(identifier, now)
        self.images: PipelineImages = PipelineImages()
        self.scope: anyio.CancelScope = anyio.CancelScope()
        self.sleep: anyio.CancelScope = anyio.CancelScope()
        self.due: float = now
        self.attempted_at: float = -math.inf
        self.is_polling: bool = False
        self.starting: list[PipelineSubscription] = []

    @property
    def members(self) -> list[PipelineSubscription]:
        """The subscriptions."""
        return [each for each in self.subscriptions if isinstance(each, PipelineSubscription)]

    @property
    def unstarted(self) -> list[PipelineSubscription]:
        """The subscriptions whose first poll has not been answered yet."""
        return [each for each in self.members if not each.has_started]

    def poll_at(self, time: float) -> None:
        """Poll at this time at the latest. A poll in flight may be older, and is followed by another."""
        self.due = min(self.due, time)
        self.sleep.deadline = min(self.sleep.deadline, time)

    async def sleep_until(self, time: float) -> None:
        """Sleep until this time, or until a poll is due earlier."""
        with anyio.move_on_at(time) as self.sleep:
            await anyio.sleep_forever()


class PipelinePoller:
    """Polls pipelines for their new images.

    Args:
        caller: Makes the calls.
        backoff: How tenacity retries a read.
        hints: Receives push hints, the first of which may announce a new image; ``None`` for none.
        jitter: Returns a random number from 0 to 1.
    """

    def __init__(
        self,
        caller: Caller,
        *,
        backoff: Backoff,
        hints: HintReceiver | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._caller = caller
        self.emitter: Final = caller.emitter
        self._backoff = backoff
        self._hints = hints
        if hints is not None:
            hints.connect_pipelines(self.poll_now)
        self._jitter = jitter
        self._pipelines: dict[Identifier, _Pipeline] = {}
        self._unstarted: list[_Pipeline] = []
        self._changed = anyio.Event()
        self._hinted: set[str] = set()
        self._is_closed = False
        self._task = BackgroundTask(self._run)

    @property
    def is_idle(self) -> bool:
        """Whether there are neither subscribers nor tasks."""
        return not self._pipelines and not self._task.is_running

    def check_origin(self) -> None:
        """Check that the current event loop is that of the client; see `Caller.check_origin`."""
        self._caller.check_origin()

    def run_soon(self, function: Callable[[], object]) -> bool:
        """Call `function` in the event loop of the client; see `Origin.run_soon`."""
        return self._caller.run_soon(function)

    def subscribe(
        self, identifier: Identifier, *, cadence: Cadence, deadline: float, queue: UpdateQueue
    ) -> PipelineSubscription:
        """Poll a pipeline until `unsubscribe` is called. Updates go to `queue`."""
        self.check_origin()
        now = anyio.current_time()
        pipeline = self._pipelines.get(identifier) or _Pipeline(identifier, now)
        subscription = PipelineSubscription(pipeline, cadence, deadline, queue, now)
        if self._is_closed:
            subscription.end(EndReason.CLOSED, now)
            return subscription
        pipeline.subscriptions[subscription] = None
        if identifier not in self._pipelines:
            self._pipelines[identifier] = pipeline
            self._unstarted.append(pipeline)
            self._changed.set()
        if pipeline.is_polling:
            pipeline.sleep.deadline = min(pipeline.sleep.deadline, deadline)
            pipeline.due = now
        else:
            pipeline.poll_at(now)
        self._task.start()
        if self._hints is not None:
            self._hints.start(self)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """End a subscription. With the last one of a pipeline, its request in flight is cancelled."""
        pipeline = subscription.target
        pipeline.subscriptions.pop(subscription, None)
        if not pipeline.subscriptions and isinstance(pipeline, _Pipeline):
            self._drop(pipeline)

    def poll_now(self, image_build_version_arn: str) -> None:
        """Poll all pipelines that may have made this image, which a hint has named.

        The first hint of an image counts, for the pipelines that have not listed it yet: a hint does not name
        the pipeline. They are polled at once, or five seconds after their last poll. Only a poll decides what
        is delivered.
        """
        if image_build_version_arn in self._hinted:
            return
        if len(self._hinted) >= _MAXIMUM_HINTED:
            self._hinted.clear()
        self._hinted.add(image_build_version_arn)
        for pipeline in self._pipelines.values():
            if not pipeline.images.is_known(image_build_version_arn):
                delay = min(_HINTED_DELAY, pipeline.cadence.min_delay) * pipeline.images.delays_between_polls
                earliest = pipeline.attempted_at + delay
                pipeline.poll_at(max(anyio.current_time(), self._caller.paused_until, earliest))

    async def aclose(self) -> None:
        """End every subscription, and stop polling."""
        self._is_closed = True
        await self._task.aclose()
        self._end_all()

    async def _run(self) -> None:
        try:
            # Somebody may subscribe while the task group is being left.
            while self._pipelines:
                async with anyio.create_task_group() as tasks:
                    await self._start_each(tasks)
        finally:
            # Also if the event loop shuts down.
            self._end_all()

    async def _start_each(self, tasks: TaskGroup) -> None:
        """Start a task for each pipeline, until the last one is dropped."""
        watch = protect_from_interrupts(self._watch)
        while self._pipelines:
            self._changed = anyio.Event()
            while self._unstarted:
                tasks.start_soon(watch, self._unstarted.pop())
            await self._changed.wait()

    async def _watch(self, pipeline: _Pipeline) -> None:
        with pipeline.scope:
            try:
                while True:
                    await pipeline.sleep_until(pipeline.due)
                    await self._poll(pipeline)
            except Exception as error:  # noqa: BLE001 - raised in all who wait for this pipeline
                self._end(pipeline, EndReason.FAILURE, error)

    async def _poll(self, pipeline: _Pipeline) -> None:
        """Make a poll, deliver what is new, and schedule the next poll.

        Raises:
            OperationError: The images cannot be listed, now or later.
        """
        pipeline.is_polling = True
        await self._back_off(pipeline, 0)
        # The permit first: those who subscribe meanwhile share the poll.
        await self._caller.acquire_permit(respects_pause=False)
        read = pipeline.images.next_read(is_whole=any(each.needs_whole_list for each in pipeline.unstarted))
        kind, identifier = pipeline.identifier.kind, pipeline.identifier.value
        recorder = PollRecorder(self.emitter, IMAGE_PIPELINE_IMAGES.operation, kind, identifier)
        try:
            await self._read(pipeline, read, recorder)
        except OperationError as error:
            recorder.fail(error, [pipeline])
            self._handle_error(pipeline, read, error)
            self._expire(pipeline)
        except Exception as error:
            recorder.fail(error, [pipeline])
            raise
        else:
            self._deliver(pipeline, read, recorder)
        finally:
            recorder.close()
        pipeline.is_polling = False
        if pipeline.subscriptions:
            pipeline.due = min(pipeline.due, self._next_poll(pipeline))

    async def _read(self, pipeline: _Pipeline, read: ListRead, recorder: PollRecorder) -> None:
        retrying = self._backoff.for_poll(
            before=lambda _: self._record_attempt(pipeline, read, recorder),
            before_sleep=partial(self._record_failure, pipeline, recorder),
            sleep=partial(self._back_off, pipeline),
        )
        listed = list_pipeline_images(
            self._caller, pipeline.identifier.value, read.token, retrying=retrying, has_permit=True
        )
        async with aclosing(listed) as pages:
            async for page in pages:
                if not read.add(page):
                    return

    async def _back_off(self, pipeline: _Pipeline, seconds: float) -> None:
        """Sleep, also through a pause that the service asks for, but not past a deadline."""
        until = max(anyio.current_time() + seconds, self._caller.paused_until)
        await pipeline.sleep_until(min(until, pipeline.deadline))

    def _record_attempt(self, pipeline: _Pipeline, read: ListRead, recorder: PollRecorder) -> None:
        recorder.begin()
        if read.pages == 0:
            pipeline.attempted_at = now = anyio.current_time()
            pipeline.history.polls += 1
            unstarted = pipeline.unstarted
            pipeline.starting = [each for each in unstarted if read.is_whole or not each.needs_whole_list]
            # Whatever was requested before this attempt is satisfied by it, except for a whole list.
            pipeline.due = math.inf if len(pipeline.starting) == len(unstarted) else now

    def _record_failure(self, pipeline: _Pipeline, recorder: PollRecorder, state: RetryCallState) -> None:
        error = state.outcome and state.outcome.exception()
        if isinstance(error, OperationError):
            self._record_error(pipeline, error)
            recorder.fail(error, [pipeline], retry_in=state.upcoming_sleep)
        self._expire(pipeline)

    def _record_error(self, pipeline: _Pipeline, error: OperationError) -> None:
        is_throttle = isinstance(error, ThrottledError)
        pipeline.history.record_failure(error, anyio.current_time(), is_throttle=is_throttle)

    def _handle_error(self, pipeline: _Pipeline, read: ListRead, error: OperationError) -> None:
        """Handle an error that was not retried: raise it, unless another read may succeed."""
        self._record_error(pipeline, error)
        is_missing = isinstance(error, ResourceNotFoundException)
        if read.token is not None and isinstance(error, RequestError) and not is_missing:
            # The token may have expired, or the page may be gone.
            pipeline.images.read_whole()
            pipeline.due = anyio.current_time()
        elif not isinstance(error, (*TRANSIENT_ERRORS, InvalidPaginationTokenException)):
            raise error

    def _deliver(self, pipeline: _Pipeline, read: ListRead, recorder: PollRecorder) -> None:
        """Deliver what is new to the subscriptions, and end those whose last poll this was."""
        history = pipeline.history
        history.error, history.seen_at = None, anyio.current_time()
        new, newest = pipeline.images.record(read), pipeline.images.newest
        listed = in_order(read.images.values())
        starting = set(pipeline.starting)
        recorder.serve(pipeline, [each for each in pipeline.members if each.has_started or each in starting])
        recorder.end()
        for subscription in pipeline.members:
            if subscription.has_started:
                subscription.deliver_new(new)
            elif subscription in starting:
                subscription.start(listed, newest)
        # Those that need the whole list, and subscribed after a part was requested, have a poll of their own.
        self._expire(pipeline, spared=pipeline.unstarted)

    def _next_poll(self, pipeline: _Pipeline) -> float:
        now, deadline = anyio.current_time(), pipeline.deadline
        delay = smithy_delay(pipeline.history.polls, pipeline.cadence, self._jitter)
        due = next_poll(now, delay, pipeline.cadence, deadline)
        return min(deadline, now + (due - now) * pipeline.images.delays_between_polls)

    def _expire(self, pipeline: _Pipeline, *, spared: Iterable[Subscription] = ()) -> None:
        """End the subscriptions whose last poll this was: it started at or after their deadline."""
        kept = set(spared)
        for subscription in pipeline.expired(pipeline.attempted_at):
            if subscription not in kept:
                subscription.end(EndReason.DEADLINE, anyio.current_time())
                self.unsubscribe(subscription)

    def _end(self, pipeline: _Pipeline, reason: EndReason, failure: Exception | None = None) -> None:
        now = anyio.current_time()
        for subscription in pipeline.subscriptions:
            subscription.end(reason, now, failure)
        pipeline.subscriptions.clear()
        self._drop(pipeline)

    def _end_all(self) -> None:
        for pipeline in list(self._pipelines.values()):
            self._end(pipeline, EndReason.CLOSED)

    def _drop(self, pipeline: _Pipeline) -> None:
        """Stop polling `pipeline`."""
        if self._pipelines.get(pipeline.identifier) is pipeline:
            del self._pipelines[pipeline.identifier]
        pipeline.scope.cancel()
        if not self._pipelines:
            self._changed.set()
            if self._hints is not None:
                self._hints.stop(self)
