"""What must hold in every world, told from the truth, the calls, and what each waiter got.

The end of each wait is held against the deliveries: which states the service told the library, and when. So
an answer that is lost, one that nobody gave, and one that comes late are all seen, whatever the faults were.
"""

from __future__ import annotations

from collections.abc import Iterator

from aioimagebuilder import (
    ClientClosedError,
    CredentialsError,
    ExecutionNotFoundError,
    ObservationError,
    WaitError,
    WaitTimeoutError,
)
from aioimagebuilder.aws.backoff import TRANSIENT_ERRORS
from randomized.analysis import SAME, Delivery, Evidence
from randomized.call_budget import beyond_the_budget
from randomized.executions import Truth
from randomized.runner import History
from randomized.waiters import End, Record
from randomized.watch_invariants import of_watch

# How long the last poll, the one on the deadline, may take.
_GRACE = 10.0
# For how long credentials that were good before may be refused.
_ADMISSION = 900.0
# How long it may take to come back to the usual pace: the longest backoff, a hint of the server's, and the
# growth of the call rate from its least.
_RECOVERY = 90.0
# And what each of the first polls of a world waits for its turn, by the initial rate.
_TURN = 0.2


def violations(history: History) -> list[str]:
    """Get what does not hold; an empty list if all does."""
    evidence = Evidence(history)
    found = [
        f"{record.waiter.verb} since {record.began:.3f}: {what}"
        for record in history.records
        for what in _of_waiter(evidence, record)
    ]
    if history.hung:
        found.append(f"{history.hung} waiters hang")
    if history.left:
        found.append(f"left behind: {history.left}")
    found += [f"made while nobody waited: {call}" for call in history.unwanted]
    found += beyond_the_budget(evidence)
    return found


def _of_waiter(evidence: Evidence, record: Record) -> Iterator[str]:
    waiter = record.waiter
    if record.surprise is not None:
        yield f"raised {record.surprise!r}"
    yield from _of_leaving(evidence, record)
    is_whole = not (record.was_cancelled or record.has_left or waiter.fail_fast or record.surprise)
    for identifier in dict.fromkeys(waiter.identifiers):
        truth = evidence.world.executions[identifier]
        ends = record.ends.get(identifier, [])
        if len(ends) > 1 or (is_whole and not ends):
            yield f"{identifier} ended {len(ends)} times"
        for end in ends:
            for what in _of_end(evidence, record, truth, end):
                yield f"{identifier} {what}"
        if not ends and (lost := _lost(evidence, record, truth)) is not None:
            yield f"{identifier} was told state {lost.index} at {lost.at:.3f}, which is lost"
    if waiter.verb == "watch":
        for what in of_watch(evidence, record):
            yield f"{waiter.identifiers[0]} {what}"
    if waiter.verb == "wait_all":
        yield from _of_wait_all(evidence, record)


def _of_leaving(evidence: Evidence, record: Record) -> Iterator[str]:
    """A cancellation comes through at once, and so does the end of the client."""
    if record.ended is None:
        return
    if record.cancel_called is not None and record.ended > record.cancel_called + SAME:
        yield f"was cancelled at {record.cancel_called:.3f}, and ended at {record.ended:.3f}"
    if record.was_cancelled and record.cancel_called is None:
        yield "was cancelled by nobody"
    closed_at = evidence.history.closed_at
    if closed_at is not None and not record.waiter.pause and record.ended > closed_at + SAME:
        yield f"outlived its client: {record.ended:.3f}"


def _of_end(evidence: Evidence, record: Record, truth: Truth, end: End) -> list[str]:
    # What was told at the very moment in which it began to wait may have come for it, or just before.
    found = list(_of_end_since(evidence, record, truth, end, record.began))
    return found and list(_of_end_since(evidence, record, truth, end, record.began + SAME))


def _of_end_since(evidence: Evidence, record: Record, truth: Truth, end: End, since: float) -> Iterator[str]:
    told = evidence.first_terminal(truth, since, end.at)
    if end.error is not None:
        if told is not None and told.at < end.at - SAME:
            yield f"was told state {told.index} at {told.at:.3f}, and raised {end.error!r}"
        yield from _of_error(evidence, record, truth, end.at, end.asked, end.error)
        return
    assert end.index is not None
    state = truth.states[end.index]
    if end.status != state.status or not state.is_terminal:
        yield f"ended as {end.status}, but state {end.index} is {state.status}"
    if end.raised != (
        state.is_failure and record.waiter.check and record.waiter.verb in {"wait", "wait_all"}
    ):
        yield f"ended as {end.status}, raised: {end.raised}"
    if told is None or told.index != end.index:
        yield f"ended as state {end.index} at {end.at:.3f}, and was told {told}"
        return
    if record.waiter.verb != "wait_all" and abs(end.at - max(told.at, end.asked)) > SAME:
        yield f"was told at {told.at:.3f}, asked at {end.asked:.3f}, and ended at {end.at:.3f}"
    yield from _of_promptness(evidence, record, truth, told)


def _of_promptness(evidence: Evidence, record: Record, truth: Truth, told: Delivery) -> Iterator[str]:
    trouble = evidence.last_trouble(truth, told.at)
    knowable = max(truth.times[told.index], record.began, trouble or 0.0)
    recovery = 0.0 if trouble is None else _RECOVERY
    recovery += _TURN * (evidence.awaited() + 5)
    latest = knowable + sum(evidence.cadence_of(record)) + 2 * evidence.world.latency + recovery
    if told.at > latest:
        yield f"was told at {told.at:.3f} what could be known at {knowable:.3f}"


def _of_error(
    evidence: Evidence, record: Record, truth: Truth, at: float, asked: float, error: WaitError
) -> Iterator[str]:
    timeout = record.waiter.timeout
    deadline = None if timeout is None else record.began + timeout
    is_due = deadline is not None and at >= deadline - SAME
    if deadline is not None and at > max(deadline, asked) + _GRACE + SAME:
        yield f"ended at {at:.3f}, later than its deadline at {deadline:.3f} allows"
    if isinstance(error, ClientClosedError):
        closed_at = evidence.history.closed_at
        if closed_at is None or abs(closed_at - at) > SAME:
            yield f"ended at {at:.3f} with a client that was closed at {closed_at}"
    elif isinstance(error, ObservationError) and _is_refusal(evidence, truth, at, error):
        yield from _of_refusal(evidence, record, truth, at, error)
    elif not is_due:
        yield f"ended at {at:.3f}, before its deadline, with {error!r}, {error.__cause__!r}"
    else:
        assert deadline is not None
        yield from _of_deadline(evidence, record, truth, End(at, asked, error=error), deadline)


def _is_refusal(evidence: Evidence, truth: Truth, at: float, error: ObservationError) -> bool:
    """Whether it stands on an answer of just then that no retry would change."""
    if error.__cause__ is None or isinstance(error.__cause__, TRANSIENT_ERRORS):
        return False
    return any(abs((call.ended or 0.0) - at) <= SAME for call in evidence.refusals_of(truth))


def _of_refusal(
    evidence: Evidence, record: Record, truth: Truth, at: float, error: ObservationError
) -> Iterator[str]:
    """An id that was never seen is given its grace, and so are credentials that were good before."""
    if isinstance(error.__cause__, CredentialsError) and evidence.was_let_in(at - _ADMISSION, at):
        yield f"was refused at {at:.3f}, with credentials that were good not long before"
    timeout = record.waiter.timeout
    is_due = timeout is not None and at >= record.began + timeout - SAME
    if is_due or not isinstance(error, ExecutionNotFoundError):
        return
    since = evidence.life_of(record, truth)
    is_young = at < since + evidence.world.not_found_grace - SAME
    if is_young and not evidence.deliveries(truth, since, at):
        yield f"was not found at {at:.3f}, within its grace since {since:.3f}"


def _of_deadline(
    evidence: Evidence, record: Record, truth: Truth, end: End, deadline: float
) -> Iterator[str]:
    """One last poll falls on the deadline; and what cannot be known is not said."""
    at, error = end.at, end.error
    polls = [call for call in evidence.calls_about(truth) if deadline - SAME <= call.began <= at + SAME]
    latest = max(deadline, end.asked) + _GRACE
    if evidence.last_trouble(truth, at) is None:
        latest = deadline + evidence.world.latency + _TURN * (evidence.awaited() + 5)
    if not any(call.began <= latest for call in polls) and (polls or at < deadline + _GRACE - SAME):
        yield f"ended at {at:.3f} with no last poll at its deadline, {deadline:.3f}"
    max_delay = evidence.cadence_of(record)[1]
    if isinstance(error, WaitTimeoutError):
        seen = evidence.deliveries(truth, evidence.life_of(record, truth), at)
        if not seen:
            yield f"is still running, it says at {at:.3f}, and was never seen"
        elif at - seen[-1].at > 2 * max_delay + SAME:
            yield f"is still running, it says at {at:.3f}, and was last seen at {seen[-1].at:.3f}"
        return
    refused = [
        call for call in evidence.refusals_of(truth) if deadline - SAME <= (call.ended or 0.0) <= at + SAME
    ]
    if isinstance(error, ExecutionNotFoundError) and not refused:
        yield f"was not found, it says at {at:.3f}, and the last poll did not say so"
    seen = evidence.deliveries(truth, record.began + 2 * SAME, at - 2 * SAME)
    if seen and at - seen[-1].at <= 2 * max_delay - SAME:
        yield f"cannot be observed, it says at {at:.3f}, and was seen at {seen[-1].at:.3f}"


def _lost(evidence: Evidence, record: Record, truth: Truth) -> Delivery | None:
    """Get the terminal state that a waiter was told of, and did not get."""
    waiter = record.waiter
    if record.ended is None or waiter.pause or record.has_left:
        return None
    if waiter.verb == "wait_all" and record.was_cancelled:
        return None
    told = evidence.first_terminal(truth, record.began + SAME, record.ended - 2 * SAME)
    if told is not None and waiter.verb == "as_completed" and record.was_cancelled:
        # Its errors come last of all, and so are gone with it.
        refusals = evidence.refusals_of(truth)
        is_over = waiter.timeout is not None and record.began + waiter.timeout <= told.at
        if is_over or any(record.began <= (call.ended or 0.0) <= told.at for call in refusals):
            return None
    return told


def _of_wait_all(evidence: Evidence, record: Record) -> Iterator[str]:
    """It ends with its last; if it is to fail fast, with the first that does not succeed."""
    if record.was_cancelled or record.surprise or not record.ends or record.ended is None:
        return
    # What was told at the very moment in which it began may have come for it, or just before.
    first, last = (_due_end(evidence, record, since) for since in (record.began, record.began + SAME))
    if not first - SAME <= record.ended <= last + SAME:
        yield f"ended at {record.ended:.3f}, and should have at {last:.3f}"


def _due_end(evidence: Evidence, record: Record, since: float) -> float:
    """Get when a `wait_all` should have ended, by what was told since that time."""
    times = []
    for identifier, ends in record.ends.items():
        truth = evidence.world.executions[identifier]
        told = evidence.first_terminal(truth, since, ends[0].at)
        at = ends[0].at if ends[0].error or told is None else told.at
        times.append((at, ends[0].error is not None or ends[0].raised))
    failed = [at for at, is_failure in times if is_failure]
    return min(failed) if record.waiter.fail_fast and failed else max(at for at, _ in times)
