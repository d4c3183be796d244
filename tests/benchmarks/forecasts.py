"""Polls by forecast, compared with Smithy's backoff and with oracles, on virtual time and without sockets.

The builds have a mean of 30 minutes and are lognormal; a twentieth fails early. Five earlier builds are
known. A build has three stages unless its row says otherwise. The lateness of a result is the time from the
end of the build to the return of the wait.

    python tests/benchmarks/forecasts.py [--quick] [--json FILE]
"""

from __future__ import annotations

import math
import random
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import anyio
import report
from builds import MEAN, Builds, Run, draw_history, draw_run, service_clock
from report import Verdict
from workloads import REGION

sys.path.append(str(Path(__file__).resolve().parents[1]))
from aioimagebuilder import CompletedBuild, ImageBuilder, MemoryBuildHistory
from support.virtual_time import run_virtually

Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Case:
    """Builds that are awaited one after the other, each with a client and a history of its own."""

    name: str
    spread: float
    is_staged: bool = True
    builds: int = 5
    lie: float = 1.0


_LEARNT = (
    Case(name="spread 10 %", spread=0.1),
    Case(name="spread 30 %", spread=0.3),
    Case(name="spread 10 %, no stages", spread=0.1, is_staged=False),
    Case(name="spread 30 %, no stages", spread=0.3, is_staged=False),
)
_MISLED = (
    Case(name="no history", spread=0.1, builds=0),
    Case(name="history of 90 min", spread=0.1, lie=3),
    Case(name="history of 10 min", spread=0.1, lie=1 / 3),
    Case(name="spread 30 %, history of 90 min", spread=0.3, lie=3),
    Case(name="spread 30 %, history of 10 min", spread=0.3, lie=1 / 3),
    Case(name="no stages, history of 90 min", spread=0.1, is_staged=False, lie=3),
    Case(name="no stages, history of 10 min", spread=0.1, is_staged=False, lie=1 / 3),
)


def _image(name: str) -> str:
    return f"arn:aws:imagebuilder:{REGION}:123456789012:image/{name}/1.0.0/1"


def _pipeline(name: str) -> str:
    return f"arn:aws:imagebuilder:{REGION}:123456789012:image-pipeline/{name}"


async def _wait_in_turn(case: Case, pace: Any, waits: int) -> Row:
    rng = random.Random(1)
    # The jitter of the delays as well, so that a run repeats.
    random.seed(1)
    calls, lateness = [], []
    for _ in range(waits):
        image = _image("demo")
        history = MemoryBuildHistory()
        for build in draw_history(rng, case.spread, lie=case.lie, image=image, is_staged=case.is_staged)[
            : case.builds
        ]:
            await history.add(_pipeline("demo"), build)
        started = anyio.current_time()
        run = draw_run(rng, case.spread, image=image, started=started, is_staged=case.is_staged)
        service = Builds([run])
        async with ImageBuilder(client=service, pace=pace, history=history) as ib:
            await ib.wait(image, timeout=None, check=False)
        calls.append(service.calls)
        lateness.append(anyio.current_time() - run.end)
    return _row(case.name, pace, calls, lateness)


def _ideal(case: Case, goal: float, waits: int) -> Row:
    """Poll at the density √(k·h) of the true distribution, with the k of the mean lateness `goal`.

    It knows the distribution, but sees no stages.
    """
    rng = random.Random(1)
    normal = statistics.NormalDist(-(case.spread**2) / 2, case.spread)

    def hazard(time: float) -> float:
        logarithm = math.log(time / MEAN)
        usual = normal.pdf(logarithm) / time * 0.95
        failing = 0.05 * 3 / MEAN if time < MEAN / 3 else 0.0
        survival = 0.95 * (1 - normal.cdf(logarithm)) + 0.05 * max(0.0, 1 - 3 * time / MEAN)
        return (usual + failing) / max(survival, 1e-12)

    step = 1.0
    roots = [math.sqrt(hazard(step * (each + 0.5))) for each in range(int(4 * MEAN / step))]
    ends = [draw_run(rng, case.spread, image="").duration for _ in range(waits)]
    low, high = 1e-4, 1e4
    while True:
        factor = math.sqrt(low * high)
        polls = [0.0]
        integral = 0.0
        for number, root in enumerate(roots):
            integral += factor * root * step
            if integral >= 1:
                polls.append(step * (number + 1))
                integral = 0.0
        calls, lateness = [], []
        for end in ends:
            count = sum(each < end for each in polls)
            calls.append(count + 1)
            lateness.append(next((each for each in polls if each >= end), end) - end)
        mean = report.mean(lateness)
        if abs(mean - goal) < 0.05 or high / low < 1 + 1e-6:
            return _row(case.name, "ideal, no stages", calls, lateness)
        low, high = (factor, high) if mean > goal else (low, factor)


def _row(name: str, waiter: str, calls: Sequence[int], lateness: Sequence[float]) -> Row:
    return {
        "builds": name,
        "waiter": waiter,
        "waits": len(calls),
        "calls": report.mean(calls),
        "mean lateness s": report.mean(lateness),
        "p95 lateness s": report.percentile(lateness, 0.95),
        "max lateness s": max(lateness),
    }


@cache
def _law(spread: float, waits: int) -> Row:
    """Wait by Smithy's backoff, for which neither stages nor the history matter."""
    return run_virtually("asyncio", partial(_wait_in_turn, Case(name="", spread=spread), "smithy", waits))


def _compare(case: Case, waits: int) -> list[Row]:
    law = {**_law(case.spread, waits), "builds": case.name}
    ours = run_virtually("asyncio", partial(_wait_in_turn, case, "forecast", waits))
    rows = [law, ours]
    if case in _LEARNT[2:]:
        rows.append(_ideal(case, law["mean lateness s"], waits))
    for row in rows[1:]:
        row["calls, x law"] = row["calls"] / law["calls"]
        row["lateness, x law"] = row["mean lateness s"] / law["mean lateness s"]
        row["p95, x law"] = row["p95 lateness s"] / law["p95 lateness s"]
        # Polls n times as dense find an end n times as soon.
        row["calls at the law's lateness, x law"] = row["calls, x law"] * row["lateness, x law"]
    return rows


_RATE = 10.0
_HERD_SPREAD = 0.1
_PER_IMAGE = 10
_STAGGER = 2 * MEAN
_WORKFLOWS = [
    f"arn:aws:imagebuilder:{REGION}:123456789012:workflow/test/w{each}/1.0.0/1" for each in range(_PER_IMAGE)
]


def _draw_herd(images: int, *, is_staged: bool) -> tuple[list[Run], dict[str, list[CompletedBuild]]]:
    rng = random.Random(1)
    runs: list[Run] = []
    histories: dict[str, list[CompletedBuild]] = {}
    for number in range(images):
        image, started = _image(f"herd-{number}"), rng.uniform(0, _STAGGER)
        for workflow in _WORKFLOWS:
            of = {"image": image, "workflow": workflow}
            key = image.rsplit("/", 2)[0]
            histories.setdefault(key, []).extend(draw_history(rng, _HERD_SPREAD, is_staged=is_staged, **of))
            runs.append(draw_run(rng, _HERD_SPREAD, started=started, is_staged=is_staged, **of))
    return runs, histories


async def _wait_together(name: str, images: int, pace: Any, delays: dict[str, float], is_staged: bool) -> Row:
    runs, histories = _draw_herd(images, is_staged=is_staged)
    history = MemoryBuildHistory()
    for key, builds in histories.items():
        for build in builds:
            await history.add(key, build)
    service = Builds(runs, rate=_RATE)
    lateness: list[float] = []

    async def wait(ib: ImageBuilder, run: Run) -> None:
        await anyio.sleep_until(run.started)
        await ib.wait(run.id, timeout=None, check=False)
        lateness.append(anyio.current_time() - run.end)

    async with (
        ImageBuilder(client=service, pace=pace, history=history, **delays) as ib,
        anyio.create_task_group() as tasks,
    ):
        for run in runs:
            tasks.start_soon(wait, ib, run)
    row = _row(name, pace, [service.calls], lateness)
    return {
        **row,
        "waits": len(runs),
        "throttled %": 100 * service.throttled / service.calls,
        "longest gap s": service.longest_gap,
    }


def _oracle_in_turn(name: str, images: int, *, is_staged: bool) -> Row:
    """List the executions of each image that runs in turn, at exactly the rate limit."""
    runs, _ = _draw_herd(images, is_staged=is_staged)
    pending: dict[str, list[Run]] = {}
    for run in runs:
        pending.setdefault(run.image, []).append(run)
    now, calls = 0.0, 0
    lateness: list[float] = []
    while pending:
        running = [image for image, left in pending.items() if left[0].started <= now]
        for image in running:
            calls += 1
            lateness += [now + 0.05 - run.end for run in pending[image] if run.end <= now]
            pending[image] = [run for run in pending[image] if run.end > now]
            if not pending[image]:
                del pending[image]
            now += 1 / _RATE
        if not running:
            now = min(left[0].started for left in pending.values()) if pending else now
    return {**_row(name, "oracle in turn", [calls], lateness), "waits": len(runs)}


def _compare_herd(images: int, *, is_staged: bool) -> list[Row]:
    name = f"herd of {images * _PER_IMAGE}" + ("" if is_staged else ", no stages")
    oracle = _oracle_in_turn(name, images, is_staged=is_staged)
    rows = [oracle]
    for pace, delays in (("smithy", {}), ("forecast", {"min_delay": 0.25})):
        row = run_virtually("asyncio", partial(_wait_together, name, images, pace, delays, is_staged))
        rows.append(row)
    for row in rows:
        row["lateness, x oracle"] = row["mean lateness s"] / oracle["mean lateness s"]
    return rows


def _judge(rows: list[Row], herds: list[Row]) -> list[Verdict]:
    ours = {row["builds"]: row for row in rows if row["waiter"] == "forecast"}
    verdicts = []
    for name, must, aim in (("spread 10 %", 0.5, 0.35), ("spread 30 %", 0.7, 0.55)):
        for each in (name, f"{name}, no stages"):
            row = ours[each]
            calls = row["calls at the law's lateness, x law"]
            verdicts.append(Verdict(f"{each}: calls at the law's lateness", calls, must, aim, " x the law's"))
            p95 = row["p95, x law"]
            verdicts.append(Verdict(f"{each}: 95th percentile of lateness", p95, 1.5, 1.3, " x the law's"))
    for case in _MISLED:
        row = ours[case.name]
        for what in ("calls", "lateness"):
            verdicts.append(Verdict(f"{case.name}: {what}", row[f"{what}, x law"], 1.2, unit=" x the law's"))
    for row in herds:
        if row["waiter"] == "forecast":
            late = row["lateness, x oracle"]
            verdicts.append(Verdict(f"{row['builds']}: mean lateness", late, 0.6, 0.4, " x the oracle's"))
    return verdicts


def main() -> int:
    """Run the cases, print the tables, and return the exit code."""
    parser = report.create_parser(__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer waits and a smaller herd")
    parsed = parser.parse_args()
    waits, images = (50, 20) if parsed.quick else (600, 100)
    with service_clock():
        rows = [row for case in (*_LEARNT, *_MISLED) for row in _compare(case, waits)]
        report.print_table("one wait at a time", rows)
        herds = [row for is_staged in (True, False) for row in _compare_herd(images, is_staged=is_staged)]
        report.print_table(f"many waits, started within {_STAGGER / 60:g} min; {_RATE:g} calls/s", herds)
    return report.finish(parsed, {"single": rows, "herds": herds}, _judge(rows, herds))


if __name__ == "__main__":
    sys.exit(main())
