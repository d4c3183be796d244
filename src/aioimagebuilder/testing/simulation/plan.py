"""The build plan, from which a timeline is computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .state_history import Members

STAGES = ("BUILD", "TEST", "DISTRIBUTION")
"""Workflow types in the order in which they run."""

STAGE_STATUS = {"BUILD": "BUILDING", "TEST": "TESTING", "DISTRIBUTION": "DISTRIBUTING"}
"""Image statuses by stage."""


@dataclass(frozen=True, kw_only=True)
class PlannedStep:
    """A step of a workflow document."""

    name: str
    action: str
    timeout_seconds: int
    on_failure: str = "Abort"
    description: str | None = None
    inputs: Mapping[str, Any] = field(default_factory=dict)
    is_skipped: bool = False
    max_attempts: int | None = None


@dataclass(frozen=True, kw_only=True)
class PlannedWorkflow:
    """A workflow of the build, with its workflow configuration."""

    name: str
    type: str
    arn: str
    steps: tuple[PlannedStep, ...]
    parallel_group: str | None = None
    continues_on_failure: bool = False


@dataclass(frozen=True, kw_only=True)
class BuildPlan:
    """The workflows and resources of a build.

    Args:
        image_arn: The image build version ARN.
        image_name: The image name in its original case.
        account_id: The account that owns the image.
        regions: Regions of the output, the home region first.
        workflows: Workflows in the order in which they start.
        components: ARNs of the recipe's components.
        is_container: Whether the output is a container image.
        repository: Repository of the container image.
        distributions: AMI settings and ``ssmParameterConfigurations`` by region.
        created_at: The build date in names and tags, in epoch seconds.
        description: Description of the AMI in the home region.
        source_ami: The existing AMI that is distributed, as in ``outputResources``.
        has_distribution_stage: Whether the image enters DISTRIBUTING.
        creating: Seconds in CREATING; ``None`` = as in the build script.
        s3_logs: ``bucket/prefix`` of component logs.
        is_scanned: Whether the image is scanned for vulnerabilities.
    """

    image_arn: str
    image_name: str
    account_id: str
    regions: tuple[str, ...]
    workflows: tuple[PlannedWorkflow, ...] = ()
    components: tuple[str, ...] = ()
    is_container: bool = False
    repository: str = "repository"
    distributions: Mapping[str, Members] = field(default_factory=dict)
    created_at: float = 0.0
    description: str | None = None
    source_ami: Members | None = None
    has_distribution_stage: bool = True
    creating: float | None = None
    s3_logs: str | None = None
    is_scanned: bool = False

    @property
    def home_region(self) -> str:
        """The region in which the image is built."""
        return self.regions[0]

    def workflows_of(self, workflow_type: str) -> tuple[PlannedWorkflow, ...]:
        """Return the workflows of a type."""
        return tuple(workflow for workflow in self.workflows if workflow.type == workflow_type)
