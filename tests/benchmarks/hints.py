"""Push hints over the wire: the simulator's own events, through moto's EventBridge and SQS, and their faults.

All times are simulated seconds. The clocks of the simulator and of the clients run ten times as fast, so all
settings of the clients have their defaults. Calls take real time: 5 ms count as 0.05 s. A long poll of SQS,
which takes real time as well, is of one second. On a busy machine, a lower scale leaves more time for calls:
the simulator with a thousand images needs about half a core at the default one.

    python tests/benchmarks/hints.py                 # everything, in about eight minutes
    python tests/benchmarks/hints.py --only images --scale 5 --json hints.json
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import boto3
import herd
import report
from aiobotocore.session import AioSession, get_session
from anyio import to_thread
from report import Verdict
from simulator_process import Image, ScaledSimulator, run_scaled, run_simulator
from workloads import REGION, Spec, Workload

from aioimagebuilder import ImageBuilder, SqsHints
from aioimagebuilder.cli.commands.hints import create_template

Row = dict[str, Any]

# Each client has a region of its own, whose events reach no other.
_REGIONS = (
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
    "eu-west-1",
    "eu-west-2",
    "eu-central-1",
    "eu-north-1",
    "ap-south-1",
    "ap-northeast-1",
)
# Real seconds.
_LONG_POLL = 1
_WAIT = 2400.0
_NEW_CLIENTS = 3
_MAX_DELAY, _HINTED_MAX_DELAY = 30.0, 300.0
# A wait is late if no poll of a client without hints would be so late, with a margin for the call.
_MARGIN = 5.0
_SHORT_WAIT, _SHORT_WAITS = 600.0, 4
# Half of the clients lose only the end of their second wait: nothing has warned them.
_OUTAGE_STARTS = 1380.0
_FAULTS: tuple[Row, ...] = (
    {"kind": "event_lost", "probability": 0.1},
    {"kind": "event_late", "probability": 0.1, "lag": 60},
    {"kind": "event_doubled", "probability": 0.1},
)
_OUTAGE: tuple[Row, ...] = ({"kind": "event_lost"},)
_IMAGES, _RATE, _BURST = 1000, 10.0, 20.0
_SHORTEST, _LONGEST = 600.0, 1500.0
# A thousand events at the same time would measure moto's SQS, which needs time by the square of their number.
_STARTED_WITHIN = 300.0


@dataclass
class _Client:
    """A client, and the lateness of its waits.

    Attributes:
        ib: The client.
        images: What it waits for, in this order.
        received: When the events of the ends were received, by ARN.
        lateness: The lateness of each wait.
        beyond_event: The lateness of each wait without that of its event, if there was one.
    """

    ib: ImageBuilder
    images: Sequence[Image]
    received: dict[str, float]
    lateness: list[float] = field(default_factory=list)
    beyond_event: list[float] = field(default_factory=list)

    async def run(self, simulator: ScaledSimulator) -> None:
        """Wait for each image from the start of its build."""
        for image in self.images:
            await anyio.sleep(max(0.0, image.start - simulator.seconds()))
            await self.wait(simulator, image)

    async def wait(self, simulator: ScaledSimulator, image: Image) -> None:
        await self.ib.wait(image.arn, timeout=None)
        now = simulator.seconds()
        self.lateness.append(now - image.end)
        self.beyond_event.append(now - self.received.get(image.arn, image.end))

    @property
    def late(self) -> int:
        return sum(each > _MAX_DELAY + _MARGIN for each in self.lateness)


def _create_queue(simulator: ScaledSimulator, region: str) -> str:
    """Deploy the template of the command line, and return the URL of its queue."""
    cloudformation = boto3.client("cloudformation", **simulator.arguments(region))
    cloudformation.create_stack(StackName="hints", TemplateBody=create_template(1))
    (stack,) = cloudformation.describe_stacks(StackName="hints")["Stacks"]
    url: str = stack["Outputs"][0]["OutputValue"]
    return url


@asynccontextmanager
async def _open(
    simulator: ScaledSimulator,
    session: AioSession,
    images: Sequence[Image],
    region: str = REGION,
    *,
    has_hints: bool = True,
) -> AsyncIterator[_Client]:
    """Open a client, with a queue of its own if it has hints."""
    arguments, received = simulator.arguments(region), {}

    def record(parsed: Any, **_: object) -> None:
        for message in parsed.get("Messages", ()):
            event = json.loads(message["Body"])
            if event["detail"]["state"]["status"] == "AVAILABLE":
                received.setdefault(event["resources"][0], simulator.seconds())

    async with AsyncExitStack() as stack:
        hints = None
        if has_hints:
            sqs = await stack.enter_async_context(session.create_client("sqs", **arguments))
            sqs.meta.events.register(
                "provide-client-params.sqs.ReceiveMessage",
                lambda params, **_: params | {"WaitTimeSeconds": _LONG_POLL},
            )
            sqs.meta.events.register("after-call.sqs.ReceiveMessage", record)
            hints = SqsHints(_create_queue(simulator, region), client=sqs)
            await sqs.get_queue_attributes(QueueUrl=hints.queue_url)
        ib = await stack.enter_async_context(ImageBuilder(session=session, hints=hints, **arguments))
        # The first call of a client takes as long as many others, and the clock does not run yet.
        async for _ in ib.list_image_build_versions():
            break
        yield _Client(ib, images, received)


def _row(who: str, lateness: Sequence[float], **columns: object) -> Row:
    return {
        "client": who,
        "waits": len(lateness),
        **columns,
        "mean lateness s": report.mean(lateness),
        "p95 s": report.percentile(lateness, 0.95),
        "maximum s": max(lateness),
    }


async def _measure_waits(simulator: ScaledSimulator) -> list[Row]:
    """Waits of forty minutes, each of another client: its first one, and one after hints are proven."""
    groups: dict[str, list[_Client]] = {}
    session = get_session()
    async with AsyncExitStack() as stack:
        for number, region in enumerate(_REGIONS):
            is_new = number < _NEW_CLIENTS
            for has_hints in (False, True):
                images = [] if is_new else [simulator.add_image(10 * number, 80, region)]
                images.append(simulator.add_image(100 + 17 * number, _WAIT, region))
                name = "without hints"
                if has_hints:
                    name = f"with hints, {'first wait' if is_new else 'a later wait'}"
                opened = _open(simulator, session, images, region, has_hints=has_hints)
                groups.setdefault(name, []).append(await stack.enter_async_context(opened))
        simulator.start_clock()
        await asyncio.gather(*(each.run(simulator) for clients in groups.values() for each in clients))
    calls, _ = simulator.calls()
    rows = []
    for name, clients in groups.items():
        counts = [calls[each.images[-1].arn] for each in clients]
        beyond_event = report.mean([each.beyond_event[-1] for each in clients])
        columns = {
            "calls": report.mean(counts),
            "range": f"{min(counts)}-{max(counts)}",
            "beyond the event s": beyond_event,
        }
        rows.append(_row(name, [each.lateness[-1] for each in clients], **columns))
    return rows


async def _measure_faults(
    simulator: ScaledSimulator, faults: Iterable[Row] = _FAULTS, start: float = 0.0
) -> list[Row]:
    """Waits of ten minutes, one after the other, with faults of the events from `start` on."""
    groups: dict[bool, list[_Client]] = {False: [], True: []}
    session = get_session()

    async def inject() -> None:
        await anyio.sleep(max(0.0, start - simulator.seconds()))
        for fault in faults:
            await to_thread.run_sync(partial(simulator.request, "POST", "faults", **fault))

    async with AsyncExitStack() as stack:
        for number, region in enumerate(_REGIONS):
            starts = [number * 17 + each * (_SHORT_WAIT + 100) for each in range(_SHORT_WAITS)]
            images = [simulator.add_image(each, _SHORT_WAIT, region) for each in starts]
            for has_hints, clients in groups.items():
                opened = _open(simulator, session, images, region, has_hints=has_hints)
                clients.append(await stack.enter_async_context(opened))
        simulator.start_clock()
        await asyncio.gather(
            inject(), *(each.run(simulator) for clients in groups.values() for each in clients)
        )
    return [
        _row(
            "with hints" if has_hints else "without hints",
            [lateness for each in clients for lateness in each.lateness],
            late=sum(each.late for each in clients),
            **{"late of one client": max(each.late for each in clients)},
        )
        for has_hints, clients in groups.items()
    ]


def _images_spec(scale: float) -> Spec:
    return Spec(
        images=_IMAGES,
        executions_per_image=1,
        awaited="images",
        min_duration=_SHORTEST / scale,
        max_duration=_LONGEST / scale,
        rate=_RATE * scale,
        burst=_BURST,
        min_delay=5 / scale,
        max_delay=_MAX_DELAY / scale,
    )


async def _measure_images(simulator: ScaledSimulator) -> list[Row]:
    """A thousand images, awaited at once by one client with hints, whose builds start within five minutes."""
    ends = [each * simulator.scale for each in Workload(_images_spec(simulator.scale)).ends().values()]
    starts = [number * _STARTED_WITHIN / _IMAGES for number in range(_IMAGES)]
    images = [simulator.add_image(start, end - start) for start, end in zip(starts, ends, strict=True)]
    async with _open(simulator, get_session(), images) as client:
        simulator.start_clock()
        await asyncio.gather(*(client.wait(simulator, each) for each in images))
    calls, statuses = simulator.calls()
    throttled = 100 * statuses[429] / calls.total()
    return [_row("ours, with hints", client.lateness, calls=calls.total(), **{"throttled %": throttled})]


def _measure_oracle(scale: float) -> list[Row]:
    """The same images, read in turn by an ideal loop that knows the rate limit."""
    row = herd.run_peer("get_image_in_turn", _images_spec(scale))
    return [
        {
            "client": "the oracle: get_image_in_turn",
            "waits": _IMAGES,
            "calls": row["calls"],
            "throttled %": row["throttled %"],
            "mean lateness s": scale * row["mean lateness s"],
            "p95 s": scale * row["p95 lateness s"],
            "maximum s": scale * row["max lateness s"],
        }
    ]


_MEASUREMENTS: dict[str, Callable[[ScaledSimulator], Awaitable[list[Row]]]] = {
    "waits": _measure_waits,
    "faults": _measure_faults,
    "outage": partial(_measure_faults, faults=_OUTAGE, start=_OUTAGE_STARTS),
    "images": _measure_images,
}
_TITLES = {
    "waits": "a wait of 40 minutes",
    "faults": "a tenth of the events lost, a tenth late by 60 s, a tenth doubled: waits of 10 minutes",
    "outage": f"every event lost after {_OUTAGE_STARTS:.0f} s: waits of 10 minutes, one after the other",
    "images": f"{_IMAGES} images at once, {_RATE:g} calls/s, {_SHORTEST / 60:.0f} to {_LONGEST / 60:.0f} min",
}
# Those of a group run at the same time.
_GROUPS = (("waits", "faults", "outage"), ("images", "oracle"))


def _measure(name: str, scale: float) -> list[Row]:
    if name == "oracle":
        return _measure_oracle(scale)
    has_limit = name == "images"
    rate, burst = (_RATE, _BURST) if has_limit else (None, None)
    with run_simulator(scale, rate=rate, burst=burst) as simulator:
        return run_scaled(scale, lambda: _MEASUREMENTS[name](simulator))


def _run(name: str, scale: float) -> list[Row]:
    """Measure in a process of its own."""
    command = [sys.executable, str(Path(__file__).resolve()), "--part", name, "--scale", str(scale)]
    process = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    rows: list[Row] = json.loads(process.stdout)
    return rows


def _judge(name: str, rows: list[Row]) -> list[Verdict]:
    by_client = {row["client"]: row for row in rows}
    if name == "waits":
        later = by_client["with hints, a later wait"]
        return [
            Verdict("calls of a wait of 40 minutes with hints", later["calls"], 20),
            Verdict("its mean lateness beyond that of the event", later["beyond the event s"], 1, unit=" s"),
        ]
    if name == "images":
        ours, oracle = rows
        lateness = ours["mean lateness s"] / oracle["mean lateness s"]
        return [
            Verdict("mean lateness, relative to the oracle", lateness, 0.3, unit=" x"),
            Verdict("calls, relative to the oracle", ours["calls"] / oracle["calls"], 0.6, unit=" x"),
        ]
    hinted = by_client["with hints"]
    excess = hinted["maximum s"] - _MAX_DELAY - _MARGIN
    verdicts = [Verdict("lateness beyond that without hints", excess, _HINTED_MAX_DELAY, unit=" s")]
    if name == "outage":
        verdicts.append(Verdict("late waits of one client", hinted["late of one client"], 1))
    return verdicts


def _parse_arguments() -> argparse.Namespace:
    parser = report.create_parser(__doc__)
    parser.add_argument("--only", choices=_MEASUREMENTS, action="append", help="only this one; repeatable")
    parser.add_argument("--scale", type=float, default=10.0, help="simulated seconds per real second")
    parser.add_argument("--part", choices=(*_MEASUREMENTS, "oracle"), help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> int:
    """Run the measurements, print the tables, and return the exit code."""
    parsed = _parse_arguments()
    if parsed.part is not None:
        print(json.dumps(_measure(parsed.part, parsed.scale)))
        return 0
    wanted = {*(parsed.only or _MEASUREMENTS)}
    if "images" in wanted:
        wanted.add("oracle")
    results: dict[str, list[Row]] = {}
    for group in _GROUPS:
        names = [each for each in group if each in wanted]
        with ThreadPoolExecutor(len(names) or 1) as pool:
            results |= zip(names, pool.map(partial(_run, scale=parsed.scale), names), strict=True)
    if "oracle" in results:
        results["images"] += results.pop("oracle")
    verdicts = []
    for name, rows in results.items():
        report.print_table(f"{name}: {_TITLES[name]}; {parsed.scale:g} times as fast", rows)
        verdicts += [replace(each, what=f"{name}: {each.what}") for each in _judge(name, rows)]
    return report.finish(parsed, results, verdicts)


if __name__ == "__main__":
    sys.exit(main())
