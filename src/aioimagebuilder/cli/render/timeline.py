"""Where the time of a build went: a build state in, rows of a Gantt chart out. No I/O."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from ...models.executions import Execution, WorkflowStepExecution
from ..build_state import BuildState, end_of, start_of, title_of
from ..durations import shown_duration
from .escaping import escaped

__all__ = ["Row", "Timeline", "mark_of", "shares", "ticks_of", "timeline_of"]

# Distances between ticks that people can count with, in seconds.
_ROUND: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800)
_DAY: Final = 86400


@dataclass(frozen=True, kw_only=True)
class Row:
    """A bar of the chart.

    Attributes:
        execution: the workflow execution or step that it is of.
        is_step: whether it is a step, and so stands below a workflow.
        start: seconds from the beginning of the build.
        end: seconds from the beginning of the build; that of the chart, while it runs.
    """

    execution: Execution
    is_step: bool
    start: float
    end: float

    @property
    def seconds(self) -> float:
        """How long it took, or has taken until now."""
        return self.end - self.start

    @property
    def name(self) -> str:
        """What people call it. Untrusted text."""
        return title_of(self.execution)


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """The chart of one build.

    Attributes:
        state: the build.
        begin: when it began.
        seconds: how long it took, or has taken until now.
        rows: workflows in the order of their start, each followed by those of its steps that ran.
    """

    state: BuildState
    begin: datetime
    seconds: float
    rows: tuple[Row, ...]

    @property
    def longest(self) -> tuple[Row, ...]:
        """The steps that took longest, at most three."""
        steps = sorted((row for row in self.rows if row.is_step), key=lambda row: -row.seconds)
        return tuple(row for row in steps[:3] if row.seconds > 0)

    @property
    def between(self) -> float:
        """Seconds in which no step ran: what the service itself needed, before, between and after."""
        busy, until = 0.0, 0.0
        for start, end in sorted((row.start, row.end) for row in self.rows if row.is_step):
            busy += max(0.0, end - max(start, until))
            until = max(until, end)
        return max(0.0, self.seconds - busy)


def timeline_of(state: BuildState, now: datetime) -> Timeline | None:
    """Get the chart of a build; ``None`` if the service tells no times.

    Args:
        state: the build.
        now: the time at the service: what runs ends there for the time being.
    """
    executions = (state.execution, *(each.workflow for each in state.workflows), *state.steps)
    begin = min((start for each in executions if (start := start_of(each))), default=None)
    if begin is None:
        return None
    finish = max(state.ended_at or now, begin)
    rows = tuple(_rows(state, begin, finish))
    return Timeline(state=state, begin=begin, seconds=(finish - begin).total_seconds(), rows=rows)


def shares(timeline: Timeline) -> Iterator[tuple[str, str]]:
    """Get what took longest, each with its time and its share of the whole."""
    for row in timeline.longest:
        yield escaped(row.name), _share(row.seconds, timeline.seconds)
    if timeline.rows and timeline.between >= 1:
        yield "between steps", _share(timeline.between, timeline.seconds)


def ticks_of(seconds: float, most: int) -> Sequence[int]:
    """Get the round seconds to mark on an axis, from 0 on, `most` of them or fewer."""
    days = _DAY * math.ceil(seconds / _DAY / (most - 1))
    step = next((each for each in _ROUND if seconds / each <= most - 1), days)
    return range(0, int(seconds) + 1, step)


def mark_of(tick: int) -> str:
    """Get what stands at a tick: ``15m`` rather than ``15m00s``."""
    return shown_duration(tick).removesuffix("00s") or "0s"


def _share(seconds: float, whole: float) -> str:
    return f"{shown_duration(seconds)} ({seconds / whole if whole else 0:.0%})"


def _rows(state: BuildState, begin: datetime, finish: datetime) -> Iterator[Row]:
    ordered = sorted(state.workflows, key=lambda each: start_of(each.workflow) or finish)
    for each in ordered:
        for execution in (each.workflow, *each.steps):
            start = start_of(execution)
            if start is None or execution.status == "SKIPPED":
                continue
            end = end_of(execution) or (start if execution.is_terminal else finish)
            yield Row(
                execution=execution,
                is_step=isinstance(execution, WorkflowStepExecution),
                start=_seconds(start - begin),
                end=_seconds(max(start, end) - begin),
            )


def _seconds(delta: timedelta) -> float:
    return max(0.0, delta.total_seconds())
