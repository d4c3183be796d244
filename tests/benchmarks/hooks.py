"""The CPU of a poll with and without hooks, and with OpenTelemetry, over loopback.

A poll is everything from one read to the next: the call, the bookkeeping, the events, and what the SDK's
batch processor does with the spans in its thread. Each method runs in a process of its own, with a client of
its own, and the processes take turns: blocks of one round are compared. "no hook again" is the same as
"no hook", and shows the noise. `--against` adds the library of another checkout.

    python tests/benchmarks/hooks.py [--against ../main/src] [--json FILE]
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import report
import server
from peers import open_client
from report import Verdict
from workloads import Spec, Workload

from aioimagebuilder import ImageBuilder

_PAUSE = 0.01
_BASE, _AGAIN, _FUNCTION, _TELEMETRY, _OTHER = (
    "no hook",
    "no hook again",
    "a function",
    "OpenTelemetry",
    "other checkout",
)


def _options(method: str) -> dict[str, Any]:
    if method == _FUNCTION:
        return {"on_event": lambda _: None}
    if method != _TELEMETRY:
        return {}
    from opentelemetry.sdk.metrics import MeterProvider  # noqa: PLC0415 - in one of the processes
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter  # noqa: PLC0415

    from aioimagebuilder.instrumentation.opentelemetry import OpenTelemetryHook  # noqa: PLC0415

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(InMemorySpanExporter(), schedule_delay_millis=500))
    metrics = MeterProvider([InMemoryMetricReader()])
    return {"on_event": OpenTelemetryHook(tracer_provider=provider, meter_provider=metrics)}


async def _work(method: str, url: str, spec: Spec, identifiers: Iterator[str]) -> None:
    """Run a block for each line of standard input, and print the CPU of a poll in milliseconds."""
    assert spec.reads is not None
    async with (
        open_client(url, total_max_attempts=1) as client,
        ImageBuilder(client=client, min_delay=_PAUSE, max_delay=_PAUSE, **_options(method)) as ib,
    ):
        while await asyncio.to_thread(sys.stdin.readline):
            gc.collect()
            before = time.process_time()
            await ib.wait(next(identifiers), timeout=None)
            print(1000 * (time.process_time() - before) / spec.reads, flush=True)


@contextlib.contextmanager
def _worker(
    number: int, method: str, url: str, spec: Spec, source: str | None
) -> Iterator[Callable[[], float]]:
    """Start the process of a method, and yield a function that runs a block."""
    command = [sys.executable, __file__, "--work", str(number), method, url, spec.dumps()]
    environment = {**os.environ, "PYTHONHASHSEED": "0", **({} if source is None else {"PYTHONPATH": source})}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        source_of_blocks, result = process.stdin, process.stdout

        def run_block() -> float:
            source_of_blocks.write("\n")
            source_of_blocks.flush()
            return float(result.readline())

        try:
            yield run_block
        finally:
            source_of_blocks.close()


def _measure(methods: dict[str, str | None], spec: Spec, blocks: int) -> dict[str, list[float]]:
    """Return the CPU of a poll in milliseconds in each block of each method."""
    found: dict[str, list[float]] = {name: [] for name in methods}
    with server.run_server(spec) as url, contextlib.ExitStack() as stack:
        workers = {
            name: stack.enter_context(_worker(number, name, url, spec, source))
            for number, (name, source) in enumerate(methods.items())
        }
        # The order changes, since the previous block affects the processor's caches and clock.
        orders = itertools.cycle(itertools.permutations(workers))
        for number, order in zip(range(blocks + 1), orders, strict=False):
            for name in order:
                cpu = workers[name]()
                # The first round fills caches, and lets the call rate grow.
                if number > 0:
                    found[name].append(cpu)
    return found


def main() -> int:
    """Measure, print the table, and return the exit code."""
    parser = report.create_parser(__doc__)
    parser.add_argument("--blocks", type=int, default=40, help="the number of blocks of each method")
    parser.add_argument("--polls", type=int, default=100, help="the number of polls in a block")
    parser.add_argument("--against", metavar="PATH", help="the src folder of another checkout")
    parsed = parser.parse_args()
    methods: dict[str, str | None] = dict.fromkeys((_BASE, _AGAIN, _FUNCTION, _TELEMETRY))
    if parsed.against is not None:
        methods[_OTHER] = str(Path(parsed.against).resolve(strict=True))
    images = len(methods) * (parsed.blocks + 1)
    # One image for each block, so all responses have the same size.
    spec = Spec(images=images, executions_per_image=1, reads=parsed.polls, rate=None)
    blocks = _measure(methods, spec, parsed.blocks)
    base = _BASE if parsed.against is None else _OTHER
    ratios = {
        name: [cpu / before for cpu, before in zip(each, blocks[base], strict=True)]
        for name, each in blocks.items()
    }
    rows = [
        {
            "method": name,
            "blocks": len(each),
            "median CPU ms/poll": statistics.median(each),
            "min": min(each),
            "max": max(each),
            f"relative to {base}": f"{statistics.median(ratios[name]):.3f}",
            "quartiles": "{0:.3f}-{2:.3f}".format(*statistics.quantiles(ratios[name])),
        }
        for name, each in blocks.items()
    ]
    report.print_table(f"CPU of a poll, {parsed.polls} polls per block, over loopback", rows)
    verdicts = [
        Verdict("CPU of a poll with OpenTelemetry", statistics.median(ratios[_TELEMETRY]), 1.3, unit=" x")
    ]
    if parsed.against is not None:
        ratio = statistics.median(ratios[_BASE])
        verdicts.append(
            Verdict("CPU of a poll without a hook, against the other checkout", ratio, 1.03, unit=" x")
        )
    return report.finish(parsed, {"cpu": rows, "blocks": blocks}, verdicts)


def _main_of_worker(number: int, method: str, url: str, spec: Spec) -> None:
    per_worker = itertools.islice(Workload(spec).ends(), number, None, 5)
    asyncio.run(_work(method, url, spec, per_worker))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--work"]:
        _, _, place, name, address, dumped = sys.argv
        _main_of_worker(int(place), name, address, Spec.loads(dumped))
    else:
        sys.exit(main())
