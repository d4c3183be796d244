"""Ten thousand waits in one process: the memory of each, and whether polls come late for want of CPU.

Over the wire, to a server without a limit, so that nothing but this process's CPU can make a poll late.
The memory is what tracemalloc counts, the caller's task included. An execution counts as polled by any call
that tells about it, so its polls are seen at the server.

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
from workloads import REGION, Herd, Spec

from aioimagebuilder import ImageBuilder

_PER_IMAGE = 10
_FAR = 1e9
_HEARTBEAT = 0.01
_PATIENCE = 120.0
_SAMPLES = 20


@asynccontextmanager
async def _waits(url: str, spec: Spec) -> AsyncIterator[int]:
    """Keep a wait open for each execution, and get the traced bytes from before they were opened."""
    cadence = {"min_delay": spec.min_delay, "max_delay": spec.max_delay}
    waited = list(Herd(spec).ends())
    async with ImageBuilder(region_name=REGION, endpoint_url=url, **CREDENTIALS, **cadence) as ib:
        # botocore reads its model and fills its caches with the first call; that is no wait's memory.
        await ib.get_workflow_execution(waited[0])
        async for _ in ib.list_workflow_executions(Herd(spec).images[0].arn):
            pass
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        async with asyncio.TaskGroup() as tasks:
            opened = [tasks.create_task(ib.wait(each, timeout=None)) for each in waited]
            yield before
            for each in opened:
                each.cancel()


async def _all_read(url: str, spec: Spec) -> None:
    give_up_at = time.monotonic() + _PATIENCE
    while time.monotonic() < give_up_at:
        counted = await asyncio.to_thread(server.stats, url)
        if counted["executions_read"] >= spec.images * spec.executions_per_image:
            return
        await asyncio.sleep(0.5)


async def _memory(url: str, spec: Spec, _: float) -> dict[str, Any]:
    count = spec.images * spec.executions_per_image
    tracemalloc.start()
    async with _waits(url, spec) as before:
        await _all_read(url, spec)
        # The same moment is not the same for all: some are being read. So look more than once.
        sizes = []
        for _ in range(_SAMPLES):
            await asyncio.sleep(spec.max_delay / _SAMPLES)
            gc.collect()
            sizes.append((tracemalloc.get_traced_memory()[0] - before) / count)
    return {"median": report.percentile(sizes, 0.5), "worst": max(sizes)}


async def _lateness(url: str, spec: Spec, seconds: float) -> dict[str, Any]:
    stalls = []

    async def heart() -> None:
        while True:
            expected = time.monotonic() + _HEARTBEAT
            await asyncio.sleep(_HEARTBEAT)
            stalls.append(time.monotonic() - expected)

    async with _waits(url, spec):
        beating = asyncio.create_task(heart())
        began, cpu_before = time.monotonic(), time.process_time()
        await asyncio.sleep(seconds)
        cpu, took = time.process_time() - cpu_before, time.monotonic() - began
        beating.cancel()
        counted = await asyncio.to_thread(server.stats, url)
    return {
        **counted,
        "cpu_share": cpu / took,
        "stall_p99": report.percentile(stalls, 0.99),
        "stall": max(stalls),
    }


_PARTS = {"memory": _memory, "lateness": _lateness}


def _run(part: str, spec: Spec, seconds: float) -> dict[str, Any]:
    with server.running(spec) as url:
        command = [sys.executable, str(Path(__file__).resolve()), "--part", part, "--url", url]
        command += ["--spec", spec.dumps(), "--seconds", str(seconds)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _parsed() -> argparse.Namespace:
    parser = report.options(__doc__)
    parser.add_argument("--waits", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=45.0, help="how long polls are watched")
    parser.add_argument("--max-delay", type=float, default=15.0)
    parser.add_argument("--part", choices=_PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    parser.add_argument("--spec", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> int:
    """Run both parts in processes of their own, and print the table."""
    parsed = _parsed()
    if parsed.part is not None:
        spec = Spec.loads(parsed.spec)
        print(json.dumps(asyncio.run(_PARTS[parsed.part](parsed.url, spec, parsed.seconds))))
        return 0
    spec = Spec(
        images=parsed.waits // _PER_IMAGE,
        executions_per_image=_PER_IMAGE,
        shortest=_FAR,
        longest=_FAR,
        rate=None,
        min_delay=min(5.0, parsed.max_delay),
        max_delay=parsed.max_delay,
    )
    # tracemalloc slows a process so much that calls would pile up: so they come at half the pace.
    memory = _run("memory", replace(spec, max_delay=2 * spec.max_delay), parsed.seconds)
    polls = _run("lateness", spec, parsed.seconds)
    calls = sum(count for each in polls["calls"].values() for count in each.values())
    row = {
        "waits": parsed.waits,
        "KiB each": memory["median"] / 1024,
        "worst KiB": memory["worst"] / 1024,
        "polled": polls["executions_read"],
        "all polled by s": polls["last_first_read"],
        "longest gap s": polls["longest_gap"],
        "calls": calls,
        "calls/s": calls / polls["now"],
        "CPU %": 100 * polls["cpu_share"],
        "stall p99 ms": 1000 * polls["stall_p99"],
        "stall ms": 1000 * polls["stall"],
    }
    title = (
        f"many waits: {parsed.waits:,} of {spec.images:,} images, max_delay={spec.max_delay:g}, no call limit"
    )
    report.print_table(title, [row])
    print(f"  calls: {polls['calls']}")
    verdicts = [
        Verdict("memory of a wait, at its most", memory["worst"] / 1024, 8.0, unit=" KiB"),
        Verdict("executions never polled", parsed.waits - polls["executions_read"], 0),
        Verdict(
            "longest time without a poll, of max_delay", polls["longest_gap"] / spec.max_delay, 2.0, unit=" x"
        ),
    ]
    return report.finish(parsed, {"row": row, "memory": memory, "polls": polls}, verdicts)


if __name__ == "__main__":
    sys.exit(main())
