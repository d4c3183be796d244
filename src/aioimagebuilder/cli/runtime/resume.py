"""The command that goes on where an interrupted one stopped."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

import click

__all__ = ["resuming_command"]

_PROGRAM = "aioimagebuilder"


def resuming_command(command: str, identifiers: Iterable[str]) -> str:
    """Get the command line that waits on for these, with the options that were given to this one.

    Args:
        command: the command that resumes it.
        identifiers: what is waited for.
    """
    context = click.get_current_context()
    root = context.find_root().command
    target = root.get_command(context, command) if isinstance(root, click.Group) else None
    known = {param.name for param in (target.params if target else ())}
    words = [_PROGRAM, command]
    for param in context.command.params:
        said = context.get_parameter_source(param.name or "")
        is_said = said is click.core.ParameterSource.COMMANDLINE
        if isinstance(param, click.Option) and is_said and param.name in known:
            words.append(param.opts[0])
            if not param.is_flag:
                words.append(_written(param, context.params[param.name or ""]))
    return shlex.join([*words, *identifiers])


def _written(param: click.Option, value: object) -> str:
    # Durations have become seconds, and the absent one was written "none".
    if isinstance(value, float) and param.type is click.STRING:
        return f"{value:g}s"
    return "none" if value is None else str(value)
