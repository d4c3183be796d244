"""Progress where there is no terminal: a line on each change, and one now and then while nothing changes.

No I/O, and no clock of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from ...models.executions import Execution, WorkflowStepExecution
from ...models.statuses import WorkflowStepExecutionStatus
from ..build_state import BuildState, end_of, label_of, start_of, title_of
from ..durations import shown_duration
from .escaping import escaped

__all__ = ["changes", "still"]


def changes(before: BuildState | None, state: BuildState) -> Iterator[str]:
    """Get a line for each thing that is not as it was before."""
    execution = state.execution
    if before is None or before.execution.status != execution.status:
        yield f"{escaped(label_of(execution))}  {_status(execution)}"
    statuses = {} if before is None else {each.workflow.id: each.workflow.status for each in before.workflows}
    for each in state.workflows:
        is_news = statuses.get(each.workflow.id) != each.workflow.status
        if is_news and each.workflow.id != execution.id:
            yield f"  {escaped(title_of(each.workflow))}  {_status(each.workflow)}"
        for step in each.steps:
            yield from _changes_of_step(before, state, step)


def _changes_of_step(
    before: BuildState | None, state: BuildState, step: WorkflowStepExecution
) -> Iterator[str]:
    earlier = next((each for each in before.steps if each.id == step.id), None) if before else None
    name = escaped(title_of(step))
    if step.is_waiting:
        if before is None or earlier is None or not earlier.is_waiting:
            yield f"    {name}  waits for a person: {approval(step)}"
    elif _is_news(earlier, step):
        yield f"    {name}  {_status(step)}"


def still(state: BuildState, now: datetime) -> str:
    """Get the line that says that nothing has changed, and what is going on."""
    execution = state.execution
    doing = [
        f"{escaped(title_of(step))} {does}{_since(step, now)}"
        for step in state.running
        for does in ["waits for a person" if step.is_waiting else "runs"]
    ]
    what = f": {', '.join(doing)}" if doing else ""
    return f"{escaped(label_of(execution))}  still {_word(execution)}{what}"


def approval(step: WorkflowStepExecution) -> str:
    """Get the command that lets a step go on which waits for a person."""
    return f"aioimagebuilder approve {escaped(step.id)}"


def _is_news(before: WorkflowStepExecution | None, step: WorkflowStepExecution) -> bool:
    # What is skipped is skipped in every build, and says nothing.
    if step.status in {WorkflowStepExecutionStatus.PENDING, WorkflowStepExecutionStatus.SKIPPED}:
        return False
    return before is None or (before.status, before.attempt_number) != (step.status, step.attempt_number)


def _since(step: WorkflowStepExecution, now: datetime) -> str:
    start = start_of(step)
    return "" if start is None else f" for {shown_duration((now - start).total_seconds())}"


def _status(execution: Execution) -> str:
    reason = f": {escaped(execution.reason)}" if execution.reason else ""
    return f"{_word(execution)}{_took(execution)}{reason}"


def _took(execution: Execution) -> str:
    start, end = start_of(execution), end_of(execution)
    if start is None or end is None or not execution.is_terminal:
        return ""
    return f" after {shown_duration((end - start).total_seconds())}"


def _word(execution: Execution) -> str:
    return escaped(str(execution.status or "(no status)"))
