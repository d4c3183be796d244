"""What Image Builder sends: events to EventBridge, and messages to SNS topics and Lambda functions.

The events and their members are those of the user guide (EventBridge integration); the message about an
image is that of its page on SNS. Faults of the kinds in `EVENT_KINDS` apply to them.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial

from ..simulation.identifiers import make_id
from ..simulation.images import Image, StepWait, Transition
from ..simulation.scans import Scan
from ..simulation.state_history import Members
from .event_bus import put_event, send
from .models import ImageBuilderBackend

_ANNOUNCED = frozenset(
    {"BUILDING", "TESTING", "DISTRIBUTING", "INTEGRATING", "AVAILABLE", "CANCELLED", "FAILED"}
)
_NOTIFIED = frozenset({"AVAILABLE", "FAILED"})


def send_transition(backend: ImageBuilderBackend, image: Image, transition: Transition) -> None:
    """Send the event of a transition, and the message to the topic of the infrastructure configuration."""
    if transition.status in _ANNOUNCED:
        detail = {"previous-state": {"status": transition.previous}, "state": {"status": transition.status}}
        _send(backend, "EC2 Image Builder Image State Change", [image.arn], detail)
    topic = image.static.get("infrastructureConfiguration", {}).get("snsTopicArn")
    if topic and transition.status in _NOTIFIED:
        message = json.dumps(_describe(backend, image))
        _apply_faults(backend, "SNS", [image.arn], partial(send, topic, message))


def send_step_wait(backend: ImageBuilderBackend, image: Image, wait: StepWait) -> None:
    """Send the event of a step that begins to wait, and what its inputs ask for."""
    step = backend.steps[wait.step].history.at(wait.at) or {}
    detail = {
        "workflow-execution-id": step["workflowExecutionId"],
        "workflow-step-execution-id": wait.step,
        "workflow-step-name": step["name"],
    }
    resources = [image.arn, step["workflowBuildVersionArn"]]
    _send(backend, "EC2 Image Builder Workflow Step Waiting", resources, detail)
    inputs = json.loads(step.get("inputs", "{}"))
    message = json.dumps(
        {"imageArn": image.arn, "workflowStepExecutionId": wait.step, "customPayload": inputs.get("payload")}
    )
    if topic := inputs.get("snsTopicArn"):
        _apply_faults(backend, "SNS", [image.arn], partial(send, topic, message))
    if function := inputs.get("lambdaFunctionName"):
        arn = f"arn:aws:lambda:{backend.region_name}:{backend.account_id}:function:{function}"
        _apply_faults(backend, "Lambda", [image.arn], partial(send, arn, message))


def send_cve_detected(backend: ImageBuilderBackend, image: Image, scan: Scan) -> None:
    """Send the event of a scan that has ended with findings."""
    pipeline = image.static.get("sourcePipelineArn")
    detail = {"resource-id": scan.resource_id, "finding-severity-counts": scan.severity_counts}
    resources = [image.arn, *([pipeline] if pipeline else [])]
    _send(backend, "EC2 Image Builder CVE Detected", resources, detail)


def send_pipeline_disabled(backend: ImageBuilderBackend, pipeline_arn: str, failures: int) -> None:
    """Send the event of a pipeline that was disabled since its builds fail."""
    detail = {"consecutive-failures": str(failures)}
    _send(backend, "EC2 Image Builder Image Pipeline Automatically Disabled", [pipeline_arn], detail)


def _send(backend: ImageBuilderBackend, detail_type: str, resources: Sequence[str], detail: Members) -> None:
    event = {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": detail_type,
        "source": "aws.imagebuilder",
        "account": backend.account_id,
        "region": backend.region_name,
        "resources": list(resources),
        "detail": detail,
    }
    _apply_faults(backend, detail_type, resources, partial(put_event, event, backend.now()))


def _apply_faults(
    backend: ImageBuilderBackend, name: str, resources: Sequence[str], deliver: Callable[[], None]
) -> None:
    """Deliver an event or a message as the injected faults have it."""
    faults = backend.shared.faults.match(name, {each: each for each in resources}, "events")
    kinds = {fault.kind: fault for fault in reversed(faults)}
    if "event_lost" in kinds:
        return
    deliveries = [deliver] * (2 if "event_doubled" in kinds else 1)
    if "event_out_of_order" in kinds:
        backend.held_events += deliveries
    elif "event_late" in kinds:
        for each in deliveries:
            backend.shared.agenda.schedule(backend.now() + kinds["event_late"].lag, each)
    else:
        held, backend.held_events = backend.held_events, []
        for each in [*deliveries, *held]:
            each()


def _describe(backend: ImageBuilderBackend, image: Image) -> Members:
    """Return the image as in messages to SNS topics, which is not its form in GetImage."""
    view = image.view(backend.now())
    prefix, version, build = image.arn.rsplit("/", 2)
    major, minor, patch = map(int, version.split("."))
    executions = ("buildExecutionId", "testExecutionId", "distributionJobId", "integrationJobId")
    return {
        **{name: value for name, value in view.items() if name not in ("tags", "imageTestsConfiguration")},
        "versionlessArn": prefix,
        "semver": (major << 90) + (minor << 60) + (patch << 30) + int(build),
        "version": version,
        "buildVersion": int(build),
        "dateCreated": _format_date(view["dateCreated"]),
        "accountId": backend.account_id,
        "imageTestsConfigurationDocument": view.get("imageTestsConfiguration", {}),
        "tags": {**view["tags"], "resourceArn": image.arn, "internalId": make_id("", image.arn)},
        **{name: make_id("", image.arn, name) for name in executions},
    }


def _format_date(text: str) -> str:
    at = datetime.fromisoformat(text).astimezone(UTC)
    return f"{at:%b} {at.day}, {at.year} {at.hour % 12 or 12}:{at:%M:%S %p}"
