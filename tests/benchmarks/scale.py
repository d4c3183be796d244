"""The growth of calls and lateness with the number of executions, on virtual time and without sockets.

The client waits for builds of 10 to 40 minutes at an in-memory service with a rate limit. It is compared with
an oracle that knows the limit and the image of every execution, and lists the executions of an image at most
once per `min_delay`. Lateness is in simulated seconds. CPU is real, and includes the service.

    python tests/benchmarks/scale.py [--quick] [--json FILE]
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import anyio
import report
from memory_client import MemoryClient
from workloads import Spec, Workload

sys.path.append(str(Path(__file__).resolve().parents[1]))
from aioimagebuilder import ImageBuilder
from support.virtual_time import run_virtually

SIZES = (10, 100, 1_000, 10_000, 100_000)
_PER_IMAGE = 10
_MINUTE = 60.0


def _spec(executions: int) -> Spec:
    return Spec(
        images=executions // _PER_IMAGE,
        executions_per_image=_PER_IMAGE,
        min_duration=10 * _MINUTE,
        max_duration=40 * _MINUTE,
        min_delay=5,
        max_delay=30,
    )


async def _wait_for_all(spec: Spec) -> dict[str, Any]:
    client = MemoryClient(spec)
    ends = Workload(spec).ends()
    ended_at: dict[str, float] = {}
    failures: set[str] = set()

    async def wait(ib: ImageBuilder, identifier: str) -> None:
        try:
            await ib.wait(identifier, timeout=None)
        except Exception as error:  # noqa: BLE001 - any exception is a failure of this wait
            failures.add(f"{type(error).__name__}: {error}")
        else:
            ended_at[identifier] = anyio.current_time()

    cpu_before = time.process_time()
    async with ImageBuilder(client=client, min_delay=spec.min_delay, max_delay=spec.max_delay) as ib:
        async with anyio.create_task_group() as tasks:
            for identifier in ends:
                tasks.start_soon(wait, ib, identifier)
    cpu = time.process_time() - cpu_before
    assert client.started is not None
    lateness = [at - client.started - ends[identifier] for identifier, at in ended_at.items()]
    return {
        "executions": len(ends),
        "calls": client.calls,
        "throttled %": 100 * client.throttled / client.calls,
        "mean lateness s": report.mean(lateness),
        "p95 lateness s": report.percentile(lateness, 0.95),
        "failed": len(ends) - len(ended_at),
        "CPU s": cpu,
        "CPU ms/call": 1000 * cpu / client.calls,
        "_failures": sorted(failures)[:5],
        "_operations": {f"{operation} {status}": n for (operation, status), n in client.counts.items()},
    }


def _oracle(spec: Spec) -> tuple[int, list[float]]:
    """Return the calls of the oracle, and the lateness of its results."""
    assert spec.rate is not None
    pending = [[end for _, end in image.executions] for image in Workload(spec).images]
    now, calls, lateness = 0.0, 0, []
    while pending:
        round_started = now
        for ends in pending:
            calls += 1
            lateness += [now - end for end in ends if end <= now]
            ends[:] = [end for end in ends if end > now]
            now += 1 / spec.rate
        pending = [ends for ends in pending if ends]
        now = max(now, round_started + spec.min_delay)
    return calls, lateness


def _run(executions: int) -> dict[str, Any]:
    spec = _spec(executions)
    row: dict[str, Any] = run_virtually("asyncio", lambda: _wait_for_all(spec))
    calls, lateness = _oracle(spec)
    unit = 1 if sys.platform == "darwin" else 1024
    row["peak MiB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20
    row["oracle: calls"] = calls
    row["oracle: mean lateness s"] = report.mean(lateness)
    row["oracle: p95 lateness s"] = report.percentile(lateness, 0.95)
    return row


def main() -> int:
    """Run each size in a process of its own, print the table, and return the exit code."""
    parser = report.create_parser(__doc__)
    parser.add_argument("--quick", action="store_true", help="only up to 10,000 executions")
    parser.add_argument("--one", type=int, metavar="EXECUTIONS", help="run only this size, and print JSON")
    parsed = parser.parse_args()
    if parsed.one is not None:
        print(json.dumps(_run(parsed.one)))
        return 0
    rows = []
    for size in SIZES[:-1] if parsed.quick else SIZES:
        command = [sys.executable, str(Path(__file__).resolve()), "--one", str(size)]
        process = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        rows.append(json.loads(process.stdout))
    spec = _spec(SIZES[0])
    title = (
        f"scale: {_PER_IMAGE} executions per image, builds of 10-40 min, {spec.rate:g} calls/s, "
        f"min_delay={spec.min_delay:g}, max_delay={spec.max_delay:g}; simulated seconds"
    )
    report.print_table(title, [{k: v for k, v in row.items() if not k.startswith("_")} for row in rows])
    for row in rows:
        print(f"  {row['executions']:,}: {row['_operations']}", *row["_failures"], sep="\n    ")
    return report.finish(parsed, {"rows": rows}, [])


if __name__ == "__main__":
    sys.exit(main())
