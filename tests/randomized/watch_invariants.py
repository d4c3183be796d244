"""Invariants of a watch: it yields states in their order, from the present one to the terminal one."""

from __future__ import annotations

from collections.abc import Iterator

from randomized.analysis import TOLERANCE, Analysis
from randomized.executions import Phase, ScriptedExecution
from randomized.waiters import Record

_BEFORE_ALL: Phase = (-1, 0, 0)


def check_watch(analysis: Analysis, record: Record) -> Iterator[str]:
    """Yield the violations of one watch."""
    execution = analysis.scenario.executions[record.waiter.identifiers[0]]
    yield from _check_states(analysis, record, execution)
    if record.watched:
        yield from _check_first_state(analysis, record, execution)
    results = record.results.get(execution.identifier, [])
    if results and results[0].error is None and record.watched[-1][1] != results[0].index:
        yield f"ended with {record.watched[-1]} instead of its terminal state"


def _check_states(analysis: Analysis, record: Record, execution: ScriptedExecution) -> Iterator[str]:
    for at, index, status in record.watched:
        if status != execution.states[index].status:
            yield f"yielded {status} for state {index}, which is {execution.states[index].status}"
        was_listed = any(time <= at + TOLERANCE and n == index for time, n in execution.listed_ends)
        if not was_listed and not any(
            each.index == index for each in analysis.deliveries(execution, 0.0, at)
        ):
            yield f"yielded state {index} at {at:.3f}, which had not been delivered"
    indices = [index for _, index, _ in record.watched]
    furthest = _BEFORE_ALL
    for before, after in zip([-1, *indices], indices, strict=False):
        # Only its phase shows that a read is stale, and an unknown status has none.
        phase = execution.states[after].phase
        if after == before or (after < before and phase is not None and phase < furthest):
            yield f"stepped back from state {before} to {after}"
        if before >= 0 and execution.states[before].is_terminal:
            yield f"continued after the terminal state {before}"
        furthest = max(furthest, phase or furthest)


def _check_first_state(analysis: Analysis, record: Record, execution: ScriptedExecution) -> Iterator[str]:
    at, index, _ = record.watched[0]
    started = record.started
    periods = analysis.wait_periods_of(execution)
    present = {each.index for each in analysis.deliveries(execution, started, at)}
    for since in {period.start for period in periods if period.start < started}:
        present |= _possible_states(execution, since, started)
    present |= {n for time, n in execution.listed_ends if time <= at + TOLERANCE}
    if index not in present:
        yield f"started with state {index}, but the present one was one of {sorted(present)}"
    min_delay = analysis.cadence_of(record)[0]
    fresh = analysis.deliveries(execution, started - min_delay + 2 * TOLERANCE, started - 2 * TOLERANCE)
    others = [each for each in periods if each.is_certain and each.end > started + TOLERANCE]
    is_known = fresh and any(each.start < fresh[-1].at - TOLERANCE for each in others)
    if is_known and at > started + TOLERANCE:
        yield f"started at {started:.3f}, when state {index} was known, but received it at {at:.3f}"


def _possible_states(execution: ScriptedExecution, since: float, until: float) -> set[int]:
    """Return the states that may be regarded as the present one, given the deliveries between two times."""
    delivered = [index for at, index in execution.deliveries if since - TOLERANCE <= at < until - TOLERANCE]
    if not delivered:
        return set()
    # A state of an earlier phase is regarded as stale, even if it follows from a retry.
    newest, furthest = delivered[0], _BEFORE_ALL
    for index in delivered:
        phase = execution.states[index].phase
        if phase is None or phase >= furthest:
            newest, furthest = index, phase or furthest
    return {newest, max(delivered), delivered[-1]}
