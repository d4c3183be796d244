"""The client of a command, and the identifiers that it takes."""

from __future__ import annotations

import math
import os
import re
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, contextmanager
from typing import Final

import click

from ...aws.backoff import Backoff
from ...aws.call import Caller
from ...aws.reads import list_pages
from ...aws.session import SessionArguments
from ...aws.sqs import SqsHints
from ...client import ImageBuilder
from ...errors import OperationError, RequestError, ResourceNotFoundException
from ...models.identifiers import Identifier, IdentifierKind, ResourceKind, parse_arn
from ...models.kinds import ListOperation
from ...models.parsing import text
from ...models.redaction import redact
from ...polling.file_build_history import FileBuildHistory
from ..options import Connection, WaitOptions, check_endpoint_url
from ..render.escaping import escape
from ..render.messages import message_of


def parse_identifiers(values: Iterable[str], *kinds: IdentifierKind) -> list[str]:
    """Return ids and ARNs without duplicates, validated before any call.

    Raises:
        click.UsageError: an id or ARN is malformed, or of another kind.
    """
    try:
        return list(dict.fromkeys(Identifier.parse(each, *kinds).value for each in values))
    except ValueError as error:
        raise click.UsageError(escape(message_of(error))) from None


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
        with _usage_errors(connection):
            client = ImageBuilder(
                region_name=_region(connection, identifiers),
                profile_name=connection.profile,
                endpoint_url=connection.endpoint_url,
                min_delay=5 if options is None else options.min_delay,
                max_delay=None if options is None else options.max_delay,
                pace="smithy" if options is None else options.pace,
                history=None if options is None or not options.has_real_time else FileBuildHistory(),
                hints=None if options is None or options.hints is None else SqsHints(options.hints),
            )
            ib = await stack.enter_async_context(client)
        yield ib


def parse_identifier_or_name(value: str, *kinds: IdentifierKind) -> str:
    """Return an id or ARN, or the name of a pipeline, validated before any call.

    Raises:
        click.UsageError: it is malformed, or of another kind.
    """
    if is_pipeline_name(value):
        return value
    if value and not _ID.match(value):
        raise click.UsageError(f"{value!r} is neither an id or ARN nor the name of a pipeline.")
    return parse_identifiers([value], *kinds)[0]


def is_pipeline_name(value: str) -> bool:
    """Return whether a value may be the name of a pipeline, rather than an id or ARN."""
    return _NAME.fullmatch(value) is not None and _ID.match(value) is None


def is_pipeline(value: str) -> bool:
    """Return whether a valid value is the name or the ARN of a pipeline."""
    found = parse_arn(value)
    return is_pipeline_name(value) or (found is not None and found.kind is ResourceKind.IMAGE_PIPELINE)


async def find_pipeline_arn(connection: Connection, name_or_arn: str, deadline: float = math.inf) -> str:
    """Return the ARN of a pipeline, or any other ARN or id as it is.

    Args:
        connection: How to connect.
        name_or_arn: The name of a pipeline, or an ARN or id.
        deadline: When to give up, on the event loop's clock.

    Raises:
        ResourceNotFoundException: there is no pipeline of this name.
        OperationError: the pipelines could not be listed.
    """
    if not is_pipeline_name(name_or_arn):
        return name_or_arn
    async with AsyncExitStack() as stack:
        with _usage_errors(connection):
            arguments = SessionArguments(
                region_name=connection.region,
                profile_name=connection.profile,
                endpoint_url=connection.endpoint_url,
            ).with_session()
            client = await arguments.open_client(stack)
        caller = Caller(client, Backoff()).until(deadline)
        filters = [{"name": "name", "values": [name_or_arn]}]
        found = list_pages(caller, _PIPELINES, _name_and_arn, {"filters": filters})
        async with aclosing(found) as pages:
            async for page in pages:
                for name, arn in page:
                    if name == name_or_arn:
                        return arn
        raise ResourceNotFoundException.create(
            _PIPELINES.operation, f"there is no pipeline {name_or_arn!r} in {caller.region}."
        )


@contextmanager
def _usage_errors(connection: Connection) -> Iterator[None]:
    """Raise what prevents a client from being opened, other than credentials, as an invalid command line."""
    configured = (name for name in _ENDPOINT_VARIABLES if os.environ.get(name))
    try:
        if connection.endpoint_url is None and (name := next(configured, None)):
            check_endpoint_url(os.environ[name], name)
        yield
    except (ValueError, OSError) as error:
        raise click.UsageError(escape(redact(message_of(error)))) from None
    except OperationError as error:
        # An invalid configuration of botocore: nothing was sent.
        if isinstance(error, RequestError) or type(error) is OperationError:
            raise click.UsageError(escape(message_of(error))) from None
        raise


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


_ENDPOINT_VARIABLES: Final = ("AWS_ENDPOINT_URL_IMAGEBUILDER", "AWS_ENDPOINT_URL")
# Ids and ARNs, well formed or not.
_ID: Final = re.compile(r"arn:|(?:wf|step|lce)-[0-9A-F-]{8,}$", re.IGNORECASE)
_NAME: Final = re.compile(r"[-_A-Za-z0-9 ]{1,128}")
_PIPELINES: Final = ListOperation("ListImagePipelines", None, "imagePipelineList")
