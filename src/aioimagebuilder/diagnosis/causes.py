"""Causes of a failure: from what failed to the root cause. No I/O; no evidence makes it raise."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Final, cast

from ..models.causes import CauseKind, FailedComponent, FailedTarget, Place, RootCause
from ..models.executions import (
    WAIT_FOR_ACTION,
    Image,
    LifecycleExecution,
    WorkflowExecution,
    WorkflowStepExecution,
)
from ..models.shapes import DistributionFailureContext, ImageFailureContext
from ..models.statuses import Outcome, WorkflowStepExecutionStatus
from .build_log import command_of
from .evidence import Evidence
from .facts import find_component
from .failures import NO_CONTEXT, NO_STEP, NO_WORKFLOW, STAGES, Failure, candidate_workflows
from .lifecycle import lifecycle_cause
from .reasons import failed_component, is_unreported
from .sanitize import MAXIMUM_ITEMS, clean
from .toe_log import ToeFailure, has_toe_output, toe_failure

_COMPONENT_ACTION: Final = "ExecuteComponents"
# The command that runs the components could not be sent, or could not start AWSTOE.
_NOT_STARTED: Final = re.compile(
    r"\bbootstrap (?:AWS)?TOE\b|\bperform: ssm:\w+|\bcalling the (?:SendCommand|\w*CommandInvocations?)\b"
)


def causes_of(evidence: Evidence, failures: Sequence[Failure]) -> tuple[RootCause, ...]:
    """Return what failed, the root cause first; nothing if nothing failed, or if it was only cancelled."""
    if isinstance(evidence.subject, LifecycleExecution):
        return lifecycle_cause(evidence, evidence.subject)
    return tuple(_cause(evidence, each) for each in failures)


def place_of(evidence: Evidence) -> Place | None:
    """Return the step that an execution has reached that has not failed; ``None`` if it is unknown."""
    identifier = next(iter(candidate_workflows(evidence)), None)
    if identifier is None:
        return None
    begun = [each for each in evidence.steps_of(identifier) if each.start_time is not None]
    open_ones = [each for each in begun if each.outcome in {None, Outcome.CANCELLED}]
    step = next(iter(open_ones), begun[-1] if begun else NO_STEP)
    return _place(evidence.workflow(identifier) or NO_WORKFLOW, step, NO_CONTEXT)


def _cause(evidence: Evidence, failure: Failure) -> RootCause:
    distribution = failure.context.distribution_failure
    targets = next((each.regions for each in failure.reasons if each.regions), ())
    if distribution is not None:
        targets = _regions(distribution)
    component, toe = _component(failure)
    message = clean(next((each.message for each in failure.reasons if each.message), None))
    output = None if toe.output and toe.output in (message or "") else toe.output
    return RootCause(
        kind=_kind(failure, targets, component),
        place=_place(failure.workflow, failure.step, failure.context, stage=failure.stage),
        message=message,
        component=component,
        error_output=output,
        from_stderr=output is not None and toe.from_stderr,
        targets=targets[:MAXIMUM_ITEMS],
        targets_total=_regions_in_all(evidence.image) if targets else None,
    )


def _kind(failure: Failure, targets: Sequence[FailedTarget], component: FailedComponent | None) -> CauseKind:
    if targets or failure.context.distribution_failure is not None:
        return CauseKind.DISTRIBUTION
    if _timed_out(failure):
        return CauseKind.TIMEOUT
    if component is not None:
        return CauseKind.COMPONENT
    if failure.step.action == WAIT_FOR_ACTION:
        return CauseKind.STOPPED
    if failure.step.name or failure.context.failed_step:
        return CauseKind.STEP
    return CauseKind.IMAGE if failure.workflow == NO_WORKFLOW else CauseKind.WORKFLOW


def _timed_out(failure: Failure) -> bool:
    step, command = failure.step, command_of(failure.lines)
    if step.status == WorkflowStepExecutionStatus.TIMED_OUT or (command and command.has_timed_out):
        return True
    if any(each.timed_out for each in failure.reasons):
        return True
    if step.timeout_seconds is None or step.start_time is None or step.end_time is None:
        return False
    return (step.end_time - step.start_time).total_seconds() >= step.timeout_seconds


def _component(failure: Failure) -> tuple[FailedComponent | None, ToeFailure]:
    """Return the component that failed, if one did, and what the log says of the failed command."""
    reported = failure.context.component_failure
    named = next((each.component for each in failure.reasons if each.component), None)
    named = clean(reported.component_arn if reported else None) or named
    runs_components = failure.step.action == _COMPONENT_ACTION
    if named is None and runs_components:
        says = (failed_component(line.message) for line in reversed(failure.lines))
        named = clean(find_component(chain(failure.texts, [failure.step.outputs], says)))
    toe = toe_failure(failure.lines, named)
    if reported is not None and (reported.phase_name or reported.step_name):
        if toe.step is not None and reported.step_name not in {None, toe.step}:
            toe = ToeFailure()
        component = FailedComponent(
            arn=named or toe.document,
            phase=clean(reported.phase_name),
            step=clean(reported.step_name),
            action=clean(reported.action) or toe.action,
        )
        return component, toe
    if reported is None and named is None and (not runs_components or _did_not_start(failure)):
        return None, toe
    # If nothing else names it, it is the last one in the log.
    messages = (line.message for line in reversed(failure.lines))
    last = named or toe.document or clean(find_component(messages))
    return FailedComponent(arn=last, phase=toe.phase, step=toe.step, action=toe.action), toe


def _did_not_start(failure: Failure) -> bool:
    if any(_NOT_STARTED.search(text) for text in failure.texts):
        return True
    return any(map(is_unreported, failure.texts)) and not has_toe_output(failure.lines)


def _place(
    workflow: WorkflowExecution,
    step: WorkflowStepExecution,
    context: ImageFailureContext,
    *,
    stage: str | None = None,
) -> Place:
    timed = step if step.start_time else workflow
    return Place(
        stage=clean(STAGES.get(workflow.type or "") or context.image_status or stage),
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
