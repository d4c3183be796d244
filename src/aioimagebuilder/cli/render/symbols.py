"""Symbols and colors for the status of an execution, with and without Unicode."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ...models.executions import Execution
from ...models.statuses import Outcome


@dataclass(frozen=True)
class Symbols:
    """A set of symbols, each one column wide; `running` holds the frames of an animation."""

    succeeded: str
    failed: str
    cancelled: str
    skipped: str
    pending: str
    waiting: str
    running: tuple[str, ...]
    bar: str
    light_bar: str
    ellipsis: str

    def of(self, execution: Execution, *, is_waiting: bool = False, frame: int = 0) -> str:
        """Return the symbol of an execution; `frame` animates a running one."""
        if execution.outcome is not None:
            return {
                Outcome.SUCCEEDED: self.succeeded,
                Outcome.FAILED: self.failed,
                Outcome.CANCELLED: self.cancelled,
                Outcome.SKIPPED: self.skipped,
            }[execution.outcome]
        if is_waiting:
            return self.waiting
        if execution.status is None or execution.status == "PENDING":
            return self.pending
        return self.running[frame % len(self.running)]


UNICODE: Final = Symbols(
    succeeded="✓",
    failed="✗",
    cancelled="⊘",
    skipped="-",
    pending="·",
    waiting="?",
    running=("⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"),
    bar="█",
    light_bar="░",
    ellipsis="…",
)
ASCII: Final = Symbols(
    succeeded="+",
    failed="x",
    cancelled="o",
    skipped="-",
    pending=".",
    waiting="?",
    running=("|", "/", "-", "\\"),
    bar="#",
    light_bar="-",
    ellipsis="...",
)

_STYLES: Final = {
    Outcome.SUCCEEDED: "green",
    Outcome.FAILED: "bold red",
    Outcome.CANCELLED: "yellow",
    Outcome.SKIPPED: "dim",
}


def symbols_for(encoding: str | None) -> Symbols:
    """Return the symbols that can be written in an encoding."""
    try:
        "".join(
            (UNICODE.succeeded, *UNICODE.running, UNICODE.bar, UNICODE.light_bar, UNICODE.ellipsis)
        ).encode(encoding or "ascii")
    except (LookupError, UnicodeEncodeError):
        return ASCII
    return UNICODE


def style_of(execution: Execution, *, is_waiting: bool = False) -> str:
    """Return the rich style of an execution."""
    if execution.outcome is not None:
        return _STYLES[execution.outcome]
    if is_waiting:
        return "bold magenta"
    return "dim" if execution.status is None or execution.status == "PENDING" else "cyan"
