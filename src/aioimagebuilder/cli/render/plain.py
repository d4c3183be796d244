"""Progress as plain lines, for output that is not a terminal: one on each change, and heartbeats in between.

No I/O, and no clock of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from ...models.executions import Execution, WorkflowStepExecution
from ...models.statuses import WorkflowStepExecutionStatus
from ..build_state import BuildState, WorkflowState, end_time_of, label_of, start_time_of, title_of
from ..durations import format_duration
from .escaping import escape
from .estimates import format_estimate


def format_changes(
    before: BuildState | None, state: BuildState, now: datetime, *, is_one_of_several: bool = False
) -> Iterator[str]:
    """Return a line for each difference between two states, in the order in which they happened.

    Args:
        before: the state that was shown last; ``None`` if none was.
        state: the state to show.
        now: the time by the clock of this machine.
        is_one_of_several: whether each line starts with the name of the execution.
    """
    execution = state.execution
    label = escape(label_of(execution))
    prefix = f"{label}  " if is_one_of_several else ""
    earlier = [each for each in state.workflows if each.workflow.is_terminal or execution.is_terminal]
    for each in earlier:
        yield from (f"{prefix}{line}" for line in _workflow_lines(before, state, each))
    if before is None or before.execution.status != execution.status:
        yield f"{label}  {_status_text(execution)}"
    for each in state.workflows:
        if each not in earlier:
            yield from (f"{prefix}{line}" for line in _workflow_lines(before, state, each))
    estimate = execution.progress.estimate
    shown = None if before is None else before.execution.progress.estimate
    if estimate is not None and estimate.is_news_after(shown):
        yield f"{label}  {format_estimate(estimate, now)}"


def format_heartbeat(state: BuildState, now: datetime, wall_time: datetime) -> str:
    """Return a line that names the unchanged status, the running steps, and when it can be expected to end.

    Args:
        state: the state.
        now: the time by the service's clock.
        wall_time: the time by the clock of this machine, which estimates are made with.
    """
    execution = state.execution
    running = [
        f"{escape(title_of(step))} {_verb(step)}{_elapsed_text(step, now)}" for step in state.running_steps
    ]
    if (estimate := execution.progress.estimate) is not None:
        running.append(format_estimate(estimate, wall_time))
    details = f": {', '.join(running)}" if running else ""
    return f"{escape(label_of(execution))}  still {_status_word(execution)}{details}"


def _workflow_lines(before: BuildState | None, state: BuildState, each: WorkflowState) -> Iterator[str]:
    """Return the lines of a workflow: its end after those of its steps, and any other status before them."""
    workflow = each.workflow
    earlier = () if before is None else before.workflows
    status = next((known.workflow.status for known in earlier if known.workflow.id == workflow.id), None)
    line = f"  {escape(title_of(workflow))}  {_status_text(workflow)}"
    has_changed = status != workflow.status and workflow.id != state.execution.id
    if has_changed and not workflow.is_terminal:
        yield line
    for step in each.steps:
        yield from _step_lines(before, step)
    if has_changed and workflow.is_terminal:
        yield line


def _step_lines(before: BuildState | None, step: WorkflowStepExecution) -> Iterator[str]:
    earlier = next((each for each in before.steps if each.id == step.id), None) if before else None
    name = escape(title_of(step))
    if step.is_waiting:
        if earlier is None or not earlier.is_waiting:
            yield f"    {name}  waits for a person: aioimagebuilder approve {escape(step.id)}"
    elif _has_step_changed(earlier, step):
        yield f"    {name}  {_status_text(step)}"


def _has_step_changed(earlier: WorkflowStepExecution | None, step: WorkflowStepExecution) -> bool:
    # The same steps are skipped in every build, which makes them uninteresting.
    if step.status in {WorkflowStepExecutionStatus.PENDING, WorkflowStepExecutionStatus.SKIPPED}:
        return False
    return earlier is None or (earlier.status, earlier.attempt_number) != (step.status, step.attempt_number)


def _verb(step: WorkflowStepExecution) -> str:
    return "waits for a person" if step.is_waiting else "is running"


def _elapsed_text(step: WorkflowStepExecution, now: datetime) -> str:
    start = start_time_of(step)
    return "" if start is None else f" for {format_duration((now - start).total_seconds())}"


def _status_text(execution: Execution) -> str:
    reason = f": {escape(execution.reason)}" if execution.reason else ""
    return f"{_status_word(execution)}{_duration_text(execution)}{reason}"


def _duration_text(execution: Execution) -> str:
    start, end = start_time_of(execution), end_time_of(execution)
    if start is None or end is None or not execution.is_terminal:
        return ""
    return f" after {format_duration((end - start).total_seconds())}"


def _status_word(execution: Execution) -> str:
    return escape(str(execution.status or "(no status)"))
