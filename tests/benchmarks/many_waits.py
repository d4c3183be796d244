"""Ten thousand waits in one process: the memory of each, and whether polls are late for lack of CPU.

The server has no rate limit, so only the CPU of this process can delay a poll. Memory is measured by
tracemalloc, and includes the caller's task. The server counts the polls: every call that reads an execution.

    python tests/benchmarks/many_waits.py [--waits 10000] [--seconds 45] [--json FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import subprocess
import sys
import time
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import report
import server
from peers import CREDENTIALS
from report import Verdict
from workloads import REGION, Spec, Workload

from aioimagebuilder import ImageBuilder

_PER_IMAGE = 10
_NEVER = 1e9
_TICK = 0.01
_FIRST_READS_TIMEOUT = 120.0
_SAMPLES = 20


@asynccontextmanager
async def _waits(url: str, spec: Spec) -> AsyncIterator[int]:
    """Wait for each execution, and yield the traced bytes before the waits."""
    delays = {"min_delay": spec.min_delay, "max_delay": spec.max_delay}
    identifiers = list(Workload(spec).ends())
    async with ImageBuilder(region_name=REGION, endpoint_url=url, **CREDENTIALS, **delays) as ib:
        # With the first calls, botocore reads its model and fills its caches.
        await ib.get_workflow_execution(identifiers[0])
        async for _ in ib.list_workflow_executions(Workload(spec).images[0].arn):
            pass
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        async with asyncio.TaskGroup() as tasks:
            waits = [tasks.create_task(ib.wait(each, timeout=None)) for each in identifiers]
            yield before
            for each in waits:
                each.cancel()


async def _wait_until_all_read(url: str, spec: Spec) -> None:
    deadline = time.monotonic() + _FIRST_READS_TIMEOUT
    while time.monotonic() < deadline:
        stats = await asyncio.to_thread(server.get_stats, url)
        if stats["executions_read"] >= spec.images * spec.executions_per_image:
            return
        await asyncio.sleep(0.5)


async def _measure_memory(url: str, spec: Spec, _: float) -> dict[str, Any]:
    count = spec.images * spec.executions_per_image
    tracemalloc.start()
    async with _waits(url, spec) as before:
        await _wait_until_all_read(url, spec)
        # At any moment, some executions are being read, so there are several samples.
        sizes = []
        for _ in range(_SAMPLES):
            await asyncio.sleep(spec.max_delay / _SAMPLES)
            gc.collect()
            sizes.append((tracemalloc.get_traced_memory()[0] - before) / count)
    return {"median": report.percentile(sizes, 0.5), "max": max(sizes)}


async def _measure_lateness(url: str, spec: Spec, seconds: float) -> dict[str, Any]:
    stalls = []

    async def measure_stalls() -> None:
        while True:
            expected = time.monotonic() + _TICK
            await asyncio.sleep(_TICK)
            stalls.append(time.monotonic() - expected)

    async with _waits(url, spec):
        measuring = asyncio.create_task(measure_stalls())
        started, cpu_before = time.monotonic(), time.process_time()
        await asyncio.sleep(seconds)
        cpu, elapsed = time.process_time() - cpu_before, time.monotonic() - started
        measuring.cancel()
        stats = await asyncio.to_thread(server.get_stats, url)
    return {
        **stats,
        "cpu_share": cpu / elapsed,
        "stall_p99": report.percentile(stalls, 0.99),
        "stall_max": max(stalls),
    }


_PARTS = {"memory": _measure_memory, "lateness": _measure_lateness}


def _run(part: str, spec: Spec, seconds: float) -> dict[str, Any]:
    with server.run_server(spec) as url:
        command = [sys.executable, str(Path(__file__).resolve()), "--part", part, "--url", url]
        command += ["--spec", spec.dumps(), "--seconds", str(seconds)]
        process = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    result: dict[str, Any] = json.loads(process.stdout)
    return result


def _parse_arguments() -> argparse.Namespace:
    parser = report.create_parser(__doc__)
    parser.add_argument("--waits", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=45.0, help="for how long polls are measured")
    parser.add_argument("--max-delay", type=float, default=15.0)
    parser.add_argument("--part", choices=_PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    parser.add_argument("--spec", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> int:
    """Run both parts in processes of their own, print the table, and return the exit code."""
    parsed = _parse_arguments()
    if parsed.part is not None:
        spec = Spec.loads(parsed.spec)
        print(json.dumps(asyncio.run(_PARTS[parsed.part](parsed.url, spec, parsed.seconds))))
        return 0
    spec = Spec(
        images=parsed.waits // _PER_IMAGE,
        executions_per_image=_PER_IMAGE,
        min_duration=_NEVER,
        max_duration=_NEVER,
        rate=None,
        min_delay=min(5.0, parsed.max_delay),
        max_delay=parsed.max_delay,
    )
    # tracemalloc slows the process down so much that calls would accumulate, so they come at half the rate.
    memory = _run("memory", replace(spec, max_delay=2 * spec.max_delay), parsed.seconds)
    polls = _run("lateness", spec, parsed.seconds)
    calls = sum(count for each in polls["calls"].values() for count in each.values())
    row = {
        "waits": parsed.waits,
        "KiB/wait": memory["median"] / 1024,
        "max KiB/wait": memory["max"] / 1024,
        "polled": polls["executions_read"],
        "all polled after s": polls["last_first_read"],
        "longest gap s": polls["longest_gap"],
        "calls": calls,
        "calls/s": calls / polls["now"],
        "CPU %": 100 * polls["cpu_share"],
        "stall p99 ms": 1000 * polls["stall_p99"],
        "max stall ms": 1000 * polls["stall_max"],
    }
    waits = f"{parsed.waits:,} executions of {spec.images:,} images"
    report.print_table(f"many waits: {waits}, max_delay={spec.max_delay:g}, no rate limit", [row])
    print(f"  calls: {polls['calls']}")
    longest_gap = polls["longest_gap"] / spec.max_delay
    verdicts = [
        Verdict("maximum memory of a wait", memory["max"] / 1024, 8.0, unit=" KiB"),
        Verdict("executions never polled", parsed.waits - polls["executions_read"], 0),
        Verdict("longest time without a poll, relative to max_delay", longest_gap, 2.0, unit=" x"),
    ]
    return report.finish(parsed, {"row": row, "memory": memory, "polls": polls}, verdicts)


if __name__ == "__main__":
    sys.exit(main())
