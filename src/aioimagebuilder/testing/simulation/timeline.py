"""The timeline of a run of a build.

It is a pure function of the other members of the `Run`, and holds the state at every time. A cancellation or
an action that is sent to a waiting step computes it anew, with an unchanged past.
"""

from __future__ import annotations

import heapq
import math

from .clock import format_time
from .identifiers import make_ec2_id, make_id
from .outputs import list_amis
from .plan import STAGE_STATUS, STAGES, PlannedWorkflow
from .runs import Failure, Run, Timeline
from .scans import Scan
from .state_history import Members
from .workflows import WorkflowTimeline

MAX_PARALLEL_TESTS = 5
"""Number of test workflows of one parallel group that run at the same time."""

TERMINAL_STATUSES = frozenset({"AVAILABLE", "FAILED", "CANCELLED", "DEPRECATED", "DISABLED", "DELETED"})
_STAGE_TO_WORKFLOW = 2.8
_WORKFLOW_TO_STAGE = 2.75
_FAILURE_TO_IMAGE = 1.1
_HOME_REGION_DISTRIBUTION = 11.5
_COPY_DISTRIBUTION = 246.0


def compute(run: Run) -> None:
    """Compute the timeline of a run."""
    run.timeline = Timeline(amis=[*run.earlier_amis])
    if run.plan.is_scanned and run.first_stage != "DISTRIBUTION":
        run.timeline.scan = Scan(run.script.scan, run.start)
    builder = _TimelineBuilder(run)
    builder.build()
    if run.cancelled_at is not None:
        builder.cancel(run.cancelled_at + run.script.cancelling)


class _TimelineBuilder:
    def __init__(self, run: Run) -> None:
        self._run = run
        self._timeline, self._plan, self._script = run.timeline, run.plan, run.script
        self._entered: list[tuple[float, str]] = []

    def build(self) -> None:
        self._run_stages()
        self._timeline.log_lines.sort(key=lambda line: line[0])
        if self._timeline.scan is not None:
            self._timeline.scan.stop(self._timeline.image.end)

    def _run_stages(self) -> None:
        at = self._run.start
        if self._run.first_stage is None:
            self._set_status(at, "PENDING")
            at += self._script.pending * self._script.pace
            if self._script.early_failure is not None:
                self._fail(at, Failure(reason=self._script.early_failure))
                return
            self._set_status(at, "CREATING")
            creating = self._script.creating if self._plan.creating is None else self._plan.creating
            at += creating * self._script.pace
        stages = STAGES[STAGES.index(self._run.first_stage or STAGES[0]) :]
        for stage in stages:
            if stage != "BUILD":
                self._ensure_ami(at)
            workflows = self._plan.workflows_of(stage)
            if not workflows and (stage != "DISTRIBUTION" or not self._plan.has_distribution_stage):
                continue
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

    def cancel(self, when: float) -> None:
        """Stop the image and all executions at a time, unless the image is finished by then."""
        timeline = self._timeline
        if timeline.image.end <= when:
            return
        timeline.stopped_stage = self._stage_at(when)
        outputs = self._remaining_outputs(when, (self._plan.home_region,))
        if timeline.scan is not None:
            timeline.scan.stop(when)
        timeline.image.truncate(when)
        timeline.log_lines = [line for line in timeline.log_lines if line[0] <= when]
        self._set_status(when, "CANCELLED", outputResources=outputs)
        timeline.amis = [ami for ami in timeline.amis if ami[0] < when]
        timeline.waiting_steps = {
            step: (start, min(end, when))
            for step, (start, end) in timeline.waiting_steps.items()
            if start < when
        }
        timeline.workflows = [row for row in timeline.workflows if row.history.start < when]
        for row in timeline.workflows:
            for each in (row, *row.children):
                each.history.truncate(when)
                state = each.history.states[-1]
                if "startTime" in state and "endTime" not in state:
                    each.history.change(when, status="CANCELLED", endTime=format_time(when))

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
        execution = WorkflowTimeline(self._run, workflow, len(self._timeline.workflows), start)
        self._timeline.workflows.append(execution.row)
        return execution

    def _distribute(self, at: float) -> tuple[float, Failure | None]:
        seconds = self._script.distributing
        if seconds is None:
            seconds = _COPY_DISTRIBUTION if len(self._plan.regions) > 1 else _HOME_REGION_DISTRIBUTION
        failure = self._make_distribution_failure({}) if self._script.failed_regions else None
        return at + seconds * self._script.pace, failure

    def _make_distribution_failure(self, context: Members) -> Failure:
        job = make_id("", self._plan.image_arn, self._run.number, "job")
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
        stage = self._timeline.stopped_stage = self._stage_at(at)
        reached = [region for region in self._plan.regions if region not in self._script.failed_regions]
        regions = reached if stage == "DISTRIBUTION" else [self._plan.home_region]
        context = failure.context if self._script.failure_context else None
        self._set_status(
            at,
            self._script.status or "FAILED",
            reason=self._script.reason or failure.reason,
            failureContext=context,
            outputResources=self._remaining_outputs(at, tuple(regions)),
        )

    def _stage_at(self, at: float) -> str | None:
        """Return the stage of the image at a time, or ``None`` before the first stage."""
        return next((stage for entered, stage in reversed(self._entered) if entered <= at), None)

    def _remaining_outputs(self, at: float, regions: tuple[str, ...]) -> Members | None:
        """Return the output resources that remain if the build stops at a time."""
        return self._output_resources(at, regions) if self._run.latest_ami(at) else None

    def _set_status(self, at: float, status: str, **members: object) -> None:
        status = self._script.renamed_statuses.get(status, status)
        self._timeline.image.change(at, status=status, **members)
        self._run.log(at, f"Image transitioned to {status} state for Image ARN: {self._plan.image_arn}")

    def _ensure_ami(self, at: float) -> None:
        """Create the AMI of an import, or of a build in which no step did."""
        plan = self._plan
        if not (self._timeline.amis or plan.is_container or plan.source_ami):
            self._timeline.amis.append((at, make_ec2_id("ami-", plan.image_arn)))

    def _output_resources(self, at: float, regions: tuple[str, ...]) -> Members | None:
        if self._plan.is_container:
            _, version, build = self._plan.image_arn.rsplit("/", 2)
            tags = (f"{version}-{build}", "latest")
            containers = [{"region": each, "imageUris": self._image_uris(each, tags)} for each in regions]
            return {"containers": containers}
        ami = self._run.latest_ami(at)
        return {"amis": list_amis(self._plan, ami, regions)} if ami else None

    def _image_uris(self, region: str, tags: tuple[str, ...]) -> list[str]:
        registry = f"{self._plan.account_id}.dkr.ecr.{region}.amazonaws.com"
        return [f"{registry}/{self._plan.repository}:{tag}" for tag in tags]

    def _log_output_lines(self, start: float, end: float) -> None:
        count = self._script.log_lines
        for number in range(1, count + 1):
            at = start + (end - start) * number / (count + 1)
            self._run.log(at, f"Stdout: line {number} of {count}")


def _group_workflows(workflows: tuple[PlannedWorkflow, ...]) -> list[list[PlannedWorkflow]]:
    """Return the workflows of each parallel group, and each other workflow as a group of its own."""
    groups: dict[object, list[PlannedWorkflow]] = {}
    for index, workflow in enumerate(workflows):
        groups.setdefault(workflow.parallel_group or index, []).append(workflow)
    return list(groups.values())
