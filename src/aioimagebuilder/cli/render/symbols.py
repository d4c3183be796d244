"""The signs and colors that stand for what became of something, with and without Unicode."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ...models.executions import Execution
from ...models.statuses import Outcome

__all__ = ["ASCII", "UNICODE", "Symbols", "style_of", "symbols_for"]


@dataclass(frozen=True)
class Symbols:
    """Signs of one character."""

    succeeded: str
    failed: str
    cancelled: str
    skipped: str
    pending: str
    waiting: str
    running: tuple[str, ...]
    bar: str
    ellipsis: str

    def of(self, execution: Execution, *, waits: bool = False, beat: int = 0) -> str:
        """Get the sign of an execution; that of one which runs moves with `beat`."""
        if execution.outcome is not None:
            return {
                Outcome.SUCCEEDED: self.succeeded,
                Outcome.FAILED: self.failed,
                Outcome.CANCELLED: self.cancelled,
                Outcome.SKIPPED: self.skipped,
            }[execution.outcome]
        if waits:
            return self.waiting
        if execution.status is None or execution.status == "PENDING":
            return self.pending
        return self.running[beat % len(self.running)]


UNICODE: Final = Symbols(
    succeeded="✓",
    failed="✗",
    cancelled="⊘",
    skipped="-",
    pending="·",
    waiting="?",
    running=("⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"),
    bar="█",
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
    ellipsis="...",
)

_STYLES: Final = {
    Outcome.SUCCEEDED: "green",
    Outcome.FAILED: "bold red",
    Outcome.CANCELLED: "yellow",
    Outcome.SKIPPED: "dim",
}


def symbols_for(encoding: str | None) -> Symbols:
    """Get the signs that a stream of this encoding can show."""
    try:
        "".join((UNICODE.succeeded, *UNICODE.running, UNICODE.bar, UNICODE.ellipsis)).encode(
            encoding or "ascii"
        )
    except (LookupError, UnicodeEncodeError):
        return ASCII
    return UNICODE


def style_of(execution: Execution, *, waits: bool = False) -> str:
    """Get rich's name for the style of an execution."""
    if execution.outcome is not None:
        return _STYLES[execution.outcome]
    if waits:
        return "bold magenta"
    return "dim" if execution.status is None or execution.status == "PENDING" else "cyan"
