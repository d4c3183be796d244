"""Draws a world from its seed: what there is, who waits, and what goes wrong."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from randomized.executions import Truth, draw_truth
from randomized.faults import Fault, draw_fault
from randomized.kinds import IMAGE, LIFECYCLE, STEP, WORKFLOW, image_arn, policy_arn, uuid, version_arn
from randomized.waiters import Waiter, draw_waiter


@dataclass(frozen=True, repr=False)
class World:
    """All that a seed stands for; times are seconds since the world began.

    Attributes:
        seed: the seed.
        executions: all that the service knows, by id.
        waiters: who waits.
        faults: what goes wrong.
        cadence: the client's min_delay and max_delay.
        not_found_grace: the client's.
        latency: what a call takes.
        page: the rows of a page.
        rate: the calls a second that the account is allowed; ``None`` for any number.
        closes_at: when the client is closed under those who wait; ``None`` for when all are done.
    """

    seed: int
    executions: dict[str, Truth]
    waiters: tuple[Waiter, ...]
    faults: tuple[Fault, ...]
    cadence: tuple[float, float]
    not_found_grace: float
    latency: float
    page: int
    rate: float | None
    closes_at: float | None

    @property
    def horizon(self) -> float:
        """When every wait must have ended, however slow."""
        ends = [truth.times[-1] for truth in self.executions.values() if truth.times]
        stops = [fault.ends for fault in self.faults if fault.name != "refused lists"]
        starts = [waiter.starts + (waiter.timeout or 0) for waiter in self.waiters]
        return max([0.0, *ends, *stops, *starts]) + 4 * 3600


def draw_world(seed: int, most: int = 2000) -> World:
    """Draw the world of a seed, of at most so many executions."""
    dice = Random(seed)
    size = dice.choices(
        (dice.randint(1, 10), dice.randint(10, 60), dice.randint(60, 300), dice.randint(300, 2000)),
        (65, 29, 5.7, 0.3),
    )[0]
    longest = dice.choice((30.0, 120.0, 300.0))
    executions = _draw_executions(dice, min(size, most), longest)
    every = list(executions.values())
    waiters = []
    waits = 0
    # In a small world the waiters crowd around its few executions.
    while waits < 300 + 20 * len(every):
        waiters.append(draw_waiter(dice, every, longest))
        waits += len(waiters[-1].identifiers)
    min_delay = dice.uniform(2, 10)
    return World(
        seed=seed,
        executions=executions,
        waiters=tuple(waiters),
        faults=tuple(draw_fault(dice, longest) for _ in range(dice.choice((0, 0, 1, 1, 2, 4)))),
        cadence=(min_delay, min_delay * dice.uniform(1, 8)),
        not_found_grace=dice.choice((0.0, 10.0, 10.0, 30.0)),
        latency=dice.choice((0.0, 0.05, 0.3)),
        page=dice.choice((25, 25, 25, 3)),
        rate=dice.choice((None, None, 2.0, 10.0)),
        closes_at=dice.uniform(0, longest) if dice.random() < 0.03 else None,
    )


def _draw_executions(dice: Random, size: int, longest: float) -> dict[str, Truth]:
    found: dict[str, Truth] = {}

    def add(identifier: str, kind: object, parent: str | None) -> str:
        found[identifier] = draw_truth(dice, identifier, kind, parent, longest)  # type: ignore[arg-type]
        return identifier

    while len(found) < size:
        family = len(found)
        match dice.randrange(5):
            case 0 | 1:
                _draw_build(dice, add, family, size - len(found))
            case 2:
                version = f"version-{family}"
                for build in range(min(size - len(found), dice.randint(1, 40))):
                    add(image_arn(version, build + 1), IMAGE, version_arn(version))
            case 3:
                policy = policy_arn(family) if dice.random() < 0.8 else None
                for number in range(min(size - len(found), dice.randint(1, 30))):
                    add(f"lce-{uuid(family + number)}", LIFECYCLE, policy)
            case _:
                add(f"wf-{uuid(family)}", WORKFLOW, None)
    return found


def _draw_build(dice: Random, add: object, family: int, room: int) -> None:
    """Draw an image, its workflow executions, and the steps of some."""
    assert callable(add)
    version = f"build-{family}"
    image = add(image_arn(version, 1), IMAGE, version_arn(version))
    number = family
    for _ in range(min(room - 1, dice.randint(0, 30))):
        number += 1
        workflow = add(f"wf-{uuid(number)}", WORKFLOW, image)
        for _ in range(dice.choice((0, 0, 0, min(dice.randint(1, 15), room + family - number - 1)))):
            number += 1
            add(f"step-{uuid(number)}", STEP, workflow)
        if number - family >= room - 1:
            return
