"""``completion``: the script that completes commands and options in a shell."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from ..exit_codes import ExitCode

__all__ = ["completion"]


def completion(*, shell: str) -> ExitCode:
    """Print the script, and get the exit code."""
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"click completes nothing in {shell}.")
    program = click.get_current_context().find_root()
    script = kind(program.command, {}, program.info_name or "", "_AIOIMAGEBUILDER_COMPLETE").source()
    click.echo(script)
    return ExitCode.SUCCEEDED
