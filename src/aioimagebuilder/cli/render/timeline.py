"""The timeline of a build: the rows of a Gantt chart, computed from a build state. No I/O."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from ...models.executions import Execution, WorkflowStepExecution
from ..build_state import BuildState, end_time_of, start_time_of, title_of
from ..durations import format_duration
from .escaping import escape

# In seconds.
_TICK_INTERVALS: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800)
_DAY: Final = 86400

TO_COME: Final = "still to come"
"""The name of the row of what is expected."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row of the chart.

    Attributes:
        execution: the workflow execution or step.
        is_step: whether it is a step, which is listed below its workflow.
        is_replaced: whether a retry has replaced the workflow.
        has_steps: whether it is a workflow of which steps are listed.
        start: seconds since the start of the build.
        end: seconds since the start of the build; if it is still running, the end of the chart.
    """

    execution: Execution
    is_step: bool
    is_replaced: bool
    has_steps: bool
    start: float
    end: float

    @property
    def seconds(self) -> float:
        """The duration so far."""
        return self.end - self.start

    @property
    def name(self) -> str:
        """The display name. Untrusted text."""
        return f"{title_of(self.execution)}{' (replaced)' if self.is_replaced and not self.is_step else ''}"


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """The chart of a build.

    Attributes:
        state: the build.
        begin: when the build started.
        seconds: the duration so far.
        expected_seconds: the duration that is expected of the whole; ``None`` if it has ended, or is unknown.
        rows: workflows by start time, each followed by the steps that ran.
    """

    state: BuildState
    begin: datetime
    seconds: float
    expected_seconds: float | None = None
    rows: tuple[Row, ...]

    @property
    def width(self) -> float:
        """The seconds that the chart covers."""
        return max(self.seconds, self.expected_seconds or 0.0)

    @property
    def longest_steps(self) -> tuple[Row, ...]:
        """Up to three steps, longest first."""
        steps = sorted((row for row in self.rows if row.is_step), key=lambda row: -row.seconds)
        return tuple(row for row in steps[:3] if row.seconds > 0)

    @property
    def seconds_between_steps(self) -> float:
        """Time in which nothing ran: the overhead of the service before, between and after steps."""
        busy, until = 0.0, 0.0
        # Of a workflow whose steps are unknown, any may have run at any time.
        for start, end in sorted((row.start, row.end) for row in self.rows if not row.has_steps):
            busy += max(0.0, end - max(start, until))
            until = max(until, end)
        return max(0.0, self.seconds - busy)


def create_timeline(state: BuildState, now: datetime, remaining: timedelta | None = None) -> Timeline | None:
    """Return the timeline of a build, or ``None`` if the service reports no times.

    Args:
        state: the build.
        now: the time by the service's clock, at which bars of running executions end.
        remaining: how long it is expected to take yet; ``None`` if that is unknown.
    """
    executions = (state.execution, *(each.workflow for each in state.workflows), *state.steps)
    begin = min((start for each in executions if (start := start_time_of(each))), default=None)
    if begin is None:
        return None
    finish = max(state.ended_at or now, begin)
    rows, seconds = tuple(_rows(state, begin, finish)), (finish - begin).total_seconds()
    expected = None if remaining is None or state.execution.is_terminal else seconds + _seconds(remaining)
    return Timeline(state=state, begin=begin, seconds=seconds, expected_seconds=expected, rows=rows)


def longest_durations(timeline: Timeline) -> Iterator[tuple[str, str]]:
    """Return the names and durations of the longest steps, and of the time between steps. Escaped text."""
    for row in timeline.longest_steps:
        yield escape(row.name), _format_share(row.seconds, timeline.seconds)
    if timeline.rows and timeline.seconds_between_steps >= 1:
        yield "between steps", _format_share(timeline.seconds_between_steps, timeline.seconds)


def axis_ticks(seconds: float, limit: int) -> Sequence[int]:
    """Return at most `limit` round numbers of seconds, from 0, to mark on an axis."""
    days = _DAY * math.ceil(seconds / _DAY / (limit - 1))
    interval = next((each for each in _TICK_INTERVALS if seconds / each <= limit - 1), days)
    return range(0, int(seconds) + 1, interval)


def format_expectation(timeline: Timeline) -> str:
    """Return how long the build is expected to take; an empty text if that is unknown."""
    expected = timeline.expected_seconds
    return "" if expected is None else f", expected to take {format_duration(expected)}"


def format_tick(tick: int) -> str:
    """Return the label of a tick: ``15m`` rather than ``15m00s``."""
    return format_duration(tick).removesuffix("00s") or "0s"


def _format_share(seconds: float, total: float) -> str:
    return f"{format_duration(seconds)} ({seconds / total if total else 0:.0%})"


def _rows(state: BuildState, begin: datetime, finish: datetime) -> Iterator[Row]:
    ordered = sorted(state.workflows, key=lambda each: start_time_of(each.workflow) or finish)
    for each in ordered:
        has_steps = any(start_time_of(step) for step in each.steps)
        for execution in (each.workflow, *each.steps):
            start = start_time_of(execution)
            if start is None or execution.status == "SKIPPED":
                continue
            end = end_time_of(execution) or (start if execution.is_terminal else finish)
            is_step = isinstance(execution, WorkflowStepExecution)
            yield Row(
                execution=execution,
                is_step=is_step,
                is_replaced=bool(each.workflow.retried),
                has_steps=has_steps and not is_step,
                start=_seconds(start - begin),
                end=_seconds(max(start, end) - begin),
            )


def _seconds(delta: timedelta) -> float:
    return max(0.0, delta.total_seconds())
