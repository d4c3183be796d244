"""The live view of a terminal, rendered from build states. No I/O, and no clock of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Column, Table
from rich.text import Text

from ...models.executions import Execution, Image, WorkflowStepExecution
from ...models.statuses import ImageStatus, Outcome, WorkflowType
from ..build_state import BuildState, WorkflowState, end_time_of, label_of, start_time_of, title_of
from ..durations import format_duration
from .escaping import escape
from .estimates import format_estimate, format_remaining
from .symbols import Symbols, style_of

# The number of columns from which rows also hold the action and the message of a step.
_WIDE: Final = 100
_BAR_WIDTH: Final = 30
_STAGES: Final = (
    ImageStatus.BUILDING,
    ImageStatus.TESTING,
    ImageStatus.DISTRIBUTING,
    ImageStatus.AVAILABLE,
)
_STAGES_OF_WORKFLOWS: Final[Mapping[WorkflowType, int]] = {
    WorkflowType.BUILD: 0,
    WorkflowType.TEST: 1,
    WorkflowType.DISTRIBUTION: 2,
}


@dataclass(frozen=True, kw_only=True)
class RenderContext:
    """The time and the terminal that a view is rendered for.

    Attributes:
        now: the time by the service's clock.
        wall_time: the time by the clock of this machine, which estimates are made with.
        width: columns of the terminal.
        height: lines of the terminal.
        symbols: the symbols that the terminal can display.
        frame: the number of the animation frame.
    """

    now: datetime
    wall_time: datetime
    width: int
    height: int
    symbols: Symbols
    frame: int = 0


def render_live_view(states: Sequence[BuildState], context: RenderContext) -> RenderableType:
    """Return a view of one execution with its workflows and steps, or of several with a row each."""
    if len(states) == 1:
        return _render_build(states[0], context)
    return _render_overview(states, context)


def _render_build(state: BuildState, context: RenderContext) -> RenderableType:
    lines: list[RenderableType] = [_render_header(state, context)]
    if isinstance(state.execution, Image):
        lines.append(Text(escape(state.execution.id), style="dim", overflow="fold"))
    if (stages := _render_stages(state, context)) is not None:
        lines += (Text(""), stages)
    if (estimate := _render_estimate(state, context)) is not None:
        lines.append(estimate)
    if state.workflows:
        lines += (Text(""), _render_workflows(state, context))
    elif state.execution.progress.steps_total:
        lines.append(Text(escape(str(state.execution.progress))))
    lines += _render_waiting_steps(state, context)
    if state.execution.reason:
        style = style_of(state.execution)
        lines += (Text(""), Text(escape(state.execution.reason), style=style, overflow="fold"))
    return Group(*lines)


def _render_header(state: BuildState, context: RenderContext) -> Text:
    execution = state.execution
    is_waiting = bool(state.waiting_steps)
    style = style_of(execution, is_waiting=is_waiting)
    header = Text(overflow="ellipsis", no_wrap=True)
    header.append(context.symbols.of(execution, is_waiting=is_waiting, frame=context.frame), style=style)
    header.append(f" {escape(label_of(execution))}", style="bold")
    header.append(f"  {escape(str(execution.status))}", style=style)
    header.append(f"  {_elapsed_text(execution, context, state.ended_at)}")
    return header


def _render_stages(state: BuildState, context: RenderContext) -> Text | None:
    """Return the line of stages of an image, or ``None`` if the current stage is unknown."""
    execution = state.execution
    current = _current_stage(state)
    if not isinstance(execution, Image) or current is None:
        return None
    line = Text(overflow="ellipsis", no_wrap=True)
    for number, stage in enumerate(_STAGES):
        if number == current:
            symbol, style = context.symbols.of(execution, frame=context.frame), style_of(execution)
        elif number < current:
            symbol, style = context.symbols.succeeded, "green"
        else:
            symbol, style = context.symbols.pending, "dim"
        line.append(f"{symbol} {stage.lower()}", style=style)
        line.append("  ")
    return line


def _render_estimate(state: BuildState, context: RenderContext) -> Text | None:
    """Return a bar of the time that has passed, and of that which is left; ``None`` without an estimate."""
    estimate, start = state.execution.progress.estimate, start_time_of(state.execution)
    if estimate is None:
        return None
    line = Text(overflow="ellipsis", no_wrap=True)
    if estimate.expected_end is not None and start is not None:
        elapsed = max(0.0, (context.now - start).total_seconds())
        remaining = max(0.0, (estimate.expected_end - context.wall_time).total_seconds())
        # Only an end completes the bar.
        done = min(int(_BAR_WIDTH * elapsed / ((elapsed + remaining) or 1.0)), _BAR_WIDTH - 1)
        line.append(context.symbols.bar * done, style="cyan")
        line.append(context.symbols.light_bar * (_BAR_WIDTH - done), style="dim")
        line.append("  ")
    return line.append(format_estimate(estimate, context.wall_time))


def _current_stage(state: BuildState) -> int | None:
    """Return the index of the stage that a build is in, or in which it stopped."""
    status = state.execution.status
    if state.execution.outcome == Outcome.SUCCEEDED:
        return len(_STAGES) - 1
    if state.execution.outcome is None:
        return _STAGES.index(status) if status in _STAGES else None
    stopped = (each.workflow for each in state.workflows if each.workflow.outcome == state.execution.outcome)
    kind = next((each.type for each in stopped), None)
    return _STAGES_OF_WORKFLOWS.get(kind) if kind else None


def _render_workflows(state: BuildState, context: RenderContext) -> Table:
    is_wide = context.width >= _WIDE
    # Only columns that may wrap are narrowed; a name is truncated instead, by `_add_row`.
    name = Column(overflow="ellipsis")
    columns = [Column(width=2, no_wrap=True), name, Column(no_wrap=True, justify="right")]
    columns.append(Column(no_wrap=True, overflow="ellipsis"))
    if is_wide:
        columns.append(Column(no_wrap=True, overflow="ellipsis", ratio=1))
    table = Table.grid(*columns, padding=(0, 1), expand=is_wide)
    for each, steps in zip(state.workflows, _visible_steps(state, context), strict=True):
        for execution in (each.workflow, *steps):
            details = _details_text(execution) if is_wide else None
            _add_row(table, state, execution, context, details=details)
    return table


def _visible_steps(state: BuildState, context: RenderContext) -> Iterable[tuple[WorkflowStepExecution, ...]]:
    """Return the steps to show of each workflow: all, or only the notable ones if space is short."""
    rows = len(state.workflows) + sum(len(each.steps) for each in state.workflows)
    other_lines = 8 + 2 * len(state.waiting_steps)
    if rows + other_lines <= context.height:
        return [each.steps for each in state.workflows]
    available = max(1, context.height - other_lines - len(state.workflows))
    visible = []
    for each in state.workflows:
        steps = _notable_steps(each)[-available:]
        available = max(0, available - len(steps))
        visible.append(steps if available or steps else ())
    return visible


def _notable_steps(each: WorkflowState) -> tuple[WorkflowStepExecution, ...]:
    return tuple(step for step in each.steps if style_of(step) not in {"dim", "green"})


def _add_row(
    table: Table, state: BuildState, execution: Execution, context: RenderContext, *, details: str | None
) -> None:
    is_waiting = isinstance(execution, WorkflowStepExecution) and execution.is_waiting
    style = style_of(execution, is_waiting=is_waiting)
    symbol = context.symbols.of(execution, is_waiting=is_waiting, frame=context.frame)
    is_step = isinstance(execution, WorkflowStepExecution) and execution is not state.execution
    name = label_of(execution) if execution is state.execution else title_of(execution)
    cells = [
        Text(symbol, style=style),
        Text(f"{'  ' if is_step else ''}{escape(name)}", style="" if is_step else "bold", no_wrap=True),
        Text(_elapsed_text(execution, context)),
        Text(_status_text(execution, is_waiting=is_waiting), style=style),
    ]
    if details is not None:
        cells.append(Text(details, style="dim"))
    table.add_row(*cells)


def _status_text(execution: Execution, *, is_waiting: bool) -> str:
    if is_waiting:
        return "waits for a person"
    status = escape(str(execution.status or ""))
    if isinstance(execution, WorkflowStepExecution):
        attempt = execution.attempt_number or 1
        attempt_text = f" (attempt {attempt})" if attempt > 1 else ""
        return f"{status.lower()}{attempt_text}" if status != "PENDING" else ""
    progress = execution.progress
    steps = "" if progress.steps_total is None else f" {progress.steps_done or 0}/{progress.steps_total}"
    return f"{status}{steps}"


def _details_text(execution: Execution) -> str:
    action = execution.action if isinstance(execution, WorkflowStepExecution) else None
    return "  ".join(escape(each) for each in (action, execution.reason) if each)


def _render_waiting_steps(state: BuildState, context: RenderContext) -> list[RenderableType]:
    lines: list[RenderableType] = []
    for step in state.waiting_steps:
        elapsed = _elapsed_text(step, context)
        message = f"{escape(title_of(step))} waits for a person{f' for {elapsed}' if elapsed else ''}:"
        command = f"aioimagebuilder approve {escape(step.id)}"
        lines += (Text(""), Text(message, style="bold magenta"), Text(f"  {command}", overflow="fold"))
    return lines


def _render_overview(states: Sequence[BuildState], context: RenderContext) -> RenderableType:
    ended = sum(state.execution.is_terminal for state in states)
    table = Table.grid(
        Column(width=2, no_wrap=True),
        Column(no_wrap=True, overflow="ellipsis", ratio=1),
        Column(no_wrap=True, justify="right"),
        Column(no_wrap=True, overflow="ellipsis"),
        Column(no_wrap=True, overflow="ellipsis"),
        padding=(0, 1),
        expand=True,
    )
    limit = max(1, context.height - 4)
    # Executions that succeeded are hidden first.
    ranked = sorted(range(len(states)), key=lambda number: states[number].execution.outcome == "succeeded")
    for number in sorted(ranked[:limit]):
        execution = states[number].execution
        _add_row(table, states[number], execution, context, details=_remaining_text(execution, context))
    hidden = len(states) - limit
    header = Text(f"{ended} of {len(states)} have ended", style="bold")
    return Group(header, table, *([Text(f"and {hidden} more", style="dim")] if hidden > 0 else ()))


def _remaining_text(execution: Execution, context: RenderContext) -> str:
    end = execution.progress.expected_end
    return "" if end is None or execution.is_terminal else format_remaining(end - context.wall_time)


def _elapsed_text(execution: Execution, context: RenderContext, ended: datetime | None = None) -> str:
    start = start_time_of(execution)
    if execution.outcome is Outcome.SKIPPED:
        return ""
    if start is None or (execution.is_terminal and not (ended or end_time_of(execution))):
        return ""
    end = (ended or end_time_of(execution)) if execution.is_terminal else context.now
    return format_duration(((end or context.now) - start).total_seconds())
