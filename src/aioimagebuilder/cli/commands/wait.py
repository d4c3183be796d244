"""``wait``: waits for executions to end."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial

import anyio
import click

from ..exit_codes import ExitCode
from ..options import Connection, Display, WaitOptions
from ..runtime.connect import connect, parse_identifiers
from ..runtime.run import Invocation, resume_command, run
from ..runtime.wait import WaitResult, emit_result, finish, wait_for_result


def wait(
    *,
    identifiers: Sequence[str],
    fail_fast: bool,
    options: WaitOptions,
    connection: Connection,
    display: Display,
) -> ExitCode:
    """Wait for all executions and return the most severe exit code."""
    ids = parse_identifiers(_read_identifiers(identifiers))
    if not ids:
        raise click.UsageError("There is nothing to wait for. Pass an ID, or write IDs to standard input.")
    return run(partial(_wait, ids, options, connection, fail_fast=fail_fast), display, options)


async def _wait(
    ids: Sequence[str],
    options: WaitOptions,
    connection: Connection,
    invocation: Invocation,
    *,
    fail_fast: bool,
) -> ExitCode:
    invocation.resume_command = resume_command("wait", ids)
    invocation.begin_group(f"Waiting for {len(ids)} executions" if len(ids) > 1 else f"Waiting for {ids[0]}")
    results: list[WaitResult] = []

    async def wait_for(identifier: str) -> None:
        result = await wait_for_result(invocation, ib, identifier, options)
        results.append(result)
        emit_result(invocation, result, result.line)
        if fail_fast and result.exit_code != ExitCode.SUCCEEDED:
            tasks.cancel_scope.cancel()

    async with connect(connection, ids, options=options) as ib, anyio.create_task_group() as tasks:
        for each in ids:
            tasks.start_soon(wait_for, each)
    return finish(invocation, results)


def _read_identifiers(arguments: Sequence[str]) -> list[str]:
    """Return the ids in the arguments, and those on standard input if it is to be read."""
    ids = [each for each in arguments if each != "-"]
    if "-" in arguments or (not arguments and not sys.stdin.isatty()):
        ids += sys.stdin.read().split()
    return ids
