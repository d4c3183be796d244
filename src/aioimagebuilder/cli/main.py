"""The edge to the process: streams that show anything, and an exit code for whatever happened."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence

__all__ = ["main"]

# Spelled out, since `exit_codes` imports more than the help needs.
_USAGE = 2
_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line, and get the exit code."""
    try:
        import click  # noqa: PLC0415 - an extra, and its absence is told in a sentence
    except ModuleNotFoundError:
        sys.stderr.write("The command line needs click and rich: pip install 'aioimagebuilder[cli]'\n")
        return _USAGE
    from .app import aioimagebuilder  # noqa: PLC0415 - it imports click

    _let_streams_show_anything()
    try:
        code = aioimagebuilder.main(arguments, prog_name="aioimagebuilder", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return _INTERRUPTED
    return int(code or 0)


def _let_streams_show_anything() -> None:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
