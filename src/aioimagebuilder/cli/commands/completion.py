"""``completion``: prints a shell completion script."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from ..exit_codes import ExitCode


def completion(*, shell: str) -> ExitCode:
    """Print the script and return the exit code."""
    completion_class = get_completion_class(shell)
    if completion_class is None:
        raise click.UsageError(f"click does not support completion in {shell}.")
    root = click.get_current_context().find_root()
    script = completion_class(root.command, {}, root.info_name or "", "_AIOIMAGEBUILDER_COMPLETE").source()
    click.echo(script)
    return ExitCode.SUCCEEDED
