"""The failures in the evidence: which executions failed, and what belongs to each. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Final

from ..models.executions import Image, WorkflowExecution, WorkflowStepExecution
from ..models.log_streams import LogLine
from ..models.shapes import ImageFailureContext
from ..models.statuses import (
    ImageStatus,
    Outcome,
    WorkflowExecutionStatus,
    WorkflowStepExecutionStatus,
    WorkflowType,
)
from .build_log import action_of, failed_step_name, last_stage, stage_lines, step_lines
from .evidence import Evidence
from .facts import facts_of, find_workflow
from .reasons import Reason, parse_reason

# What is not known is an empty structure, whose members are all None.
NO_WORKFLOW: Final = WorkflowExecution()
NO_STEP: Final = WorkflowStepExecution()
NO_CONTEXT: Final = ImageFailureContext()

_MAXIMUM_CANDIDATES: Final = 3

STAGES: Final[Mapping[str, ImageStatus]] = {
    WorkflowType.BUILD: ImageStatus.BUILDING,
    WorkflowType.TEST: ImageStatus.TESTING,
    WorkflowType.DISTRIBUTION: ImageStatus.DISTRIBUTING,
}
# The stages that have no workflow by default.
_LATE_STAGES: Final = frozenset({ImageStatus.DISTRIBUTING, ImageStatus.INTEGRATING})
# A rollback implies a failure, even before it has ended.
_FAILED_WORKFLOWS: Final = frozenset(
    {
        WorkflowExecutionStatus.FAILED,
        WorkflowExecutionStatus.ROLLBACK_IN_PROGRESS,
        WorkflowExecutionStatus.ROLLBACK_COMPLETED,
    }
)
_FAILED_STEPS: Final = frozenset({WorkflowStepExecutionStatus.FAILED, WorkflowStepExecutionStatus.TIMED_OUT})
_LATEST: Final = datetime.max.replace(tzinfo=UTC)
# The clocks of the service and of an instance differ.
_CLOCK_DIFFERENCE: Final = timedelta(seconds=60)


@dataclass(frozen=True, kw_only=True)
class Failure:
    """The parts of one failure; what is not known is an empty structure.

    Attributes:
        workflow: The workflow execution; empty for a failure outside of them, or if they cannot be read.
        step: The step that failed. If the steps cannot be read, only its name and action, and its workflow.
        context: The service's own account, if it concerns this failure.
        reason: The reason of the image, if it concerns this failure.
        stage: The stage of the image, if the workflow does not say it.
        lines: The lines of the log that belong to the step, or else to the stage.
        is_known: Whether it is certain that this failed.
    """

    workflow: WorkflowExecution = NO_WORKFLOW
    step: WorkflowStepExecution = NO_STEP
    context: ImageFailureContext = NO_CONTEXT
    reason: str | None = None
    stage: str | None = None
    lines: Sequence[LogLine] = ()
    is_known: bool = False

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """What the service says about it, the most specific text first."""
        component, distribution = self.context.component_failure, self.context.distribution_failure
        texts = (
            component.error_message if component else None,
            distribution.error_message if distribution else None,
            self.step.message,
            facts_of(self.step.outputs).error,
            self.workflow.message,
            self.reason,
        )
        return tuple(filter(None, texts))

    @cached_property
    def reasons(self) -> tuple[Reason, ...]:
        """The same, parsed."""
        return tuple(map(parse_reason, self.texts))


def candidate_workflows(evidence: Evidence) -> tuple[str, ...]:
    """Return the ids of the workflow executions to examine, the most likely cause first.

    The one that the service names comes first, then those that failed, by time. Runs that a retry has
    replaced are irrelevant. If none failed, it is the one that ran last.
    """
    subject = evidence.subject
    if isinstance(subject, WorkflowExecution) and subject.outcome is not Outcome.CANCELLED:
        return (subject.id,)
    if isinstance(subject, WorkflowStepExecution) and subject.outcome is not Outcome.CANCELLED:
        return tuple(filter(None, [subject.workflow_execution_id]))
    current = [each for each in evidence.workflows if not each.retried]
    failed = [each for each in current if each.status in _FAILED_WORKFLOWS]
    named = _named_workflow(evidence)
    known = evidence.workflow(named)
    found = [named] if named and not (known and known.retried) else []
    found += [each.id for each in sorted(failed, key=lambda each: each.end_time or _LATEST)]
    if not found and evidence.image is not None and evidence.image.outcome is not Outcome.SUCCEEDED:
        found += [each.id for each in reversed(current) if each.outcome is not Outcome.SUCCEEDED][:1]
    return tuple(dict.fromkeys(found))[:_MAXIMUM_CANDIDATES]


def failed_step(evidence: Evidence, workflow_execution_id: str) -> WorkflowStepExecution | None:
    """Return the step at which a workflow execution failed; ``None`` if it is unknown.

    It is the one that the service names, or else the last one that failed: a workflow continues after a
    failed step whose onFailure is Continue, and ends with one whose onFailure is Abort.
    """
    subject = evidence.subject
    if isinstance(subject, WorkflowStepExecution) and subject.outcome is Outcome.FAILED:
        return next((each for each in evidence.steps if each.id == subject.id), subject)
    steps = [each for each in evidence.steps_of(workflow_execution_id) if each.status in _FAILED_STEPS]
    context = evidence.failure_context
    named = context.step_execution_id if context else None
    return next((each for each in steps if each.id == named), steps[-1] if steps else None)


def failures_of(evidence: Evidence) -> tuple[Failure, ...]:
    """Return what failed in a build, the first cause first."""
    found = [_workflow_failure(evidence, each) for each in candidate_workflows(evidence)]
    found = [each for each in found if each.is_known]
    image, subject = evidence.image, evidence.subject
    is_about_image = isinstance(subject, Image) or subject.outcome is Outcome.CANCELLED
    if image is None or image.outcome is not Outcome.FAILED or not is_about_image:
        return tuple(found)
    if found and not _failed_later(evidence, found):
        return tuple(found)
    own = () if image.status == ImageStatus.DELETED else (_image_failure(evidence, image),)
    return (*own, *found)


def _workflow_failure(evidence: Evidence, workflow_execution_id: str) -> Failure:
    named = _named_workflow(evidence)
    context = evidence.failure_context if named == workflow_execution_id else None
    image = evidence.image
    workflow = evidence.workflow(workflow_execution_id) or NO_WORKFLOW
    step = failed_step(evidence, workflow_execution_id) or NO_STEP
    return _completed(
        evidence.lines_until(step.end_time or workflow.end_time),
        Failure(
            workflow=workflow,
            step=step,
            context=context or NO_CONTEXT,
            reason=image.reason if image and named in {None, workflow_execution_id} else None,
            is_known=step != NO_STEP or context is not None or workflow.status in _FAILED_WORKFLOWS,
        ),
    )


def _image_failure(evidence: Evidence, image: Image) -> Failure:
    context = evidence.failure_context or NO_CONTEXT
    return _completed(evidence.lines, Failure(context=context, reason=image.reason, is_known=True))


def _completed(lines: Sequence[LogLine], failure: Failure) -> Failure:
    """Return the failure with its lines of the log, and with what only these or the reason contain."""
    if not failure.is_known:
        return failure
    step, workflow = failure.step, failure.workflow
    started = step.start_time or workflow.start_time
    if started is not None:
        lines = [each for each in lines if started - each.timestamp <= _CLOCK_DIFFERENCE]
    stage = _first(each.stage for each in failure.reasons)
    of_stage = stage_lines(lines)
    if stage is not None and last_stage(of_stage) not in {None, stage}:
        of_stage = ()
    named = (failure.context.failed_step, *(each.step for each in failure.reasons))
    name = step.name or _first(named) or failed_step_name(of_stage)
    if step == NO_STEP:
        step = WorkflowStepExecution(
            name=name,
            action=action_of(lines, name or ""),
            workflow_execution_id=workflow.workflow_execution_id or find_workflow(failure.reason),
        )
    return replace(
        failure,
        step=step,
        stage=failure.context.image_status or stage or last_stage(of_stage),
        lines=step_lines(lines, name) if name else of_stage,
    )


def _first(values: Iterable[str | None]) -> str | None:
    return next(filter(None, values), None)


def _named_workflow(evidence: Evidence) -> str | None:
    context, image = evidence.failure_context, evidence.image
    reported = context.workflow_execution_id if context else None
    return reported or find_workflow(image.reason if image else None)


def _failed_later(evidence: Evidence, found: Sequence[Failure]) -> bool:
    """Return whether the image continued after all of these, and failed in a stage without a workflow."""
    if evidence.image is None or _named_workflow(evidence) is not None:
        return False
    context = evidence.failure_context or NO_CONTEXT
    stage = context.image_status or parse_reason(evidence.image.reason).stage or last_stage(evidence.lines)
    return stage in _LATE_STAGES and all(STAGES.get(each.workflow.type or "") != stage for each in found)
