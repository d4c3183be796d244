"""Output for GitHub Actions: log groups, annotations and the job summary."""

from __future__ import annotations

import html
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ..render.escaping import escape_markdown

END_GROUP: Final = "::endgroup::"


def is_running() -> bool:
    """Return whether this process runs in a GitHub Actions job."""
    return os.environ.get("GITHUB_ACTIONS") == "true"


def format_group(title: str) -> str:
    """Return the command that starts a log group, which is collapsed in the log."""
    return f"::group::{_escape_data(title)}"


def format_error(title: str, message: str) -> str:
    """Return the command that adds an error annotation; `message` may have several lines."""
    return f"::error title={_escape_property(title)}::{_escape_data(message)}"


def append_to_summary(markdown: str) -> None:
    """Append to the job summary, if there is one.

    Raises:
        OSError: it cannot be written.
    """
    if path := os.environ.get("GITHUB_STEP_SUMMARY"):
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(f"{markdown}\n")


def format_table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table of untrusted text."""
    lines = [f"### {escape_markdown(title)}", "", _row(header), f"|{' --- |' * len(header)}"]
    return "\n".join([*lines, *map(_row, rows), ""])


def format_preformatted(lines: Sequence[str]) -> str:
    """Return untrusted lines as a preformatted block of Markdown."""
    text = "\n".join(lines)
    return f"<pre>{html.escape(text)}</pre>\n"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(escape_markdown, cells))} |"


# The escaping follows packages/core/src/command.ts of https://github.com/actions/toolkit.
def _escape_data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escape_property(text: str) -> str:
    return _escape_data(text).replace(":", "%3A").replace(",", "%2C")
