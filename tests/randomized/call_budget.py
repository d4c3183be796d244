"""How many calls a world may cost: by the Smithy law for each execution, by the rate limiter for all."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator

from randomized.analysis import SAME, Evidence
from randomized.faults import SPOILS, THROTTLES
from randomized.kinds import IMAGE
from randomized.waiters import Record


def beyond_the_budget(evidence: Evidence) -> Iterator[str]:
    """Tell what cost more than it may."""
    yield from _beyond_need(evidence)
    yield from _beyond_the_law(evidence)
    yield from _beyond_the_rate(evidence)


def _beyond_need(evidence: Evidence) -> Iterator[str]:
    """Nobody is asked about whom nobody waits for."""
    for truth in evidence.world.executions.values():
        stays = evidence.stays_for(truth)
        for call in evidence.gets_of(truth):
            if not any(stay.began - SAME <= call.began <= stay.left + SAME for stay in stays):
                yield f"for nobody: {call}"


def _beyond_the_law(evidence: Evidence) -> Iterator[str]:
    """Two polls of one execution are min_delay apart, but for the first and the last of each waiter."""
    waiters: dict[str, list[Record]] = {}
    for record in evidence.history.records:
        for identifier in set(record.waiter.identifiers):
            waiters.setdefault(identifier, []).append(record)
    total = 0.0
    for identifier, records in waiters.items():
        truth = evidence.world.executions[identifier]
        gets = evidence.gets_of(truth)
        least = min(evidence.cadence_of(record)[0] for record in records)
        # A first and a last poll for each who waits, one at the end of the grace, one that a list lacked.
        allowed = 3 * len(records) + 1 + evidence.seconds_awaited(truth) / least
        total += allowed
        allowed += sum(call.error is not None for call in gets)
        allowed += sum(call.page == 0 for call in evidence.calls_about(truth)) - len(gets)
        if len(gets) > allowed:
            yield f"{len(gets)} Gets of {identifier}, where the law allows {allowed:.0f}"
    calls = evidence.history.calls
    failed = sum(call.error is not None or call.ended is None for call in calls)
    first_pages = sum(call.page == 0 for call in calls)
    images = sum(truth.kind is IMAGE for truth in evidence.world.executions.values())
    if first_pages > total + failed + images + 3:
        yield f"{first_pages} calls, {failed} of them failed, where the law allows {total:.0f}"
    pages = Counter((call.operation, call.argument) for call in calls if call.page)
    firsts = Counter((call.operation, call.argument) for call in calls if not call.page)
    rows = len(evidence.world.executions)
    for each, count in pages.items():
        if count > (firsts[each] + failed) * (1 + rows / evidence.world.page):
            yield f"{count} pages of {each}, and {firsts[each]} lists"


def _beyond_the_rate(evidence: Evidence) -> Iterator[str]:
    """No more calls at once than the rate allows, were it to grow by what it may and fall by what it must.

    It grows by half in a second, or by 0.2 calls a second, and a throttle cuts it by 15 %.
    """
    rate, level, last_cut = 5.0, 0.0, -math.inf
    now = 0.0
    moments = [(call.began, 1, call) for call in evidence.history.calls]
    moments += [(call.ended, 0, call) for call in evidence.history.calls if call.ended is not None]
    for at, is_sent, call in sorted(moments, key=lambda each: each[:2]):
        level = max(0.0, level - (at - now) * rate)
        now = at
        if is_sent:
            level += 1
            if level > 1.5 * rate + 4:
                yield f"{level:.0f} calls at once at {at:.3f}, at a rate of {rate:.1f} a second"
                return
        elif call.error in THROTTLES:
            if call.began >= last_cut:
                rate, last_cut = max(0.2, 0.85 * rate), at
                level = min(level, 1.5 * rate + 2)
        elif call.error is None or call.error in SPOILS:
            rate = min(1000.0, max(rate * (1 + 0.5 / max(rate, 1.0)), rate + 0.2 / rate))
