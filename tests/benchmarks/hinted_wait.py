"""A wait of forty minutes with and without push hints: its calls, and how late it sees the end.

On virtual time, many waits of one client, one after the other. The first of them also proves the hints. The
delay of the events is taken off the lateness.

    python tests/benchmarks/hinted_wait.py [--json FILE]
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import report
from report import Verdict

sys.path.append(str(Path(__file__).resolve().parents[1]))
from aioimagebuilder import ImageBuilder, SqsHints
from support.scripted_queue import URL, ScriptedQueue
from support.scripted_service import ScriptedService
from support.virtual_time import run_virtually

_STATES = ((0, "PENDING"), (20, "BUILDING"), (1500, "TESTING"), (2100, "DISTRIBUTING"), (2400, "AVAILABLE"))
_DURATION = 2400
_EVENT_DELAY = 0.5


async def _measure(waits: int, *, has_hints: bool) -> dict[str, Any]:
    service = ScriptedService()
    queue = ScriptedQueue(service)
    hints = SqsHints(URL, client=queue) if has_hints else None
    calls, lateness = [], []
    async with ImageBuilder(client=service, hints=hints) as ib:
        for number in range(1, waits + 1):
            started = service.now
            arn = service.image(*((started + at, status) for at, status in _STATES), number=number)
            queue.announce(arn, _EVENT_DELAY)
            before = len(service.calls)
            await ib.wait(arn, timeout=None)
            calls.append(len(service.calls) - before)
            lateness.append(service.now - started - _DURATION - (_EVENT_DELAY if has_hints else 0))
    return {
        "hints": "yes" if has_hints else "no",
        "waits": waits,
        "calls": report.mean(calls),
        "calls of the first": calls[0],
        "range": f"{min(calls)}-{max(calls)}",
        "mean lateness s": report.mean(lateness),
        "maximum s": max(lateness),
        "calls to SQS": len(queue.calls) / waits,
    }


def main() -> int:
    """Measure both, print the table, and return the exit code."""
    parser = report.create_parser(__doc__)
    parser.add_argument("--waits", type=int, default=100, help="the number of waits of each client")
    parsed = parser.parse_args()
    rows = [
        run_virtually("asyncio", lambda each=each: _measure(parsed.waits, has_hints=each))
        for each in (False, True)
    ]
    report.print_table("a wait of 40 minutes, with and without push hints", rows)
    verdicts = [
        Verdict("calls of a wait of 40 minutes with hints", rows[1]["calls"], 20),
        Verdict("its mean lateness beyond that of the event", rows[1]["mean lateness s"], 1, unit=" s"),
    ]
    return report.finish(parsed, {"waits": rows}, verdicts)


if __name__ == "__main__":
    sys.exit(main())
