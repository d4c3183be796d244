"""What really becomes of each execution of a world: the script that all else is held against."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from random import Random

from randomized.kinds import FAILURES, IMAGE, STEP, UNKNOWN_STATUS, WORKFLOW, Kind, Members


@dataclass(slots=True)
class State:
    """One state of a course.

    Attributes:
        status: the service's word for it; ``None`` once the service knows nothing of the execution any more.
        phase: how far along its course it is; ``None`` where nobody can tell.
        is_terminal: whether it ends the execution.
        row: its members as a list tells them.
        answer: what a Get answers.
    """

    status: str | None
    phase: tuple[int, int, int] | None = None
    is_terminal: bool = False
    row: Members = field(default_factory=dict)
    answer: Members = field(default_factory=dict)

    @property
    def is_failure(self) -> bool:
        """Whether a wait with a check raises for it."""
        return self.is_terminal and self.status in FAILURES


@dataclass(slots=True, eq=False)
class Truth:
    """An execution, and its whole course.

    Attributes:
        identifier: its id or ARN.
        kind: its row of the table of kinds.
        parent: what it is listed under; ``None`` for one that no list shows.
        times: when each of its states begins.
        states: the states.
        deliveries: each answer that told of it to the library: when, and which state.
    """

    identifier: str
    kind: Kind
    parent: str | None
    times: list[float] = field(default_factory=list)
    states: list[State] = field(default_factory=list)
    deliveries: list[tuple[float, int]] = field(default_factory=list)

    def index_at(self, now: float) -> int:
        """Get the number of the state at that time; -1 before the first."""
        return bisect_right(self.times, now) - 1

    @property
    def ends_at(self) -> float | None:
        """When it is terminal, or gone, and stays so; ``None`` if it never is."""
        last = self.states[-1] if self.states else State(None)
        if not (last.is_terminal or last.status is None):
            return None
        return self.times[-1] if self.times else 0.0

    def add(self, since: float, state: State) -> None:
        """Let a state begin, whose answers tell its number as their reason."""
        number = len(self.states)
        self.times.append(since)
        self.states.append(state)
        if state.status is not None:
            members = self.kind.state(state.status, f"#{number}")
            state.row = {self.kind.id_member: self.identifier, **members, **state.row}
            output = self.kind.get[2]
            state.answer = {output: state.row} if output else {**state.row, "requestId": f"r-{number}"}
            if self.kind in {WORKFLOW, STEP} and self.parent is not None:
                state.answer[self.kind.lists[1]] = self.parent
            elif self.parent is not None and self.kind is not IMAGE:
                state.row["lifecyclePolicyArn"] = self.parent


def draw_truth(dice: Random, identifier: str, kind: Kind, parent: str | None, longest: float) -> Truth:
    """Draw a course: most begin before the world, or with it, some in it, and few never."""
    truth = Truth(identifier, kind, parent)
    fate = dice.random()
    if fate < 0.01:
        return truth
    began = dice.choice((-longest, 0.0, 0.0, dice.uniform(0, 6), dice.uniform(0, longest)))
    end = max(0.0, began) + dice.uniform(1, longest)
    now = began
    way = _draw_way(dice, kind)
    for number, (status, phase, extra) in enumerate(way):
        truth.add(now, State(status, phase=phase, row=extra))
        now += (end - now) * dice.random() * 2 / (len(way) - number + 1)
    if fate < 0.02:
        return truth
    if fate < 0.03:
        truth.add(end, State(None))
        return truth
    status = dice.choices(tuple(kind.ends), tuple(kind.ends.values()))[0]
    truth.add(end, State(status, phase=(99, 0, 0), is_terminal=True, row=_last_counts(way)))
    _draw_afterlife(dice, truth, status, end, longest)
    return truth


def _draw_way(dice: Random, kind: Kind) -> list[tuple[str, tuple[int, int, int] | None, Members]]:
    if kind is WORKFLOW:
        return _draw_workflow(dice)
    attempts = dice.choice((1, 1, 2, 3)) if kind is STEP else 1
    way: list[tuple[str, tuple[int, int, int] | None, Members]] = []
    for attempt in range(1, attempts + 1):
        extra = {"attemptNumber": attempt, "maxAttempts": attempts} if attempts > 1 else {}
        for number, statuses in enumerate(kind.phases):
            if dice.random() < 0.3 and way:
                continue
            for status in dice.choices(statuses, k=dice.choice((1, 1, 2 * len(statuses) - 1))):
                way.append((status, (attempt, number, 0), extra))
        if attempt < attempts:
            way.append(("FAILED", (attempt, 99, 0), extra))
    if dice.random() < 0.05:
        place = dice.randrange(1, len(way) + 1)
        way.insert(place, (UNKNOWN_STATUS, None, way[place - 1][2]))
    return way


def _draw_workflow(dice: Random) -> list[tuple[str, tuple[int, int, int] | None, Members]]:
    total = dice.randrange(1, 8)
    counted = dice.random() < 0.8
    done = range(0, total, dice.choice((1, 3)))
    way: list[tuple[str, tuple[int, int, int] | None, Members]] = [("PENDING", (0, 0, 0), {})]
    for number in done:
        counts = {"totalStepCount": total, "totalStepsSucceeded": number} if counted else {}
        way.append(("RUNNING", (0, 1, number if counted else 0), counts))
    if dice.random() < 0.1:
        way.append(("ROLLBACK_IN_PROGRESS", (0, 2, way[-1][1][2] if way[-1][1] else 0), way[-1][2]))
    return way[dice.choice((0, 0, 1)) :]


def _last_counts(way: list[tuple[str, tuple[int, int, int] | None, Members]]) -> Members:
    return {name: value for name, value in way[-1][2].items() if name != "attemptNumber"} | {
        name: way[-1][2]["maxAttempts"] for name in way[-1][2] if name == "attemptNumber"
    }


def _draw_afterlife(dice: Random, truth: Truth, status: str, now: float, longest: float) -> None:
    """Draw what comes after the end: management, a retry, or that the service forgets it."""
    while following := truth.kind.afterlife.get(status):
        if dice.random() < 0.7:
            break
        now += dice.uniform(1, longest / 4)
        status = dice.choice(following)
        rank = next((n for n, statuses in enumerate(truth.kind.phases) if status in statuses), None)
        if rank is None:
            truth.add(now, State(status, phase=(99, 0, 0), is_terminal=True))
            continue
        # A retry: the same execution goes on from there, and ends once more.
        truth.add(now, State(status, phase=(0, rank, 0)))
        now += dice.uniform(1, longest / 2)
        status = dice.choice(tuple(truth.kind.ends))
        truth.add(now, State(status, phase=(99, 0, 0), is_terminal=True))
    if dice.random() < 0.03 and truth.states[-1].is_terminal:
        truth.add(now + dice.uniform(1, longest), State(None))
