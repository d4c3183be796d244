"""The number of calls for many waits, and the lateness of their results, compared with other waiters.

Every peer of a scenario has the same workload, and a server of its own with the same rate limit. The lateness
of a result is the time from the end of the execution to the return of the wait.

    python tests/benchmarks/herd.py                  # everything, in about seven minutes
    python tests/benchmarks/herd.py --quick          # only this library and the ideal loops
    python tests/benchmarks/herd.py --only herd --quick --json herd.json
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import report
import server
from report import Verdict
from smithy_backoff import polls_by_smithy
from workloads import Spec, Workload

_PEERS = str(Path(__file__).with_name("peers.py"))
_WAITERS = ("aiobotocore waiter, legacy", "aiobotocore waiter, standard")
_IMAGE_WAITERS = ("ImageAvailable waiter, legacy", "ImageAvailable waiter, standard")
_LOOP = "tenacity loop"
_ORDER = ("ours", "oracle", "get_image_in_turn", "image_pages", *_WAITERS, *_IMAGE_WAITERS, _LOOP)
# Each needs about two thirds of a core, including its server.
_CONCURRENT_HEAVY_PEERS = 2

Row = dict[str, Any]
Rows = dict[str, Row]


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A workload, and the peers that wait for it.

    Attributes:
        title: A description.
        spec: The workload.
        light: Peers with little CPU, which may run at the same time.
        long: Light peers that take long, and are omitted by --quick.
        heavy: Peers with much CPU: at most two run at the same time, and --quick omits them.
        judge: Returns the verdicts.
    """

    title: str
    spec: Spec
    light: tuple[str, ...]
    long: tuple[str, ...] = ()
    heavy: tuple[str, ...] = ()
    judge: Callable[[Scenario, Rows], list[Verdict]] = lambda _, __: []


def _judge_herd(_: Scenario, rows: Rows, max_lateness: float = 1.15) -> list[Verdict]:
    ours, oracle = rows["ours"], rows["oracle"]
    lateness = ours["mean lateness s"] / oracle["mean lateness s"]
    return [
        Verdict("calls, relative to the oracle", ours["calls"] / oracle["calls"], 1.15, unit=" x"),
        Verdict("throttled calls", ours["throttled %"], 6.0, 2.0, " %"),
        Verdict("mean lateness, relative to the oracle", lateness, max_lateness, unit=" x"),
        Verdict("failed waits", ours["failed"], 0),
    ]


def _judge_unlisted(
    _: Scenario, rows: Rows, max_lateness: float = 1.5, aim: float | None = 1.3
) -> list[Verdict]:
    ours, oracle = rows["ours"], rows["oracle"]
    lateness = ours["mean lateness s"] / oracle["mean lateness s"]
    # The oracle knows the image of each execution, which takes one Get for each image to find.
    return [
        Verdict("mean lateness, relative to the oracle", lateness, max_lateness, aim, " x"),
        Verdict("failed waits", ours["failed"], 0),
    ]


def _judge_images(_: Scenario, rows: Rows) -> list[Verdict]:
    ours, in_turn = rows["ours"], rows["get_image_in_turn"]
    lateness = ours["mean lateness s"] / in_turn["mean lateness s"]
    # Lists find the ends, and one GetImage reads each of them whole: images that end together wait for their
    # turn, as in a loop that reads nothing but GetImage.
    return [
        Verdict("calls, relative to get_image_in_turn", ours["calls"] / in_turn["calls"], 1.05, unit=" x"),
        Verdict("mean lateness, relative to get_image_in_turn", lateness, 1.0, unit=" x"),
        Verdict("failed waits", ours["failed"], 0),
    ]


def _judge_single(scenario: Scenario, rows: Rows) -> list[Verdict]:
    spec = scenario.spec
    (end,) = Workload(spec).ends().values()
    expected = polls_by_smithy(end, spec.min_delay, spec.max_delay)
    calls = rows["ours"]["calls"] / max(expected)
    return [Verdict("calls, relative to the maximum by Smithy's backoff", calls, 1, unit=" x")]


_HERD = Spec(images=100)
_IMAGES = Spec(images=500, executions_per_image=1, awaited="images")
_SINGLE = Spec(images=1, awaited="one_each", min_duration=30, max_duration=30)
SCENARIOS = {
    "herd": Scenario(
        title="1000 executions of 100 images, in random order",
        spec=_HERD,
        light=("ours", "oracle"),
        long=(_LOOP,),
        heavy=_WAITERS,
        judge=_judge_herd,
    ),
    "herd-grouped": Scenario(
        title="1000 executions of 100 images, image by image",
        spec=replace(_HERD, is_grouped=True),
        light=("ours", "oracle"),
        judge=_judge_herd,
    ),
    "herd-in-a-crowd": Scenario(
        title="1000 executions of 100 images among 100 other images, listed in random order",
        spec=replace(_HERD, unrelated_images=100, list_order="random"),
        light=("ours", "oracle"),
        # The oracle knows the image of each execution. Finding them takes a quarter of the calls.
        judge=partial(_judge_herd, max_lateness=1.75),
    ),
    "herd-without-list": Scenario(
        title="1000 executions of 100 images, which cannot be listed: a Get finds each image",
        spec=replace(_HERD, denies_list=True),
        light=("ours", "oracle"),
        judge=_judge_unlisted,
    ),
    "herd-without-list-200": Scenario(
        title="2000 executions of 200 images, which cannot be listed",
        spec=replace(_HERD, images=200, denies_list=True),
        light=("ours", "oracle"),
        # The Gets take 20 s, and half of the executions end within 25 s.
        judge=partial(_judge_unlisted, max_lateness=2.2, aim=None),
    ),
    "images": Scenario(
        title="500 images with different names",
        spec=_IMAGES,
        light=("ours", "get_image_in_turn", "image_pages"),
        heavy=_IMAGE_WAITERS,
        judge=_judge_images,
    ),
    "images-of-one-version": Scenario(
        title="500 builds of one image version",
        spec=replace(_IMAGES, one_version=True),
        light=("ours", "image_pages"),
    ),
    "one-each": Scenario(
        title="200 executions, each of a different image",
        spec=Spec(images=200, awaited="one_each"),
        light=("ours", "oracle"),
    ),
    "single": Scenario(
        title="one execution",
        spec=_SINGLE,
        light=("ours", "oracle", *_WAITERS, _LOOP),
        judge=_judge_single,
    ),
    "single-image": Scenario(
        title="one image",
        spec=replace(_SINGLE, awaited="images"),
        light=("ours", "get_image_in_turn", *_IMAGE_WAITERS),
        judge=_judge_single,
    ),
}


def run_peer(name: str, spec: Spec) -> Row:
    """Run one peer, and return its row."""
    with server.run_server(spec) as url:
        command = [sys.executable, _PEERS, name, url, spec.dumps()]
        process = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        stats = server.get_stats(url)
    result = json.loads(process.stdout)
    if stats["started"] is None:
        raise RuntimeError(f"{name} made no call: {list(result['failures'].values())[:1]}")
    ends = {each: stats["started"] + end for each, end in Workload(spec).ends().items()}
    lateness = [at - ends[each] for each, at in result["ended_at"].items()]
    calls = sum(count for each in stats["calls"].values() for count in each.values())
    throttled = sum(each.get("429", 0) for each in stats["calls"].values())
    return {
        "waiter": name,
        "calls": calls,
        "throttled %": 100 * throttled / calls,
        "mean lateness s": report.mean(lateness),
        "p95 lateness s": report.percentile(lateness, 0.95),
        "max lateness s": max(lateness, default=math.nan),
        # A result from before the end is wrong.
        "failed": len(ends) - sum(each >= 0 for each in lateness),
        "CPU s": result["cpu"],
        "peak MiB": result["peak_bytes"] / 2**20,
        "run s": max(result["ended_at"].values(), default=math.nan) - stats["started"],
        "_operations": stats["calls"],
        "_server CPU s": stats["server_cpu"],
        "_failures": sorted(set(result["failures"].values()))[:5],
    }


def _run_all(names: Iterable[str], *, is_quick: bool, jobs: int) -> dict[str, list[Row]]:
    """Run the peers of these scenarios, several at a time, and return their rows."""
    scenarios = [(name, SCENARIOS[name]) for name in names]
    light = [(name, peer) for name, each in scenarios for peer in each.long if not is_quick]
    light += [(name, peer) for name, each in scenarios for peer in each.light]
    heavy = [(name, peer) for name, each in scenarios for peer in each.heavy if not is_quick]
    rows: dict[str, list[Row]] = {name: [] for name, _ in scenarios}

    def run(task: tuple[str, str]) -> Row:
        name, peer = task
        row = run_peer(peer, SCENARIOS[name].spec)
        print(f"  {name}: {peer}: {row['run s']:.0f} s", file=sys.stderr, flush=True)
        return row

    for tasks, workers in ((light, jobs), (heavy, _CONCURRENT_HEAVY_PEERS)):
        with ThreadPoolExecutor(workers) as pool:
            for (name, _), row in zip(tasks, pool.map(run, tasks), strict=True):
                rows[name].append(row)
    for each in rows.values():
        each.sort(key=lambda row: _ORDER.index(row["waiter"]))
    return rows


def _print_scenario(name: str, rows: list[Row]) -> None:
    spec = SCENARIOS[name].spec
    report.print_table(
        f"{name}: {SCENARIOS[name].title}; {spec.rate:g} calls/s, burst {spec.burst:g}",
        [{key: value for key, value in row.items() if not key.startswith("_")} for row in rows],
    )
    for row in rows:
        operations = "; ".join(
            f"{operation} {each.get('200', 0)}" + (f" + {each['429']} throttled" if "429" in each else "")
            for operation, each in row["_operations"].items()
        )
        print(f"  {row['waiter']}: {operations}")
        for failure in row["_failures"]:
            print(f"    failed: {failure}")
    sys.stdout.flush()


def main() -> int:
    """Run the scenarios, print the tables, and return the exit code."""
    parser = report.create_parser(__doc__)
    parser.add_argument("--quick", action="store_true", help="only this library and the ideal loops")
    parser.add_argument("--only", choices=SCENARIOS, action="append", help="only this scenario; repeatable")
    parser.add_argument("--jobs", type=int, default=5, help="the number of light peers at the same time")
    parsed = parser.parse_args()
    results = _run_all(parsed.only or SCENARIOS, is_quick=parsed.quick, jobs=parsed.jobs)
    verdicts: list[Verdict] = []
    for name, rows in results.items():
        _print_scenario(name, rows)
        judged = SCENARIOS[name].judge(SCENARIOS[name], {row["waiter"]: row for row in rows})
        verdicts += [replace(each, what=f"{name}: {each.what}") for each in judged]
    specs = {name: asdict(SCENARIOS[name].spec) for name in results}
    return report.finish(parsed, {"scenarios": results, "specs": specs}, verdicts)


if __name__ == "__main__":
    sys.exit(main())
