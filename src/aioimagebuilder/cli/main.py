"""The entry point: prepares the standard streams and maps exceptions to exit codes."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence

# Repeated here because importing `exit_codes` would slow down the help.
_USAGE = 2
_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    try:
        import click  # noqa: PLC0415 - an optional dependency
    except ModuleNotFoundError:
        sys.stderr.write("The command line needs click and rich: pip install 'aioimagebuilder[cli]'\n")
        return _USAGE
    from .app import aioimagebuilder  # noqa: PLC0415 - it imports click

    _escape_unencodable_characters()
    try:
        code = aioimagebuilder.main(arguments, prog_name="aioimagebuilder", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return _INTERRUPTED
    return int(code or 0)


def _escape_unencodable_characters() -> None:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
