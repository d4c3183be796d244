"""The live view: build states in, what is shown on a terminal out. No I/O, and no clock of its own."""

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
from ..build_state import BuildState, WorkflowState, end_of, label_of, start_of, title_of
from ..durations import shown_duration
from .escaping import escaped
from .symbols import Symbols, style_of

__all__ = ["Look", "live_view"]

# Below this, a line holds a name and a time; above, the action and the message of a step, too.
_WIDE: Final = 100
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
class Look:
    """What a view depends on beside the states.

    Attributes:
        now: the time at the service.
        width: columns of the terminal.
        height: lines of the terminal.
        symbols: the signs that it can show.
        beat: counts up with time, and moves what runs.
    """

    now: datetime
    width: int
    height: int
    symbols: Symbols
    beat: int = 0


def live_view(states: Sequence[BuildState], look: Look) -> RenderableType:
    """Get the view of one execution with its workflows and steps, or of several, a line each."""
    if len(states) == 1:
        return _build(states[0], look)
    return _several(states, look)


def _build(state: BuildState, look: Look) -> RenderableType:
    lines: list[RenderableType] = [_head(state, look)]
    if isinstance(state.execution, Image):
        lines.append(Text(escaped(state.execution.id), style="dim", overflow="fold"))
    if (stages := _stages(state, look)) is not None:
        lines += (Text(""), stages)
    if state.workflows:
        lines += (Text(""), _workflows(state, look))
    elif state.execution.progress.steps_total:
        lines.append(Text(escaped(str(state.execution.progress))))
    lines += _gates(state, look)
    if state.execution.reason:
        style = style_of(state.execution)
        lines += (Text(""), Text(escaped(state.execution.reason), style=style, overflow="fold"))
    return Group(*lines)


def _head(state: BuildState, look: Look) -> Text:
    execution = state.execution
    style = style_of(execution, waits=bool(state.waiting_steps))
    head = Text(overflow="ellipsis", no_wrap=True)
    head.append(look.symbols.of(execution, waits=bool(state.waiting_steps), beat=look.beat), style=style)
    head.append(f" {escaped(label_of(execution))}", style="bold")
    head.append(f"  {escaped(str(execution.status))}", style=style)
    head.append(f"  {_elapsed(execution, look, state.ended_at)}")
    return head


def _stages(state: BuildState, look: Look) -> Text | None:
    """Get the line of the stages of an image; ``None`` where it is not known at which it is."""
    execution = state.execution
    at = _stage_of(state)
    if not isinstance(execution, Image) or at is None:
        return None
    line = Text(overflow="ellipsis", no_wrap=True)
    for place, stage in enumerate(_STAGES):
        if place == at:
            sign, style = look.symbols.of(execution, beat=look.beat), style_of(execution)
        elif place < at:
            sign, style = look.symbols.succeeded, "green"
        else:
            sign, style = look.symbols.pending, "dim"
        line.append(f"{sign} {stage.lower()}", style=style)
        line.append("  ")
    return line


def _stage_of(state: BuildState) -> int | None:
    """Get the place of the stage that a build is at, or stopped at, among all stages."""
    status = state.execution.status
    if state.execution.outcome == Outcome.SUCCEEDED:
        return len(_STAGES) - 1
    if state.execution.outcome is None:
        return _STAGES.index(status) if status in _STAGES else None
    stopped = (each.workflow for each in state.workflows if each.workflow.outcome == state.execution.outcome)
    kind = next((each.type for each in stopped), None)
    return _STAGES_OF_WORKFLOWS.get(kind) if kind else None


def _workflows(state: BuildState, look: Look) -> Table:
    is_wide = look.width >= _WIDE
    name = Column(no_wrap=True, overflow="ellipsis", max_width=None if is_wide else look.width - 24)
    columns = [Column(width=2, no_wrap=True), name, Column(no_wrap=True, justify="right")]
    columns.append(Column(no_wrap=True, overflow="ellipsis"))
    if is_wide:
        columns.append(Column(no_wrap=True, overflow="ellipsis", ratio=1))
    table = Table.grid(*columns, padding=(0, 1), expand=is_wide)
    for each, steps in zip(state.workflows, _fitting_steps(state, look), strict=True):
        _add_row(table, state, each.workflow, look, details=is_wide)
        for step in steps:
            _add_row(table, state, step, look, details=is_wide)
    return table


def _fitting_steps(state: BuildState, look: Look) -> Iterable[tuple[WorkflowStepExecution, ...]]:
    """Get the steps to show of each workflow: all of them, or only where something runs or failed."""
    lines = len(state.workflows) + sum(len(each.steps) for each in state.workflows)
    around = 8 + 2 * len(state.waiting_steps)
    if lines + around <= look.height:
        return [each.steps for each in state.workflows]
    room = max(1, look.height - around - len(state.workflows))
    chosen = []
    for each in state.workflows:
        steps = _telling_steps(each)[-room:]
        room = max(0, room - len(steps))
        chosen.append(steps if room or steps else ())
    return chosen


def _telling_steps(each: WorkflowState) -> tuple[WorkflowStepExecution, ...]:
    return tuple(step for step in each.steps if style_of(step) not in {"dim", "green"})


def _add_row(table: Table, state: BuildState, execution: Execution, look: Look, *, details: bool) -> None:
    waits = isinstance(execution, WorkflowStepExecution) and execution.is_waiting
    style = style_of(execution, waits=waits)
    sign = look.symbols.of(execution, waits=waits, beat=look.beat)
    is_step = isinstance(execution, WorkflowStepExecution) and execution is not state.execution
    name = label_of(execution) if execution is state.execution else title_of(execution)
    cells = [
        Text(sign, style=style),
        Text(f"{'  ' if is_step else ''}{escaped(name)}", style="" if is_step else "bold"),
        Text(_elapsed(execution, look)),
        Text(_standing(execution, waits=waits), style=style),
    ]
    if details:
        cells.append(Text(_details(execution), style="dim"))
    table.add_row(*cells)


def _standing(execution: Execution, *, waits: bool) -> str:
    if waits:
        return "waits for a person"
    status = escaped(str(execution.status or ""))
    if isinstance(execution, WorkflowStepExecution):
        attempt = execution.attempt_number or 1
        again = f" (attempt {attempt})" if attempt > 1 else ""
        return f"{status.lower()}{again}" if status != "PENDING" else ""
    progress = execution.progress
    steps = "" if progress.steps_total is None else f" {progress.steps_done or 0}/{progress.steps_total}"
    return f"{status}{steps}"


def _details(execution: Execution) -> str:
    action = execution.action if isinstance(execution, WorkflowStepExecution) else None
    return "  ".join(escaped(each) for each in (action, execution.reason) if each)


def _gates(state: BuildState, look: Look) -> list[RenderableType]:
    lines: list[RenderableType] = []
    for step in state.waiting_steps:
        since = _elapsed(step, look)
        told = f"{escaped(title_of(step))} waits for a person{f' for {since}' if since else ''}:"
        command = f"aioimagebuilder approve {escaped(step.id)}"
        lines += (Text(""), Text(told, style="bold magenta"), Text(f"  {command}", overflow="fold"))
    return lines


def _several(states: Sequence[BuildState], look: Look) -> RenderableType:
    done = sum(state.execution.is_terminal for state in states)
    table = Table.grid(
        Column(width=2, no_wrap=True),
        Column(no_wrap=True, overflow="ellipsis", ratio=1),
        Column(no_wrap=True, justify="right"),
        Column(no_wrap=True, overflow="ellipsis"),
        padding=(0, 1),
        expand=True,
    )
    room = max(1, look.height - 4)
    # Those that have ended well give way first.
    ranked = sorted(range(len(states)), key=lambda place: states[place].execution.outcome == "succeeded")
    for place in sorted(ranked[:room]):
        _add_row(table, states[place], states[place].execution, look, details=False)
    more = len(states) - room
    head = Text(f"{done} of {len(states)} have ended", style="bold")
    return Group(head, table, *([Text(f"and {more} more", style="dim")] if more > 0 else ()))


def _elapsed(execution: Execution, look: Look, ended: datetime | None = None) -> str:
    start = start_of(execution)
    if execution.outcome is Outcome.SKIPPED:
        return ""
    if start is None or (execution.is_terminal and not (ended or end_of(execution))):
        return ""
    until = (ended or end_of(execution)) if execution.is_terminal else look.now
    return shown_duration(((until or look.now) - start).total_seconds())
