"""The reads: one Get for each kind of execution, and the lists."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Final, NamedTuple, TypeVar, cast

from tenacity import AsyncRetrying

from ..models.executions import EXECUTION_CLASSES, Execution, Image
from ..models.identifiers import IdentifierKind
from ..models.kinds import KINDS, ListOperation
from .call import Caller, Response

T = TypeVar("T")

# The lists that are not those of the children of an execution, which the table of kinds has.
WAITING_WORKFLOW_STEPS: Final = ListOperation("ListWaitingWorkflowSteps", None, "steps")
IMAGE_PIPELINE_IMAGES: Final = ListOperation(
    "ListImagePipelineImages", "imagePipelineArn", "imageSummaryList"
)
LIFECYCLE_EXECUTION_RESOURCES: Final = ListOperation(
    "ListLifecycleExecutionResources", "lifecycleExecutionId", "resources"
)
# The maximum of maxResults (model, RestrictedInteger).
_LARGEST_PAGE: Final = 25


class ImagePage(NamedTuple):
    """A page of the images of a pipeline, and the token of the page that follows it."""

    images: Sequence[Image]
    next_token: str | None


async def get(
    caller: Caller,
    kind: IdentifierKind,
    value: str,
    *,
    retrying: AsyncRetrying | None = None,
    has_permit: bool = False,
) -> Execution:
    """Return one execution.

    Args:
        caller: Makes the call.
        kind: The kind of the execution.
        value: Its id or ARN.
        retrying: As in `Caller.call`.
        has_permit: As in `Caller.call`.

    Raises:
        OperationError: The call failed.
    """
    row = KINDS[kind].get

    def parse(response: Response) -> Execution:
        execution = EXECUTION_CLASSES[kind].parse(response.get(row.output) if row.output else response)
        if not execution.id:
            raise ValueError("the response does not identify an execution")
        # The service may spell an id in another case.
        if execution.id.casefold() != value.casefold():
            raise ValueError(f"the response is about {execution.id}, not {value}")
        return execution

    return await caller.call(
        row.operation, {row.parameter: value}, parse, retrying=retrying, has_permit=has_permit
    )


def list_pages(
    caller: Caller,
    listing: ListOperation,
    parse: Callable[[object], T],
    params: Mapping[str, object],
    *,
    retrying: AsyncRetrying | None = None,
    has_permit: bool = False,
) -> AsyncGenerator[Sequence[T]]:
    """Return the rows of a list page by page.

    Args:
        caller: Makes the calls.
        listing: The list.
        parse: Parses a row.
        params: The parameters, as AWS writes them.
        retrying: As in `Caller.call`, for each page.
        has_permit: As in `Caller.call`, for the first page.

    Raises:
        OperationError: A call failed.
    """

    def parse_page(response: Response) -> Sequence[T]:
        rows = cast("Sequence[object]", response.get(listing.output) or ())
        shared = {name: response[name] for name in listing.shared if name in response}
        return [parse({**shared, **row} if isinstance(row, Mapping) else row) for row in rows]

    return caller.pages(listing.operation, params, parse_page, retrying=retrying, has_permit=has_permit)


async def list_executions(
    caller: Caller,
    listing: ListOperation,
    kind: IdentifierKind,
    parent: str | None,
    *,
    retrying: AsyncRetrying | None = None,
    has_permit: bool = False,
) -> AsyncGenerator[Sequence[Execution]]:
    """Yield the executions in a list page by page, without rows that lack an id.

    Args:
        caller: Makes the calls.
        listing: The list.
        kind: The kind of its rows.
        parent: The id or ARN whose children are listed; ``None`` for all of the account.
        retrying: As in `Caller.call`, for each page.
        has_permit: As in `Caller.call`, for the first page.

    Raises:
        OperationError: A call failed.
    """
    params = {} if listing.parameter is None or parent is None else {listing.parameter: parent}
    parse = EXECUTION_CLASSES[kind].parse
    found = list_pages(caller, listing, parse, params, retrying=retrying, has_permit=has_permit)
    async with aclosing(found) as pages:
        async for page in pages:
            yield [execution for execution in page if execution.id]


def list_pipeline_images(
    caller: Caller,
    pipeline_arn: str,
    token: str | None,
    *,
    retrying: AsyncRetrying | None = None,
    has_permit: bool = False,
) -> AsyncGenerator[ImagePage]:
    """Return the images of a pipeline page by page, without rows that lack an ARN.

    Args:
        caller: Makes the calls.
        pipeline_arn: The pipeline.
        token: The token of the first page to read; ``None`` for the first of the list.
        retrying: As in `Caller.call`, for each page.
        has_permit: As in `Caller.call`, for the first page.

    Raises:
        OperationError: A call failed.
    """
    listing = IMAGE_PIPELINE_IMAGES

    def parse_page(response: Response) -> ImagePage:
        rows = cast("Sequence[object]", response.get(listing.output) or ())
        images = [image for row in rows if (image := Image.parse(row)).id]
        return ImagePage(images, cast("str | None", response.get("nextToken")))

    params: dict[str, object] = {"imagePipelineArn": pipeline_arn, "maxResults": _LARGEST_PAGE}
    if token is not None:
        params["nextToken"] = token
    return caller.pages(listing.operation, params, parse_page, retrying=retrying, has_permit=has_permit)
