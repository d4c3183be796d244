"""The waiters for images that a pipeline has yet to make."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from typing import cast

import anyio.lowlevel

from ..models.executions import Image
from ..models.identifiers import Identifier
from ..models.kinds import ExecutionKind
from ..polling.pipelines import PipelinePoller, PipelineSubscription
from ..polling.subscriptions import Subscription
from .options import WaitSettings
from .outcomes import pipeline_error
from .waiters import Consumer


def _parse_after(after: str | Image | None, region: str | None) -> Image | None:
    """Return the image whose successors are wanted; of an ARN, an image that has only this ARN."""
    if after is None:
        return None
    arn = after.id if isinstance(after, Image) else after
    identifier = Identifier.parse(arn, ExecutionKind.IMAGE, client_region=region)
    return after if isinstance(after, Image) else Image(arn=identifier.value)


class PipelineWatch(Consumer, AsyncIterator[Image]):
    """The new images of a pipeline, each once, as it appears. A slow consumer misses nothing.

    It ends only by an exception, at its deadline or when the pipeline cannot be observed. The consumer may
    stop at any time. As an async context manager, a watch ends at once when it is left.
    """

    def __init__(
        self,
        poller: PipelinePoller,
        settings: WaitSettings,
        pipeline: Identifier,
        prepare: Callable[[Subscription], None],
        *,
        is_for_one: bool = False,
    ) -> None:
        super().__init__(poller, settings, wants_changes=True, prepare=prepare)
        self._pipeline = pipeline
        self._is_for_one = is_for_one

    async def __anext__(self) -> Image:
        await anyio.lowlevel.checkpoint()
        self._subscribe([self._pipeline])
        subscription = None if self._is_closed else await self._next_update()
        if subscription is None:
            raise StopAsyncIteration
        ended = cast("PipelineSubscription", subscription)
        if (image := ended.pop_image()) is not None:
            if self._is_for_one:
                self._recorder.end(ended, outcome="succeeded")
            return image
        try:
            error = pipeline_error(ended)
            self._recorder.end(ended, error=error)
            raise error
        finally:
            self.close()


def watch_pipeline(
    poller: PipelinePoller,
    settings: WaitSettings,
    pipeline: Identifier,
    after: str | Image | None,
    *,
    include_running: bool,
    is_for_one: bool = False,
) -> PipelineWatch:
    """Return a watch of the new images of a pipeline; see `ImageBuilder.watch_pipeline`.

    Raises:
        TypeError: `after` is neither an image nor an ARN.
        ValueError: It is malformed or of another region.
    """
    previous = _parse_after(after, pipeline.region)

    def prepare(subscription: Subscription) -> None:
        created = cast("PipelineSubscription", subscription)
        created.after, created.includes_running = previous, include_running

    return PipelineWatch(poller, settings, pipeline, prepare, is_for_one=is_for_one)


async def next_image(
    poller: PipelinePoller, settings: WaitSettings, pipeline: Identifier, after: str | Image | None
) -> Image:
    """Return the next image of a pipeline as soon as it appears; see `ImageBuilder.wait_for_next_image`."""
    watch = watch_pipeline(poller, settings, pipeline, after, include_running=False, is_for_one=True)
    async with watch:
        image = await anext(watch)
    poller.emitter.notice(logging.INFO, "Image %s is the next one of pipeline %s", image.id, pipeline)
    return image
