"""Two processes under one account rate limit: neither starves the other, and few calls are throttled."""

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
WAITS = 100  # per process: more than the rate limit allows to poll at their cadence
SETTLING_SECONDS = 20.0
COUNTING_SECONDS = 40.0

PROGRAM = """
    import asyncio, sys
    from aioimagebuilder import ImageBuilder

    async def main(endpoint_url, *ids):
        arguments = dict(region_name="us-east-1", aws_access_key_id="AKIAIOSFODNN7EXAMPLE",
                         aws_secret_access_key="simulated", min_delay=1, max_delay=2)
        async with ImageBuilder(endpoint_url=endpoint_url, **arguments) as ib:
            await asyncio.gather(*(ib.wait(each, timeout=None) for each in ids))

    asyncio.run(main(*sys.argv[1:]))
"""


def start(endpoint_url: str, ids: list[str]) -> subprocess.Popen:
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(PROGRAM), endpoint_url, *ids]
    return subprocess.Popen(command, env=ENVIRONMENT)


def test_two_processes_share_rate_limit_evenly():
    with Simulator(time_scale=1, rate_limit=RATE, burst=BURST) as simulator, ExitStack() as stack:
        # Lifecycle executions are not polled in batches, so each call belongs to one process.
        ids = [
            [simulator.add_execution("lifecycle_execution", [("IN_PROGRESS", None)]) for _ in range(WAITS)]
            for _ in range(2)
        ]
        owners = {each: owner for owner in range(2) for each in ids[owner]}
        processes = [stack.enter_context(start(simulator.endpoint_url, each)) for each in ids]
        stack.callback(lambda: [process.kill() for process in processes])
        while {owners.get(call.identifier) for call in simulator.calls} != {0, 1}:
            assert all(process.poll() is None for process in processes)
            time.sleep(0.1)
        time.sleep(SETTLING_SECONDS)
        simulator.reset_calls()
        time.sleep(COUNTING_SECONDS)
        calls = simulator.calls
        assert all(process.poll() is None for process in processes)
    successful = Counter(owners[call.identifier] for call in calls if call.status == 200)
    throttled = sum(call.status == 429 for call in calls)
    summary = f"{successful[0]} and {successful[1]} successful calls, {throttled} of {len(calls)} throttled"
    print(summary)
    assert 0.4 <= successful[0] / successful.total() <= 0.6, summary
    assert throttled / len(calls) < 0.08, summary
    # Slow polling would pass the check above.
    assert successful.total() >= 0.7 * RATE * COUNTING_SECONDS, summary
