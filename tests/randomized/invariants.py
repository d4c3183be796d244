"""The invariants of every scenario, checked against the scripts, the calls, and what each waiter received.

The result of each wait is compared with the deliveries: which states the service returned to the library, and
when. This detects results that are lost, wrong or late, regardless of the faults.
"""

from __future__ import annotations

from collections.abc import Iterator

from aioimagebuilder import (
    ClientClosedError,
    CredentialsError,
    ExecutionNotFoundError,
    ObservationError,
    WaitTimeoutError,
)
from aioimagebuilder.aws.backoff import TRANSIENT_ERRORS
from randomized.analysis import TOLERANCE, Analysis, Delivery
from randomized.call_budget import check_call_budget
from randomized.executions import ScriptedExecution
from randomized.kinds import IMAGE
from randomized.runner import History
from randomized.waiters import Record, Result
from randomized.watch_invariants import check_watch

_LAST_POLL_TIMEOUT = 10.0
# Credentials may be rejected for so long after they were accepted.
_CREDENTIALS_REFRESH_PERIOD = 900.0
# The time after a fault until polls are at their usual pace again: the longest backoff, a retry-after header,
# and the growth of the call rate from its minimum.
_RECOVERY_TIME = 90.0
# The time between two permits at the initial call rate.
_PERMIT_INTERVAL = 0.2


def violations(history: History) -> list[str]:
    """Return the violations of invariants."""
    analysis = Analysis(history)
    found = [
        f"{record.waiter.method} started at {record.started:.3f}: {violation}"
        for record in history.records
        for violation in _check_waiter(analysis, record)
    ]
    if history.hung_waiters:
        found.append(f"{history.hung_waiters} waiters hang")
    if history.leftovers:
        found.append(f"left behind: {history.leftovers}")
    found += [f"sent without a waiter: {call}" for call in history.unneeded_calls]
    found += check_call_budget(analysis)
    found += history.events.violations
    return found


def _check_waiter(analysis: Analysis, record: Record) -> Iterator[str]:
    waiter = record.waiter
    if record.unexpected_error is not None:
        yield f"raised {record.unexpected_error!r}"
    yield from _check_end_of_waiter(analysis, record)
    was_cut_short = record.was_cancelled or record.has_stopped or waiter.fail_fast or record.unexpected_error
    for identifier in dict.fromkeys(waiter.identifiers):
        execution = analysis.scenario.executions[identifier]
        results = record.results.get(identifier, [])
        if len(results) > 1 or not (was_cut_short or results):
            yield f"{identifier}: {len(results)} results"
        for result in results:
            for violation in _check_result(analysis, record, execution, result):
                yield f"{identifier}: {violation}"
        if not results and (lost := _lost_state(analysis, record, execution)) is not None:
            yield f"{identifier}: state {lost.index}, delivered at {lost.at:.3f}, was lost"
    if waiter.method == "watch":
        for violation in check_watch(analysis, record):
            yield f"{waiter.identifiers[0]}: {violation}"
    if waiter.method == "wait_all":
        yield from _check_wait_all(analysis, record)


def _check_end_of_waiter(analysis: Analysis, record: Record) -> Iterator[str]:
    """Check that a waiter ends at once when it is cancelled or the client is closed."""
    if record.ended is None:
        return
    if record.cancel_requested_at is not None and record.ended > record.cancel_requested_at + TOLERANCE:
        yield f"cancelled at {record.cancel_requested_at:.3f}, but ended at {record.ended:.3f}"
    if record.was_cancelled and record.cancel_requested_at is None:
        yield "cancelled without a request"
    closed_at = analysis.history.closed_at
    if closed_at is not None and not record.waiter.pause and record.ended > closed_at + TOLERANCE:
        yield f"ended at {record.ended:.3f}, after its client was closed"


def _check_result(
    analysis: Analysis, record: Record, execution: ScriptedExecution, result: Result
) -> list[str]:
    # A delivery at the time when the waiter started may have come before it or not.
    for since in (record.started, record.started + TOLERANCE):
        found = list(_check_result_since(analysis, record, execution, result, since))
        if not found:
            break
    return found


def _check_result_since(
    analysis: Analysis, record: Record, execution: ScriptedExecution, result: Result, since: float
) -> Iterator[str]:
    terminal = analysis.first_terminal(execution, since, result.received_at)
    if result.error is not None:
        if terminal is not None and terminal.at < result.received_at - TOLERANCE:
            yield f"state {terminal.index} was delivered at {terminal.at:.3f}, but it raised {result.error!r}"
        yield from _check_error(analysis, record, execution, result)
        return
    assert result.index is not None
    state = execution.states[result.index]
    if result.status != state.status or not state.is_terminal:
        yield f"ended as {result.status}, but state {result.index} is {state.status}"
    raises = record.waiter.check and record.waiter.method in {"wait", "wait_all"}
    if result.was_raised != (state.is_failure and raises):
        yield f"ended as {result.status} with was_raised={result.was_raised}"
    if terminal is None or terminal.index != result.index:
        if _ended_with_a_listed_end(analysis, record, execution, result, since):
            return
        yield f"ended with state {result.index} at {result.received_at:.3f}, but the delivery was {terminal}"
        return
    expected_at = max(terminal.at, result.requested_at)
    if record.waiter.method != "wait_all" and abs(result.received_at - expected_at) > TOLERANCE:
        yield f"received the terminal state at {result.received_at:.3f} instead of {expected_at:.3f}"
    yield from _check_promptness(analysis, record, execution, terminal)


def _ended_with_a_listed_end(
    analysis: Analysis, record: Record, execution: ScriptedExecution, result: Result, since: float
) -> bool:
    """Return whether a wait ended with the row of a list, since no Get could complete it."""
    at, timeout, closed_at = result.received_at, record.waiter.timeout, analysis.history.closed_at
    since = min(since, analysis.awaited_since(record, execution))
    was_listed = any(
        since - TOLERANCE <= time <= at + TOLERANCE and index == result.index
        for time, index in execution.listed_ends
    )
    is_expired = timeout is not None and at >= record.started + timeout - TOLERANCE
    is_closed = closed_at is not None and at >= closed_at - TOLERANCE
    errors = analysis.permanent_errors_of(execution)
    return was_listed and (is_expired or is_closed or any(since <= each <= at + TOLERANCE for each in errors))


def _check_promptness(
    analysis: Analysis, record: Record, execution: ScriptedExecution, terminal: Delivery
) -> Iterator[str]:
    fault_end = analysis.last_fault_end(execution, terminal.at)
    available_at = max(execution.times[terminal.index], record.started, fault_end or 0.0)
    recovery = 0.0 if fault_end is None else _RECOVERY_TIME
    recovery += _PERMIT_INTERVAL * (analysis.awaited_count + 5)
    min_delay, max_delay = analysis.cadence_of(record)
    # Only what has announced something can be relied on.
    if execution.kind is IMAGE and (hints := analysis.scenario.hints) is not None and hints.named:
        max_delay = max(max_delay, hints.max_delay)
    latest = available_at + min_delay + max_delay + 2 * analysis.scenario.latency + recovery
    if terminal.at > latest:
        yield f"the state was available at {available_at:.3f}, but was read at {terminal.at:.3f}"


def _check_error(
    analysis: Analysis, record: Record, execution: ScriptedExecution, result: Result
) -> Iterator[str]:
    at, error, timeout = result.received_at, result.error, record.waiter.timeout
    assert error is not None
    deadline = None if timeout is None else record.started + timeout
    if deadline is not None and at > max(deadline, result.requested_at) + _LAST_POLL_TIMEOUT + TOLERANCE:
        yield f"ended at {at:.3f}, too long after the deadline at {deadline:.3f}"
    if isinstance(error, ClientClosedError):
        closed_at = analysis.history.closed_at
        if closed_at is None or abs(closed_at - at) > TOLERANCE:
            yield f"ended with {error!r} at {at:.3f}, but the client was closed at {closed_at}"
    elif isinstance(error, ObservationError) and _is_permanent(analysis, execution, at, error):
        yield from _check_permanent_error(analysis, record, execution, at, error)
    elif deadline is None or at < deadline - TOLERANCE:
        yield f"ended at {at:.3f}, before its deadline, with {error!r} caused by {error.__cause__!r}"
    else:
        yield from _check_error_at_deadline(analysis, record, execution, result, deadline)


def _is_permanent(
    analysis: Analysis, execution: ScriptedExecution, at: float, error: ObservationError
) -> bool:
    """Return whether an error was caused by a response at that time that no retry changes."""
    if error.__cause__ is None or isinstance(error.__cause__, TRANSIENT_ERRORS):
        return False
    return any(abs(each - at) <= TOLERANCE for each in analysis.permanent_errors_of(execution))


def _check_permanent_error(
    analysis: Analysis, record: Record, execution: ScriptedExecution, at: float, error: ObservationError
) -> Iterator[str]:
    """Check that new ids and credentials that were accepted before had their grace period."""
    accepted_since = at - _CREDENTIALS_REFRESH_PERIOD
    if isinstance(error.__cause__, CredentialsError) and analysis.has_response(accepted_since, at):
        yield f"ended at {at:.3f} by credentials that were accepted not long before"
    timeout = record.waiter.timeout
    is_at_deadline = timeout is not None and at >= record.started + timeout - TOLERANCE
    if is_at_deadline or not isinstance(error, ExecutionNotFoundError):
        return
    since = analysis.awaited_since(record, execution)
    is_new = at < since + analysis.scenario.not_found_grace - TOLERANCE
    if is_new and not analysis.deliveries(execution, since, at):
        yield f"not found at {at:.3f}, within the grace period since {since:.3f}"


def _check_error_at_deadline(
    analysis: Analysis, record: Record, execution: ScriptedExecution, result: Result, deadline: float
) -> Iterator[str]:
    """Check that a last poll falls on the deadline, and that the error says no more than is known."""
    at, error = result.received_at, result.error
    since, until = deadline - TOLERANCE, at + TOLERANCE
    polls = [call for call in analysis.calls_for(execution) if since <= call.sent_at <= until]
    latest = max(deadline, result.requested_at) + _LAST_POLL_TIMEOUT
    if analysis.last_fault_end(execution, at) is None:
        latest = deadline + analysis.scenario.latency + _PERMIT_INTERVAL * (analysis.awaited_count + 5)
    has_last_poll = any(call.sent_at <= latest for call in polls)
    if not has_last_poll and (polls or at < deadline + _LAST_POLL_TIMEOUT - TOLERANCE):
        yield f"ended at {at:.3f} without a last poll at its deadline at {deadline:.3f}"
    max_delay = analysis.cadence_of(record)[1]
    if isinstance(error, WaitTimeoutError):
        read = analysis.deliveries(execution, analysis.awaited_since(record, execution), at)
        if not read:
            yield f"reported as still running at {at:.3f}, but never read"
        elif at - read[-1].at > 2 * max_delay + TOLERANCE:
            yield f"reported as still running at {at:.3f}, but last read at {read[-1].at:.3f}"
        return
    errors = analysis.permanent_errors_of(execution)
    if isinstance(error, ExecutionNotFoundError) and not any(since <= each <= until for each in errors):
        yield f"reported as not found at {at:.3f}, but not by the last poll"
    read = analysis.deliveries(execution, record.started + 2 * TOLERANCE, at - 2 * TOLERANCE)
    if read and at - read[-1].at <= 2 * max_delay - TOLERANCE:
        yield f"reported as not observable at {at:.3f}, but read at {read[-1].at:.3f}"


def _lost_state(analysis: Analysis, record: Record, execution: ScriptedExecution) -> Delivery | None:
    """Return the terminal state that was delivered during a wait without a result."""
    waiter = record.waiter
    if record.ended is None or waiter.pause or record.has_stopped:
        return None
    if waiter.method == "wait_all" and record.was_cancelled:
        return None
    terminal = analysis.first_terminal(execution, record.started + TOLERANCE, record.ended - 2 * TOLERANCE)
    if terminal is not None and waiter.method == "as_completed" and record.was_cancelled:
        # It raises its errors at the end, so a cancellation discards them.
        is_expired = waiter.timeout is not None and record.started + waiter.timeout <= terminal.at
        errors = analysis.permanent_errors_of(execution)
        if is_expired or any(record.started <= each <= terminal.at for each in errors):
            return None
    return terminal


def _check_wait_all(analysis: Analysis, record: Record) -> Iterator[str]:
    """Check that it ends with its last execution or, if it fails fast, with the first failure."""
    if record.was_cancelled or record.unexpected_error or not record.results or record.ended is None:
        return
    # A delivery at the time when it started may have come before it or not.
    first = _expected_end(analysis, record, record.started)
    last = _expected_end(analysis, record, record.started + TOLERANCE)
    if not first - TOLERANCE <= record.ended <= last + TOLERANCE:
        yield f"ended at {record.ended:.3f} instead of {last:.3f}"


def _expected_end(analysis: Analysis, record: Record, since: float) -> float:
    """Return when a `wait_all` should have ended, given the deliveries since a time."""
    ends = []
    for identifier, (result, *_) in record.results.items():
        execution = analysis.scenario.executions[identifier]
        terminal = analysis.first_terminal(execution, since, result.received_at)
        at = result.received_at if result.error or terminal is None else terminal.at
        ends.append((at, result.error is not None or result.was_raised))
    failures = [at for at, is_failure in ends if is_failure]
    return min(failures) if record.waiter.fail_fast and failures else max(at for at, _ in ends)
