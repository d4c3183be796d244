"""Standalone executions, which belong to no build and follow a fixed schedule."""

from __future__ import annotations

import math
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated

from ...checks import Choice, check
from ...scripts import Json
from ...simulation.catalogue import MANAGED_VERSION
from ...simulation.clock import SimulatedClock, format_time
from ...simulation.identifiers import make_arn
from ...simulation.images import Image
from ...simulation.state_history import Members, Row, StateHistory
from ..errors import ServiceError, SimulatorBugError
from ..models import ImageBuilderBackend, SharedState
from ..transitions import add_image
from .dispatch import perform
from .images import make_next_arn
from .lifecycle_runs import start_execution

Schedule = Sequence[tuple[str, float | None]]
"""(status, simulated seconds in it); ``None`` = forever."""

_KEYS = frozenset(
    {"arn", "imageBuildVersionArn", "workflowExecutionId", "stepExecutionId", "lifecycleExecutionId"}
)
_STATE_MEMBERS = ("reason", "failureContext")


def add_execution(
    backend: ImageBuilderBackend, kind: str, schedule: Schedule, members: Mapping[str, Json]
) -> str:
    """Add a standalone execution and return its id or ARN.

    Raises:
        ValueError: The schedule is empty, or a member violates the service model.
    """
    if not schedule:
        raise ValueError("the schedule of an execution needs at least one status")
    for name in _KEYS & members.keys():
        check(name, members[name], str)
    statuses = {status for status, _ in schedule}
    _rehearse(backend, kind, schedule, members, statuses)
    backend.shared.extra_statuses |= statuses
    add, _, _ = _KINDS[kind]
    return add(backend, schedule, dict(members))


def _rehearse(
    backend: ImageBuilderBackend,
    kind: str,
    schedule: Schedule,
    members: Mapping[str, Json],
    statuses: set[str],
) -> None:
    """Read the execution once in each of its states, in a backend of its own, as later calls will."""
    clock = SimulatedClock(scale=0, start=backend.now())
    rehearsal = ImageBuilderBackend(
        backend.region_name, backend.account_id, SharedState(clock=clock, extra_statuses=set(statuses))
    )
    add, operation, parameter = _KINDS[kind]
    identifier = add(rehearsal, schedule, dict(members))
    for _, seconds in schedule:
        try:
            perform(rehearsal, operation, {parameter: identifier})
        except (ServiceError, SimulatorBugError) as error:
            raise ValueError(str(error)) from error
        if seconds is None:
            return
        clock.advance(seconds)


def _add_workflow(backend: ImageBuilderBackend, schedule: Schedule, members: Members) -> str:
    identifier = members.get("workflowExecutionId") or f"wf-{uuid.uuid4()}"
    base = {
        "workflowBuildVersionArn": _make_workflow_arn(backend),
        "workflowExecutionId": identifier,
        "imageBuildVersionArn": _make_image_arn(backend),
        "type": "BUILD",
        "totalStepCount": 7,
        "totalStepsSucceeded": 0,
        "totalStepsFailed": 0,
        "totalStepsSkipped": 0,
        "retried": False,
        **members,
    }
    row = Row(identifier, _make_history(backend, schedule, base))
    backend.workflows[identifier] = row
    backend.standalone_workflows.setdefault(base["imageBuildVersionArn"], []).append(row)
    return identifier


def _add_step(backend: ImageBuilderBackend, schedule: Schedule, members: Members) -> str:
    identifier = members.get("stepExecutionId") or f"step-{uuid.uuid4()}"
    base = {
        "stepExecutionId": identifier,
        "workflowBuildVersionArn": _make_workflow_arn(backend),
        "workflowExecutionId": f"wf-{uuid.uuid4()}",
        "imageBuildVersionArn": _make_image_arn(backend),
        "name": "RunCommand",
        "action": "RunCommand",
        "onFailure": "Abort",
        "timeoutSeconds": 43200,
        **members,
    }
    row = Row(identifier, _make_history(backend, schedule, base))
    backend.steps[identifier] = row
    backend.standalone_steps.setdefault(base["workflowExecutionId"], []).append(row)
    return identifier


def _add_image(backend: ImageBuilderBackend, schedule: Schedule, members: Members) -> str:
    arn = str(
        members.pop("arn", None) or members.pop("imageBuildVersionArn", None) or _make_image_arn(backend)
    )
    match = re.fullmatch("[^/]+/([^/]+)/([^/]+/[^/]+)", arn)
    if match is None:
        raise ValueError(f"{arn!r} is not the ARN of an image build version")
    name, version = match.groups()
    history = StateHistory()
    final_members = {each: members.pop(each) for each in _STATE_MEMBERS if each in members}
    final = len(schedule) - 1
    for index, (at, status) in enumerate(_compute_times(backend, schedule)):
        history.change(at, status=status, **(final_members if index == final else {}))
    static = {
        "arn": arn,
        "type": "AMI",
        "name": name,
        "version": version,
        "platform": "Linux",
        "dateCreated": format_time(backend.now()),
        "tags": {},
        **members,
    }
    add_image(backend, Image.fixed(static, history))
    return arn


def _add_lifecycle_execution(backend: ImageBuilderBackend, schedule: Schedule, members: Members) -> str:
    reason, policy = members.pop("reason", None), members.pop("lifecyclePolicyArn", None)
    times = [(status, at) for at, status in _compute_times(backend, schedule)]
    return start_execution(backend, times, policy_arn=policy, reason=reason, members=members)


def _make_history(backend: ImageBuilderBackend, schedule: Schedule, base: Members) -> StateHistory:
    history = StateHistory()
    for index, (at, status) in enumerate(_compute_times(backend, schedule)):
        is_last = index == len(schedule) - 1
        first = history.states[0]["startTime"] if index else format_time(at)
        started = base.get("startTime") or first
        history.change(
            at,
            **{**base, "status": status, "startTime": started},
            **({"endTime": format_time(at)} if is_last and index and "endTime" not in base else {}),
        )
    return history


def _compute_times(backend: ImageBuilderBackend, schedule: Schedule) -> list[tuple[float, str]]:
    at = backend.now()
    times = []
    for status, seconds in schedule:
        times.append((at, status))
        at += math.inf if seconds is None else seconds
    return times


def _make_workflow_arn(backend: ImageBuilderBackend) -> str:
    return make_arn(backend.region_name, "aws", "workflow", "build", "build-image", MANAGED_VERSION, 1)


def _make_image_arn(backend: ImageBuilderBackend) -> str:
    return make_next_arn(backend, "free-standing", "1.0.0")


_KINDS: Mapping[str, tuple[Callable[[ImageBuilderBackend, Schedule, Members], str], str, str]] = {
    "workflow_execution": (_add_workflow, "GetWorkflowExecution", "workflowExecutionId"),
    "workflow_step_execution": (_add_step, "GetWorkflowStepExecution", "stepExecutionId"),
    "image": (_add_image, "GetImage", "imageBuildVersionArn"),
    "lifecycle_execution": (_add_lifecycle_execution, "GetLifecycleExecution", "lifecycleExecutionId"),
}
"""The function that adds an execution, and the operation that reads it, with its parameter, by kind."""

ExecutionKind = Annotated[str, Choice(tuple(_KINDS))]
