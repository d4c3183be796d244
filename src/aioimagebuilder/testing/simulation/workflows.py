"""The course of one workflow execution: pure, computed once, then only looked up.

Facts of the service: the step count is set before any step runs; a step that fails with ``Abort`` ends the
workflow and leaves the later steps PENDING; a rollback undoes from the failed step backwards; ``Continue``
goes on without a rollback.
"""

from __future__ import annotations

from ..scripts import BuildScript, ComponentFailure, Json, StepScript, WorkflowScript
from .catalogue import WAITING_ACTION
from .clock import stamp
from .identifiers import unique
from .plan import STAGE_STATUS, PlannedStep, PlannedWorkflow
from .run_context import FAILED, Failure, Site
from .state_history import Members, Row, Track
from .steps import StepCourse

_BETWEEN_STEPS = 0.41
_AFTER_LAST_STEP = 0.026
_COUNTERS = {
    "COMPLETED": "totalStepsSucceeded",
    "FAILED": "totalStepsFailed",
    "TIMED_OUT": "totalStepsFailed",
    "SKIPPED": "totalStepsSkipped",
}


class WorkflowCourse:
    """Runs one planned workflow in simulated time; `row` is what it looks like, `end` when it is over."""

    def __init__(self, site: Site, workflow: PlannedWorkflow, number: int, start: float) -> None:
        self._site = site
        self._workflow = workflow
        self._script = _workflow_script(site.script, workflow)
        self._outputs: dict[str, dict[str, Json]] = {}
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
            at = StepCourse(self._site, step, script, row, at, self._outputs).end
            status = str(row.track.states[-1]["status"])
            self._count(status, at)
            self._undoable.append((step, script, row))
            if status in FAILED and row.track.states[-1]["onFailure"] != "Continue":
                self._fail(script, row, at)
                return
            at += _BETWEEN_STEPS
        self._finish(at - _BETWEEN_STEPS + _AFTER_LAST_STEP)

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
        if status in FAILED or status == "ROLLBACK_COMPLETED":
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
            self._close(self._script.status or "FAILED", at + _AFTER_LAST_STEP, message)
            return
        self.row.track.change(at, status="ROLLBACK_IN_PROGRESS", message=message)
        for planned, planned_script, planned_row in reversed(self._undoable):
            at = self._undo(planned, planned_script, planned_row, at)
        self._close(self._script.status or "ROLLBACK_COMPLETED", at + _AFTER_LAST_STEP, message)

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


def _workflow_script(script: BuildScript, workflow: PlannedWorkflow) -> WorkflowScript:
    found = script.workflows.get(workflow.name) or script.workflows.get(workflow.type)
    return found or WorkflowScript()


def _step_script(script: BuildScript, workflow: PlannedWorkflow, step: PlannedStep) -> StepScript:
    found = script.steps.get(f"{workflow.name}/{step.name}") or script.steps.get(step.name)
    return found or StepScript()
