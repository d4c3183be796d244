"""The course of an image from its plan and script: a pure function, computed once per event.

A `Timeline` is what (plan, script, start, what happened since) amount to. Nothing advances it; a reader asks
what everything looks like at a time. A cancel, an action to a waiting step or a retry makes a new timeline
whose past is the same as before.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..scripts import BuildScript
from .clock import stamp
from .identifiers import hexadecimal, unique
from .plan import STAGE_STATUS, STAGES, BuildPlan, PlannedWorkflow
from .run_context import Failure, GateAction, Site
from .state_history import Members, Row, Track
from .workflows import WorkflowCourse

MOST_AT_ONCE = 5
"""So many test workflows of one parallel group run at the same time."""

END_STATUSES = frozenset({"AVAILABLE", "FAILED", "CANCELLED", "DEPRECATED", "DISABLED", "DELETED"})
_STAGE_TO_WORKFLOW = 2.8
_WORKFLOW_TO_STAGE = 2.75
_FAILURE_TO_IMAGE = 1.1
_HOME_DISTRIBUTION = 11.5
_COPY_DISTRIBUTION = 246.0


@dataclass(frozen=True, kw_only=True)
class Happenings:
    """What was done to one run of a build from outside.

    Args:
        actions: What was sent to waiting steps, by step id.
        cancelled_at: When CancelImageCreation was called.
    """

    actions: Mapping[str, GateAction] = field(default_factory=dict)
    cancelled_at: float | None = None


@dataclass(kw_only=True)
class Timeline:
    """One run of a build, from start to end.

    Args:
        image: Members ``status``, ``reason``, ``failureContext`` and ``outputResources`` of the image.
        workflows: Its workflow executions; their steps are the rows' children.
        gates: Step id to (waits from, waits until).
        lines: (time, text) of the build log, by time.
        images: (time, AMI id) of what was made.
        stage: The type of workflow (``BUILD``…) that the run ended in, when it did not succeed.
    """

    image: Track
    workflows: list[Row]
    gates: dict[str, tuple[float, float]]
    lines: list[tuple[float, str]]
    images: list[tuple[float, str]]
    stage: str | None = None


def compute(
    plan: BuildPlan,
    script: BuildScript,
    *,
    start: float,
    run: int = 0,
    first_stage: str | None = None,
    happenings: Happenings | None = None,
    images: tuple[tuple[float, str], ...] = (),
) -> Timeline:
    """Get what this build looks like at any time.

    Args:
        plan: What the build runs.
        script: What it shall do.
        start: When it starts, in simulated seconds.
        run: 0 for the build, 1, 2… for its retries.
        first_stage: The stage that a retry starts with; ``None`` = from the beginning.
        happenings: What was done to it since.
        images: What earlier runs made.
    """
    happened = happenings or Happenings()
    site = Site(plan=plan, script=script, run=run, actions=happened.actions, images=list(images))
    course = _ImageCourse(site)
    course.run(start, first_stage)
    timeline = Timeline(
        image=course.track,
        workflows=course.rows,
        gates=site.gates,
        lines=sorted(site.lines, key=lambda line: line[0]),
        images=site.images,
        stage=course.stage if course.failed else None,
    )
    if happened.cancelled_at is not None:
        _cancel(timeline, course, happened.cancelled_at + script.cancelling)
    return timeline


class _ImageCourse:
    def __init__(self, site: Site) -> None:
        self.track = Track()
        self.rows: list[Row] = []
        self.stage: str | None = None
        self.failed = False
        self._entered: list[tuple[float, str]] = []
        self._site = site
        self._plan, self._script = site.plan, site.script

    def run(self, start: float, first_stage: str | None) -> None:
        at = start
        if first_stage is None:
            self._show(at, "PENDING")
            at += self._script.pending * self._script.pace
            if self._script.early_failure is not None:
                self._fail(at, Failure(reason=self._script.early_failure))
                return
            self._show(at, "CREATING")
            creating = self._script.creating if self._plan.creating is None else self._plan.creating
            at += creating * self._script.pace
        stages = STAGES[STAGES.index(first_stage or STAGES[0]) :]
        for stage in stages:
            workflows = self._plan.stage(stage)
            if not workflows and (stage != "DISTRIBUTION" or not self._plan.distributes):
                continue
            self.stage = stage
            self._entered.append((at, stage))
            self._show(at, STAGE_STATUS[stage])
            ended, failure = self._run_stage(stage, workflows, at)
            if failure is not None:
                self._fail(ended + _FAILURE_TO_IMAGE, failure)
                return
            at = ended + (_WORKFLOW_TO_STAGE if workflows else 0.0)
        if self._script.integrating is not None:
            self._show(at, "INTEGRATING")
            at += self._script.integrating * self._script.pace
        self._show(
            at, self._script.status or "AVAILABLE", outputResources=self._outputs(at, self._plan.regions)
        )

    @property
    def arn(self) -> str:
        """The image that is built."""
        return self._plan.image_arn

    def stage_at(self, at: float) -> str | None:
        """Get the stage that the image is in at this time; ``None`` before the first."""
        return next((stage for entered, stage in reversed(self._entered) if entered <= at), None)

    def outputs_left(self, at: float) -> Members | None:
        """Get what stays behind when the build stops at this time."""
        return self._outputs(at, (self._plan.home_region,)) if self._made(at) else None

    def _run_stage(
        self, stage: str, workflows: tuple[PlannedWorkflow, ...], at: float
    ) -> tuple[float, Failure | None]:
        if stage == "DISTRIBUTION" and not workflows:
            return self._distribute(at)
        start = at + _STAGE_TO_WORKFLOW
        if stage == "TEST":
            return self._test(workflows, start)
        failure = None
        for workflow in workflows:
            course = self._start(workflow, start)
            start, failure = course.end, course.failure
            if failure is not None:
                break
        if stage == "BUILD":
            self._spread_lines(at, start)
        if stage == "DISTRIBUTION" and self._script.failed_regions:
            context = failure.context if failure else {}
            failure = self._distribution_failure(context or {})
        return start, failure

    def _test(self, workflows: tuple[PlannedWorkflow, ...], start: float) -> tuple[float, Failure | None]:
        for group in _groups(workflows):
            running: list[float] = []
            failure: Failure | None = None
            failed_at = math.inf
            ended = start
            for workflow in group:
                if len(running) == MOST_AT_ONCE:
                    start = heapq.heappop(running)
                if start >= failed_at:
                    break
                course = self._start(workflow, start)
                heapq.heappush(running, course.end)
                ended = max(ended, course.end)
                counts = course.failure is not None and not workflow.continues_on_failure
                if counts and course.end < failed_at:
                    failed_at, failure = course.end, course.failure
            start = ended
            if failure is not None:
                return start, failure
        return start, None

    def _start(self, workflow: PlannedWorkflow, start: float) -> WorkflowCourse:
        course = WorkflowCourse(self._site, workflow, len(self.rows), start)
        self.rows.append(course.row)
        return course

    def _distribute(self, at: float) -> tuple[float, Failure | None]:
        seconds = self._script.distributing
        if seconds is None:
            seconds = _COPY_DISTRIBUTION if len(self._plan.regions) > 1 else _HOME_DISTRIBUTION
        failure = self._distribution_failure({}) if self._script.failed_regions else None
        return at + seconds * self._script.pace, failure

    def _distribution_failure(self, context: Members) -> Failure:
        job = unique("", self._plan.image_arn, self._site.run, "job")
        failed = self._script.failed_regions
        reason = (
            f"Distribution failed with JobId '{job}', status = 'Failed' for ARN '{self._plan.image_arn}'. "
            f"Failed in: {', '.join(failed)}."
        )
        regions = [
            {
                "region": region,
                "status": "FAILED",
                "errorMessage": message,
                "targetAccountId": self._plan.account_id,
            }
            for region, message in failed.items()
        ]
        distribution = {"errorMessage": next(iter(failed.values())), "regionFailures": regions}
        return Failure(
            reason=reason[:1024],
            context={**context, "imageStatus": "DISTRIBUTING", "distributionFailure": distribution},
        )

    def _fail(self, at: float, failure: Failure) -> None:
        self.failed = True
        reached = [region for region in self._plan.regions if region not in self._script.failed_regions]
        regions = reached if self.stage == "DISTRIBUTION" else [self._plan.home_region]
        context = failure.context if self._script.failure_context else None
        self._show(
            at,
            self._script.status or "FAILED",
            reason=self._script.reason or failure.reason,
            failureContext=context,
            outputResources=self._outputs(at, tuple(regions)) if self._made(at) else None,
        )

    def _show(self, at: float, status: str, **members: object) -> None:
        word = self._script.renamed_statuses.get(status, status)
        self.track.change(at, status=word, **members)
        self._site.log(at, f"Image transitioned to {word} state for Image ARN: {self._plan.image_arn}")

    def _made(self, at: float) -> str | None:
        return next((image for made, image in reversed(self._site.images) if made <= at), None)

    def _outputs(self, at: float, regions: tuple[str, ...]) -> Members | None:
        if self._plan.container:
            _, version, build = self._plan.image_arn.rsplit("/", 2)
            tags = (f"{version}-{build}", "latest")
            return {"containers": [{"region": each, "imageUris": self._uris(each, tags)} for each in regions]}
        home = self._made(at) or self._plan.parent_image
        if home is None:
            return None
        name = f"{self._plan.image_name} {stamp(at)}".replace(":", "-")
        amis = [
            {
                "region": region,
                "image": home if region == self._plan.home_region else hexadecimal("ami-", home, region),
                "name": name,
                "accountId": self._plan.account_id,
            }
            for region in regions
        ]
        return {"amis": amis}

    def _uris(self, region: str, tags: tuple[str, ...]) -> list[str]:
        registry = f"{self._plan.account_id}.dkr.ecr.{region}.amazonaws.com"
        return [f"{registry}/{self._plan.repository}:{tag}" for tag in tags]

    def _spread_lines(self, start: float, end: float) -> None:
        count = self._script.log_lines
        for number in range(1, count + 1):
            at = start + (end - start) * number / (count + 1)
            self._site.log(at, f"Stdout: line {number} of {count}")


def _groups(workflows: tuple[PlannedWorkflow, ...]) -> list[list[PlannedWorkflow]]:
    """Workflows that run at once, in order: those of one parallel group together, any other alone."""
    groups: dict[object, list[PlannedWorkflow]] = {}
    for place, workflow in enumerate(workflows):
        groups.setdefault(workflow.parallel_group or place, []).append(workflow)
    return list(groups.values())


def _cancel(timeline: Timeline, course: _ImageCourse, when: float) -> None:
    """Stop everything at this time, unless the image is over by then."""
    if timeline.image.ends <= when:
        return
    timeline.stage = course.stage_at(when)
    left = course.outputs_left(when)
    timeline.image.cut(when)
    timeline.image.change(when, status="CANCELLED", outputResources=left)
    told = f"Image transitioned to CANCELLED state for Image ARN: {course.arn}"
    timeline.lines = [*(line for line in timeline.lines if line[0] < when), (when, told)]
    timeline.images = [image for image in timeline.images if image[0] < when]
    timeline.gates = {
        step: (start, min(end, when)) for step, (start, end) in timeline.gates.items() if start < when
    }
    timeline.workflows = [row for row in timeline.workflows if row.track.begins < when]
    for row in timeline.workflows:
        for each in (row, *row.children):
            each.track.cut(when)
            state = each.track.states[-1]
            if "startTime" in state and "endTime" not in state:
                each.track.change(when, status="CANCELLED", endTime=stamp(when))
