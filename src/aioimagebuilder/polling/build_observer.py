"""What the reads of an execution show of its stages, and when it can be expected to end."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, NamedTuple
from weakref import WeakKeyDictionary

from ..models.executions import Execution, Image, WorkflowExecution
from .build_history import CompletedBuild
from .build_records import BuildRecords
from .forecast import MINIMUM_DURATIONS, Forecast, NextPoll
from .subscriptions import Target

_IMAGE: Final = "image"
# An execution that only one in a hundred exceeds is one that its history does not describe.
_REFUTED: Final = 0.01
# A stage that begins sooner or later than usual by this share of the whole is no reason to doubt.
_TOLERANCE: Final = 0.02


class Expectation(NamedTuple):
    """A forecast, and for how long what it describes has run.

    Attributes:
        forecast: The forecast of the time from the start of a stage to the end.
        elapsed: The seconds since that start.
        following: The same from the start of the next stage, which has not begun; ``None`` if there is none.
    """

    forecast: Forecast
    elapsed: float
    following: Forecast | None = None

    def next_poll(self, lateness: float) -> NextPoll:
        """Return when to poll next, for a mean lateness in seconds."""
        poll = self.forecast.next_poll(self.elapsed, lateness)
        # It still has to go through the next stage, which can begin now at the earliest.
        return poll if self.following is None else max(poll, self.following.next_poll(0.0, lateness))


@dataclass(slots=True)
class _Observed:
    """What was seen of an execution. Times are those of the event loop.

    Attributes:
        pipeline: The pipeline, or what stands for it.
        subject: What is built.
        stage: The stage at the last read.
        stage_started: When it started; ``None`` if it had before the first read.
        started: When the execution started; ``None`` if that is unknown.
        read_at: The time of the last read.
        starts: When each stage started, as far as it was seen.
        is_refuted: Whether its stages began at other times than usual: its history does not describe it.
    """

    pipeline: str
    subject: str
    stage: str
    stage_started: float | None
    started: float | None
    read_at: float
    starts: dict[str, float] = field(default_factory=dict)
    is_refuted: bool = False


class BuildObserver:
    """Follows the stages of images and workflow executions, and records them when they have ended.

    Args:
        records: The builds that have ended.
    """

    def __init__(self, records: BuildRecords) -> None:
        self._records = records
        self._observed: WeakKeyDictionary[Target, _Observed] = WeakKeyDictionary()
        # The pipeline of the builds of an image: only GetImage returns it.
        self._pipelines: dict[str, str] = {}

    def record(self, target: Target, execution: Execution, now: float) -> None:
        """Record a read."""
        if not isinstance(execution, Image | WorkflowExecution):
            return
        pipeline, stage = self._pipeline_of(execution), _stage_of(execution)
        if pipeline is None or stage is None:
            return
        seen = self._observed.get(target)
        if seen is None:
            if execution.is_terminal:
                return
            subject = subject_of(execution)
            seen = self._observed[target] = _Observed(pipeline, subject, stage, None, None, now)
        elif execution.is_terminal:
            self._record_end(seen, execution, now)
            return
        elif stage != seen.stage:
            self._record_stage(seen, stage, now)
        seen.pipeline, seen.read_at = pipeline, now
        if seen.started is None and (age := _age_of(execution)) is not None:
            seen.started = now - age

    def whole(self, target: Target, now: float) -> Expectation | None:
        """Return the forecast of the whole execution, and for how long it has run; ``None`` if unknown."""
        seen = self._observed.get(target)
        if seen is None or seen.started is None:
            return None
        forecast = self._records.forecast(seen.pipeline, seen.subject, None)
        return None if forecast is None else Expectation(forecast, now - seen.started)

    def is_refuted(self, target: Target) -> bool:
        """Return whether stages of an execution began so much sooner or later than usual that it differs."""
        seen = self._observed.get(target)
        return seen is not None and seen.is_refuted

    def expectation(self, target: Target, now: float) -> Expectation | None:
        """Return the expected end of an execution; ``None`` if too little is known, or it is an exception."""
        seen = self._observed.get(target)
        if seen is None:
            return None
        found = self._of_stage(seen, now) or self.whole(target, now)
        if found is None or found.forecast.usual_survival(found.elapsed) < _REFUTED:
            return None
        following = self._records.next_stage(seen.pipeline, seen.subject, seen.stage)
        if following is None:
            return found
        forecast = self._records.forecast(seen.pipeline, seen.subject, following, present=seen.stage)
        return found._replace(following=forecast)

    def _of_stage(self, seen: _Observed, now: float) -> Expectation | None:
        if seen.stage_started is None:
            return None
        forecast = self._records.forecast(seen.pipeline, seen.subject, seen.stage)
        return None if forecast is None else Expectation(forecast, now - seen.stage_started)

    def _record_stage(self, seen: _Observed, stage: str, now: float) -> None:
        seen.stage = stage
        # It began at any time since the read before.
        seen.stage_started = seen.starts[stage] = (seen.read_at + now) / 2
        if seen.started is None:
            return
        starts = self._records.starts(seen.pipeline, seen.subject, stage)
        whole = self._records.forecast(seen.pipeline, seen.subject, None)
        if whole is None or len(starts) < MINIMUM_DURATIONS:
            return
        tolerance = _TOLERANCE * whole.usual
        sooner, later = seen.read_at - seen.started - tolerance, now - seen.started + tolerance
        if Forecast(starts).is_unusual(sooner, later):
            seen.is_refuted = True

    def _record_end(self, seen: _Observed, execution: Image | WorkflowExecution, now: float) -> None:
        duration = None if seen.started is None else (seen.read_at + now) / 2 - seen.started
        if isinstance(execution, WorkflowExecution) and execution.start_time and execution.end_time:
            duration = (execution.end_time - execution.start_time).total_seconds()
        if duration is None or seen.started is None:
            return
        duration = max(0.0, duration)
        stages = {
            stage: min(max(0.0, started - seen.started), duration) for stage, started in seen.starts.items()
        }
        build = CompletedBuild(
            id=execution.id,
            subject=seen.subject,
            succeeded=execution.outcome == "succeeded",
            duration=duration,
            stages=stages,
        )
        self._records.add(seen.pipeline, build)

    def _pipeline_of(self, execution: Image | WorkflowExecution) -> str | None:
        """Return the ARN of the pipeline; if the response names none, that of the image without version."""
        arn = execution.arn if isinstance(execution, Image) else execution.image_build_version_arn
        if arn is None:
            return None
        return self.learn_pipeline(execution) or self.pipeline_arn(arn) or name_of(arn)

    def learn_pipeline(self, execution: Execution) -> str | None:
        """Return the pipeline of an image if the response names it."""
        if not isinstance(execution, Image) or execution.arn is None or execution.source_pipeline_arn is None:
            return None
        self._pipelines[name_of(execution.arn)] = execution.source_pipeline_arn
        return execution.source_pipeline_arn

    def pipeline_arn(self, image_arn: str) -> str | None:
        """Return the pipeline that has built images of the name of this one; ``None`` if unknown."""
        return self._pipelines.get(name_of(image_arn))


def utc_now() -> datetime:
    """Return the present time."""
    return datetime.now(UTC)


def name_of(image_arn: str) -> str:
    """Return the ARN of an image build version without its version."""
    return image_arn.rsplit("/", 2)[0]


def _age_of(execution: Image | WorkflowExecution) -> float | None:
    started = execution.date_created if isinstance(execution, Image) else execution.start_time
    return None if started is None else max(0.0, (utc_now() - started).total_seconds())


def subject_of(execution: Image | WorkflowExecution) -> str:
    """Return what an execution runs: the executions of one subject are comparable."""
    if isinstance(execution, Image):
        return _IMAGE
    return execution.workflow_build_version_arn or execution.type or ""


def _stage_of(execution: Image | WorkflowExecution) -> str | None:
    if isinstance(execution, WorkflowExecution) and execution.progress.steps_done:
        return f"{execution.progress.steps_done} steps"
    return execution.status
