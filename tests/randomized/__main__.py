"""Runs many worlds, and tells of each in which something does not hold; see `make randomized`.

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
from randomized.runner import History, replay_command, run_world

# One in so many worlds runs a second time, under a wall clock that jumps: the trace must be the same.
_REPEATED = 20
# Garbage is collected after so many.
_COLLECTED = 5
_SHOWN = 5


def main() -> int:
    """Run the worlds that the command line names, and print what they held."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--number", type=int, default=1000, help="how many worlds")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--seed", type=int, help="one world alone, told at length")
    parser.add_argument("--backend", choices=("asyncio", "trio"), default="asyncio")
    parsed = parser.parse_args()
    if parsed.seed is not None:
        return _tell(parsed.seed, parsed.backend)
    return _run_many(range(parsed.first, parsed.first + parsed.number), parsed.backend)


def _run_many(seeds: range, backend: str) -> int:
    began, cpu = time.perf_counter(), time.process_time()
    totals: Counter[str] = Counter()
    # What a world leaves is garbage all at once, so it is collected after some, not in them.
    gc.disable()
    # What a world is the first to import need not be looked through for garbage ever after.
    run_world(seeds.start, backend)
    gc.collect()
    gc.freeze()
    for seed in seeds:
        history = run_world(seed, backend)
        broken = violations(history)
        if seed % _REPEATED == 0:
            again = run_world(seed, backend, wall_clock_jumps=True)
            totals.update(waits=again.waits, calls=len(again.calls))
            if again.trace != history.trace:
                broken.append("a second run went otherwise")
        if broken:
            totals["broken"] += 1
            print(f"seed {seed}: {replay_command(seed, backend)}")
            print(*(f"    {each}" for each in broken[:_SHOWN]), sep="\n", flush=True)
        totals.update(worlds=1, waits=history.waits, calls=len(history.calls))
        totals.update(history.ends)
        if seed % _COLLECTED == 0:
            gc.collect()
    took, cpu = time.perf_counter() - began, time.process_time() - cpu
    print(
        f"{totals['worlds']:,} worlds on {backend}, {totals['broken']} broken: {totals['waits']:,} waits, "
        f"{totals['calls']:,} calls in {took:.1f} s ({cpu:.1f} s of CPU): "
        f"{totals['worlds'] / cpu:,.0f} worlds/s, {totals['waits'] / cpu:,.0f} waits/s on one core"
    )
    print("  ended:", ", ".join(f"{count:,} {name}" for name, count in history_ends(totals)))
    return 1 if totals["broken"] else 0


def history_ends(totals: Counter[str]) -> list[tuple[str, int]]:
    """Get how the waits ended, the most frequent first."""
    others = {"worlds", "waits", "calls", "broken"}
    return [(name, count) for name, count in totals.most_common() if name not in others]


def _tell(seed: int, backend: str) -> int:
    history = run_world(seed, backend)
    broken = violations(history)
    world = history.world
    print(
        f"seed {seed} on {backend}: {len(world.executions)} executions, {len(world.waiters)} waiters, "
        f"{history.waits} waits, {len(history.calls)} calls, trace {history.trace[:16]}"
    )
    for fault in world.faults:
        print(f"  {fault}")
    _tell_calls(history)
    print(*(broken or ["all invariants hold"]), sep="\n")
    return 1 if broken else 0


def _tell_calls(history: History) -> None:
    counted = Counter((call.operation, call.error or "answered") for call in history.calls)
    for (operation, error), count in counted.most_common():
        print(f"  {count:6} {operation}: {error}")


if __name__ == "__main__":
    sys.exit(main())
