"""Executions that belong to no build: a list of statuses and how long each lasts."""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable, Mapping, Sequence

from ..scripts import BuildScript, Json
from ..simulation.catalogue import MANAGED_VERSION
from ..simulation.clock import stamp
from ..simulation.identifiers import make_arn
from ..simulation.images import Image, Run
from ..simulation.state_history import Members, Row, Track
from ..simulation.timeline import Timeline
from .lifecycle_runs import start_execution
from .state import RegionState

Schedule = Sequence[tuple[str, float | None]]
"""(status, simulated seconds in it)."""

_STATE_MEMBERS = ("reason", "failureContext")


def add_execution(state: RegionState, kind: str, schedule: Schedule, members: Mapping[str, Json]) -> str:
    """Get the id or ARN of the execution that was added.

    Raises:
        ValueError: There is no such kind, or the schedule is empty.
    """
    adder = _ADDERS.get(kind)
    if adder is None:
        raise ValueError(f"{kind!r} is no kind of execution; these are: {', '.join(_ADDERS)}")
    if not schedule:
        raise ValueError("the schedule of an execution needs one status at least")
    state.world.words |= {status for status, _ in schedule}
    return adder(state, schedule, dict(members))


def _workflow(state: RegionState, schedule: Schedule, members: Members) -> str:
    identifier = members.get("workflowExecutionId") or f"wf-{uuid.uuid4()}"
    base = {
        "workflowBuildVersionArn": _managed(state),
        "workflowExecutionId": identifier,
        "imageBuildVersionArn": _fresh_image_arn(state),
        "type": "BUILD",
        "totalStepCount": 7,
        "totalStepsSucceeded": 0,
        "totalStepsFailed": 0,
        "totalStepsSkipped": 0,
        "retried": False,
        **members,
    }
    row = Row(identifier, _scheduled(state, schedule, base))
    state.workflows[identifier] = row
    state.loose_workflows.setdefault(base["imageBuildVersionArn"], []).append(row)
    return identifier


def _step(state: RegionState, schedule: Schedule, members: Members) -> str:
    identifier = members.get("stepExecutionId") or f"step-{uuid.uuid4()}"
    base = {
        "stepExecutionId": identifier,
        "workflowBuildVersionArn": _managed(state),
        "workflowExecutionId": f"wf-{uuid.uuid4()}",
        "imageBuildVersionArn": _fresh_image_arn(state),
        "name": "RunCommand",
        "action": "RunCommand",
        "onFailure": "Abort",
        "timeoutSeconds": 43200,
        **members,
    }
    row = Row(identifier, _scheduled(state, schedule, base))
    state.steps[identifier] = row
    state.loose_steps.setdefault(base["workflowExecutionId"], []).append(row)
    return identifier


def _image(state: RegionState, schedule: Schedule, members: Members) -> str:
    arn = str(
        members.pop("arn", None) or members.pop("imageBuildVersionArn", None) or _fresh_image_arn(state)
    )
    _, name, version, build = arn.rsplit("/", 3)
    track = Track()
    last = {each: members.pop(each) for each in _STATE_MEMBERS if each in members}
    final = len(schedule) - 1
    for place, (at, status) in enumerate(_times(state, schedule)):
        track.change(at, status=status, **(last if place == final else {}))
    static = {
        "arn": arn,
        "type": "AMI",
        "name": name,
        "version": f"{version}/{build}",
        "platform": "Linux",
        "dateCreated": stamp(state.now()),
        "tags": {},
        **members,
    }
    timeline = Timeline(image=track, workflows=[], gates={}, lines=[], images=[])
    run = Run(start=track.begins, script=BuildScript(), timeline=timeline)
    state.add_image(Image(None, static, run))
    return arn


def _lifecycle(state: RegionState, schedule: Schedule, members: Members) -> str:
    reason, policy = members.pop("reason", None), members.pop("lifecyclePolicyArn", None)
    times = [(status, at) for at, status in _times(state, schedule)]
    return start_execution(state, times, policy_arn=policy, reason=reason, members=members)


def _scheduled(state: RegionState, schedule: Schedule, base: Members) -> Track:
    track = Track()
    for place, (at, status) in enumerate(_times(state, schedule)):
        ends = place == len(schedule) - 1
        started = base.get("startTime") or (stamp(at) if place == 0 else track.states[-1]["startTime"])
        track.change(
            at,
            **{**base, "status": status, "startTime": started},
            **({"endTime": stamp(at)} if ends and place and "endTime" not in base else {}),
        )
    return track


def _times(state: RegionState, schedule: Schedule) -> list[tuple[float, str]]:
    at = state.now()
    times = []
    for status, seconds in schedule:
        times.append((at, status))
        at += math.inf if seconds is None else seconds
    return times


def _managed(state: RegionState) -> str:
    return make_arn(state.region, "aws", "workflow", "build", "build-image", MANAGED_VERSION, 1)


def _fresh_image_arn(state: RegionState) -> str:
    arn = make_arn(state.region, state.account_id, "image", "free-standing", "1.0.0")
    state.image_names[arn] = state.image_names.get(arn, 0) + 1
    return f"{arn}/{state.image_names[arn]}"


_ADDERS: Mapping[str, Callable[[RegionState, Schedule, Members], str]] = {
    "workflow_execution": _workflow,
    "workflow_step_execution": _step,
    "image": _image,
    "lifecycle_execution": _lifecycle,
}
