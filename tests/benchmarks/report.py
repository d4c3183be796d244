"""What the benchmarks print: tables, verdicts, JSON."""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

__all__ = ["Verdict", "finish", "mean", "options", "percentile", "print_table"]


@dataclass(frozen=True)
class Verdict:
    """A bound, and what was measured.

    Attributes:
        what: what is bounded.
        measured: its value.
        must: the bound that must be kept.
        aim: the bound to go for, if it is another one.
        unit: what is printed after the values.
    """

    what: str
    measured: float
    must: float
    aim: float | None = None
    unit: str = ""

    @property
    def is_reached(self) -> bool:
        return self.measured <= self.must

    @property
    def word(self) -> str:
        if not self.is_reached:
            return "not reached"
        return (
            "reached" if self.aim is None else f"reached, aim {'too' if self.measured <= self.aim else 'not'}"
        )


def mean(values: Sequence[float]) -> float:
    """Get the mean; NaN of nothing."""
    return sum(values) / len(values) if values else math.nan


def percentile(values: Sequence[float], share: float) -> float:
    """Get the value that this share of `values` does not pass; NaN of nothing."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, math.ceil(share * len(ranked)) - 1)] if ranked else math.nan


def options(description: str | None) -> argparse.ArgumentParser:
    """Get a parser with what every benchmark takes."""
    parser = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the numbers there as well")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a bound is not reached")
    return parser


def print_table(title: str, rows: Sequence[dict[str, Any]]) -> None:
    """Print rows under their names."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    cells = [[_shown(row.get(name, "")) for name in names] for row in rows]
    widths = [max(len(name), *(len(each[at]) for each in cells)) for at, name in enumerate(names)]
    print(f"\n{title}")
    for line in (names, *cells):
        left = line[0].ljust(widths[0])
        print(
            "  ".join([left, *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True))])
        )
    sys.stdout.flush()


def print_verdicts(verdicts: Sequence[Verdict]) -> None:
    """Print each bound, what was measured, and whether it is kept."""
    rows = [
        {
            "bound": each.what,
            "measured": f"{_shown(each.measured)}{each.unit}",
            "must": f"<= {_shown(each.must)}{each.unit}",
            "aim": "" if each.aim is None else f"<= {_shown(each.aim)}{each.unit}",
            "verdict": each.word,
        }
        for each in verdicts
    ]
    if rows:
        print_table("bounds", rows)


def finish(parsed: argparse.Namespace, results: dict[str, Any], verdicts: Sequence[Verdict]) -> int:
    """Print the verdicts, write the JSON, and get the exit code."""
    print_verdicts(verdicts)
    if parsed.json is not None:
        told = [{**asdict(each), "is_reached": each.is_reached, "verdict": each.word} for each in verdicts]
        whole = {"machine": _machine(), **results, "verdicts": told}
        parsed.json.write_text(json.dumps(whole, indent=1) + "\n")
    return 1 if parsed.check and not all(each.is_reached for each in verdicts) else 0


def _shown(value: object) -> str:
    if not isinstance(value, float):
        return f"{value:,}" if isinstance(value, int) else str(value)
    if math.isnan(value):
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}" if abs(value) < 1 else f"{value:.2f}"


def _machine() -> dict[str, Any]:
    names = ("aioimagebuilder", "aiobotocore", "botocore", "aiohttp", "anyio", "tenacity")
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "versions": {name: version(name) for name in names},
    }
