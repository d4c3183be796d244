"""Output for GitHub Actions: log groups, annotations, the job summary and outputs of the step."""

from __future__ import annotations

import html
import os
import uuid
from collections.abc import Mapping, Sequence
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
    _append("GITHUB_STEP_SUMMARY", f"{markdown}\n")


def set_outputs(outputs: Mapping[str, str]) -> None:
    """Set outputs of the step, if there is a file for them. Values may be any text.

    Raises:
        OSError: they cannot be written.
    """
    # A value ends at its delimiter, which no value can contain, since it is random.
    delimiter = f"ghadelimiter_{uuid.uuid4()}"
    texts = [f"{name}<<{delimiter}\n{value}\n{delimiter}\n" for name, value in outputs.items()]
    _append("GITHUB_OUTPUT", "".join(texts))


def _append(variable: str, text: str) -> None:
    if path := os.environ.get(variable):
        with Path(path).open("a", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
            file.write(text)


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
