"""What runs by itself: pipelines on their schedules, and lifecycle policies daily."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial

from ...simulation.clock import format_time
from ...simulation.schedules import Schedule
from ...simulation.state_history import Members
from ..build_logs import write_pipeline_line
from ..errors import ServiceError
from ..models import ImageBuilderBackend, Resource
from . import resources
from .images import find_dependencies, start_pipeline
from .lifecycle_policies import run_policy
from .resources import Handler

Run = Callable[[ImageBuilderBackend, Resource], None]

_DAY = 86400.0


def _schedule_next(backend: ImageBuilderBackend, resource: Resource, run: Run) -> None:
    """Schedule the next run of a pipeline or policy, which replaces the one that was scheduled."""
    at = _find_next_run(backend, resource)
    resource.next_run = at
    if resource.kind == "ImagePipeline" and at < math.inf:
        resource.record["dateNextRun"] = format_time(at)
    backend.shared.agenda.schedule(at, partial(_run, backend, resource, run, at))


def _find_next_run(backend: ImageBuilderBackend, resource: Resource) -> float:
    if resource.record["status"] != "ENABLED":
        return math.inf
    if resource.kind == "LifecyclePolicy":
        return backend.now() + _DAY
    schedule = resource.record.get("schedule", {})
    if "scheduleExpression" not in schedule:
        return math.inf
    return Schedule(schedule["scheduleExpression"], schedule.get("timezone", "UTC")).next_after(backend.now())


def _run(backend: ImageBuilderBackend, resource: Resource, run: Run, at: float) -> None:
    if backend.resources.get(resource.arn) is resource and resource.next_run == at:
        _schedule_next(backend, resource, run)
        run(backend, resource)


def _run_pipeline(backend: ImageBuilderBackend, pipeline: Resource) -> None:
    condition = pipeline.record["schedule"].get("pipelineExecutionStartCondition")
    dependencies = find_dependencies(backend, pipeline)
    if condition != "EXPRESSION_MATCH_ONLY" and dependencies == pipeline.built_from:
        return
    try:
        start_pipeline(backend, pipeline, {"buildType": "SCHEDULED"})
    except ServiceError as error:
        write_pipeline_line(backend, pipeline, f"Pipeline could not start a build: {error.message}")


def _run_policy(backend: ImageBuilderBackend, policy: Resource) -> None:
    try:
        run_policy(backend, policy.arn)
    except ServiceError as error:
        # One that still runs is run again on the next day.
        if error.code != "ResourceInUseException":
            raise


def _then_schedule(operation: str, member: str, run: Run) -> Handler:
    handler = resources.HANDLERS[operation]

    def handle(backend: ImageBuilderBackend, request: Members) -> Members:
        response = handler(backend, request)
        _schedule_next(backend, backend.resources[response[member]], run)
        return response

    return handle


HANDLERS: Mapping[str, Handler] = {
    f"{verb}{noun}": _then_schedule(f"{verb}{noun}", member, run)
    for noun, member, run in (
        ("ImagePipeline", "imagePipelineArn", _run_pipeline),
        ("LifecyclePolicy", "lifecyclePolicyArn", _run_policy),
    )
    for verb in ("Create", "Update")
}
"""Handlers that replace those of the resources."""
