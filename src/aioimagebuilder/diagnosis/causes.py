"""Causes of a failure, ranked: from the evidence to the root cause. No I/O; no evidence makes it raise."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, cast

from ..models.causes import CauseKind, FailedComponent, FailedTarget, Place, RootCause
from ..models.executions import (
    WAIT_FOR_ACTION,
    Execution,
    Image,
    LifecycleExecution,
    WorkflowExecution,
    WorkflowStepExecution,
)
from ..models.log_streams import LogLine
from ..models.shapes import DistributionFailureContext, ImageFailureContext
from ..models.statuses import (
    ImageStatus,
    LifecycleExecutionResourceStatus,
    Outcome,
    WorkflowExecutionStatus,
    WorkflowStepExecutionStatus,
    WorkflowType,
)
from .evidence import Evidence
from .sanitize import clean, component_arn, facts_of, find_workflow

# What is not known is an empty structure, whose members are all None.
_NO_WORKFLOW: Final = WorkflowExecution()
_NO_STEP: Final = WorkflowStepExecution()
_NO_CONTEXT: Final = ImageFailureContext()

_MAXIMUM_CANDIDATES: Final = 3
_MAXIMUM_TARGETS: Final = 20

_COMPONENT_ACTION: Final = "ExecuteComponents"

_STAGES: Final[Mapping[str, ImageStatus]] = {
    WorkflowType.BUILD: ImageStatus.BUILDING,
    WorkflowType.TEST: ImageStatus.TESTING,
    WorkflowType.DISTRIBUTION: ImageStatus.DISTRIBUTING,
}
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
_WRAPPER: Final = re.compile(r"^Workflow Execution ID: '?wf-[0-9A-Za-z-]{36}'? failed with reason: ")
_TIMED_OUT: Final = re.compile(r"\bstep\b.*\btimed out\b", re.IGNORECASE)


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
    failed = sorted((each for each in current if each.status in _FAILED_WORKFLOWS), key=_ended)
    named = _named_workflow(evidence)
    known = evidence.workflow(named)
    found = [named] if named and not (known and known.retried) else []
    found += [each.id for each in failed]
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


def causes_of(evidence: Evidence) -> tuple[RootCause, ...]:
    """Return what failed, the root cause first; nothing if nothing failed, or if it was only cancelled."""
    subject = evidence.subject
    if isinstance(subject, LifecycleExecution):
        return _lifecycle_cause(evidence, subject)
    failures = [_failure(evidence, each) for each in candidate_workflows(evidence)]
    found = [_cause(evidence, each) for each in failures if each.is_known]
    image = evidence.image
    if found or image is None or image.outcome is not Outcome.FAILED or not _is_about_image(subject):
        return tuple(found)
    if image.status == ImageStatus.DELETED:
        return ()
    context = evidence.failure_context or _NO_CONTEXT
    return (_cause(evidence, _Failure(context=context, reason=image.reason)),)


def place_of(evidence: Evidence) -> Place | None:
    """Return the step that an execution has reached that has not failed; ``None`` if it is unknown."""
    identifier = next(iter(candidate_workflows(evidence)), None)
    if identifier is None:
        return None
    begun = [each for each in evidence.steps_of(identifier) if each.start_time is not None]
    open_ones = [each for each in begun if each.outcome in {None, Outcome.CANCELLED}]
    step = next(iter(open_ones), begun[-1] if begun else _NO_STEP)
    return _place(evidence.workflow(identifier) or _NO_WORKFLOW, step, _NO_CONTEXT)


def error_output(lines: Sequence[LogLine]) -> str | None:
    """Return the last output of the failed command to standard error; ``None`` if the log has none."""
    found = None
    for line in lines:
        text = line.message.removeprefix("CmdExecution: ")
        if text.startswith("Stderr: "):
            found = text.removeprefix("Stderr: ")
        elif text.startswith("ExitCode 0"):
            found = None
    return clean(found)


@dataclass(frozen=True, slots=True)
class _Failure:
    """The parts of one failure; what is not known is an empty structure.

    The context is present only if the service says that it concerns this failure.
    """

    workflow: WorkflowExecution = _NO_WORKFLOW
    step: WorkflowStepExecution = _NO_STEP
    context: ImageFailureContext = _NO_CONTEXT
    reason: str | None = None

    @property
    def is_known(self) -> bool:
        return (
            self.step != _NO_STEP or self.context != _NO_CONTEXT or self.workflow.status in _FAILED_WORKFLOWS
        )


def _failure(evidence: Evidence, workflow_execution_id: str) -> _Failure:
    named = _named_workflow(evidence)
    context = evidence.failure_context if named == workflow_execution_id else None
    image = evidence.image
    return _Failure(
        workflow=evidence.workflow(workflow_execution_id) or _NO_WORKFLOW,
        step=failed_step(evidence, workflow_execution_id) or _NO_STEP,
        context=context or _NO_CONTEXT,
        reason=image.reason if image and named in {None, workflow_execution_id} else None,
    )


def _cause(evidence: Evidence, failure: _Failure) -> RootCause:
    distribution = failure.context.distribution_failure
    targets = () if distribution is None else _regions(distribution)
    lines = evidence.lines_until(failure.step.end_time)
    component = _component(failure, lines)
    message = clean(_message(failure))
    output = None if component is None else error_output(lines)
    return RootCause(
        kind=next(kind for kind, matches in _KINDS if matches(failure)),
        place=_place(failure.workflow, failure.step, failure.context),
        message=message,
        component=component,
        error_output=None if output == message else output,
        targets=targets[:_MAXIMUM_TARGETS],
        targets_total=_regions_in_all(evidence.image) if targets else None,
    )


def _timed_out(failure: _Failure) -> bool:
    step = failure.step
    if step.status == WorkflowStepExecutionStatus.TIMED_OUT or _TIMED_OUT.search(step.message or ""):
        return True
    if step.timeout_seconds is None or step.start_time is None or step.end_time is None:
        return False
    return (step.end_time - step.start_time).total_seconds() >= step.timeout_seconds


def _component(failure: _Failure, lines: Sequence[LogLine] = ()) -> FailedComponent | None:
    reported = failure.context.component_failure
    if reported is not None:
        return FailedComponent(
            arn=clean(reported.component_arn),
            phase=clean(reported.phase_name),
            step=clean(reported.step_name),
            action=clean(reported.action),
        )
    if failure.step.action != _COMPONENT_ACTION:
        return None
    texts = (failure.reason, failure.workflow.message, failure.step.message, failure.step.outputs)
    # If nothing else names it, it is the last one in the log.
    return FailedComponent(arn=clean(component_arn(*texts, *(line.message for line in reversed(lines)))))


# The kind of a failure: the first matching row.
_KINDS: Final[Sequence[tuple[CauseKind, Callable[[_Failure], bool]]]] = (
    (CauseKind.DISTRIBUTION, lambda failure: failure.context.distribution_failure is not None),
    (CauseKind.TIMEOUT, _timed_out),
    (CauseKind.COMPONENT, lambda failure: _component(failure) is not None),
    (CauseKind.STOPPED, lambda failure: failure.step.action == WAIT_FOR_ACTION),
    (CauseKind.STEP, lambda failure: bool(failure.step.name or failure.context.failed_step)),
    (CauseKind.WORKFLOW, lambda failure: failure.workflow != _NO_WORKFLOW),
    (CauseKind.IMAGE, lambda _: True),
)


def _message(failure: _Failure) -> str | None:
    """Return the most specific message, which is the innermost."""
    component, distribution = failure.context.component_failure, failure.context.distribution_failure
    messages = (
        component.error_message if component else None,
        distribution.error_message if distribution else None,
        failure.step.message,
        facts_of(failure.step.outputs).error,
        failure.workflow.message,
        _WRAPPER.sub("", failure.reason or ""),
    )
    return next(filter(None, messages), None)


def _place(workflow: WorkflowExecution, step: WorkflowStepExecution, context: ImageFailureContext) -> Place:
    timed = step if step.start_time else workflow
    return Place(
        stage=clean(_STAGES.get(workflow.type or "") or context.image_status),
        workflow_arn=clean(
            workflow.workflow_build_version_arn or context.workflow_arn or step.workflow_build_version_arn
        ),
        workflow_execution_id=clean(
            workflow.workflow_execution_id or context.workflow_execution_id or step.workflow_execution_id
        ),
        step=clean(step.name or context.failed_step),
        step_execution_id=clean(step.step_execution_id or context.step_execution_id),
        action=clean(step.action),
        attempt=step.attempt_number,
        max_attempts=step.max_attempts,
        timeout_seconds=step.timeout_seconds,
        started=timed.start_time,
        ended=timed.end_time,
    )


def _regions(distribution: DistributionFailureContext) -> tuple[FailedTarget, ...]:
    return tuple(
        FailedTarget(
            name=clean(each.region) or "a region without a name",
            region=clean(each.region),
            account_id=clean(each.target_account_id),
            action=clean(each.image_configuration_step),
            status=clean(each.status),
            message=clean(each.error_message),
        )
        for each in distribution.region_failures or ()
    )


def _regions_in_all(image: Image | None) -> int | None:
    configuration = image.raw.get("distributionConfiguration") if image else None
    if not isinstance(configuration, Mapping):
        return None
    distributions = cast("Mapping[str, object]", configuration).get("distributions")
    return len(cast("Sequence[object]", distributions)) if isinstance(distributions, list | tuple) else None


def _lifecycle_cause(evidence: Evidence, subject: LifecycleExecution) -> tuple[RootCause, ...]:
    failed = [
        (each, each.state)
        for each in evidence.resources
        if each.state and each.state.status == LifecycleExecutionResourceStatus.FAILED
    ]
    if not failed and subject.outcome is not Outcome.FAILED:
        return ()
    targets = tuple(
        FailedTarget(
            name=clean(each.resource_id) or "a resource without an id",
            region=clean(each.region),
            account_id=clean(each.account_id),
            action=clean(each.action.name) if each.action else None,
            status=clean(state.status),
            message=clean(state.reason),
        )
        for each, state in failed[:_MAXIMUM_TARGETS]
    )
    message = subject.reason or next((each.message for each in targets if each.message), None)
    return (
        RootCause(
            kind=CauseKind.RESOURCE,
            place=Place(started=subject.start_time, ended=subject.end_time),
            message=clean(message),
            targets=targets,
            targets_total=len(evidence.resources) or None,
        ),
    )


def _named_workflow(evidence: Evidence) -> str | None:
    context, image = evidence.failure_context, evidence.image
    reported = context.workflow_execution_id if context else None
    return reported or find_workflow(image.reason if image else None)


def _is_about_image(subject: Execution) -> bool:
    return isinstance(subject, Image) or subject.outcome is Outcome.CANCELLED


def _ended(workflow: WorkflowExecution) -> datetime:
    return workflow.end_time or _LATEST
