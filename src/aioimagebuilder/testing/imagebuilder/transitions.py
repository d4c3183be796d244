"""The transitions of images and the waits of their steps, which the agenda performs when they are due."""

from __future__ import annotations

import math
from functools import partial

from ..simulation.images import Image, ScanEnd, StepWait, Transition
from .build_logs import write_image_lines
from .events import send_cve_detected, send_pipeline_disabled, send_step_wait, send_transition
from .models import ImageBuilderBackend, Resource
from .outputs import publish_outputs, schedule_amis

_FAILURE_LIMIT = 5


def add_image(backend: ImageBuilderBackend, image: Image) -> None:
    """Add or update an image with its executions, and schedule what it does next."""
    backend.add_image(image)
    if image.plan is not None:
        schedule_amis(backend, image, image.plan)
    _schedule_next(backend, image)


def _schedule_next(backend: ImageBuilderBackend, image: Image) -> None:
    pending = [each.at for each in image.occurrences() if each not in image.performed]
    image.next_due = min(pending, default=math.inf)
    backend.shared.agenda.schedule(image.next_due, partial(_perform_due, backend, image, image.next_due))


def _perform_due(backend: ImageBuilderBackend, image: Image, at: float) -> None:
    # An image that changed meanwhile was scheduled anew.
    if at != image.next_due or backend.images.get(image.arn) is not image:
        return
    for occurrence in image.occurrences():
        if occurrence.at <= at and occurrence not in image.performed:
            image.performed.add(occurrence)
            if isinstance(occurrence, StepWait):
                send_step_wait(backend, image, occurrence)
            elif isinstance(occurrence, ScanEnd):
                send_cve_detected(backend, image, occurrence.scan)
            else:
                _perform_transition(backend, image, occurrence)
    _schedule_next(backend, image)


def _perform_transition(backend: ImageBuilderBackend, image: Image, transition: Transition) -> None:
    write_image_lines(backend, image, transition.at)
    if image.plan is not None:
        publish_outputs(backend, image, image.plan, transition.at)
    send_transition(backend, image, transition)
    pipeline = backend.resources.get(image.static.get("sourcePipelineArn", ""))
    if pipeline is not None:
        _count_failures(backend, pipeline, image.static["buildType"], transition.status)


def _count_failures(backend: ImageBuilderBackend, pipeline: Resource, build_type: str, status: str) -> None:
    """Count the consecutive failures of a pipeline's scheduled builds, and disable it at its limit."""
    record = pipeline.record
    if status == "AVAILABLE":
        record["consecutiveFailures"] = 0
    elif status == "FAILED" and build_type == "SCHEDULED":
        record["consecutiveFailures"] += 1
        policy = record.get("schedule", {}).get("autoDisablePolicy", {})
        if record["consecutiveFailures"] >= policy.get("failureCount", _FAILURE_LIMIT):
            record["status"] = "DISABLED"
            record.pop("dateNextRun", None)
            pipeline.next_run = math.inf
            send_pipeline_disabled(backend, pipeline.arn, record["consecutiveFailures"])
