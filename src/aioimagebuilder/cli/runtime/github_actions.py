"""What GitHub Actions understands: groups in the log, annotations, and the summary of a job."""

from __future__ import annotations

import os
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Final

from ..render.escaping import escaped_in_markdown

__all__ = [
    "END_OF_GROUP",
    "append_to_summary",
    "error_annotation",
    "group",
    "is_running",
    "preformatted",
    "summary_table",
]

END_OF_GROUP: Final = "::endgroup::"


def is_running() -> bool:
    """Whether this process is a step of a GitHub Actions job."""
    return os.environ.get("GITHUB_ACTIONS") == "true"


def group(title: str) -> str:
    """Get the line that opens a group of the log, which is shown folded."""
    return f"::group::{_data(title)}"


def error_annotation(title: str, message: str) -> str:
    """Get the line that puts an error on the summary of the run.

    Args:
        title: one line.
        message: one or several lines.
    """
    return f"::error title={_property(title)}::{_data(message)}"


def append_to_summary(markdown: str) -> None:
    """Append to the summary of the job, if there is one."""
    if path := os.environ.get("GITHUB_STEP_SUMMARY"):
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(f"{markdown}\n")


def summary_table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Get a table in Markdown; all cells are untrusted."""
    lines = [f"### {escaped_in_markdown(title)}", "", _row(head), _row(["---"] * len(head), trusted=True)]
    return "\n".join([*lines, *map(_row, rows), ""])


def preformatted(lines: Sequence[str]) -> str:
    """Get lines in Markdown as they are; they are untrusted."""
    text = "\n".join(lines)
    return f"<pre>{escape(text)}</pre>\n"


def _row(cells: Sequence[str], *, trusted: bool = False) -> str:
    return f"| {' | '.join(cell if trusted else escaped_in_markdown(cell) for cell in cells)} |"


# As https://github.com/actions/toolkit (packages/core/src/command.ts) writes them.
def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
