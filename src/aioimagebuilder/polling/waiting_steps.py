"""Which steps wait for a person, as one list of the account tells it. No I/O, and no clock.

A build that waits for a person says BUILDING or TESTING like one that is busy: only ListWaitingWorkflowSteps
and the lists of steps tell the two apart. The former has no filter: one list serves all who wait.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from ..models.executions import Execution, WorkflowExecution, WorkflowStepExecution
from ..models.statuses import WorkflowStepExecutionStatus

__all__ = ["Gates", "describe"]

# For so long a step that was answered may still read as waiting.
_ANSWER_GRACE: Final = 60.0
_MAXIMUM_REPORTED: Final = 1000


class Gates:
    """The steps that wait, what was answered, and what was reported."""

    def __init__(self) -> None:
        self._steps: tuple[WorkflowStepExecution, ...] = ()
        self._answered: dict[str, float] = {}
        self._reported: set[str] = set()

    def take(self, steps: Iterable[WorkflowStepExecution]) -> None:
        """Take in the whole list of the steps that wait."""
        # The list gives no status: to stand on it is to wait.
        waiting = WorkflowStepExecutionStatus.WAITING
        self._steps = tuple(each if each.is_waiting else replace(each, status=waiting) for each in steps)

    def of(self, execution: Execution) -> tuple[WorkflowStepExecution, ...]:
        """Get those that `execution`, an image or a workflow execution, waits at."""
        if isinstance(execution, WorkflowExecution):
            return tuple(each for each in self._steps if each.workflow_execution_id == execution.id)
        return tuple(each for each in self._steps if each.image_build_version_arn == execution.id)

    def answer(self, step_execution_id: str, now: float) -> None:
        """Take in that a step was answered: it may read as waiting for a while yet."""
        self._answered = {each: until for each, until in self._answered.items() if until > now}
        self._answered[step_execution_id] = now + _ANSWER_GRACE

    def unanswered(
        self, steps: Sequence[WorkflowStepExecution], now: float
    ) -> tuple[WorkflowStepExecution, ...]:
        """Get those of `steps` that were not answered just now."""
        return tuple(each for each in steps if self._answered.get(each.id, -math.inf) <= now)

    def unreported(self, steps: Sequence[WorkflowStepExecution]) -> tuple[WorkflowStepExecution, ...]:
        """Get those of `steps` that this was not asked of before."""
        new = tuple(each for each in steps if each.id not in self._reported)
        if len(self._reported) > _MAXIMUM_REPORTED:
            self._reported.clear()
        self._reported.update(each.id for each in new)
        return new


def describe(steps: Sequence[WorkflowStepExecution]) -> str:
    """Get what waits, since when, and what to do about it. Untrusted text."""
    first = steps[0]
    since = "" if first.start_time is None else f" since {first.start_time:%Y-%m-%d %H:%M:%S} UTC"
    others = "" if len(steps) == 1 else f", and {len(steps) - 1} more,"
    return (
        f"step {first.name or '?'} ({first.id}){others} waits for a person{since}: "
        f'answer it with resume("{first.id}") or stop("{first.id}", reason="…")'
    )
