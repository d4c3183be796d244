"""The timeline of an image, computed from its plan, script and interventions.

A `Timeline` is a pure function of (plan, script, start, interventions) and holds the state at every time. A
cancellation, an action sent to a waiting step or a retry computes a new timeline with an unchanged past.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..scripts import BuildScript
from .clock import format_time
from .identifiers import make_ec2_id, make_id
from .outputs import list_amis
from .plan import STAGE_STATUS, STAGES, BuildPlan, PlannedWorkflow
from .run_context import Failure, RunContext, StepAction
from .scans import Scan
from .state_history import Members, Row, StateHistory
from .workflows import WorkflowTimeline

MAX_PARALLEL_TESTS = 5
"""Number of test workflows of one parallel group that run at the same time."""

TERMINAL_STATUSES = frozenset({"AVAILABLE", "FAILED", "CANCELLED", "DEPRECATED", "DISABLED", "DELETED"})
_STAGE_TO_WORKFLOW = 2.8
_WORKFLOW_TO_STAGE = 2.75
_FAILURE_TO_IMAGE = 1.1
_HOME_REGION_DISTRIBUTION = 11.5
_COPY_DISTRIBUTION = 246.0


@dataclass(frozen=True, kw_only=True)
class Interventions:
    """The calls that changed a run after its start.

    Args:
        actions: Actions sent to waiting steps, by step id.
        cancelled_at: The time of CancelImageCreation.
    """

    actions: Mapping[str, StepAction] = field(default_factory=dict)
    cancelled_at: float | None = None


@dataclass(kw_only=True)
class Timeline:
    """The timeline of one run of a build.

    Args:
        image: Members ``status``, ``reason``, ``failureContext`` and ``outputResources`` of the image.
        workflows: The workflow executions, with their steps as children.
        waiting_steps: (start, end) of the wait of each waiting step, by step id.
        log_lines: (time, text) of the build log, sorted by time.
        amis: (time, AMI id) of every created AMI.
        stopped_stage: The workflow type (``BUILD``…) of the stage in which an unsuccessful run stopped.
        scan: The vulnerability scan, if the run has one.
    """

    image: StateHistory
    workflows: list[Row]
    waiting_steps: dict[str, tuple[float, float]]
    log_lines: list[tuple[float, str]]
    amis: list[tuple[float, str]]
    stopped_stage: str | None = None
    scan: Scan | None = None


def compute(
    plan: BuildPlan,
    script: BuildScript,
    *,
    start: float,
    run: int = 0,
    first_stage: str | None = None,
    interventions: Interventions | None = None,
    amis: tuple[tuple[float, str], ...] = (),
) -> Timeline:
    """Compute the timeline of one run of a build.

    Args:
        plan: The build plan.
        script: The build script.
        start: The start of the run in simulated seconds.
        run: 0 for the build, 1, 2… for its retries.
        first_stage: The first stage of a retry; ``None`` = all stages.
        interventions: The calls that changed the run after its start.
        amis: (time, AMI id) of every AMI created by earlier runs.
    """
    interventions = interventions or Interventions()
    context = RunContext(plan=plan, script=script, run=run, actions=interventions.actions, amis=list(amis))
    if plan.is_scanned and first_stage != "DISTRIBUTION":
        context.scan = Scan(script.scan, start)
    builder = _TimelineBuilder(context)
    builder.run(start, first_stage)
    timeline = Timeline(
        image=builder.history,
        workflows=builder.rows,
        waiting_steps=context.waiting_steps,
        log_lines=sorted(context.log_lines, key=lambda line: line[0]),
        amis=context.amis,
        stopped_stage=builder.stage if builder.failed else None,
        scan=context.scan,
    )
    if timeline.scan is not None:
        timeline.scan.stop(timeline.image.end)
    if interventions.cancelled_at is not None:
        _cancel(timeline, builder, interventions.cancelled_at + script.cancelling)
    return timeline


class _TimelineBuilder:
    def __init__(self, context: RunContext) -> None:
        self.history = StateHistory()
        self.rows: list[Row] = []
        self.stage: str | None = None
        self.failed = False
        self._entered: list[tuple[float, str]] = []
        self._context = context
        self._plan, self._script = context.plan, context.script

    def run(self, start: float, first_stage: str | None) -> None:
        at = start
        if first_stage is None:
            self._set_status(at, "PENDING")
            at += self._script.pending * self._script.pace
            if self._script.early_failure is not None:
                self._fail(at, Failure(reason=self._script.early_failure))
                return
            self._set_status(at, "CREATING")
            creating = self._script.creating if self._plan.creating is None else self._plan.creating
            at += creating * self._script.pace
        stages = STAGES[STAGES.index(first_stage or STAGES[0]) :]
        for stage in stages:
            if stage != "BUILD":
                self._ensure_ami(at)
            workflows = self._plan.workflows_of(stage)
            if not workflows and (stage != "DISTRIBUTION" or not self._plan.has_distribution_stage):
                continue
            self.stage = stage
            self._entered.append((at, stage))
            self._set_status(at, STAGE_STATUS[stage])
            end, failure = self._run_stage(stage, workflows, at)
            if failure is not None:
                self._fail(end + _FAILURE_TO_IMAGE, failure)
                return
            at = end + (_WORKFLOW_TO_STAGE if workflows else 0.0)
        if self._script.integrating is not None:
            self._set_status(at, "INTEGRATING")
            at += self._script.integrating * self._script.pace
        outputs = self._output_resources(at, self._plan.regions)
        self._set_status(at, self._script.status or "AVAILABLE", outputResources=outputs)

    @property
    def arn(self) -> str:
        """The image build version ARN."""
        return self._plan.image_arn

    def stage_at(self, at: float) -> str | None:
        """Return the stage of the image at a time, or ``None`` before the first stage."""
        return next((stage for entered, stage in reversed(self._entered) if entered <= at), None)

    def remaining_outputs(self, at: float) -> Members | None:
        """Return the output resources that remain if the build stops at a time."""
        return self._output_resources(at, (self._plan.home_region,)) if self._context.latest_ami(at) else None

    def _run_stage(
        self, stage: str, workflows: tuple[PlannedWorkflow, ...], at: float
    ) -> tuple[float, Failure | None]:
        if stage == "DISTRIBUTION" and not workflows:
            return self._distribute(at)
        start = at + _STAGE_TO_WORKFLOW
        if stage == "TEST":
            return self._run_tests(workflows, start)
        failure = None
        for workflow in workflows:
            execution = self._start_workflow(workflow, start)
            start, failure = execution.end, execution.failure
            if failure is not None:
                break
        if stage == "BUILD":
            self._log_output_lines(at, start)
        if stage == "DISTRIBUTION" and self._script.failed_regions:
            context = failure.context if failure else {}
            failure = self._make_distribution_failure(context or {})
        return start, failure

    def _run_tests(
        self, workflows: tuple[PlannedWorkflow, ...], start: float
    ) -> tuple[float, Failure | None]:
        for group in _group_workflows(workflows):
            running: list[float] = []
            failure: Failure | None = None
            failed_at = math.inf
            end = start
            for workflow in group:
                if len(running) == MAX_PARALLEL_TESTS:
                    start = heapq.heappop(running)
                if start >= failed_at:
                    break
                execution = self._start_workflow(workflow, start)
                heapq.heappush(running, execution.end)
                end = max(end, execution.end)
                fails_image = execution.failure is not None and not workflow.continues_on_failure
                if fails_image and execution.end < failed_at:
                    failed_at, failure = execution.end, execution.failure
            start = end
            if failure is not None:
                return start, failure
        return start, None

    def _start_workflow(self, workflow: PlannedWorkflow, start: float) -> WorkflowTimeline:
        execution = WorkflowTimeline(self._context, workflow, len(self.rows), start)
        self.rows.append(execution.row)
        return execution

    def _distribute(self, at: float) -> tuple[float, Failure | None]:
        seconds = self._script.distributing
        if seconds is None:
            seconds = _COPY_DISTRIBUTION if len(self._plan.regions) > 1 else _HOME_REGION_DISTRIBUTION
        failure = self._make_distribution_failure({}) if self._script.failed_regions else None
        return at + seconds * self._script.pace, failure

    def _make_distribution_failure(self, context: Members) -> Failure:
        job = make_id("", self._plan.image_arn, self._context.run, "job")
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
        outputs = self._output_resources(at, tuple(regions)) if self._context.latest_ami(at) else None
        self._set_status(
            at,
            self._script.status or "FAILED",
            reason=self._script.reason or failure.reason,
            failureContext=context,
            outputResources=outputs,
        )

    def _set_status(self, at: float, status: str, **members: object) -> None:
        status = self._script.renamed_statuses.get(status, status)
        self.history.change(at, status=status, **members)
        self._context.log(at, f"Image transitioned to {status} state for Image ARN: {self._plan.image_arn}")

    def _ensure_ami(self, at: float) -> None:
        """Create the AMI of an import, or of a build in which no step did."""
        plan = self._plan
        if not (self._context.amis or plan.is_container or plan.source_ami):
            self._context.amis.append((at, make_ec2_id("ami-", plan.image_arn)))

    def _output_resources(self, at: float, regions: tuple[str, ...]) -> Members | None:
        if self._plan.is_container:
            _, version, build = self._plan.image_arn.rsplit("/", 2)
            tags = (f"{version}-{build}", "latest")
            containers = [{"region": each, "imageUris": self._image_uris(each, tags)} for each in regions]
            return {"containers": containers}
        ami = self._context.latest_ami(at)
        return {"amis": list_amis(self._plan, ami, regions)} if ami else None

    def _image_uris(self, region: str, tags: tuple[str, ...]) -> list[str]:
        registry = f"{self._plan.account_id}.dkr.ecr.{region}.amazonaws.com"
        return [f"{registry}/{self._plan.repository}:{tag}" for tag in tags]

    def _log_output_lines(self, start: float, end: float) -> None:
        count = self._script.log_lines
        for number in range(1, count + 1):
            at = start + (end - start) * number / (count + 1)
            self._context.log(at, f"Stdout: line {number} of {count}")


def _group_workflows(workflows: tuple[PlannedWorkflow, ...]) -> list[list[PlannedWorkflow]]:
    """Return the workflows of each parallel group, and each other workflow as a group of its own."""
    groups: dict[object, list[PlannedWorkflow]] = {}
    for index, workflow in enumerate(workflows):
        groups.setdefault(workflow.parallel_group or index, []).append(workflow)
    return list(groups.values())


def _cancel(timeline: Timeline, builder: _TimelineBuilder, when: float) -> None:
    """Stop the image and all executions at a time, unless the image is finished by then."""
    if timeline.image.end <= when:
        return
    timeline.stopped_stage = builder.stage_at(when)
    outputs = builder.remaining_outputs(when)
    if timeline.scan is not None:
        timeline.scan.stop(when)
    timeline.image.truncate(when)
    timeline.image.change(when, status="CANCELLED", outputResources=outputs)
    line = f"Image transitioned to CANCELLED state for Image ARN: {builder.arn}"
    timeline.log_lines = [*(each for each in timeline.log_lines if each[0] <= when), (when, line)]
    timeline.amis = [ami for ami in timeline.amis if ami[0] < when]
    timeline.waiting_steps = {
        step: (start, min(end, when)) for step, (start, end) in timeline.waiting_steps.items() if start < when
    }
    timeline.workflows = [row for row in timeline.workflows if row.history.start < when]
    for row in timeline.workflows:
        for each in (row, *row.children):
            each.history.truncate(when)
            state = each.history.states[-1]
            if "startTime" in state and "endTime" not in state:
                each.history.change(when, status="CANCELLED", endTime=format_time(when))
