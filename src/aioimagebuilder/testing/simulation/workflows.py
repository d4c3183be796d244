"""The timeline of one workflow execution.

Facts of the service: the step count is set before any step runs; a step that fails with ``Abort`` ends the
workflow and leaves the later steps PENDING; a rollback goes backwards from the failed step; a step that fails
with ``Continue`` causes no rollback and lets the workflow go on.
"""

from __future__ import annotations

from ..scripts import BuildScript, ComponentFailure, Json, StepScript, WorkflowScript
from .catalogue import ACTIONS, WAITING_ACTION
from .clock import format_time
from .identifiers import make_id
from .plan import STAGE_STATUS, PlannedStep, PlannedWorkflow
from .runs import FAILURE_STATUSES, Failure, Run
from .state_history import Members, Row, StateHistory
from .steps import StepTimeline

_BETWEEN_STEPS = 0.41
_AFTER_LAST_STEP = 0.026
_COUNTERS = {
    "COMPLETED": "totalStepsSucceeded",
    "FAILED": "totalStepsFailed",
    "TIMED_OUT": "totalStepsFailed",
    "SKIPPED": "totalStepsSkipped",
}


class WorkflowTimeline:
    """The timeline of one workflow, computed when it is created; `row` is the execution, `end` its end."""

    def __init__(self, run: Run, workflow: PlannedWorkflow, number: int, start: float) -> None:
        self._run = run
        self._workflow = workflow
        self._script = _find_workflow_script(run.script, workflow)
        self._outputs: dict[str, dict[str, Json]] = {}
        seed = (run.plan.image_arn, run.number, number)
        self.row = Row(make_id("wf-", *seed), StateHistory())
        self.end = start
        self.failure: Failure | None = None
        self._ids = {
            "workflowBuildVersionArn": workflow.arn,
            "workflowExecutionId": self.row.identifier,
            "imageBuildVersionArn": run.plan.image_arn,
        }
        rows = [Row(make_id("step-", *seed, index), StateHistory()) for index in range(len(workflow.steps))]
        scripts = [_find_step_script(run.script, workflow, step) for step in workflow.steps]
        self._steps = list(zip(workflow.steps, scripts, rows, strict=True))
        self.row.children = rows
        self._run_steps(start)

    def _run_steps(self, start: float) -> None:
        history = self.row.history
        is_skipped = self._script.status == "SKIPPED"
        history.change(
            start,
            **self._ids,
            type=self._workflow.type,
            parallelGroup=self._workflow.parallel_group,
            status="SKIPPED" if is_skipped else "PENDING",
            message=self._script.message if is_skipped else None,
            totalStepCount=len(self._steps),
            totalStepsSucceeded=0,
            totalStepsFailed=0,
            totalStepsSkipped=0,
            startTime=format_time(start),
            endTime=format_time(start) if is_skipped else None,
            retried=False,
        )
        if is_skipped:
            return
        self._run.log(start, f"Started {self._workflow.type} workflow {self._workflow.arn}")
        self._run.log(start, f"Total {len(self._steps)} steps to run for workflow {self._workflow.arn}")
        for step, script, row in self._steps:
            self._add_pending_step(step, script, row, start)
        at = start + self._script.pending
        history.change(at, status=self._script.running_status or "RUNNING")
        for number, (step, script, row) in enumerate(self._steps, 1):
            at = StepTimeline(self._run, step, script, row, at, self._outputs).end
            status = str(row.history.states[-1]["status"])
            self._count(status, at)
            if status in FAILURE_STATUSES and row.history.states[-1]["onFailure"] != "Continue":
                self._fail(number, at)
                return
            at += _BETWEEN_STEPS
        self._complete(at - _BETWEEN_STEPS + _AFTER_LAST_STEP)

    def _add_pending_step(self, step: PlannedStep, script: StepScript, row: Row, at: float) -> None:
        attempts = script.max_attempts or step.max_attempts
        if attempts is None and script.failed_attempts:
            attempts = script.failed_attempts + 1
        row.history.change(
            at,
            stepExecutionId=row.identifier,
            **self._ids,
            name=step.name,
            description=step.description,
            action=WAITING_ACTION if script.is_waiting_step else step.action,
            status="PENDING",
            onFailure=script.on_failure or step.on_failure,
            timeoutSeconds=script.timeout_seconds or step.timeout_seconds,
            attemptNumber=1 if attempts else None,
            maxAttempts=attempts,
        )

    def _count(self, status: str, at: float) -> None:
        counter = _COUNTERS.get(status)
        if counter:
            self.row.history.change(at, **{counter: self.row.history.states[-1][counter] + 1})

    def _complete(self, at: float) -> None:
        status, message = self._script.status or "COMPLETED", self._script.message
        self._finish(at, status, message)
        if status in FAILURE_STATUSES or status == "ROLLBACK_COMPLETED":
            self.failure = self._make_failure(message or "An internal error has occurred.", {})

    def _fail(self, number: int, at: float) -> None:
        """Fail, and roll back, at the step with a number, counted from 1."""
        _, script, row = self._steps[number - 1]
        step = row.history.states[-1]
        component = script.component_failure and self._describe_component(script.component_failure)
        reason = f"Document {component['componentArn']} failed!" if component else str(step.get("message"))
        # The service sets no message when a component failed; the cause is only in the step's outputs.
        message = self._script.message or (None if component else reason[:500])
        details = {"stepExecutionId": row.identifier, "failedStep": step["name"]}
        self.failure = self._make_failure(reason, {**details, "componentFailure": component or None})
        rollback = self._run.script.rollback if self._script.rollback is None else self._script.rollback
        if rollback:
            self.row.history.change(at, status="ROLLBACK_IN_PROGRESS", message=message)
            for finished in reversed(self._steps[:number]):
                at = self._roll_back(*finished, at)
        status = self._script.status or ("ROLLBACK_COMPLETED" if rollback else "FAILED")
        self._finish(at + _AFTER_LAST_STEP, status, message)
        self._run.log(self.end, f"Workflow {self._workflow.arn} failed")

    def _roll_back(self, step: PlannedStep, script: StepScript, row: Row, at: float) -> float:
        is_skipped = row.history.states[-1]["status"] == "SKIPPED"
        seconds = ACTIONS[step.action].rollback
        if seconds is None or is_skipped:
            row.history.change(at, rollbackStatus=script.rollback_status or "SKIPPED")
            return at
        row.history.change(at, rollbackStatus="RUNNING")
        at += seconds * self._run.script.pace
        row.history.change(at, rollbackStatus=script.rollback_status or "COMPLETED")
        return at

    def _finish(self, at: float, status: str, message: str | None) -> None:
        self.end = at
        self.row.history.change(at, status=status, message=message, endTime=format_time(at))

    def _make_failure(self, reason: str, details: Members) -> Failure:
        failure_context = {
            "imageStatus": STAGE_STATUS[self._workflow.type],
            "workflowExecutionId": self.row.identifier,
            "workflowArn": self._workflow.arn,
            **{name: value for name, value in details.items() if value},
        }
        text = f"Workflow Execution ID: '{self.row.identifier}' failed with reason: {reason}"
        return Failure(reason=text[:1024], context=failure_context)

    def _describe_component(self, failure: ComponentFailure) -> Members:
        components = self._run.plan.components
        return {
            "componentArn": failure.component_arn or (components[0] if components else None),
            "phaseName": failure.phase,
            "stepName": failure.step,
            "action": failure.action,
            "errorMessage": failure.error,
        }


def _find_workflow_script(script: BuildScript, workflow: PlannedWorkflow) -> WorkflowScript:
    found = script.workflows.get(workflow.name) or script.workflows.get(workflow.type)
    return found or WorkflowScript()


def _find_step_script(script: BuildScript, workflow: PlannedWorkflow, step: PlannedStep) -> StepScript:
    found = script.steps.get(f"{workflow.name}/{step.name}") or script.steps.get(step.name)
    return found or StepScript()
