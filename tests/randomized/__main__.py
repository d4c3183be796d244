"""Run random scenarios, and report those that violate an invariant. See `make randomized`.

PYTHONPATH=tests python -m randomized [--number 1000] [--first 0] [--backend asyncio|trio]
PYTHONPATH=tests python -m randomized --seed 42 [--backend asyncio|trio]
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
from collections import Counter

from randomized.invariants import violations
from randomized.runner import History, replay_command, run_scenario

# Every scenario with such a seed runs twice, the second time with a wall clock that jumps.
_REPEAT_EVERY = 20
_COLLECT_GARBAGE_EVERY = 5
_MAXIMUM_SHOWN = 5


def main() -> int:
    """Run the scenarios given on the command line, and return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--number", type=int, default=1000, help="the number of scenarios")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--seed", type=int, help="run only this scenario, and describe it")
    parser.add_argument("--backend", choices=("asyncio", "trio"), default="asyncio")
    arguments = parser.parse_args()
    if arguments.seed is not None:
        return _run_one(arguments.seed, arguments.backend)
    return _run_many(range(arguments.first, arguments.first + arguments.number), arguments.backend)


def _run_many(seeds: range, backend: str) -> int:
    started, cpu_before = time.perf_counter(), time.process_time()
    broken = waits = calls = 0
    outcomes: Counter[str] = Counter()
    # A scenario frees all of its objects at once, so collections while it runs only cost time.
    gc.disable()
    # What the first scenario imports stays, and need not be searched for garbage again.
    run_scenario(seeds.start, backend)
    gc.collect()
    gc.freeze()
    for seed in seeds:
        histories, found = _check(seed, backend)
        if found:
            broken += 1
            print(f"seed {seed}: {replay_command(seed, backend)}")
            print(*(f"    {violation}" for violation in found[:_MAXIMUM_SHOWN]), sep="\n", flush=True)
        waits += sum(history.wait_count for history in histories)
        calls += sum(len(history.calls) for history in histories)
        outcomes.update(histories[0].outcomes)
        if seed % _COLLECT_GARBAGE_EVERY == 0:
            gc.collect()
    elapsed, cpu = time.perf_counter() - started, time.process_time() - cpu_before
    print(
        f"{len(seeds):,} scenarios on {backend}, {broken} broken: {waits:,} waits, "
        f"{calls:,} calls in {elapsed:.1f} s ({cpu:.1f} s of CPU): "
        f"{len(seeds) / cpu:,.0f} scenarios/s, {waits / cpu:,.0f} waits/s on one core"
    )
    print("  ended with:", ", ".join(f"{count:,} {name}" for name, count in outcomes.most_common()))
    return 1 if broken else 0


def _run_one(seed: int, backend: str) -> int:
    (history, *_), found = _check(seed, backend)
    scenario = history.scenario
    print(
        f"seed {seed} on {backend}: {len(scenario.executions)} executions, "
        f"{len(scenario.waiters)} waiters, {history.wait_count} waits, {len(history.calls)} calls, "
        f"trace {history.trace[:16]}"
    )
    for fault in scenario.faults:
        print(f"  {fault}")
    counts = Counter((call.operation, call.error or "answered") for call in history.calls)
    for (operation, result), count in counts.most_common():
        print(f"  {count:6} {operation}: {result}")
    print(*(found or ["all invariants hold"]), sep="\n")
    return 1 if found else 0


def _check(seed: int, backend: str) -> tuple[list[History], list[str]]:
    """Run a scenario, some of them twice, and return the histories and the violations."""
    histories = [run_scenario(seed, backend)]
    found = violations(histories[0])
    if seed % _REPEAT_EVERY == 0:
        histories.append(run_scenario(seed, backend, wall_clock_jumps=True))
        if histories[1].trace != histories[0].trace:
            found.append("a second run had a different trace")
    return histories, found


if __name__ == "__main__":
    sys.exit(main())
