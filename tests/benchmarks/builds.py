"""Builds of pipelines that take about as long as their last ones did, and the responses of the service.

Drawn at random, and served in memory on the clock of the event loop, with the interface of an aiobotocore
client. The durations are lognormal, and a twentieth of the builds fails early.
"""

from __future__ import annotations

import math
import random
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, Final

import anyio
from memory_client import client_error
from server import TokenBucket
from workloads import REGION, ServiceError

import aioimagebuilder.polling.build_observer
from aioimagebuilder import CompletedBuild

__all__ = ["MEAN", "Builds", "Run", "draw_history", "draw_run", "service_clock"]

MEAN = 1800.0
_FAILING = 0.05
_LATENCY = 0.05
# The share of each stage in the duration, and its spread.
_SHARES = (0.6, 0.25, 0.15)
_SPREAD_OF_SHARES = 0.1
_STATUSES = ("BUILDING", "TESTING", "DISTRIBUTING")
_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)

Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Run:
    """An image or workflow execution. Times are in seconds, those of its stages since its start."""

    id: str
    image: str
    subject: str
    started: float
    stages: tuple[float, ...]
    duration: float
    fails: bool

    @property
    def end(self) -> float:
        return self.started + self.duration

    def stage_at(self, now: float) -> int:
        """Return how many of its stages have ended."""
        return sum(start <= now - self.started for start in self.stages) - 1


def draw_run(
    rng: random.Random,
    spread: float,
    *,
    image: str,
    workflow: str | None = None,
    started: float = 0.0,
    is_staged: bool = True,
    failing: float = _FAILING,
) -> Run:
    """Draw an image, or an execution of a workflow of it."""
    duration = MEAN * math.exp(rng.gauss(-(spread**2) / 2, spread))
    shares = [share * math.exp(rng.gauss(0, _SPREAD_OF_SHARES)) for share in _SHARES]
    total = sum(shares)
    stages = tuple(sum(shares[:each]) / total * duration for each in range(len(shares)))
    fails = rng.random() < failing
    if fails:
        duration *= rng.random() / 3
    return Run(
        id=image if workflow is None else f"wf-{uuid.UUID(int=rng.getrandbits(128), version=4)}",
        image=image,
        subject=workflow or "image",
        started=started,
        stages=stages if is_staged else stages[:1],
        duration=duration,
        fails=fails,
    )


def draw_history(
    rng: random.Random, spread: float, count: int = 5, *, lie: float = 1.0, **of: Any
) -> list[CompletedBuild]:
    """Draw earlier builds, whose times are multiplied by `lie`."""
    history = []
    for _ in range(count):
        run = draw_run(rng, spread, failing=0.0, **of)
        stages = {_stage(run, each): lie * start for each, start in enumerate(run.stages)}
        history.append(
            CompletedBuild(
                id=str(rng.random()),
                subject=run.subject,
                succeeded=True,
                duration=lie * run.duration,
                stages=stages,
            )
        )
    return history


def _stage(run: Run, number: int) -> str:
    if run.subject == "image":
        return _STATUSES[number]
    return "RUNNING" if number == 0 else f"{number} steps"


class Builds:
    """Responds like the service, to the calls that read these runs."""

    meta: Final = SimpleNamespace(region_name=REGION)

    def __init__(self, runs: Sequence[Run], *, rate: float | None = None) -> None:
        self.calls = 0
        self.throttled = 0
        self.longest_gap = 0.0
        self._runs = {each.id: each for each in runs}
        self._by_image: dict[str, list[Run]] = {}
        for run in runs:
            self._by_image.setdefault(run.image, []).append(run)
        self._bucket = None if rate is None else TokenBucket(rate, 2 * rate)
        self._read_at: dict[str, float] = {}

    async def get_image(self, *, imageBuildVersionArn: str) -> Json:  # noqa: N803 - the service's spelling
        return await self._respond("GetImage", lambda now: {"image": self._image(imageBuildVersionArn, now)})

    async def get_workflow_execution(self, *, workflowExecutionId: str) -> Json:  # noqa: N803 - as above
        return await self._respond("GetWorkflowExecution", lambda now: self._row(workflowExecutionId, now))

    async def list_workflow_executions(self, *, imageBuildVersionArn: str, **_: Any) -> Json:  # noqa: N803
        runs = self._by_image[imageBuildVersionArn]
        return await self._respond(
            "ListWorkflowExecutions",
            lambda now: {
                "imageBuildVersionArn": imageBuildVersionArn,
                "workflowExecutions": [self._row(each.id, now) for each in runs if each.started <= now],
            },
        )

    async def list_image_build_versions(self, **_: Any) -> Json:
        return await self._respond(
            "ListImageBuildVersions",
            lambda now: {
                "imageSummaryList": [
                    {"arn": image, "state": {"status": "BUILDING"}}
                    for image, runs in self._by_image.items()
                    if any(each.started <= now < each.end for each in runs)
                ]
            },
        )

    async def _respond(self, operation: str, respond: Any) -> Json:
        now = anyio.current_time()
        self.calls += 1
        is_throttled = self._bucket is not None and not self._bucket.take(now)
        response = {} if is_throttled else respond(now)
        await anyio.sleep(_LATENCY)
        if is_throttled:
            self.throttled += 1
            raise client_error(ServiceError("CallRateLimitExceededException", 429), operation)
        return {**response, "ResponseMetadata": {"HTTPStatusCode": 200, "HTTPHeaders": {}}}

    def _image(self, arn: str, now: float) -> Json:
        run = self._runs[arn]
        status = _STATUSES[run.stage_at(now)]
        if now >= run.end:
            status = "FAILED" if run.fails else "AVAILABLE"
        return {
            "arn": arn,
            "state": {"status": status},
            "dateCreated": _time(run.started),
            "sourcePipelineArn": _pipeline(arn),
        }

    def _row(self, wf: str, now: float) -> Json:
        run = self._runs[wf]
        if wf in self._read_at and now < run.end:
            self.longest_gap = max(self.longest_gap, now - self._read_at[wf])
        self._read_at[wf] = now
        row: Json = {
            "imageBuildVersionArn": run.image,
            "workflowBuildVersionArn": run.subject,
            "workflowExecutionId": wf,
            "status": "RUNNING",
            "totalStepCount": len(_SHARES),
            "totalStepsSucceeded": run.stage_at(min(now, run.end)),
            "startTime": _time(run.started),
        }
        if now >= run.end:
            row |= {"status": "FAILED" if run.fails else "COMPLETED", "endTime": _time(run.end)}
        return row


def _pipeline(arn: str) -> str:
    return arn.replace(":image/", ":image-pipeline/").rsplit("/", 2)[0]


def _time(seconds: float) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).isoformat()


@contextmanager
def service_clock() -> Iterator[None]:
    """Let the wall clock of the library be that of the event loop, as it is without virtual time."""
    module = aioimagebuilder.polling.build_observer
    original = module.utc_now
    module.utc_now = lambda: _EPOCH + timedelta(seconds=anyio.current_time())
    try:
        yield
    finally:
        module.utc_now = original
