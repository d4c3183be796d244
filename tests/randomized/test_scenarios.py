"""Some hundred random scenarios: no result is lost or wrong, no waiter hangs, and nothing is left behind.

`make randomized N=20000` runs more of them.
"""

import pytest

from randomized.invariants import violations
from randomized.runner import replay_command, run_scenario

_COUNTS = {"asyncio": 200, "trio": 100}
# A test for each scenario would cost more than the scenario.
_PER_TEST = 25


@pytest.mark.parametrize(
    ("backend", "first"),
    [(backend, first) for backend, count in _COUNTS.items() for first in range(0, count, _PER_TEST)],
)
def test_random_scenarios_satisfy_invariants(backend, first):
    for seed in range(first, first + _PER_TEST):
        found = violations(run_scenario(seed, backend))
        assert not found, f"{replay_command(seed, backend)}\n" + "\n".join(found[:5])


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("seed", range(0, 60, 10))
def test_same_seed_gives_same_trace_at_any_wall_clock(backend, seed):
    assert run_scenario(seed, backend).trace == run_scenario(seed, backend, wall_clock_jumps=True).trace
