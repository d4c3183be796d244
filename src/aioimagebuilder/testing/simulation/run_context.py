"""The context shared by the workflows of one run of a build."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..scripts import BuildScript
from .plan import BuildPlan
from .scans import Scan
from .state_history import Members

FAILURE_STATUSES = frozenset({"FAILED", "TIMED_OUT"})


@dataclass(frozen=True, kw_only=True)
class StepAction:
    """An action that was sent to a waiting step."""

    at: float
    action: str
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class Failure:
    """The reason and the failure context of a failed image."""

    reason: str
    context: Members | None = None


@dataclass(kw_only=True)
class RunContext:
    """The inputs shared by the workflows of one run, and the results that they add.

    Args:
        plan: The build plan.
        script: The build script.
        run: 0 for the build, 1, 2… for its retries.
        actions: Actions sent to waiting steps, by step id.
        waiting_steps: (start, end) of the wait of each waiting step, by step id.
        log_lines: (time, text) of the build log, unsorted.
        amis: (time, AMI id) of every created AMI.
        scan: The vulnerability scan, if the run has one.
    """

    plan: BuildPlan
    script: BuildScript
    run: int = 0
    actions: Mapping[str, StepAction] = field(default_factory=dict)
    waiting_steps: dict[str, tuple[float, float]] = field(default_factory=dict)
    log_lines: list[tuple[float, str]] = field(default_factory=list)
    amis: list[tuple[float, str]] = field(default_factory=list)
    scan: Scan | None = None

    def latest_ami(self, at: float) -> str | None:
        """Return the newest AMI at a time: the last one created, or the source of a distribution."""
        source = self.plan.source_ami["image"] if self.plan.source_ami else None
        return next((ami for created_at, ami in reversed(self.amis) if created_at <= at), source)

    def log(self, at: float, text: str) -> None:
        """Add a line to the build log."""
        if at < math.inf:
            self.log_lines.append((at, text))
