"""Two processes under one call limit: neither starves the other, and few calls are thrown away."""

import os
import subprocess
import sys
import textwrap
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import aioimagebuilder
from aioimagebuilder.testing import Simulator

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(aioimagebuilder.__file__).parents[1])}
RATE = 10.0
BURST = 20.0
WAITS = 100  # of one process: more than the limit lets either poll at its cadence
SETTLING = 20.0
COUNTING = 40.0

WAITER = """
    import asyncio, sys
    from aioimagebuilder import ImageBuilder

    async def main(endpoint_url, *ids):
        arguments = dict(region_name="us-east-1", aws_access_key_id="AKIAIOSFODNN7EXAMPLE",
                         aws_secret_access_key="simulated", min_delay=1, max_delay=2)
        async with ImageBuilder(endpoint_url=endpoint_url, **arguments) as ib:
            await asyncio.gather(*(ib.wait(each, timeout=None) for each in ids))

    asyncio.run(main(*sys.argv[1:]))
"""


def started(endpoint_url: str, ids: list[str]) -> subprocess.Popen:
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(WAITER), endpoint_url, *ids]
    return subprocess.Popen(command, env=ENVIRONMENT)


def test_two_processes_share_one_limit():
    with Simulator(time_scale=1, rate_limit=RATE, burst=BURST) as simulator, ExitStack() as stack:
        # Lifecycle executions are polled one by one, so that each call tells whose it is.
        ids = [
            [simulator.add_execution("lifecycle_execution", [("IN_PROGRESS", None)]) for _ in range(WAITS)]
            for _ in range(2)
        ]
        owners = {each: owner for owner in range(2) for each in ids[owner]}
        processes = [stack.enter_context(started(simulator.endpoint_url, each)) for each in ids]
        stack.callback(lambda: [process.kill() for process in processes])
        while {owners.get(call.identifier) for call in simulator.calls} != {0, 1}:
            assert all(process.poll() is None for process in processes)
            time.sleep(0.1)
        time.sleep(SETTLING)
        simulator.reset_calls()
        time.sleep(COUNTING)
        calls = simulator.calls
        assert all(process.poll() is None for process in processes)
    successful = Counter(owners[call.identifier] for call in calls if call.status == 200)
    throttled = sum(call.status == 429 for call in calls)
    seen = f"{successful[0]} and {successful[1]} successful calls, {throttled} of {len(calls)} throttled"
    print(seen)
    assert 0.4 <= successful[0] / successful.total() <= 0.6, seen
    assert throttled / len(calls) < 0.08, seen
    # Politeness alone would be easy: what the limit allows is used.
    assert successful.total() >= 0.7 * RATE * COUNTING, seen
