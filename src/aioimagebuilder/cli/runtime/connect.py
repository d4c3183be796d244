"""Opens the client that a command needs: account and region as the AWS CLI finds them, or as an ARN says."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

import click

from ...aws.backoff import Backoff
from ...aws.call import Caller
from ...aws.reads import list_pages
from ...aws.session import SessionArguments
from ...client import ImageBuilder
from ...models.identifiers import Identifier, IdentifierKind, ResourceKind, parse_arn
from ...models.kinds import ListOperation
from ...models.parsing import text
from ..options import Connection, Waiting

__all__ = ["connect", "identify", "pipeline_arn"]


def identify(values: Iterable[str], *kinds: IdentifierKind) -> list[str]:
    """Get ids and ARNs without duplicates, each checked before anything is sent.

    Raises:
        click.UsageError: one of them is none.
    """
    try:
        return list(dict.fromkeys(Identifier.parse(each, *kinds).value for each in values))
    except ValueError as error:
        raise click.UsageError(str(error)) from None


@asynccontextmanager
async def connect(
    connection: Connection, identifiers: Iterable[str] = (), *, waiting: Waiting | None = None
) -> AsyncIterator[ImageBuilder]:
    """Open a client for what these ids and ARNs name.

    Raises:
        click.UsageError: no region, no such profile, ARNs of several regions, or delays that are none.
        CredentialsError: there are no credentials.
    """
    async with AsyncExitStack() as stack:
        try:
            client = ImageBuilder(
                region_name=_region(connection, identifiers),
                profile_name=connection.profile,
                endpoint_url=connection.endpoint_url,
                min_delay=5 if waiting is None else waiting.min_delay,
                max_delay=30 if waiting is None else waiting.max_delay,
            )
            ib = await stack.enter_async_context(client)
        except ValueError as error:
            raise _usage_error(error) from None
        yield ib


async def pipeline_arn(connection: Connection, name_or_arn: str) -> str:
    """Get the ARN of a pipeline.

    Raises:
        click.UsageError: it is an ARN of something else, or there is no pipeline of this name.
        OperationError: the pipelines could not be listed.
    """
    if name_or_arn.startswith("arn:"):
        return identify([name_or_arn], ResourceKind.IMAGE_PIPELINE)[0]
    async with AsyncExitStack() as stack:
        try:
            client = await _session_arguments(connection).open_client(stack)
        except ValueError as error:
            raise _usage_error(error) from None
        caller = Caller(client, Backoff())
        filters = [{"name": "name", "values": [name_or_arn]}]
        async for pipelines in list_pages(caller, _PIPELINES, _name_and_arn, {"filters": filters}):
            for name, arn in pipelines:
                if name == name_or_arn:
                    return arn
        raise click.UsageError(f"There is no pipeline {name_or_arn!r} in {caller.region}.")


def _usage_error(error: ValueError) -> click.UsageError:
    # The library speaks of its arguments; here they are options.
    return click.UsageError(str(error).replace("region_name=", "--region"))


def _session_arguments(connection: Connection) -> SessionArguments:
    return SessionArguments(
        region_name=connection.region,
        profile_name=connection.profile,
        endpoint_url=connection.endpoint_url,
    )


def _region(connection: Connection, identifiers: Iterable[str]) -> str | None:
    regions = {found.region for each in identifiers if (found := parse_arn(each))}
    if len(regions) > 1:
        raise ValueError(
            f"These ARNs are of several regions: {', '.join(map(str, sorted(regions, key=str)))}."
        )
    if not regions:
        return connection.region
    (region,) = regions
    said = click.get_current_context().get_parameter_source("region")
    if said is click.core.ParameterSource.COMMANDLINE and connection.region != region:
        raise ValueError(f"The ARN is in {region}, and --region says {connection.region}: leave it out.")
    # An ARN knows better than the environment.
    return region


def _name_and_arn(pipeline: object) -> tuple[str, str]:
    if not isinstance(pipeline, Mapping):
        raise TypeError("the answer names no pipeline")
    return text(pipeline.get("name")), text(pipeline.get("arn"))


_PIPELINES: Final = ListOperation("ListImagePipelines", None, "imagePipelineList")
