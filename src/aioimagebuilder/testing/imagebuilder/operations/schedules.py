"""What runs by itself: pipelines on their schedules, and lifecycle policies daily."""

from __future__ import annotations

import math
from collections.abc import Mapping
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

_DAY = 86400.0


def _schedule_next(backend: ImageBuilderBackend, resource: Resource) -> None:
    """Schedule the next run of a pipeline or policy, which replaces the one that was scheduled."""
    resource.next_run = _find_next_run(resource.record, backend.now())
    if resource.kind == "ImagePipeline" and resource.next_run < math.inf:
        resource.record["dateNextRun"] = format_time(resource.next_run)
    backend.shared.agenda.schedule(resource.next_run, partial(_run, backend, resource, resource.next_run))


def _find_next_run(record: Members, now: float) -> float:
    if record["status"] != "ENABLED":
        return math.inf
    if "policyDetails" in record:
        return now + _DAY
    schedule = record.get("schedule", {})
    if "scheduleExpression" not in schedule:
        return math.inf
    return Schedule(schedule["scheduleExpression"], schedule.get("timezone", "UTC")).next_after(now)


def _run(backend: ImageBuilderBackend, resource: Resource, at: float) -> None:
    if backend.resources.get(resource.arn) is not resource or resource.next_run != at:
        return
    _schedule_next(backend, resource)
    if resource.kind == "ImagePipeline":
        _run_pipeline(backend, resource)
        return
    try:
        run_policy(backend, resource.arn)
    except ServiceError as error:
        # A policy that still runs is run again on the next day.
        if error.code != "ResourceInUseException":
            raise


def _run_pipeline(backend: ImageBuilderBackend, pipeline: Resource) -> None:
    condition = pipeline.record["schedule"].get("pipelineExecutionStartCondition")
    try:
        if (
            condition == "EXPRESSION_MATCH_ONLY"
            or find_dependencies(backend, pipeline) != pipeline.built_from
        ):
            start_pipeline(backend, pipeline, {"buildType": "SCHEDULED"})
    except ServiceError as error:
        write_pipeline_line(backend, pipeline, f"Pipeline could not start a build: {error.message}")


def _then_schedule(operation: str, member: str) -> Handler:
    def handle(backend: ImageBuilderBackend, request: Members) -> Members:
        response = resources.HANDLERS[operation](backend, request)
        _schedule_next(backend, backend.resources[response[member]])
        return response

    return handle


HANDLERS: Mapping[str, Handler] = {
    "CreateImagePipeline": _then_schedule("CreateImagePipeline", "imagePipelineArn"),
    "UpdateImagePipeline": _then_schedule("UpdateImagePipeline", "imagePipelineArn"),
    "CreateLifecyclePolicy": _then_schedule("CreateLifecyclePolicy", "lifecyclePolicyArn"),
    "UpdateLifecyclePolicy": _then_schedule("UpdateLifecyclePolicy", "lifecyclePolicyArn"),
}
"""Handlers that replace those of the resources."""
