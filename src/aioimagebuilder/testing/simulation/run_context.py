"""What all workflows of one run of a build share, what people send to them, and why they fail."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..scripts import BuildScript
from .plan import BuildPlan
from .state_history import Members

FAILED = frozenset({"FAILED", "TIMED_OUT"})


@dataclass(frozen=True, kw_only=True)
class GateAction:
    """An action that somebody sent to a waiting step."""

    at: float
    action: str
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why a build fails: the reason and the failure context of its image."""

    reason: str
    context: Members | None = None


@dataclass(kw_only=True)
class Site:
    """What all workflows of one run of a build share, and what they leave behind.

    Args:
        plan: What the build runs.
        script: What it shall do.
        run: 0 for the build, 1, 2… for its retries.
        actions: What was sent to waiting steps, by step id.
        gates: Step id to (waits from, waits until) of every step that waits for an action.
        lines: (time, text) of the build log, in no order.
        images: (time, AMI id) of what was made.
    """

    plan: BuildPlan
    script: BuildScript
    run: int = 0
    actions: Mapping[str, GateAction] = field(default_factory=dict)
    gates: dict[str, tuple[float, float]] = field(default_factory=dict)
    lines: list[tuple[float, str]] = field(default_factory=list)
    images: list[tuple[float, str]] = field(default_factory=list)

    def log(self, at: float, text: str) -> None:
        """Add a line to the build log."""
        if at < math.inf:
            self.lines.append((at, text))
