"""Invariants of the calls: the waiter law limits those for each execution, the rate limiter limits all."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator

from randomized.analysis import TOLERANCE, Analysis
from randomized.faults import MALFORMATIONS, THROTTLE_CODES
from randomized.kinds import IMAGE
from randomized.waiters import Record


def check_call_budget(analysis: Analysis) -> Iterator[str]:
    """Yield the violations."""
    yield from _check_need(analysis)
    yield from _check_waiter_law(analysis)
    yield from _check_rate(analysis)


def _check_need(analysis: Analysis) -> Iterator[str]:
    """Check that Gets read only executions that are awaited."""
    for execution in analysis.scenario.executions.values():
        periods = analysis.wait_periods_of(execution)
        for call in analysis.gets_of(execution):
            if not any(each.start - TOLERANCE <= call.sent_at <= each.end + TOLERANCE for each in periods):
                yield f"sent without a waiter for the execution: {call}"


def _check_waiter_law(analysis: Analysis) -> Iterator[str]:
    """Check that polls of an execution are min_delay apart, except the first and last of each waiter."""
    records_by_id: dict[str, list[Record]] = {}
    for record in analysis.history.records:
        for identifier in set(record.waiter.identifiers):
            records_by_id.setdefault(identifier, []).append(record)
    total = 0.0
    for identifier, records in records_by_id.items():
        execution = analysis.scenario.executions[identifier]
        gets = analysis.gets_of(execution)
        min_delay = min(analysis.cadence_of(record)[0] for record in records)
        # Each waiter may cause a first poll, a last one, and one after a list without the execution. One more
        # falls on the end of the grace period of a new id.
        # And each hint may cause two.
        allowed = 3 * len(records) + 1 + analysis.seconds_awaited(execution) / min_delay
        allowed += 2 * analysis.hints_of(execution)
        total += allowed
        allowed += sum(call.error is not None for call in gets)
        allowed += sum(call.first_row == 0 for call in analysis.calls_for(execution)) - len(gets)
        if len(gets) > allowed:
            yield f"{len(gets)} Gets of {identifier}, of which the waiter law allows {allowed:.0f}"
    calls = analysis.history.calls
    failed = sum(call.error is not None or call.answered_at is None for call in calls)
    first_pages = sum(call.first_row == 0 for call in calls)
    images = sum(execution.kind is IMAGE for execution in analysis.scenario.executions.values())
    if first_pages > total + failed + images + 3:
        yield f"{first_pages} calls ({failed} failed), of which the waiter law allows {total:.0f}"
    further_pages = Counter((call.operation, call.argument) for call in calls if call.first_row)
    lists = Counter((call.operation, call.argument) for call in calls if not call.first_row)
    max_pages = 1 + len(analysis.scenario.executions) / analysis.scenario.page_size
    for each, count in further_pages.items():
        if count > (lists[each] + failed) * max_pages:
            yield f"{count} further pages of {each} for {lists[each]} lists"


def _check_rate(analysis: Analysis) -> Iterator[str]:
    """Check that bursts do not exceed the call rate, given its fastest growth and smallest reductions.

    It grows by half of itself per second, or by 0.2 calls per second, and a throttle reduces it by 15 %.
    """
    rate, level, reduced_at = 5.0, 0.0, -math.inf
    now = 0.0
    calls = analysis.history.calls
    events = [(call.sent_at, 1, call) for call in calls]
    events += [(call.answered_at, 0, call) for call in calls if call.answered_at is not None]
    for at, is_sent, call in sorted(events, key=lambda each: each[:2]):
        level = max(0.0, level - (at - now) * rate)
        now = at
        if is_sent:
            level += 1
            if level > 1.5 * rate + 4:
                yield f"burst of {level:.0f} calls at {at:.3f}, at a rate of {rate:.1f} calls per second"
                return
        elif call.error in THROTTLE_CODES:
            if call.sent_at >= reduced_at:
                rate, reduced_at = max(0.2, 0.85 * rate), at
                level = min(level, 1.5 * rate + 2)
        elif call.error is None or call.error in MALFORMATIONS:
            rate = min(1000.0, max(rate * (1 + 0.5 / max(rate, 1.0)), rate + 0.2 / rate))
