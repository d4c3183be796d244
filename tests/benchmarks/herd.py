"""The herd: how many calls a thousand waits cost, and how late their answers come, ours beside others.

Every peer of a scenario gets the same work, from the same seed, of a server of its own under the same limit.
Lateness of an answer: the time at which the wait returned, less the time at which the execution ended.

    python tests/benchmarks/herd.py                  # everything: some six minutes
    python tests/benchmarks/herd.py --quick          # ours and the oracles only
    python tests/benchmarks/herd.py --only herd --quick --json herd.json
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import report
import server
from report import Verdict
from smithy_law import polls_by_law
from workloads import Herd, Spec

_PEERS = str(Path(__file__).with_name("peers.py"))
_WAITERS = ("aiobotocore waiter, legacy", "aiobotocore waiter, standard")
_LOOP = "tenacity loop"
_ORDER = ("ours", "oracle", "get_image_in_turn", "image_pages", *_WAITERS, _LOOP)
# Each takes some two thirds of a core, its server included.
_HEAVY_AT_ONCE = 2

Row = dict[str, Any]
Rows = dict[str, Row]


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One piece of work, and who does it.

    Attributes:
        title: what it is.
        spec: the work.
        light: peers that leave the machine idle, so that they may run at the same time.
        long: light too, but so long that they are left out when it must be quick.
        heavy: peers that do not: two at most at the same time, and none when it must be quick.
        judge: the bounds.
    """

    title: str
    spec: Spec
    light: tuple[str, ...]
    long: tuple[str, ...] = ()
    heavy: tuple[str, ...] = ()
    judge: Callable[[Scenario, Rows], list[Verdict]] = lambda _, __: []


def _judge_herd(_: Scenario, rows: Rows) -> list[Verdict]:
    mine, oracle = rows["ours"], rows["oracle"]
    return [
        Verdict("calls, of the oracle's", mine["calls"] / oracle["calls"], 1.5, 1.2, " x"),
        Verdict("throttled share", mine["throttled %"], 6.0, 2.0, " %"),
        Verdict(
            "mean lateness, of the oracle's", mine["mean late s"] / oracle["mean late s"], 1.5, 1.1, " x"
        ),
        Verdict("waits failed", mine["failed"], 0),
    ]


def _judge_images(_: Scenario, rows: Rows) -> list[Verdict]:
    mine, in_turn = rows["ours"], rows["get_image_in_turn"]
    ratio = mine["mean late s"] / in_turn["mean late s"]
    return [
        Verdict("mean lateness, of one GetImage per image in turn", ratio, 0.2, unit=" x"),
        Verdict("waits failed", mine["failed"], 0),
    ]


def _judge_single(scenario: Scenario, rows: Rows) -> list[Verdict]:
    spec = scenario.spec
    law = polls_by_law(spec.shortest, spec.min_delay, spec.max_delay)
    return [
        Verdict(
            "calls, of the most that the Smithy law gives", rows["ours"]["calls"] / max(law), 1, unit=" x"
        )
    ]


_HERD = Spec(images=100)
_IMAGES = Spec(images=500, executions_per_image=1, waited="images")
SCENARIOS = {
    "herd": Scenario(
        title="1000 executions of 100 images, in no order",
        spec=_HERD,
        light=("ours", "oracle"),
        long=(_LOOP,),
        heavy=_WAITERS,
        judge=_judge_herd,
    ),
    "herd-grouped": Scenario(
        title="1000 executions of 100 images, image by image",
        spec=replace(_HERD, grouped=True),
        light=("ours", "oracle"),
        judge=_judge_herd,
    ),
    "herd-in-a-crowd": Scenario(
        title="the same among 100 images that nobody waits for, listed in no order",
        spec=replace(_HERD, strangers=100, listed="in no order"),
        light=("ours", "oracle"),
        judge=_judge_herd,
    ),
    "images": Scenario(
        title="500 images of as many names",
        spec=_IMAGES,
        light=("ours", "get_image_in_turn", "image_pages"),
        judge=_judge_images,
    ),
    "images-of-one-version": Scenario(
        title="500 builds of one image version",
        spec=replace(_IMAGES, one_version=True),
        light=("ours", "image_pages"),
    ),
    "one-each": Scenario(
        title="200 executions, each of another image",
        spec=Spec(images=200, waited="one_each"),
        light=("ours", "oracle"),
    ),
    "single": Scenario(
        title="one single wait",
        spec=Spec(images=1, waited="one_each", shortest=30, longest=30),
        light=("ours", "oracle", *_WAITERS, _LOOP),
        judge=_judge_single,
    ),
}


def run_peer(name: str, spec: Spec) -> Row:
    """Let one peer wait for its herd, and sum up."""
    with server.running(spec) as url:
        done = subprocess.run(
            [sys.executable, _PEERS, name, url, spec.dumps()], stdout=subprocess.PIPE, text=True, check=True
        )
        counted = server.stats(url)
    result = json.loads(done.stdout)
    if counted["started"] is None:
        raise RuntimeError(f"{name} made no call: {list(result['failures'].values())[:1]}")
    ends = {waited: counted["started"] + end for waited, end in Herd(spec).ends().items()}
    late = [at - ends[waited] for waited, at in result["at"].items()]
    calls = sum(count for each in counted["calls"].values() for count in each.values())
    throttled = sum(each.get("429", 0) for each in counted["calls"].values())
    return {
        "waiter": name,
        "calls": calls,
        "throttled %": 100 * throttled / calls,
        "mean late s": report.mean(late),
        "p95 late s": report.percentile(late, 0.95),
        "worst s": max(late, default=0.0),
        # An answer from before the end would be a wrong one.
        "failed": len(ends) - sum(each >= 0 for each in late),
        "CPU s": result["cpu"],
        "peak MiB": result["peak_bytes"] / 2**20,
        "run s": max(result["at"].values(), default=0.0) - counted["started"],
        "_operations": counted["calls"],
        "_server CPU s": counted["server_cpu"],
        "_failures": sorted(set(result["failures"].values()))[:5],
    }


def _run_all(names: Iterable[str], *, is_quick: bool, jobs: int) -> dict[str, list[Row]]:
    """Run the peers of all these scenarios, several at a time, and get their rows."""
    scenarios = [(name, SCENARIOS[name]) for name in names]
    light = [(name, peer) for name, each in scenarios for peer in each.long if not is_quick]
    light += [(name, peer) for name, each in scenarios for peer in each.light]
    heavy = [(name, peer) for name, each in scenarios for peer in each.heavy if not is_quick]
    found: dict[str, list[Row]] = {name: [] for name, _ in scenarios}

    def run(work: tuple[str, str]) -> Row:
        name, peer = work
        row = run_peer(peer, SCENARIOS[name].spec)
        print(f"  {name}: {peer}: {row['run s']:.0f} s", file=sys.stderr, flush=True)
        return row

    for works, at_once in ((light, jobs), (heavy, _HEAVY_AT_ONCE)):
        with ThreadPoolExecutor(at_once) as pool:
            for (name, _), row in zip(works, pool.map(run, works), strict=True):
                found[name].append(row)
    for rows in found.values():
        rows.sort(key=lambda row: _ORDER.index(row["waiter"]))
    return found


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
    """Run what was asked for."""
    parser = report.options(__doc__)
    parser.add_argument("--quick", action="store_true", help="ours and the oracles only")
    parser.add_argument("--only", choices=SCENARIOS, action="append", help="this scenario; may be repeated")
    parser.add_argument("--jobs", type=int, default=5, help="light peers that run at the same time")
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
