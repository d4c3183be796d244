"""Scripted executions: which states each of them has, and when."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from random import Random

from randomized.kinds import FAILURE_STATUSES, IMAGE, STEP, UNKNOWN_STATUS, WORKFLOW, Kind, Members

Phase = tuple[int, int, int]
"""The attempt, the index in `Kind.phases`, and the number of finished steps: a lower one is earlier."""

_Draft = tuple[str, Phase | None, Members]

_TERMINAL_PHASE: Phase = (99, 0, 0)


@dataclass(slots=True)
class State:
    """A state of an execution.

    Attributes:
        status: The status; ``None`` if the service does not know the execution any more.
        phase: Its place in the order of the states; ``None`` for an unknown status.
        is_terminal: Whether it is terminal.
        row: The members of its row in a list.
        response: The response to a Get.
    """

    status: str | None
    phase: Phase | None = None
    is_terminal: bool = False
    row: Members = field(default_factory=dict)
    response: Members = field(default_factory=dict)

    @property
    def is_failure(self) -> bool:
        """Whether a wait with `check` raises for it."""
        return self.is_terminal and self.status in FAILURE_STATUSES


@dataclass(slots=True, eq=False)
class ScriptedExecution:
    """An execution and all of its states.

    Attributes:
        identifier: Its id or ARN.
        kind: Its kind.
        parent: The parent under which it is listed; ``None`` if no list contains it.
        times: When each of its states begins.
        states: The states.
        deliveries: The responses that contained it: the time, and the index of the state.
        listed_ends: The lists that contained a terminal state without all members, which a Get has to
            complete: the time, and the index of the state. They are not among the deliveries.
    """

    identifier: str
    kind: Kind
    parent: str | None
    times: list[float] = field(default_factory=list)
    states: list[State] = field(default_factory=list)
    deliveries: list[tuple[float, int]] = field(default_factory=list)
    listed_ends: list[tuple[float, int]] = field(default_factory=list)

    def index_at(self, now: float) -> int:
        """Return the index of the state at a time; -1 before the first one."""
        return bisect_right(self.times, now) - 1

    @property
    def ends_at(self) -> float | None:
        """When its last state begins; ``None`` if that is neither terminal nor the end of the execution."""
        last = self.states[-1] if self.states else State(None)
        if not (last.is_terminal or last.status is None):
            return None
        return self.times[-1] if self.times else 0.0

    def add(self, since: float, state: State) -> None:
        """Append a state. Responses contain its index as the reason."""
        index = len(self.states)
        self.times.append(since)
        self.states.append(state)
        if state.status is not None:
            members = self.kind.state_members(state.status, f"#{index}")
            state.row = {self.kind.id_member: self.identifier, **members, **state.row}
            output = self.kind.get[2]
            state.response = {output: state.row} if output else {**state.row, "requestId": f"r-{index}"}
            if self.kind in {WORKFLOW, STEP} and self.parent is not None:
                state.response[self.kind.list[1]] = self.parent
            elif self.parent is not None and self.kind is not IMAGE:
                state.row["lifecyclePolicyArn"] = self.parent


def draw_execution(
    rng: Random, identifier: str, kind: Kind, parent: str | None, max_duration: float
) -> ScriptedExecution:
    """Draw an execution. Most start before the scenario or with it."""
    execution = ScriptedExecution(identifier, kind, parent)
    # 1 % never start, 1 % never end, and 1 % are removed while they run.
    variant = rng.random()
    if variant < 0.01:
        return execution
    started = rng.choice((-max_duration, 0.0, 0.0, rng.uniform(0, 6), rng.uniform(0, max_duration)))
    end = max(0.0, started) + rng.uniform(1, max_duration)
    now = started
    drafts = _draw_running_states(rng, kind)
    for number, (status, phase, members) in enumerate(drafts):
        execution.add(now, State(status, phase=phase, row=members))
        now += (end - now) * rng.random() * 2 / (len(drafts) - number + 1)
    if variant < 0.02:
        return execution
    if variant < 0.03:
        execution.add(end, State(None))
        return execution
    status = rng.choices(tuple(kind.terminal_statuses), tuple(kind.terminal_statuses.values()))[0]
    members = _terminal_members(drafts[-1][2])
    execution.add(end, State(status, phase=_TERMINAL_PHASE, is_terminal=True, row=members))
    _draw_later_states(rng, execution, status, end, max_duration)
    return execution


def _draw_running_states(rng: Random, kind: Kind) -> list[_Draft]:
    if kind is WORKFLOW:
        return _draw_running_states_of_workflow(rng)
    attempts = rng.choice((1, 1, 2, 3)) if kind is STEP else 1
    drafts: list[_Draft] = []
    for attempt in range(1, attempts + 1):
        members = {"attemptNumber": attempt, "maxAttempts": attempts} if attempts > 1 else {}
        for number, statuses in enumerate(kind.phases):
            if rng.random() < 0.3 and drafts:
                continue
            for status in rng.choices(statuses, k=rng.choice((1, 1, 2 * len(statuses) - 1))):
                drafts.append((status, (attempt, number, 0), members))
        if attempt < attempts:
            drafts.append(("FAILED", (attempt, 99, 0), members))
    if rng.random() < 0.05:
        position = rng.randrange(1, len(drafts) + 1)
        drafts.insert(position, (UNKNOWN_STATUS, None, drafts[position - 1][2]))
    return drafts


def _draw_running_states_of_workflow(rng: Random) -> list[_Draft]:
    total = rng.randrange(1, 8)
    has_counts = rng.random() < 0.8
    drafts: list[_Draft] = [("PENDING", (0, 0, 0), {})]
    for done in range(0, total, rng.choice((1, 3))):
        counts = {"totalStepCount": total, "totalStepsSucceeded": done} if has_counts else {}
        drafts.append(("RUNNING", (0, 1, done if has_counts else 0), counts))
    if rng.random() < 0.1:
        _, phase, counts = drafts[-1]
        drafts.append(("ROLLBACK_IN_PROGRESS", (0, 2, phase[2] if phase else 0), counts))
    return drafts[rng.choice((0, 0, 1)) :]


def _terminal_members(last: Members) -> Members:
    return {**last, "attemptNumber": last["maxAttempts"]} if "maxAttempts" in last else last


def _draw_later_states(
    rng: Random, execution: ScriptedExecution, status: str, now: float, max_duration: float
) -> None:
    """Draw what follows the terminal state: management, a retry, or the removal of the execution."""
    kind = execution.kind
    while choices := kind.later_statuses.get(status):
        if rng.random() < 0.7:
            break
        now += rng.uniform(1, max_duration / 4)
        status = rng.choice(choices)
        number = next((n for n, statuses in enumerate(kind.phases) if status in statuses), None)
        if number is not None:
            # A retry: the same execution continues from this status, and ends once more.
            execution.add(now, State(status, phase=(0, number, 0)))
            now += rng.uniform(1, max_duration / 2)
            status = rng.choice(tuple(kind.terminal_statuses))
        execution.add(now, State(status, phase=_TERMINAL_PHASE, is_terminal=True))
    if rng.random() < 0.03 and execution.states[-1].is_terminal:
        execution.add(now + rng.uniform(1, max_duration), State(None))
