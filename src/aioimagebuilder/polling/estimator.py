"""Estimates of when executions end, for those who ask for them, from the history of the pipeline.

What the client sees end itself is not enough at first. So the last images of the pipeline are read from the
service, once for each pipeline, by at most six calls at the call rate of the client. Each call is attempted
once, and one that fails is left out: an estimate never changes, delays or ends a wait.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import aclosing
from datetime import timedelta
from typing import Final

import anyio

from ..aws.backoff import Backoff
from ..aws.call import Caller
from ..aws.event_loops import BackgroundTask
from ..aws.reads import IMAGE_PIPELINE_IMAGES, get, list_executions
from ..errors import OperationError
from ..models.estimates import Estimate
from ..models.executions import Execution, Image, WorkflowExecution
from ..models.kinds import KINDS, ExecutionKind, ListOperation
from ..models.statuses import ImageStatus, WorkflowType
from . import build_observer
from .build_history import CompletedBuild
from .build_observer import BuildObserver
from .build_records import BuildRecords
from .subscriptions import Target

_IMAGES: Final = 5
_MAXIMUM_CALLS: Final = 6
_TIMEOUT: Final = 60.0
_STAGES: Final = {
    WorkflowType.BUILD: ImageStatus.BUILDING,
    WorkflowType.TEST: ImageStatus.TESTING,
    WorkflowType.DISTRIBUTION: ImageStatus.DISTRIBUTING,
}


class Estimator:
    """Shows what is read to the observer, and delivers estimates to the subscriptions that want them.

    Args:
        caller: Makes the calls.
        observer: Knows when executions are expected to end.
        records: The builds that have ended.
        observes_all: Whether to observe executions without a subscription that wants estimates as well.
    """

    def __init__(
        self, caller: Caller, observer: BuildObserver, records: BuildRecords, *, observes_all: bool
    ) -> None:
        self._caller = caller
        self._notice = caller.emitter.notice
        self._observer = observer
        self._records = records
        self._observes_all = observes_all
        self._requested: dict[str, Target] = {}
        # The pipelines whose history was read, and the names of images whose pipeline was.
        self._read: set[str] = set()
        self._task = BackgroundTask(self._run)

    def record(self, target: Target, execution: Execution, now: float) -> None:
        """Record a read, and deliver the estimate that follows from it."""
        is_wanted = any(each.wants_estimate for each in target.subscriptions)
        if not is_wanted and not self._observes_all:
            return
        self._observer.record(target, execution, now)
        if not is_wanted or execution.is_terminal:
            return
        image_arn = _image_of(execution)
        if image_arn is not None and build_observer.name_of(image_arn) not in self._read:
            self._read.add(build_observer.name_of(image_arn))
            self._requested[image_arn] = target
            self._task.start()
        self._deliver(target, now)

    async def aclose(self) -> None:
        """End the reads."""
        self._requested.clear()
        await self._task.aclose()

    def _deliver(self, target: Target, now: float) -> None:
        estimate = self._estimate(target, now)
        for subscription in target.subscriptions:
            if subscription.wants_estimate:
                subscription.deliver_estimate(estimate)

    def _estimate(self, target: Target, now: float) -> Estimate | None:
        whole = self._observer.whole(target, now)
        if whole is None:
            return None
        longer_than = 1 - whole.forecast.usual_survival(whole.elapsed)
        usual = timedelta(seconds=round(whole.forecast.usual))
        expected = self._observer.expectation(target, now)
        if expected is None:
            return Estimate(usual=usual, longer_than=longer_than)
        present = build_observer.utc_now().replace(microsecond=0)
        earliest, end, latest = (
            present
            + timedelta(seconds=round(expected.forecast.quantile(share, expected.elapsed) - expected.elapsed))
            for share in (0.1, 0.5, 0.9)
        )
        return Estimate(
            usual=usual, longer_than=longer_than, expected_end=end, earliest=earliest, latest=latest
        )

    async def _run(self) -> None:
        while self._requested:
            image_arn, target = next(iter(self._requested.items()))
            del self._requested[image_arn]
            with anyio.move_on_after(_TIMEOUT):
                try:
                    await self._read_history(image_arn, target)
                except OperationError as error:
                    self._notice(logging.INFO, "There may be no estimates: %s", error)
                except Exception as error:  # noqa: BLE001 - logged with its traceback, and not repeated
                    self._notice(logging.ERROR, "Reading the history of %s failed", image_arn, error=error)
            self._deliver(target, anyio.current_time())

    async def _read_history(self, image_arn: str, target: Target) -> None:
        """Read the last images of the pipeline of an image, unless they have been read."""
        calls = 1
        pipeline_arn = self._observer.pipeline_arn(image_arn)
        if pipeline_arn is None:
            image = await get(self._caller, ExecutionKind.IMAGE, image_arn, retrying=Backoff.none())
            calls += 1
            pipeline_arn = self._observer.learn_pipeline(image)
        if pipeline_arn is None or pipeline_arn in self._read:
            return
        self._read.add(pipeline_arn)
        images = [
            each
            for each in await self._first_page(IMAGE_PIPELINE_IMAGES, ExecutionKind.IMAGE, pipeline_arn)
            if isinstance(each, Image) and each.status == ImageStatus.AVAILABLE
        ]
        images.sort(key=lambda each: each.date_created or build_observer.utc_now(), reverse=True)
        for image in reversed(images[: min(_IMAGES, _MAXIMUM_CALLS - calls)]):
            listing = KINDS[ExecutionKind.WORKFLOW_EXECUTION].list
            rows = await self._first_page(listing, ExecutionKind.WORKFLOW_EXECUTION, image.id)
            workflows = [each for each in rows if isinstance(each, WorkflowExecution)]
            self._records.add_read(pipeline_arn, builds_of(image, workflows))

    async def _first_page(
        self, listing: ListOperation, kind: ExecutionKind, parent: str
    ) -> Sequence[Execution]:
        listed = list_executions(self._caller, listing, kind, parent, retrying=Backoff.none())
        async with aclosing(listed) as pages:
            return await anext(pages, ())


def builds_of(image: Image, workflows: Sequence[WorkflowExecution]) -> list[CompletedBuild]:
    """Return an image that is AVAILABLE, and its workflow executions, as builds that have ended.

    The service does not say when an image became AVAILABLE: it was soon after its last workflow execution.
    """
    ended = [each for each in workflows if not each.retried and each.start_time and each.end_time]
    builds = []
    for each in ended:
        assert each.start_time is not None and each.end_time is not None  # noqa: S101, PT018 - for the type checker
        builds.append(
            CompletedBuild(
                id=each.id,
                subject=build_observer.subject_of(each),
                succeeded=each.outcome == "succeeded",
                duration=max(0.0, (each.end_time - each.start_time).total_seconds()),
            )
        )
    # The time of creation is that of the first run, if another one has replaced it.
    if image.date_created is None or not ended or any(each.retried for each in workflows):
        return builds
    stages: dict[str, float] = {}
    last = image.date_created
    for each in ended:
        assert each.start_time is not None and each.end_time is not None  # noqa: S101, PT018 - as above
        last = max(last, each.end_time)
        started = max(0.0, (each.start_time - image.date_created).total_seconds())
        if each.type in _STAGES:
            stage = _STAGES[each.type]
            stages[stage] = min(started, stages.get(stage, started))
    duration = (last - image.date_created).total_seconds()
    builds.append(
        CompletedBuild(
            id=image.id,
            subject=build_observer.subject_of(image),
            succeeded=True,
            duration=duration,
            stages={stage: min(started, duration) for stage, started in stages.items()},
        )
    )
    return builds


def _image_of(execution: Execution) -> str | None:
    if isinstance(execution, Image):
        return execution.arn
    return execution.image_build_version_arn if isinstance(execution, WorkflowExecution) else None
