"""The kinds of execution of a scenario: their statuses, and how the service returns them.

Derived from the service's documents, since the invariants must not depend on the library's own table.
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
        name: The name of the kind.
        phases: The statuses before the terminal one, in order. Those of one phase may follow each other in
            any order.
        terminal_statuses: The terminal statuses, and the weight with which each is drawn.
        later_statuses: The statuses that may follow a terminal one, by management or a retry.
        get: The operation that returns one execution, the parameter with its id or ARN, and the member of
            the response that contains it.
        list: The operation that lists the executions of one parent, the parameter with the parent, and the
            member of the response that contains the rows.
        id_member: The member with the id or ARN.
        state_members: Returns the members with a status and a reason.
    """

    name: str
    phases: tuple[tuple[str, ...], ...]
    terminal_statuses: Mapping[str, int]
    later_statuses: Mapping[str, tuple[str, ...]]
    get: tuple[str, str, str | None]
    list: tuple[str, str, str]
    id_member: str
    state_members: Callable[[str, str], Members]


def _flat(status: str, reason: str) -> Members:
    return {"status": status, "message": reason}


def _nested(status: str, reason: str) -> Members:
    return {"state": {"status": status, "reason": reason}}


IMAGE = Kind(
    name="image",
    phases=(("PENDING",), ("CREATING",), ("BUILDING",), ("TESTING",), ("DISTRIBUTING",), ("INTEGRATING",)),
    terminal_statuses={"AVAILABLE": 6, "FAILED": 2, "CANCELLED": 1},
    later_statuses={
        "AVAILABLE": ("DEPRECATED", "DISABLED", "DELETED"),
        "FAILED": ("TESTING", "DISTRIBUTING", "DELETED"),
        "CANCELLED": ("TESTING", "DELETED"),
    },
    get=("get_image", "imageBuildVersionArn", "image"),
    list=("list_image_build_versions", "imageVersionArn", "imageSummaryList"),
    id_member="arn",
    state_members=_nested,
)
WORKFLOW = Kind(
    name="workflow execution",
    phases=(("PENDING",), ("RUNNING",), ("ROLLBACK_IN_PROGRESS",)),
    terminal_statuses={"COMPLETED": 6, "FAILED": 2, "ROLLBACK_COMPLETED": 1, "CANCELLED": 1, "SKIPPED": 1},
    later_statuses={},
    get=("get_workflow_execution", "workflowExecutionId", None),
    list=("list_workflow_executions", "imageBuildVersionArn", "workflowExecutions"),
    id_member="workflowExecutionId",
    state_members=_flat,
)
STEP = Kind(
    name="workflow step execution",
    phases=(("PENDING",), ("RUNNING", "WAITING")),
    terminal_statuses={"COMPLETED": 6, "FAILED": 2, "TIMED_OUT": 1, "CANCELLED": 1, "SKIPPED": 1},
    later_statuses={},
    get=("get_workflow_step_execution", "stepExecutionId", None),
    list=("list_workflow_step_executions", "workflowExecutionId", "steps"),
    id_member="stepExecutionId",
    state_members=_flat,
)
LIFECYCLE = Kind(
    name="lifecycle execution",
    phases=(("IN_PROGRESS", "PENDING"), ("CANCELLING",)),
    terminal_statuses={"SUCCESS": 6, "FAILED": 2, "CANCELLED": 1},
    later_statuses={},
    get=("get_lifecycle_execution", "lifecycleExecutionId", "lifecycleExecution"),
    list=("list_lifecycle_executions", "resourceArn", "lifecycleExecutions"),
    id_member="lifecycleExecutionId",
    state_members=_nested,
)

# A new kind of execution is a new row here.
KINDS = (IMAGE, WORKFLOW, STEP, LIFECYCLE)

# The terminal statuses for which a wait with `check` raises.
FAILURE_STATUSES = {"FAILED", "ROLLBACK_COMPLETED", "CANCELLED", "DELETED", "TIMED_OUT"}


def uuid(number: int) -> str:
    """Return a made-up UUID."""
    return f"{number:08x}-0000-4000-8000-{number:012x}"


def image_arn(version: str, build: int) -> str:
    """Return the ARN of a build of an image version."""
    return f"{version_arn(version)}/{build}"


def version_arn(name: str) -> str:
    """Return the ARN of an image version."""
    return f"arn:aws:imagebuilder:{REGION}:123456789012:image/{name}/1.0.0"


def policy_arn(number: int) -> str:
    """Return the ARN of a lifecycle policy."""
    return f"arn:aws:imagebuilder:{REGION}:123456789012:lifecycle-policy/policy-{number}"
