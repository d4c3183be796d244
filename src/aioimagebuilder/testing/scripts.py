"""What a simulated build shall do: frozen, JSON-able descriptions.

Every class here survives ``dataclasses.asdict`` and is rebuilt from the result by keyword
(``BuildScript(**asdict(script))``), so a script travels as JSON over the simulator's control routes.
All durations are simulated seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

Json = str | int | float | bool | None | list["Json"] | dict[str, "Json"]
"""A JSON value."""

_Script = TypeVar("_Script", "StepScript", "WorkflowScript", "ComponentFailure")


@dataclass(frozen=True, kw_only=True)
class ComponentFailure:
    """How a component fails inside an ExecuteComponents step.

    ``component_arn`` defaults to the first component of the recipe, and ``stderr``, what its command writes
    to the build log, to the error.
    """

    component_arn: str | None = None
    phase: str = "build"
    step: str = "InstallPackages"
    action: str = "ExecuteBash"
    error: str = "exit status 1"
    stderr: str | None = None


@dataclass(frozen=True, kw_only=True)
class StepScript:
    """What one workflow step does; whatever is ``None`` stays as in the workflow document.

    Args:
        duration: Seconds from start to end of each attempt.
        status: How the step ends; any word, also one that the service does not know.
        running_status: What the step says while it runs (default ``RUNNING``).
        message: The step's message; for a failed step also the reason of the failure.
        inputs: Replaces the inputs of the document.
        outputs: Replaces the outputs that the step would have.
        on_failure: ``Abort`` or ``Continue``.
        timeout_seconds: The step fails with a timeout when ``duration`` is longer than this.
        max_attempts: How often the step may run (shown as ``maxAttempts``).
        failed_attempts: So many attempts fail before the one that ends as ``status`` says.
        between_attempts_status: What the step says between two attempts. The service does not document it.
        retry_delay: Seconds between two attempts.
        rollback_status: How the rollback of this step ends, if there is one.
        component_failure: The step fails because this component does.
        gate: The step waits for SendWorkflowStepAction, as one with the action WaitForAction does.
        never_ends: The step runs for ever (until the image is cancelled).
        log_lines: Lines that the step writes to the build log.
    """

    duration: float | None = None
    status: str | None = None
    running_status: str | None = None
    message: str | None = None
    inputs: Mapping[str, Json] | None = None
    outputs: Mapping[str, Json] | None = None
    on_failure: str | None = None
    timeout_seconds: int | None = None
    max_attempts: int | None = None
    failed_attempts: int = 0
    between_attempts_status: str = "FAILED"
    retry_delay: float = 5.0
    rollback_status: str | None = None
    component_failure: ComponentFailure | None = None
    gate: bool = False
    never_ends: bool = False
    log_lines: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if isinstance(self.component_failure, Mapping):
            object.__setattr__(self, "component_failure", ComponentFailure(**self.component_failure))
        object.__setattr__(self, "log_lines", tuple(self.log_lines))


@dataclass(frozen=True, kw_only=True)
class WorkflowScript:
    """What one workflow execution does as a whole.

    Args:
        status: How the workflow ends; ``SKIPPED`` means that it never runs. Any word is allowed.
        running_status: What the workflow says while it runs (default ``RUNNING``).
        message: The workflow's message at its end.
        rollback: Whether a failed workflow rolls back; ``None`` = as the build script says.
        pending: Seconds before the workflow leaves PENDING.
    """

    status: str | None = None
    running_status: str | None = None
    message: str | None = None
    rollback: bool | None = None
    pending: float = 0.243


@dataclass(frozen=True, kw_only=True)
class BuildScript:
    """What one build of an image does; the default is a success with the service's usual durations.

    Args:
        steps: Step name, or ``workflow name/step name``, to what the step does.
        workflows: Workflow name (``test-image``) or type (``TEST``) to what the workflow does.
        pace: Every duration of the build is multiplied by this.
        pending: Seconds in PENDING.
        creating: Seconds in CREATING.
        distributing: Seconds in DISTRIBUTING where no workflow distributes; ``None`` = by the regions.
        integrating: Seconds in INTEGRATING; ``None`` = the build has no such status.
        reopening: Seconds until a retried image leaves its terminal state.
        cancelling: Seconds from CancelImageCreation to CANCELLED.
        rollback: Whether failed workflows roll back what they did.
        early_failure: The image fails straight from PENDING, with this reason and nothing else.
        status: How the image ends instead of AVAILABLE or FAILED; any word.
        reason: Replaces the reason of a failed image.
        failure_context: Whether a failed image tells its failure context.
        failed_regions: Region to error message of regions that the distribution fails in.
        renamed_statuses: Shows an image status under another word.
        waiting_status: What a step says while it waits for an action: ``RUNNING`` or ``WAITING``.
        gate_timeout_status: How a step ends that nobody acted on.
        log_stream: Whether the build writes a log at all.
        log_delay: Seconds until the log stream exists.
        log_lines: So many extra lines of component output, spread over the build stage.
    """

    steps: Mapping[str, StepScript] = field(default_factory=dict)
    workflows: Mapping[str, WorkflowScript] = field(default_factory=dict)
    pace: float = 1.0
    pending: float = 1.5
    creating: float = 4.5
    distributing: float | None = None
    integrating: float | None = None
    reopening: float = 0.0
    cancelling: float = 8.0
    rollback: bool = True
    early_failure: str | None = None
    status: str | None = None
    reason: str | None = None
    failure_context: bool = True
    failed_regions: Mapping[str, str] = field(default_factory=dict)
    renamed_statuses: Mapping[str, str] = field(default_factory=dict)
    waiting_status: str = "RUNNING"
    gate_timeout_status: str = "FAILED"
    log_stream: bool = True
    log_delay: float = 0.0
    log_lines: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "steps", _rebuilt(self.steps, StepScript))
        object.__setattr__(self, "workflows", _rebuilt(self.workflows, WorkflowScript))

    @classmethod
    def failing_step(cls, step: str, message: str | None = None, **members: object) -> BuildScript:
        """Get a build whose step of this name fails with this message."""
        script = StepScript(status="FAILED", message=message)
        return replace(cls(steps={step: script}), **members)  # type: ignore[arg-type]

    @classmethod
    def failing_component(cls, error: str = "exit status 1", **members: object) -> BuildScript:
        """Get a build whose first component fails in the build phase."""
        script = StepScript(status="FAILED", component_failure=ComponentFailure(error=error))
        return replace(cls(steps={"ApplyBuildComponents": script}), **members)  # type: ignore[arg-type]

    @classmethod
    def waiting(cls, step: str, **members: object) -> BuildScript:
        """Get a build that stops at this step until somebody sends it an action."""
        return replace(cls(steps={step: StepScript(gate=True)}), **members)  # type: ignore[arg-type]

    def words(self) -> frozenset[str]:
        """Every status that this script can put on the wire, known to the service or not."""
        found = {self.status, self.waiting_status, self.gate_timeout_status, *self.renamed_statuses.values()}
        for step in self.steps.values():
            found |= {step.status, step.running_status, step.between_attempts_status, step.rollback_status}
        for workflow in self.workflows.values():
            found |= {workflow.status, workflow.running_status}
        return frozenset(word for word in found if word)


def _rebuilt(
    scripts: Mapping[str, _Script | Mapping[str, Any]], kind: type[_Script]
) -> Mapping[str, _Script]:
    return {
        name: kind(**script) if isinstance(script, Mapping) else script for name, script in scripts.items()
    }
