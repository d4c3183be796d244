"""``wait``: waits for executions to end."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial

import anyio
import click

from ...models.identifiers import ResourceKind
from ..exit_codes import ExitCode
from ..options import Connection, Display, WaitOptions
from ..render.escaping import escape
from ..runtime.connect import connect, find_pipeline_arn, parse_identifier_or_name, parse_identifiers
from ..runtime.run import Invocation, run
from ..runtime.wait import (
    WaitResult,
    announce_image,
    check_options,
    deadline_of,
    emit_result,
    finish,
    wait_for_result,
    with_deadline,
)


def wait(
    *,
    identifiers: Sequence[str],
    next_of: str | None,
    fail_fast: bool,
    options: WaitOptions,
    connection: Connection,
    display: Display,
) -> ExitCode:
    """Wait for all executions, or for the next image of a pipeline; return the most severe exit code."""
    if next_of is not None:
        if identifiers:
            raise click.UsageError("Pass either IDs or --next PIPELINE: with --next, the ID is yet unknown.")
        pipeline = parse_identifier_or_name(next_of, ResourceKind.IMAGE_PIPELINE)
        check_options(options)
        return run(partial(_wait_for_next, pipeline, options, connection), display, options)
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


async def _wait_for_next(
    pipeline: str, options: WaitOptions, connection: Connection, invocation: Invocation
) -> ExitCode:
    deadline = deadline_of(options)
    invocation.interruption_note = "No new image was seen, and nothing was cancelled at AWS."
    invocation.reporter.idle_text = f"waiting for the next image of {escape(pipeline)}"
    arn = await find_pipeline_arn(connection, pipeline, deadline)
    async with connect(connection, [arn], options=options) as ib:
        async with ib.watch_pipeline(arn, timeout=with_deadline(options, deadline).timeout) as images:
            image = (await anext(images)).id
        invocation.begin_wait([image], f"Waiting for {image}")
        announce_image(invocation, image, arn)
        result = await wait_for_result(invocation, ib, image, with_deadline(options, deadline))
    emit_result(invocation, result, result.line)
    return finish(invocation, [result])


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
