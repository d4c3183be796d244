"""A single wait: its calls compared with Smithy's backoff, and the CPU of a poll with that of a call.

Calls are counted on virtual time, over many waits, each with a client of its own. CPU is measured over
loopback, in alternating blocks: aiobotocore calls without pauses, aiobotocore calls with pauses like those
between polls, and the polls of this library.

    python tests/benchmarks/single_wait.py [--json FILE]
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import math
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import report
import server
from memory_client import MemoryClient
from peers import open_client
from report import Verdict
from smithy_backoff import polls_by_smithy
from workloads import Spec, Workload

sys.path.append(str(Path(__file__).resolve().parents[1]))
from aioimagebuilder import ImageBuilder
from support.virtual_time import run_virtually

# (duration of the execution, min_delay, max_delay)
_CASES = ((30.0, 1.0, 5.0), (600.0, 5.0, 30.0), (2400.0, 5.0, 30.0))
_WAITS = 500
_TOLERANCE = 2.0  # percent
_PAUSE = 0.01
_PACED = "calls with pauses"


async def _count_calls(spec: Spec) -> int:
    client = MemoryClient(spec, latency=0.0)
    async with ImageBuilder(client=client, min_delay=spec.min_delay, max_delay=spec.max_delay) as ib:
        await ib.wait(next(iter(Workload(spec).ends())), timeout=None)
    return client.calls


def _compare_with_smithy() -> list[dict[str, Any]]:
    rows = []
    for duration, min_delay, max_delay in _CASES:
        spec = Spec(
            images=1,
            awaited="one_each",
            min_duration=duration,
            max_duration=duration,
            rate=None,
            min_delay=min_delay,
            max_delay=max_delay,
        )
        calls = [run_virtually("asyncio", lambda spec=spec: _count_calls(spec)) for _ in range(_WAITS)]
        expected = polls_by_smithy(duration, min_delay, max_delay)
        error = math.hypot(
            statistics.stdev(calls) / _WAITS**0.5, statistics.stdev(expected) / len(expected) ** 0.5
        )
        rows.append(
            {
                "duration s": duration,
                "min_delay": min_delay,
                "max_delay": max_delay,
                "waits": _WAITS,
                "calls": report.mean(calls),
                "expected": report.mean(expected),
                "range": f"{min(calls)}-{max(calls)}",
                "expected range": f"{min(expected)}-{max(expected)}",
                "deviation %": 100 * (report.mean(calls) / report.mean(expected) - 1),
                "standard error %": 100 * error / report.mean(expected),
            }
        )
    return rows


async def _measure_cpu(url: str, spec: Spec, blocks: int) -> dict[str, list[tuple[float, float]]]:
    """Return the CPU of a poll and the time between polls, in milliseconds, for each block."""
    assert spec.reads is not None
    polls = spec.reads
    identifiers = iter(Workload(spec).ends())
    async with open_client(url, total_max_attempts=1) as client:

        async def call(wf: str, pause: float | None) -> None:
            for _ in range(polls):
                await client.get_workflow_execution(workflowExecutionId=wf)
                if pause is not None:
                    await asyncio.sleep(pause)

        async with ImageBuilder(client=client, min_delay=_PAUSE, max_delay=_PAUSE) as ib:
            methods: dict[str, Callable[[str], Awaitable[object]]] = {
                "calls": lambda wf: call(wf, None),
                _PACED: lambda wf: call(wf, _PAUSE),
                "ours": lambda wf: ib.wait(wf, timeout=None),
            }
            blocks_of: dict[str, list[tuple[float, float]]] = {name: [] for name in methods}
            # The order changes, since the previous block affects the processor's caches and clock.
            orders = itertools.cycle(itertools.permutations(methods))
            for number, order in zip(range(blocks + 1), orders, strict=False):
                for name in order:
                    gc.collect()
                    started, cpu_before = time.monotonic(), time.process_time()
                    await methods[name](next(identifiers))
                    cpu, elapsed = time.process_time() - cpu_before, time.monotonic() - started
                    # The first round fills caches, and lets the call rate grow.
                    if number > 0:
                        blocks_of[name].append((1000 * cpu / polls, 1000 * elapsed / polls))
    return blocks_of


def main() -> int:
    """Run both comparisons, print the tables, and return the exit code."""
    parser = report.create_parser(__doc__)
    parser.add_argument("--blocks", type=int, default=30, help="the number of blocks of each method")
    parser.add_argument("--polls", type=int, default=50, help="the number of polls in a block")
    parsed = parser.parse_args()
    comparisons = _compare_with_smithy()
    report.print_table("single wait: calls compared with Smithy's backoff", comparisons)
    # One image for each block, so all responses have the same size.
    spec = Spec(images=3 * (parsed.blocks + 1), executions_per_image=1, reads=parsed.polls, rate=None)
    with server.run_server(spec) as url:
        blocks = asyncio.run(_measure_cpu(url, spec, parsed.blocks))
        calls = server.get_stats(url)["calls"]
    # Blocks of the same round are compared, since the speed of the machine changes over time.
    ratios = {
        name: [cpu / paced for (cpu, _), (paced, _) in zip(each, blocks[_PACED], strict=True)]
        for name, each in blocks.items()
    }
    rows = [
        {
            "method": name,
            "blocks": len(each),
            "median CPU ms/poll": statistics.median(cpu for cpu, _ in each),
            "min": min(each)[0],
            "max": max(each)[0],
            "ms between polls": statistics.median(elapsed for _, elapsed in each),
            f"relative to {_PACED}": statistics.median(ratios[name]),
            "quartiles": "{0:.2f}-{2:.2f}".format(*statistics.quantiles(ratios[name])),
        }
        for name, each in blocks.items()
    ]
    report.print_table(f"single wait: CPU of a poll, {parsed.polls} polls per block", rows)
    print(f"  calls: {calls}")
    what = "calls of a wait of {:g} s, deviation from Smithy's backoff"
    verdicts = [
        Verdict(what.format(row["duration s"]), abs(row["deviation %"]), _TOLERANCE, unit=" %")
        for row in comparisons
    ]
    ratio = statistics.median(ratios["ours"])
    verdicts.append(Verdict("CPU of a poll, relative to a call with the same pauses", ratio, 1.6, unit=" x"))
    return report.finish(parsed, {"calls": comparisons, "cpu": rows, "blocks": blocks}, verdicts)


if __name__ == "__main__":
    sys.exit(main())
