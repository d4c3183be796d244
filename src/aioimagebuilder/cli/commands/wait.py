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
from ..runtime.run import Invocation, run
from ..runtime.wait import WaitResult, check_options, emit_result, finish, wait_for_result


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
    check_options(options, ids)
    return run(partial(_wait, ids, options, connection, fail_fast=fail_fast), display, options)


async def _wait(
    ids: Sequence[str],
    options: WaitOptions,
    connection: Connection,
    invocation: Invocation,
    *,
    fail_fast: bool,
) -> ExitCode:
    title = f"Waiting for {len(ids)} executions" if len(ids) > 1 else f"Waiting for {ids[0]}"
    invocation.begin_wait(ids, title)
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
    """Return the ids in the arguments, and those on standard input if it is to be read.

    Raises:
        click.UsageError: standard input cannot be read.
    """
    ids = [each for each in arguments if each != "-"]
    if "-" in arguments or (not arguments and not sys.stdin.isatty()):
        try:
            ids += sys.stdin.read().split()
        except OSError as error:
            message = f"Standard input cannot be read: {error.strerror}. Pass IDs as arguments."
            raise click.UsageError(message) from None
        except UnicodeDecodeError:
            raise click.UsageError("Standard input is not text. Pass IDs, separated by blanks.") from None
    return ids
