"""What must hold for each watch: an ordered subsequence of the truth, from a present state to the last."""

from __future__ import annotations

from collections.abc import Iterator

from randomized.analysis import SAME, Evidence
from randomized.executions import Truth
from randomized.waiters import Record


def of_watch(evidence: Evidence, record: Record) -> Iterator[str]:
    """Tell what does not hold for one watch."""
    truth = evidence.world.executions[record.waiter.identifiers[0]]
    yield from _of_states(evidence, record, truth)
    if record.seen:
        yield from _of_beginning(evidence, record, truth)
    ends = record.ends.get(truth.identifier, [])
    if ends and ends[0].error is None and record.seen[-1][1] != ends[0].index:
        yield f"ended otherwise than with its terminal state: {record.seen[-1]}"


def _of_states(evidence: Evidence, record: Record, truth: Truth) -> Iterator[str]:
    for at, index, status in record.seen:
        if status != truth.states[index].status:
            yield f"showed {status} for state {index}, which is {truth.states[index].status}"
        if not any(each.index == index for each in evidence.deliveries(truth, 0.0, at)):
            yield f"showed state {index} at {at:.3f}, which nobody had told"
    indices = [index for _, index, _ in record.seen]
    furthest = (-1, 0, 0)
    for before, after in zip([-1, *indices], indices, strict=False):
        # A stale read can be told from a new one by its phase alone; an unknown status has none.
        phase = truth.states[after].phase
        if after == before or (after < before and phase is not None and phase < furthest):
            yield f"stepped back from state {before} to {after}"
        if before >= 0 and truth.states[before].is_terminal:
            yield f"went on after the terminal state {before}"
        furthest = max(furthest, phase or furthest)


def _of_beginning(evidence: Evidence, record: Record, truth: Truth) -> Iterator[str]:
    at, index, _ = record.seen[0]
    present = {each.index for each in evidence.deliveries(truth, record.began, at)}
    lives = {stay.began for stay in evidence.stays_for(truth) if stay.began < record.began}
    for life in lives:
        present |= _present(truth, life, record.began)
    if index not in present:
        yield f"began with state {index}, when {sorted(present)} were present"
    min_delay = evidence.cadence_of(record)[0]
    fresh = evidence.deliveries(truth, record.began - min_delay + 2 * SAME, record.began - 2 * SAME)
    stays = evidence.stays_for(truth)
    others = [stay for stay in stays if stay.is_certain and stay.left > record.began + SAME]
    if fresh and any(stay.began < fresh[-1].at - SAME for stay in others) and at > record.began + SAME:
        yield f"joined at {record.began:.3f}, when state {index} was known, and was shown it at {at:.3f}"


def _present(truth: Truth, life: float, began: float) -> set[int]:
    """Get the states that can be taken for the present one by somebody who knows what was told since."""
    told = [index for since, index in truth.deliveries if life - SAME <= since < began - SAME]
    if not told:
        return set()
    # A state of an earlier phase is taken for stale: after a retry that is wrong, and nobody can tell.
    kept, furthest = told[0], (-1, 0, 0)
    for index in told:
        phase = truth.states[index].phase
        if phase is None or phase >= furthest:
            kept, furthest = index, phase or furthest
    return {kept, max(told), told[-1]}
