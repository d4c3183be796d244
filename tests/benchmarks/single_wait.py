"""One single wait: as many calls as the Smithy law says, and polls that cost little more than bare calls.

The calls are counted on virtual time, over many waits, each of a client of its own. The CPU is compared over
the wire, in one process, in blocks that take turns: bare aiobotocore calls back to back, the same with a
sleep between (as a poll comes after a sleep), and ours; the median of each.

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
from peers import opened
from report import Verdict
from smithy_law import polls_by_law
from workloads import Herd, Spec

sys.path.append(str(Path(__file__).resolve().parents[1]))
from aioimagebuilder import ImageBuilder
from support.virtual_time import run_virtually

# (seconds that the execution takes, min_delay, max_delay)
_COURSES = ((30.0, 1.0, 5.0), (600.0, 5.0, 30.0), (2400.0, 5.0, 30.0))
_WAITS = 500
_TOLERANCE = 2.0  # percent; the standard error is printed beside
_PAUSE = 0.01
_PACED = "bare calls, paced"


async def _calls(spec: Spec) -> int:
    client = MemoryClient(spec, latency=0.0)
    async with ImageBuilder(client=client, min_delay=spec.min_delay, max_delay=spec.max_delay) as ib:
        await ib.wait(next(iter(Herd(spec).ends())), timeout=None)
    return client.calls


def _compare_with_law() -> list[dict[str, Any]]:
    rows = []
    for takes, min_delay, max_delay in _COURSES:
        spec = Spec(
            images=1,
            waited="one_each",
            shortest=takes,
            longest=takes,
            rate=None,
            min_delay=min_delay,
            max_delay=max_delay,
        )
        calls = [run_virtually("asyncio", lambda spec=spec: _calls(spec)) for _ in range(_WAITS)]
        law = polls_by_law(takes, min_delay, max_delay)
        error = math.hypot(statistics.stdev(calls) / _WAITS**0.5, statistics.stdev(law) / len(law) ** 0.5)
        rows.append(
            {
                "takes s": takes,
                "min_delay": min_delay,
                "max_delay": max_delay,
                "waits": _WAITS,
                "calls": report.mean(calls),
                "by law": report.mean(law),
                "range": f"{min(calls)}-{max(calls)}",
                "range by law": f"{min(law)}-{max(law)}",
                "off %": 100 * (report.mean(calls) / report.mean(law) - 1),
                "standard error %": 100 * error / report.mean(law),
            }
        )
    return rows


async def _cpu_per_poll(url: str, spec: Spec, blocks: int) -> dict[str, list[tuple[float, float]]]:
    """Get the CPU of a poll and the time from one to the next, in milliseconds, for each block."""
    assert spec.reads is not None
    polls = spec.reads
    ids = iter(Herd(spec).ends())
    async with opened(url, total_max_attempts=1) as client:

        async def bare(wf: str, pause: float | None) -> None:
            for _ in range(polls):
                await client.get_workflow_execution(workflowExecutionId=wf)
                if pause is not None:
                    await asyncio.sleep(pause)

        async with ImageBuilder(client=client, min_delay=_PAUSE, max_delay=_PAUSE) as ib:
            ways: dict[str, Callable[[str], Awaitable[object]]] = {
                "bare calls": lambda wf: bare(wf, None),
                _PACED: lambda wf: bare(wf, _PAUSE),
                "ours": lambda wf: ib.wait(wf, timeout=None),
            }
            found: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
            # The first round fills the caches, and lets our call rate grow.
            # None comes always after the same other: what ran before leaves the processor hot or cold.
            orders = itertools.cycle(itertools.permutations(ways))
            for number, order in zip(range(blocks + 1), orders, strict=False):
                for name in order:
                    gc.collect()
                    began, before = time.monotonic(), time.process_time()
                    await ways[name](next(ids))
                    cpu, took = time.process_time() - before, time.monotonic() - began
                    if number:
                        found[name].append((1000 * cpu / polls, 1000 * took / polls))
    return found


def main() -> int:
    """Count, measure, and print the tables."""
    parser = report.options(__doc__)
    parser.add_argument("--blocks", type=int, default=30, help="blocks of each way, taking turns")
    parser.add_argument("--polls", type=int, default=50, help="polls of a block")
    parsed = parser.parse_args()
    laws = _compare_with_law()
    report.print_table("one single wait: calls beside the Smithy law", laws)
    # An image for each block, so that no answer holds more rows than another.
    spec = Spec(images=3 * (parsed.blocks + 1), executions_per_image=1, reads=parsed.polls, rate=None)
    with server.running(spec) as url:
        found = asyncio.run(_cpu_per_poll(url, spec, parsed.blocks))
        counted = server.stats(url)["calls"]
    # Neighbours in time are compared: the machine's speed drifts more than the ways differ.
    ratios = {
        name: [cpu / paced for (cpu, _), (paced, _) in zip(each, found[_PACED], strict=True)]
        for name, each in found.items()
    }
    rows = [
        {
            "way": name,
            "blocks": len(each),
            "median CPU ms/poll": statistics.median(cpu for cpu, _ in each),
            "least": min(each)[0],
            "most": max(each)[0],
            "ms from poll to poll": statistics.median(took for _, took in each),
            "of bare paced": statistics.median(ratios[name]),
            "quartiles": "{0:.2f}-{2:.2f}".format(*statistics.quantiles(ratios[name])),
        }
        for name, each in found.items()
    ]
    report.print_table(f"one single wait: CPU of a poll, {parsed.polls} polls a block", rows)
    print(f"  calls: {counted}")
    verdicts = [
        Verdict(
            f"calls of a wait of {row['takes s']:g} s, off those by the Smithy law",
            abs(row["off %"]),
            _TOLERANCE,
            unit=" %",
        )
        for row in laws
    ]
    verdicts.append(
        Verdict(
            "CPU of a poll, of the bare call at the same pace",
            statistics.median(ratios["ours"]),
            1.15,
            unit=" x",
        )
    )
    return report.finish(parsed, {"law": laws, "cpu": rows, "blocks": found}, verdicts)


if __name__ == "__main__":
    sys.exit(main())
