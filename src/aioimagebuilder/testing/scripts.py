"""Scripts: immutable descriptions of what a simulated build does.

Scripts are sent as JSON over the control routes: ``BuildScript(**dataclasses.asdict(script))`` restores a
script. All durations are simulated seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from .checks import (
    Checked,
    ComponentArn,
    Count,
    ErrorText,
    Message,
    Name,
    NonEmpty,
    Pace,
    PositiveCount,
    Seconds,
)

Json = str | int | float | bool | None | list["Json"] | dict[str, "Json"]
"""A JSON value."""


@dataclass(frozen=True, kw_only=True)
class ComponentFailure(Checked):
    """The failure of a component in an ExecuteComponents step.

    ``component_arn`` defaults to the first component of the recipe. ``stderr`` is the command's output in the
    build log and defaults to ``error``.
    """

    component_arn: ComponentArn | None = None
    phase: NonEmpty = "build"
    step: NonEmpty = "InstallPackages"
    action: NonEmpty = "ExecuteBash"
    error: ErrorText = "exit status 1"
    stderr: str | None = None


@dataclass(frozen=True, kw_only=True)
class StepScript(Checked):
    """The behavior of one workflow step; ``None`` keeps the value of the workflow document.

    Args:
        duration: Duration of each attempt.
        status: Final status of the step; any string, including a status unknown to the service.
        running_status: Status while the step runs (default ``RUNNING``).
        message: Message of the step; for a failed step also the reason of the failure.
        inputs: Replaces the inputs in the workflow document.
        outputs: Replaces the default outputs of the action.
        on_failure: ``Abort`` or ``Continue``.
        timeout_seconds: The step fails with a timeout if ``duration`` is longer.
        max_attempts: The step's ``maxAttempts``.
        failed_attempts: Number of failed attempts before the one that ends with ``status``.
        between_attempts_status: Status between two attempts, which the service does not document.
        retry_delay: Delay between two attempts.
        rollback_status: Final ``rollbackStatus`` of the step, if it is rolled back.
        component_failure: The component failure behind a failed step.
        is_waiting_step: Whether it waits for SendWorkflowStepAction, like a WaitForAction step.
        never_ends: Whether the step runs until the image is cancelled.
        log_lines: Lines that the step writes to the build log.
    """

    duration: Seconds | None = None
    status: str | None = None
    running_status: str | None = None
    message: Message | None = None
    inputs: Mapping[str, Json] | None = None
    outputs: Mapping[str, Json] | None = None
    on_failure: Literal["Abort", "Continue"] | None = None
    timeout_seconds: PositiveCount | None = None
    max_attempts: PositiveCount | None = None
    failed_attempts: Count = 0
    between_attempts_status: str = "FAILED"
    retry_delay: Seconds = 5.0
    rollback_status: str | None = None
    component_failure: ComponentFailure | None = None
    is_waiting_step: bool = False
    never_ends: bool = False
    log_lines: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class WorkflowScript(Checked):
    """The behavior of one workflow execution.

    Args:
        status: Final status; any string. With ``SKIPPED`` the workflow never runs.
        running_status: Status while the workflow runs (default ``RUNNING``).
        message: Message of the ended workflow.
        rollback: Whether a failed workflow rolls back; ``None`` = the build script's ``rollback``.
        pending: Time in PENDING.
    """

    status: str | None = None
    running_status: str | None = None
    message: Message | None = None
    rollback: bool | None = None
    pending: Seconds = 0.243


@dataclass(frozen=True, kw_only=True)
class ScanFinding(Checked):
    """A vulnerability that the scan of an image finds in a package, which ``fixed_in`` no longer has."""

    vulnerability_id: Name
    severity: Literal["CRITICAL", "HIGH", "MEDIUM", "LOW", "INFORMATIONAL", "UNTRIAGED"] = "HIGH"
    package: Name = "openssl"
    version: Name = "3.0.8"
    fixed_in: Name | None = None
    description: NonEmpty | None = None


@dataclass(frozen=True, kw_only=True)
class ScanScript(Checked):
    """The vulnerability scan of an image whose ``imageScanningConfiguration`` enables it.

    Its duration is that of the step CollectImageScanFindings, which fails if the scan does.

    Args:
        findings: What the scan finds.
        status: Final status of the scan.
        reason: Reason of the final status.
    """

    findings: tuple[ScanFinding, ...] = ()
    status: Literal["COMPLETED", "FAILED", "TIMED_OUT", "ABANDONED"] = "COMPLETED"
    reason: Name | None = None


@dataclass(frozen=True, kw_only=True)
class BuildScript(Checked):
    """The behavior of one build; the default is a successful build with the service's usual durations.

    Args:
        steps: Step scripts by step name or ``workflow name/step name``.
        workflows: Workflow scripts by workflow name (``test-image``) or type (``TEST``).
        pace: Factor applied to every duration of the build.
        pending: Time in PENDING.
        creating: Time in CREATING.
        distributing: Time in DISTRIBUTING without a distribution workflow; ``None`` = depends on the regions.
        integrating: Time in INTEGRATING; ``None`` = the image does not enter this status.
        reopening: Time until a retried image leaves its terminal status.
        cancelling: Time from CancelImageCreation to CANCELLED.
        rollback: Whether failed workflows roll back.
        early_failure: Reason of an image that fails in PENDING, before any workflow starts.
        status: Final status of the image instead of AVAILABLE or FAILED; any string.
        reason: Replaces the reason of a failed image.
        failure_context: Whether a failed image has a failure context.
        failed_regions: Error messages by region of a failed distribution.
        renamed_statuses: Image statuses to replace, mapped to their replacements.
        waiting_status: Status of a waiting step: ``RUNNING`` or ``WAITING``.
        waiting_timeout_status: Final status of a waiting step that received no action.
        log_stream: Whether the build writes a log.
        log_delay: Time until the log stream exists.
        log_lines: Number of extra lines of component output, spread over the build stage.
        scan: The vulnerability scan, if the image is scanned; ``None`` = it finds nothing.
        packages: Versions by name of the installed packages; ``None`` = usual ones of the platform.
    """

    steps: Mapping[str, StepScript] = field(default_factory=dict)
    workflows: Mapping[str, WorkflowScript] = field(default_factory=dict)
    pace: Pace = 1.0
    pending: Seconds = 1.5
    creating: Seconds = 4.5
    distributing: Seconds | None = None
    integrating: Seconds | None = None
    reopening: Seconds = 0.0
    cancelling: Seconds = 8.0
    rollback: bool = True
    early_failure: NonEmpty | None = None
    status: str | None = None
    reason: NonEmpty | None = None
    failure_context: bool = True
    failed_regions: Mapping[NonEmpty, ErrorText] = field(default_factory=dict)
    renamed_statuses: Mapping[str, str] = field(default_factory=dict)
    waiting_status: str = "RUNNING"
    waiting_timeout_status: str = "FAILED"
    log_stream: bool = True
    log_delay: Seconds = 0.0
    log_lines: Count = 0
    scan: ScanScript | None = None
    packages: Mapping[Name, Name] | None = None

    @classmethod
    def failing_step(cls, step: str, message: str | None = None, **members: object) -> BuildScript:
        """Return a script of a build that fails in a step."""
        script = StepScript(status="FAILED", message=message)
        return replace(cls(steps={step: script}), **members)  # type: ignore[arg-type]

    @classmethod
    def failing_component(cls, error: str = "exit status 1", **members: object) -> BuildScript:
        """Return a script of a build whose first component fails in the build phase."""
        script = StepScript(status="FAILED", component_failure=ComponentFailure(error=error))
        return replace(cls(steps={"ApplyBuildComponents": script}), **members)  # type: ignore[arg-type]

    @classmethod
    def waiting(cls, step: str, **members: object) -> BuildScript:
        """Return a script of a build in which a step waits for an action."""
        return replace(cls(steps={step: StepScript(is_waiting_step=True)}), **members)  # type: ignore[arg-type]

    def statuses(self) -> frozenset[str]:
        """Return every status named in the script, including those unknown to the service."""
        found = {
            self.status,
            self.waiting_status,
            self.waiting_timeout_status,
            *self.renamed_statuses.values(),
        }
        for step in self.steps.values():
            found |= {step.status, step.running_status, step.between_attempts_status, step.rollback_status}
        for workflow in self.workflows.values():
            found |= {workflow.status, workflow.running_status}
        return frozenset(status for status in found if status)
