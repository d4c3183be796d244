"""The client of a command, and the identifiers that it takes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
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
from ..options import Connection, WaitOptions
from ..render.messages import message_of


def parse_identifiers(values: Iterable[str], *kinds: IdentifierKind) -> list[str]:
    """Return ids and ARNs without duplicates, validated before any call.

    Raises:
        click.UsageError: an id or ARN is malformed, or of another kind.
    """
    try:
        return list(dict.fromkeys(Identifier.parse(each, *kinds).value for each in values))
    except ValueError as error:
        raise click.UsageError(message_of(error)) from None


@asynccontextmanager
async def connect(
    connection: Connection, identifiers: Iterable[str] = (), *, options: WaitOptions | None = None
) -> AsyncIterator[ImageBuilder]:
    """Open a client in the region of the identifiers, or else the region that the AWS CLI would use.

    Raises:
        click.UsageError: the region, the profile or the delays are missing or invalid, or regions conflict.
        CredentialsError: there are no credentials.
    """
    async with AsyncExitStack() as stack:
        try:
            client = ImageBuilder(
                region_name=_region(connection, identifiers),
                profile_name=connection.profile,
                endpoint_url=connection.endpoint_url,
                min_delay=5 if options is None else options.min_delay,
                max_delay=30 if options is None else options.max_delay,
            )
            ib = await stack.enter_async_context(client)
        except ValueError as error:
            raise click.UsageError(message_of(error)) from None
        yield ib


async def find_pipeline_arn(connection: Connection, name_or_arn: str) -> str:
    """Return the ARN of a pipeline.

    Raises:
        click.UsageError: the ARN is not that of a pipeline, or there is no pipeline of this name.
        OperationError: the pipelines could not be listed.
    """
    if name_or_arn.startswith("arn:"):
        return parse_identifiers([name_or_arn], ResourceKind.IMAGE_PIPELINE)[0]
    async with AsyncExitStack() as stack:
        try:
            arguments = SessionArguments(
                region_name=connection.region,
                profile_name=connection.profile,
                endpoint_url=connection.endpoint_url,
            )
            client = await arguments.open_client(stack)
        except ValueError as error:
            raise click.UsageError(message_of(error)) from None
        caller = Caller(client, Backoff())
        filters = [{"name": "name", "values": [name_or_arn]}]
        found = list_pages(caller, _PIPELINES, _name_and_arn, {"filters": filters})
        async with aclosing(found) as pages:
            async for page in pages:
                for name, arn in page:
                    if name == name_or_arn:
                        return arn
        raise click.UsageError(f"There is no pipeline {name_or_arn!r} in {caller.region}.")


def _region(connection: Connection, identifiers: Iterable[str]) -> str | None:
    regions = {found.region for each in identifiers if (found := parse_arn(each))}
    if len(regions) > 1:
        raise ValueError(
            f"The ARNs are in different regions: {', '.join(map(str, sorted(regions, key=str)))}."
        )
    if not regions:
        return connection.region
    (region,) = regions
    source = click.get_current_context().get_parameter_source("region")
    if source is click.core.ParameterSource.COMMANDLINE and connection.region != region:
        raise ValueError(f"The ARN is in {region}, which conflicts with --region {connection.region}.")
    # An ARN takes precedence over the environment.
    return region


def _name_and_arn(pipeline: object) -> tuple[str, str]:
    if not isinstance(pipeline, Mapping):
        raise TypeError("the response contains a malformed pipeline")
    return text(pipeline.get("name")), text(pipeline.get("arn"))


_PIPELINES: Final = ListOperation("ListImagePipelines", None, "imagePipelineList")
