"""The kinds of execution of a world: how each goes its course, and how the service tells of it.

Written down a second time and from the service's own documents, so that the worlds do not ask the library
what a status means.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

REGION = "us-east-1"
UNKNOWN_STATUS = "FROBNICATING"

Members = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Kind:
    """A row of the table.

    Attributes:
        name: a short word for it.
        phases: the statuses on the way, in their order; those of one phase may follow each other either way.
        ends: the terminal statuses, and how often each is drawn.
        afterlife: for a terminal status, those that later management may bring.
        get: the operation that shows one, the parameter that names it, and the member that holds it.
        lists: the operation that lists those of one parent, the parameter that names the parent, and the
            member that holds the rows.
        state: the members that tell a status and a reason.
    """

    name: str
    phases: tuple[tuple[str, ...], ...]
    ends: Mapping[str, int]
    afterlife: Mapping[str, tuple[str, ...]]
    get: tuple[str, str, str | None]
    lists: tuple[str, str, str]
    id_member: str
    state: Callable[[str, str], Members]


def _flat(reason_member: str) -> Callable[[str, str], Members]:
    return lambda status, reason: {"status": status, reason_member: reason}


def _nested(status: str, reason: str) -> Members:
    return {"state": {"status": status, "reason": reason}}


IMAGE = Kind(
    name="image",
    phases=(("PENDING",), ("CREATING",), ("BUILDING",), ("TESTING",), ("DISTRIBUTING",), ("INTEGRATING",)),
    ends={"AVAILABLE": 6, "FAILED": 2, "CANCELLED": 1},
    afterlife={
        "AVAILABLE": ("DEPRECATED", "DISABLED", "DELETED"),
        "FAILED": ("TESTING", "DISTRIBUTING", "DELETED"),
        "CANCELLED": ("TESTING", "DELETED"),
    },
    get=("get_image", "imageBuildVersionArn", "image"),
    lists=("list_image_build_versions", "imageVersionArn", "imageSummaryList"),
    id_member="arn",
    state=_nested,
)
WORKFLOW = Kind(
    name="workflow execution",
    phases=(("PENDING",), ("RUNNING",), ("ROLLBACK_IN_PROGRESS",)),
    ends={"COMPLETED": 6, "FAILED": 2, "ROLLBACK_COMPLETED": 1, "CANCELLED": 1, "SKIPPED": 1},
    afterlife={},
    get=("get_workflow_execution", "workflowExecutionId", None),
    lists=("list_workflow_executions", "imageBuildVersionArn", "workflowExecutions"),
    id_member="workflowExecutionId",
    state=_flat("message"),
)
STEP = Kind(
    name="step",
    phases=(("PENDING",), ("RUNNING", "WAITING")),
    ends={"COMPLETED": 6, "FAILED": 2, "TIMED_OUT": 1, "CANCELLED": 1, "SKIPPED": 1},
    afterlife={},
    get=("get_workflow_step_execution", "stepExecutionId", None),
    lists=("list_workflow_step_executions", "workflowExecutionId", "steps"),
    id_member="stepExecutionId",
    state=_flat("message"),
)
LIFECYCLE = Kind(
    name="lifecycle execution",
    phases=(("IN_PROGRESS", "PENDING"), ("CANCELLING",)),
    ends={"SUCCESS": 6, "FAILED": 2, "CANCELLED": 1},
    afterlife={},
    get=("get_lifecycle_execution", "lifecycleExecutionId", "lifecycleExecution"),
    lists=("list_lifecycle_executions", "resourceArn", "lifecycleExecutions"),
    id_member="lifecycleExecutionId",
    state=_nested,
)

# A new kind of execution is a new row here.
KINDS = (IMAGE, WORKFLOW, STEP, LIFECYCLE)

# What `wait` with a check raises for; the others it returns.
FAILURES = {"FAILED", "ROLLBACK_COMPLETED", "CANCELLED", "DELETED", "TIMED_OUT"}


def uuid(number: int) -> str:
    """Get a made-up UUID."""
    return f"{number:08x}-0000-4000-8000-{number:012x}"


def image_arn(version: str, build: int) -> str:
    """Get the ARN of a build of an image version."""
    return f"{version_arn(version)}/{build}"


def version_arn(name: str) -> str:
    """Get the ARN of an image version."""
    return f"arn:aws:imagebuilder:{REGION}:123456789012:image/{name}/1.0.0"


def policy_arn(number: int) -> str:
    """Get the ARN of a lifecycle policy."""
    return f"arn:aws:imagebuilder:{REGION}:123456789012:lifecycle-policy/policy-{number}"
