"""A lifecycle execution as it was started: its history, and what it changes."""

from __future__ import annotations

from dataclasses import dataclass, field

from .images import Image
from .state_history import Members, StateHistory


@dataclass(kw_only=True)
class LifecycleRun:
    """A lifecycle execution.

    Args:
        history: The history of the execution.
        resources: Histories of the resources by image ARN: the image first, then its output resources.
        scheduled_changes: (image, adjustment) that the execution causes.
        policy_arn: ARN of the policy that was run, if any.
    """

    history: StateHistory
    resources: dict[str, list[StateHistory]] = field(default_factory=dict)
    scheduled_changes: list[tuple[Image, tuple[float, Members]]] = field(default_factory=list)
    policy_arn: str | None = None

    def status(self, now: float) -> str:
        """Return the status at a time."""
        state = self.history.at(now) or self.history.states[0]
        return str(state["state"]["status"])

    def schedule_change(self, image: Image, at: float, **members: object) -> None:
        """Schedule a change of an image, which a cancellation reverts."""
        image.adjust(at, **members)
        self.scheduled_changes.append((image, (at, members)))
