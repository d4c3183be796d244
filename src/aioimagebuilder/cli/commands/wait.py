"""``wait``: blocks until all have ended."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial

import anyio
import click

from ..exit_codes import ExitCode
from ..options import Connection, Display, Waiting
from ..runtime.connect import connect, identify
from ..runtime.resume import resuming_command
from ..runtime.run import Invocation, run
from ..runtime.wait import Ending, await_ending, conclude, tell

__all__ = ["wait"]


def wait(
    *, identifiers: Sequence[str], fail_fast: bool, waiting: Waiting, connection: Connection, display: Display
) -> ExitCode:
    """Wait for all of them, and get the exit code of the gravest."""
    ids = identify(_named(identifiers))
    if not ids:
        raise click.UsageError("There is nothing to wait for: name an ID, or write IDs to standard input.")
    return run(partial(_wait, ids, waiting, connection, fail_fast=fail_fast), display, waiting)


async def _wait(
    ids: Sequence[str],
    waiting: Waiting,
    connection: Connection,
    invocation: Invocation,
    *,
    fail_fast: bool,
) -> ExitCode:
    invocation.resume = resuming_command("wait", ids)
    invocation.begin_group(f"Waiting for {len(ids)} executions" if len(ids) > 1 else f"Waiting for {ids[0]}")
    endings: list[Ending] = []

    async def wait_for(identifier: str) -> None:
        ending = await await_ending(invocation, ib, identifier, waiting)
        endings.append(ending)
        tell(invocation, ending, ending.line)
        if fail_fast and ending.exit_code != ExitCode.SUCCEEDED:
            tasks.cancel_scope.cancel()

    async with connect(connection, ids, waiting=waiting) as ib, anyio.create_task_group() as tasks:
        for each in ids:
            tasks.start_soon(wait_for, each)
    return conclude(invocation, endings)


def _named(identifiers: Sequence[str]) -> list[str]:
    """Get the ids of the arguments, and those of standard input where it is meant."""
    named = [each for each in identifiers if each != "-"]
    if "-" in identifiers or (not identifiers and not sys.stdin.isatty()):
        named += sys.stdin.read().split()
    return named
