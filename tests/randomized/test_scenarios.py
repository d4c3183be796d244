"""Some hundreds of worlds, seeded: nothing is lost, nobody hangs, nobody lies, nothing is left behind.

`make randomized N=20000` runs more of them.
"""

import pytest

from randomized.invariants import violations
from randomized.runner import replay_command, run_world

# So many worlds in one test: one of its own would cost more than the world.
_EACH = 25
_WORLDS = {"asyncio": 200, "trio": 100}


@pytest.mark.parametrize(
    ("backend", "first"),
    [(backend, first) for backend, count in _WORLDS.items() for first in range(0, count, _EACH)],
)
def test_worlds_hold(backend, first):
    for seed in range(first, first + _EACH):
        broken = violations(run_world(seed, backend))
        assert not broken, f"{replay_command(seed, backend)}\n" + "\n".join(broken[:5])


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("seed", range(0, 60, 10))
def test_the_same_seed_gives_the_same_trace_whatever_the_wall_clock_does(backend, seed):
    assert run_world(seed, backend).trace == run_world(seed, backend, wall_clock_jumps=True).trace
