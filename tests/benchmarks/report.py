"""The output of the benchmarks: tables, verdicts and JSON."""

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

__all__ = ["Verdict", "create_parser", "finish", "mean", "percentile", "print_table"]


@dataclass(frozen=True)
class Verdict:
    """A bound, and the measured value.

    Attributes:
        what: What is bounded.
        measured: The measured value.
        must: The bound that must be met.
        aim: A stricter bound to aim for, if there is one.
        unit: The unit, which is printed after the values.
    """

    what: str
    measured: float
    must: float
    aim: float | None = None
    unit: str = ""

    @property
    def is_met(self) -> bool:
        return self.measured <= self.must

    @property
    def text(self) -> str:
        if not self.is_met:
            return "not met"
        if self.aim is None:
            return "met"
        return "met, also the aim" if self.measured <= self.aim else "met, but not the aim"


def mean(values: Sequence[float]) -> float:
    """Return the mean; NaN without values."""
    return sum(values) / len(values) if values else math.nan


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that a `share` of `values` does not exceed; NaN without values."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, math.ceil(share * len(ranked)) - 1)] if ranked else math.nan


def create_parser(description: str | None) -> argparse.ArgumentParser:
    """Return a parser with the options of every benchmark."""
    parser = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    parser.add_argument("--json", metavar="FILE", type=Path, help="also write the results to this file")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a bound is not met")
    return parser


def print_table(title: str, rows: Sequence[dict[str, Any]]) -> None:
    """Print rows as a table with a header."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    cells = [[_formatted(row.get(name, "")) for name in names] for row in rows]
    widths = [max(len(name), *(len(each[at]) for each in cells)) for at, name in enumerate(names)]
    print(f"\n{title}")
    for line in (names, *cells):
        left = line[0].ljust(widths[0])
        print(
            "  ".join([left, *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True))])
        )
    sys.stdout.flush()


def print_verdicts(verdicts: Sequence[Verdict]) -> None:
    """Print each bound, the measured value, and whether the bound is met."""
    rows = [
        {
            "bound": each.what,
            "measured": f"{_formatted(each.measured)}{each.unit}",
            "must": f"<= {_formatted(each.must)}{each.unit}",
            "aim": "" if each.aim is None else f"<= {_formatted(each.aim)}{each.unit}",
            "verdict": each.text,
        }
        for each in verdicts
    ]
    if rows:
        print_table("bounds", rows)


def finish(parsed: argparse.Namespace, results: dict[str, Any], verdicts: Sequence[Verdict]) -> int:
    """Print the verdicts, write the JSON, and return the exit code."""
    print_verdicts(verdicts)
    if parsed.json is not None:
        rows = [{**asdict(each), "is_met": each.is_met, "verdict": each.text} for each in verdicts]
        document = {"machine": _machine(), **results, "verdicts": rows}
        parsed.json.write_text(json.dumps(document, indent=1) + "\n")
    return 1 if parsed.check and not all(each.is_met for each in verdicts) else 0


def _formatted(value: object) -> str:
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
