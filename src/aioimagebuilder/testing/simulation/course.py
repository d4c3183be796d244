"""The course of one workflow execution: pure, computed once, then only looked up.

Facts of the service: the step count is set before any step runs; a step that fails with ``Abort`` ends the
workflow and leaves the later steps PENDING; a rollback undoes from the failed step backwards; ``Continue``
goes on without a rollback.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..scripts import BuildScript, ComponentFailure, Json, StepScript, WorkflowScript
from .catalogue import COMPONENT_ACTION, IMAGE_ACTIONS, WAITING_ACTION
from .clock import stamp
from .documents import resolve
from .identifiers import hexadecimal, unique
from .plan import STAGE_STATUS, BuildPlan, PlannedStep, PlannedWorkflow
from .track import Members, Row, Track

BETWEEN_STEPS = 0.41
AFTER_LAST_STEP = 0.026
_FAILED = frozenset({"FAILED", "TIMED_OUT"})
_COUNTERS = {
    "COMPLETED": "totalStepsSucceeded",
    "FAILED": "totalStepsFailed",
    "TIMED_OUT": "totalStepsFailed",
    "SKIPPED": "totalStepsSkipped",
}
_AVAILABILITY_CHECK = 46.0


@dataclass(frozen=True, kw_only=True)
class GateAction:
    """An action that somebody sent to a waiting step."""

    at: float
    action: str
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why a build fails: the reason and the failure context of its image."""

    reason: str
    context: Members | None = None


@dataclass(kw_only=True)
class Site:
    """What all workflows of one run of a build share, and what they leave behind.

    Args:
        plan: What the build runs.
        script: What it shall do.
        run: 0 for the build, 1, 2… for its retries.
        actions: What was sent to waiting steps, by step id.
        gates: Step id to (waits from, waits until) of every step that waits for an action.
        lines: (time, text) of the build log, in no order.
        images: (time, AMI id) of what was made.
    """

    plan: BuildPlan
    script: BuildScript
    run: int = 0
    actions: Mapping[str, GateAction] = field(default_factory=dict)
    gates: dict[str, tuple[float, float]] = field(default_factory=dict)
    lines: list[tuple[float, str]] = field(default_factory=list)
    images: list[tuple[float, str]] = field(default_factory=list)

    def log(self, at: float, text: str) -> None:
        """Add a line to the build log."""
        if at < math.inf:
            self.lines.append((at, text))


class WorkflowCourse:
    """Runs one planned workflow in simulated time; `row` is what it looks like, `end` when it is over."""

    def __init__(self, site: Site, workflow: PlannedWorkflow, number: int, start: float) -> None:
        self._site = site
        self._workflow = workflow
        self._script = _workflow_script(site.script, workflow)
        self._facts: dict[str, dict[str, Json]] = {}
        self._undoable: list[tuple[PlannedStep, StepScript, Row]] = []
        seed = (site.plan.image_arn, site.run, number)
        self.row = Row(unique("wf-", *seed), Track())
        self.end = start
        self.failure: Failure | None = None
        self._common = {
            "workflowBuildVersionArn": workflow.arn,
            "workflowExecutionId": self.row.identifier,
            "imageBuildVersionArn": site.plan.image_arn,
        }
        self._steps = [
            (step, _step_script(site.script, workflow, step), Row(unique("step-", *seed, place), Track()))
            for place, step in enumerate(workflow.steps)
        ]
        self.row.children = [row for _, _, row in self._steps]
        self._run(start)

    def _run(self, start: float) -> None:
        track = self.row.track
        skipped = self._script.status == "SKIPPED"
        track.change(
            start,
            **self._common,
            type=self._workflow.type,
            parallelGroup=self._workflow.parallel_group,
            status="SKIPPED" if skipped else "PENDING",
            message=self._script.message if skipped else None,
            totalStepCount=len(self._steps),
            totalStepsSucceeded=0,
            totalStepsFailed=0,
            totalStepsSkipped=0,
            startTime=stamp(start),
            endTime=stamp(start) if skipped else None,
            retried=False,
        )
        if skipped:
            return
        self._site.log(start, f"Started {self._workflow.type} workflow {self._workflow.arn}")
        self._site.log(start, f"Total {len(self._steps)} steps to run for workflow {self._workflow.arn}")
        for step, script, row in self._steps:
            self._introduce(step, script, row, start)
        at = start + self._script.pending
        track.change(at, status=self._script.running_status or "RUNNING")
        for step, script, row in self._steps:
            at = _StepCourse(self, step, script, row, at).end
            status = str(row.track.states[-1]["status"])
            self._count(status, at)
            self._undoable.append((step, script, row))
            if status in _FAILED and row.track.states[-1]["onFailure"] != "Continue":
                self._fail(script, row, at)
                return
            at += BETWEEN_STEPS
        self._finish(at - BETWEEN_STEPS + AFTER_LAST_STEP)

    def _introduce(self, step: PlannedStep, script: StepScript, row: Row, at: float) -> None:
        attempts = script.max_attempts or step.max_attempts
        if attempts is None and script.failed_attempts:
            attempts = script.failed_attempts + 1
        row.track.change(
            at,
            stepExecutionId=row.identifier,
            **self._common,
            name=step.name,
            description=step.description,
            action=WAITING_ACTION if script.gate else step.action,
            status="PENDING",
            onFailure=script.on_failure or step.on_failure,
            timeoutSeconds=script.timeout_seconds or step.timeout_seconds,
            attemptNumber=1 if attempts else None,
            maxAttempts=attempts,
        )

    def _count(self, status: str, at: float) -> None:
        counter = _COUNTERS.get(status)
        if counter:
            self.row.track.change(at, **{counter: self.row.track.states[-1][counter] + 1})

    def _finish(self, at: float) -> None:
        status = self._script.status or "COMPLETED"
        message = self._script.message
        self.end = at
        self.row.track.change(at, status=status, endTime=stamp(at), message=message)
        if status in _FAILED or status == "ROLLBACK_COMPLETED":
            self.failure = self._failure(message or "An internal error has occurred.", {})

    def _fail(self, script: StepScript, row: Row, at: float) -> None:
        step = row.track.states[-1]
        component = script.component_failure and self._component(script.component_failure)
        reason = f"Document {component['componentArn']} failed!" if component else str(step.get("message"))
        # The service leaves the message out when a component failed; the cause is only in the outputs.
        message = self._script.message or (None if component else reason[:500])
        details = {"stepExecutionId": row.identifier, "failedStep": step["name"]}
        self.failure = self._failure(reason, {**details, "componentFailure": component or None})
        rollback = self._site.script.rollback if self._script.rollback is None else self._script.rollback
        if not rollback:
            self._close(self._script.status or "FAILED", at + AFTER_LAST_STEP, message)
            return
        self.row.track.change(at, status="ROLLBACK_IN_PROGRESS", message=message)
        for planned, planned_script, planned_row in reversed(self._undoable):
            at = self._undo(planned, planned_script, planned_row, at)
        self._close(self._script.status or "ROLLBACK_COMPLETED", at + AFTER_LAST_STEP, message)

    def _undo(self, step: PlannedStep, script: StepScript, row: Row, at: float) -> float:
        ran = row.track.states[-1]["status"] != "SKIPPED"
        if step.rollback_seconds is None or not ran:
            row.track.change(at, rollbackStatus=script.rollback_status or "SKIPPED")
            return at
        row.track.change(at, rollbackStatus="RUNNING")
        at += step.rollback_seconds * self._site.script.pace
        row.track.change(at, rollbackStatus=script.rollback_status or "COMPLETED")
        return at

    def _close(self, status: str, at: float, message: str | None) -> None:
        self.end = at
        self.row.track.change(at, status=status, message=message, endTime=stamp(at))
        self._site.log(at, f"Workflow {self._workflow.arn} failed")

    def _failure(self, reason: str, details: Members) -> Failure:
        context = {
            "imageStatus": STAGE_STATUS[self._workflow.type],
            "workflowExecutionId": self.row.identifier,
            "workflowArn": self._workflow.arn,
            **{name: value for name, value in details.items() if value},
        }
        text = f"Workflow Execution ID: '{self.row.identifier}' failed with reason: {reason}"
        return Failure(reason=text[:1024], context=context)

    def _component(self, failure: ComponentFailure) -> Members:
        default = self._site.plan.components[0] if self._site.plan.components else None
        return {
            "componentArn": failure.component_arn or default,
            "phaseName": failure.phase,
            "stepName": failure.step,
            "action": failure.action,
            "errorMessage": failure.error,
        }

    @property
    def site(self) -> Site:
        """The run of the build that this workflow belongs to."""
        return self._site

    @property
    def outputs(self) -> dict[str, dict[str, Json]]:
        """Outputs of the steps so far, by step name."""
        return self._facts


class _StepCourse:
    """Runs one step; `end` is when it is over."""

    def __init__(
        self, course: WorkflowCourse, step: PlannedStep, script: StepScript, row: Row, start: float
    ) -> None:
        self._course, self._site = course, course.site
        self._step, self._script, self._row = step, script, row
        self._inputs = step.inputs if script.inputs is None else script.inputs
        self._made = _made(self._site.plan, row.identifier)
        self.end = start
        if script.status == "SKIPPED" or (script.status is None and step.skipped and not script.gate):
            self._skip(start)
            return
        self._site.log(start, f"Started step {step.name} with action {row.track.states[-1]['action']}")
        at = self._failing_attempts(start)
        if self._is_gate:
            self._wait(at, start)
        else:
            self._work(at, start)

    @property
    def _is_gate(self) -> bool:
        scripted = self._script.duration is not None or self._script.status is not None
        return self._script.gate or (self._step.action == WAITING_ACTION and not scripted)

    def _skip(self, at: float) -> None:
        self._row.track.change(
            at,
            status="SKIPPED",
            inputs=_text(self._inputs),
            message=self._script.message,
            startTime=stamp(at),
            endTime=stamp(at),
        )

    def _failing_attempts(self, start: float) -> float:
        at = start
        for attempt in range(1, self._script.failed_attempts + 1):
            self._begin(at, start, self._script.running_status or "RUNNING")
            at += self._duration
            self._row.track.change(at, status=self._script.between_attempts_status, endTime=stamp(at))
            at += self._script.retry_delay * self._site.script.pace
            self._row.track.change(at, attemptNumber=attempt + 1, endTime=None)
        return at

    def _begin(self, at: float, start: float, status: str) -> None:
        inputs = resolve(self._inputs, {"stepOutputs": self._course.outputs})
        self._row.track.change(at, status=status, startTime=stamp(start), inputs=_text(inputs))

    def _wait(self, at: float, start: float) -> None:
        self._begin(at, start, self._script.running_status or self._site.script.waiting_status)
        limit = at + self._row.track.states[-1]["timeoutSeconds"]
        sent = self._site.actions.get(self._row.identifier)
        end = sent.at if sent else limit
        self._site.gates[self._row.identifier] = (at, end)
        if sent is None:
            status, message = self._site.script.gate_timeout_status, f"Step {self._step.name} timed out"
            self._finish(end, status, message, {"error": message})
            return
        outputs: dict[str, Json] = {"action": sent.action}
        if sent.reason:
            outputs["reason"] = sent.reason
        if sent.action == "RESUME":
            self._finish(end, self._script.status or "COMPLETED", self._script.message, outputs)
        else:
            self._finish(end, "FAILED", sent.reason or f"Step {self._step.name} was stopped", outputs)

    def _work(self, at: float, start: float) -> None:
        self._begin(at, start, self._script.running_status or "RUNNING")
        limit = self._row.track.states[-1]["timeoutSeconds"]
        end, status = at + self._duration, self._script.status or "COMPLETED"
        message = self._script.message
        if self._duration > limit and not self._script.never_ends:
            end, status, message = at + limit, "FAILED", f"Step {self._step.name} timed out"
        self._narrate(at, end, failed=status in _FAILED)
        if status in _FAILED:
            self._break(end, status, message)
        else:
            outputs = {name: text.format(**self._made) for name, text in self._step.outputs.items()}
            self._finish(end, status, message, outputs)

    def _break(self, end: float, status: str, message: str | None) -> None:
        failure = self._script.component_failure
        text = message or f"The action {self._step.action} failed in workflow step {self._step.name}"
        outputs: dict[str, Json] = {"error": text}
        if failure is not None:
            outputs = {"runCommandId": self._made["command"], "status": "Failed", "error": failure.error}
            if self._site.plan.s3_logs:
                outputs["logUrl"] = f"s3://{self._site.plan.s3_logs}/{self._step.name}"
        self._finish(end, status, message if failure else text, outputs)

    def _finish(self, end: float, status: str, message: str | None, outputs: Mapping[str, Json]) -> None:
        told = outputs if self._script.outputs is None else self._script.outputs
        self.end = end
        self._row.track.change(end, status=status, message=message, outputs=_text(told), endTime=stamp(end))
        self._course.outputs[self._step.name] = dict(told)
        if self._step.action in IMAGE_ACTIONS and status == "COMPLETED":
            self._site.images.append((end, str(told.get("imageId", self._made["image"]))))
        if status in _FAILED:
            self._site.log(end, f"Step {self._step.name} failed: {message or told.get('error', '')}")

    def _narrate(self, at: float, end: float, *, failed: bool) -> None:
        """Write the lines that the real service writes while such a step runs."""
        if self._step.action == "LaunchInstance":
            waits = range(int(min(end - at, self._step.timeout_seconds) // _AVAILABILITY_CHECK))
            instance = self._made["instance"]
            text = f"Waiting for instance availability (id: {instance}, expected state: ['passed'])"
            for attempt in waits:
                moment = at + (attempt + 1) * _AVAILABILITY_CHECK
                self._site.log(moment, f"{text}. Attempt number: {attempt + 1}.")
        lines: tuple[str, ...] = self._script.log_lines
        if self._step.action == COMPONENT_ACTION:
            failure = self._script.component_failure or ComponentFailure()
            result = (
                (f"Stderr: {failure.stderr or failure.error}", "ExitCode 1") if failed else ("ExitCode 0",)
            )
            documents = (f"Document {name}" for name in self._site.plan.components)
            lines = (*documents, *lines, *result)
        span = (end - at if end < math.inf else len(lines) + 1.0) / (len(lines) + 1)
        for number, line in enumerate(lines, 1):
            self._site.log(at + number * span, line)

    @property
    def _duration(self) -> float:
        if self._script.never_ends:
            return math.inf
        seconds = self._step.duration if self._script.duration is None else self._script.duration
        return seconds * self._site.script.pace


def _workflow_script(script: BuildScript, workflow: PlannedWorkflow) -> WorkflowScript:
    found = script.workflows.get(workflow.name) or script.workflows.get(workflow.type)
    return found or WorkflowScript()


def _step_script(script: BuildScript, workflow: PlannedWorkflow, step: PlannedStep) -> StepScript:
    found = script.steps.get(f"{workflow.name}/{step.name}") or script.steps.get(step.name)
    return found or StepScript()


def _made(plan: BuildPlan, seed: str) -> dict[str, str]:
    region, account = plan.home_region, plan.account_id
    return {
        "instance": hexadecimal("i-", seed),
        "image": hexadecimal("ami-", seed),
        "command": unique("", seed, "command"),
        "association": unique("", seed, "association"),
        "execution": f"arn:aws:states:{region}:{account}:execution:simulated:{unique('', seed, 'execution')}",
    }


def _text(members: Mapping[str, Json]) -> str | None:
    return json.dumps(dict(members)) if members else None
