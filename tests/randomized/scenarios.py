"""Scenarios: the executions, waiters and faults that are drawn from a seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from randomized.executions import ScriptedExecution, draw_execution
from randomized.faults import DENIED_LISTS, Fault, draw_fault
from randomized.hints import Hints, draw_hints
from randomized.kinds import IMAGE, LIFECYCLE, STEP, WORKFLOW, Kind, image_arn, policy_arn, uuid, version_arn
from randomized.waiters import Waiter, draw_waiter

_Add = Callable[[str, Kind, str | None], str]


@dataclass(frozen=True, repr=False)
class Scenario:
    """Everything that is drawn from a seed. Times are seconds since the start of the scenario.

    Attributes:
        seed: The seed.
        executions: The executions that the service knows, by id or ARN.
        waiters: The waiters.
        faults: The faults.
        cadence: The client's min_delay and max_delay.
        not_found_grace: The client's option of that name.
        latency: The seconds that a call takes.
        page_size: The number of rows of a page.
        rate_limit: The calls per second that the service permits; ``None`` for no limit.
        closes_at: When the client is closed during the waits; ``None`` if it is closed after them.
        hints: The push hints; ``None`` for none.
    """

    seed: int
    executions: dict[str, ScriptedExecution]
    waiters: tuple[Waiter, ...]
    faults: tuple[Fault, ...]
    cadence: tuple[float, float]
    not_found_grace: float
    latency: float
    page_size: int
    rate_limit: float | None
    closes_at: float | None
    hints: Hints | None

    @property
    def horizon(self) -> float:
        """The time by which every wait must have ended, however slow it is."""
        last_states = [each.times[-1] for each in self.executions.values() if each.times]
        fault_ends = [fault.end for fault in self.faults if fault.name != DENIED_LISTS]
        deadlines = [waiter.starts + (waiter.timeout or 0) for waiter in self.waiters]
        return max([0.0, *last_states, *fault_ends, *deadlines]) + 4 * 3600


def draw_scenario(seed: int) -> Scenario:
    """Draw the scenario of a seed."""
    rng = Random(seed)
    size = rng.choices(
        (rng.randint(1, 10), rng.randint(10, 60), rng.randint(60, 300), rng.randint(300, 2000)),
        (65, 29, 5.7, 0.3),
    )[0]
    max_duration = rng.choice((30.0, 120.0, 300.0))
    executions = _draw_executions(rng, size, max_duration)
    choices = list(executions.values())
    waiters = []
    waits = 0
    # In a small scenario, many waiters share few executions.
    while waits < 300 + 20 * len(choices):
        waiters.append(draw_waiter(rng, choices, max_duration))
        waits += len(waiters[-1].identifiers)
    min_delay = rng.uniform(2, 10)
    return Scenario(
        seed=seed,
        executions=executions,
        waiters=tuple(waiters),
        faults=tuple(draw_fault(rng, max_duration) for _ in range(rng.choice((0, 0, 1, 1, 2, 4)))),
        cadence=(min_delay, min_delay * rng.uniform(1, 8)),
        not_found_grace=rng.choice((0.0, 10.0, 10.0, 30.0)),
        latency=rng.choice((0.0, 0.05, 0.3)),
        page_size=rng.choice((25, 25, 25, 3)),
        rate_limit=rng.choice((None, None, 2.0, 10.0)),
        closes_at=rng.uniform(0, max_duration) if rng.random() < 0.03 else None,
        hints=draw_hints(seed, executions, max_duration),
    )


def _draw_executions(rng: Random, size: int, max_duration: float) -> dict[str, ScriptedExecution]:
    executions: dict[str, ScriptedExecution] = {}

    def add(identifier: str, kind: Kind, parent: str | None) -> str:
        executions[identifier] = draw_execution(rng, identifier, kind, parent, max_duration)
        return identifier

    while (first := len(executions)) < size:
        remaining = size - first
        match rng.randrange(5):
            case 0 | 1:
                _draw_build(rng, add, first, remaining)
            case 2:
                version = f"version-{first}"
                for build in range(min(remaining, rng.randint(1, 40))):
                    add(image_arn(version, build + 1), IMAGE, version_arn(version))
            case 3:
                policy = policy_arn(first) if rng.random() < 0.8 else None
                for number in range(min(remaining, rng.randint(1, 30))):
                    add(f"lce-{uuid(first + number)}", LIFECYCLE, policy)
            case _:
                add(f"wf-{uuid(first)}", WORKFLOW, None)
    return executions


def _draw_build(rng: Random, add: _Add, first: int, limit: int) -> None:
    """Draw an image, its workflow executions, and the steps of some of them: at most `limit` executions."""
    version = f"build-{first}"
    image = add(image_arn(version, 1), IMAGE, version_arn(version))
    number = first
    for _ in range(min(limit - 1, rng.randint(0, 30))):
        number += 1
        workflow = add(f"wf-{uuid(number)}", WORKFLOW, image)
        for _ in range(rng.choice((0, 0, 0, min(rng.randint(1, 15), limit + first - number - 1)))):
            number += 1
            add(f"step-{uuid(number)}", STEP, workflow)
        if number - first >= limit - 1:
            return
