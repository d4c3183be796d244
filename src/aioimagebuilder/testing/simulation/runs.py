"""Runs of builds, with their timelines."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from ..scripts import BuildScript
from .plan import BuildPlan
from .scans import Scan
from .state_history import Members, Row, StateHistory

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
class Timeline:
    """The timeline of one run of a build.

    Args:
        image: Members ``status``, ``reason``, ``failureContext`` and ``outputResources`` of the image.
        workflows: The workflow executions, with their steps as children.
        waiting_steps: (start, end) of the wait of each waiting step, by step id.
        log_lines: (time, text) of the build log; sorted by time when the run is complete.
        amis: (time, AMI id) of every created AMI.
        stopped_stage: The workflow type (``BUILD``…) of the stage in which an unsuccessful run stopped.
        scan: The vulnerability scan, if the run has one.
    """

    image: StateHistory = field(default_factory=StateHistory)
    workflows: list[Row] = field(default_factory=list)
    waiting_steps: dict[str, tuple[float, float]] = field(default_factory=dict)
    log_lines: list[tuple[float, str]] = field(default_factory=list)
    amis: list[tuple[float, str]] = field(default_factory=list)
    stopped_stage: str | None = None
    scan: Scan | None = None


@dataclass(kw_only=True)
class Run:
    """A run of a build: the first one, or a retry.

    Args:
        plan: The build plan.
        script: The build script.
        start: The start of the run in simulated seconds.
        number: 0 for the build, 1, 2… for its retries.
        first_stage: The first stage of a retry; ``None`` = all stages.
        earlier_amis: (time, AMI id) of every AMI created by earlier runs.
        actions: Actions sent to waiting steps, by step id.
        cancelled_at: The time of CancelImageCreation.
        timeline: The timeline, computed from everything else.
    """

    plan: BuildPlan
    script: BuildScript
    start: float
    number: int = 0
    first_stage: str | None = None
    earlier_amis: tuple[tuple[float, str], ...] = ()
    actions: dict[str, StepAction] = field(default_factory=dict)
    cancelled_at: float | None = None
    timeline: Timeline = field(default_factory=Timeline)

    def latest_ami(self, at: float) -> str | None:
        """Return the newest AMI at a time: the last one created, or the source of a distribution."""
        source = self.plan.source_ami["image"] if self.plan.source_ami else None
        return next((ami for created_at, ami in reversed(self.timeline.amis) if created_at <= at), source)

    def log(self, at: float, text: str) -> None:
        """Add a line to the build log."""
        if at < math.inf:
            self.timeline.log_lines.append((at, text))
