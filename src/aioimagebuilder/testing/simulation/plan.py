"""What a build is going to run: the plan that the timeline is computed from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

STAGES = ("BUILD", "TEST", "DISTRIBUTION")
"""Workflow types in the order in which they run."""

STAGE_STATUS = {"BUILD": "BUILDING", "TEST": "TESTING", "DISTRIBUTION": "DISTRIBUTING"}
"""The image status of each stage."""


@dataclass(frozen=True, kw_only=True)
class PlannedStep:
    """One step as the workflow document has it, with the numbers of its action."""

    name: str
    action: str
    duration: float
    timeout_seconds: int
    on_failure: str = "Abort"
    description: str | None = None
    inputs: Mapping[str, Any] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    rollback_seconds: float | None = None
    skipped: bool = False
    max_attempts: int | None = None


@dataclass(frozen=True, kw_only=True)
class PlannedWorkflow:
    """One workflow that the build runs, with what the image says about it."""

    name: str
    type: str
    arn: str
    steps: tuple[PlannedStep, ...]
    parallel_group: str | None = None
    continues_on_failure: bool = False


@dataclass(frozen=True, kw_only=True)
class BuildPlan:
    """Everything that the course of one image depends on, save its script and what happens to it.

    Args:
        image_arn: The image build version.
        image_name: Its name, with its case.
        workflows: In the order in which they start.
        regions: Where the output goes, the home region first.
        components: ARNs of the recipe's components.
        container: The output is a container image.
        repository: The container's repository.
        parent_image: The output of a build without a BUILD workflow.
        distributes: Whether there is a DISTRIBUTING status.
        creating: Seconds in CREATING, where they are not the script's.
        s3_logs: ``bucket/prefix`` of component logs.
    """

    image_arn: str
    image_name: str
    account_id: str
    regions: tuple[str, ...]
    workflows: tuple[PlannedWorkflow, ...] = ()
    components: tuple[str, ...] = ()
    container: bool = False
    repository: str = "repository"
    parent_image: str | None = None
    distributes: bool = True
    creating: float | None = None
    s3_logs: str | None = None

    @property
    def home_region(self) -> str:
        """The region that builds the image."""
        return self.regions[0]

    def stage(self, workflow_type: str) -> tuple[PlannedWorkflow, ...]:
        """Get the workflows of this type."""
        return tuple(workflow for workflow in self.workflows if workflow.type == workflow_type)
