"""A web service that starts builds and streams their progress.

    pip install 'fastapi>=0.135' uvicorn
    uvicorn --app-dir examples --timeout-graceful-shutdown 5 web_service:app

    curl -i --json '{"pipeline_arn": "arn:…:image-pipeline/demo"}' localhost:8000/builds     # 202, Location
    curl localhost:8000/builds/arn:…:image/demo/1.0.0/1                                      # its state
    curl -N localhost:8000/builds/arn:…:image/demo/1.0.0/1/events                            # each change

Without an AWS account, against the simulator:

    python -m aioimagebuilder.testing --port 5000 &
    export AWS_ENDPOINT_URL=http://127.0.0.1:5000 AWS_DEFAULT_REGION=us-east-1
    export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test
    curl --json '{"name": "demo"}' $AWS_ENDPOINT_URL/_simulator/pipelines
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Self, TypedDict, cast

from fastapi import Depends, FastAPI, Request, Response
from fastapi.responses import JSONResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel

from aioimagebuilder import (
    Execution,
    Image,
    ImageBuilder,
    OperationError,
    ResourceNotFoundException,
    WaitError,
    Watch,
)

POLL_SECONDS = float(os.environ.get("POLL_SECONDS", "5"))


class State(TypedDict):
    """The state of the application, from startup to shutdown."""

    ib: ImageBuilder


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[State]:
    """Open one client for all requests, which then share the polls of a build."""
    async with ImageBuilder(min_delay=POLL_SECONDS, max_delay=6 * POLL_SECONDS) as ib:
        yield {"ib": ib}


def shared_client(request: Request) -> ImageBuilder:
    """Return the client of the application."""
    return cast("ImageBuilder", request.state.ib)


Client = Annotated[ImageBuilder, Depends(shared_client)]
app = FastAPI(title="Image builds", lifespan=lifespan)


class BuildRequest(BaseModel):
    """A request for a build."""

    pipeline_arn: str


class Build(BaseModel):
    """The state of a build; `outcome` is ``None`` while it runs."""

    arn: str
    status: str | None
    outcome: str | None
    reason: str | None
    amis: dict[str, str]

    @classmethod
    def of(cls, execution: Execution) -> Self:
        """Convert an execution."""
        amis = execution.amis if isinstance(execution, Image) else ()
        return cls(
            arn=execution.id,
            status=execution.status,
            outcome=execution.outcome,
            reason=execution.reason,
            amis={ami.region: ami.image for ami in amis if ami.region and ami.image},
        )


@app.post("/builds", status_code=202)
async def start(request: BuildRequest, ib: Client, response: Response) -> dict[str, str]:
    """Start a build, and return its location without waiting for it."""
    arn = await ib.start_image_pipeline_execution(request.pipeline_arn)
    response.headers["Location"] = f"/builds/{arn}"
    return {"arn": arn}


async def changes_of(arn: str, ib: Client) -> AsyncIterator[Watch[Execution]]:
    """Watch a build until the request ends or the client disconnects."""
    await ib.get_image(arn)  # an unknown build must fail before the stream starts
    async with ib.watch(arn) as changes:
        yield changes


# Before the next route, whose path also matches this one.
@app.get("/builds/{arn:path}/events", response_class=EventSourceResponse)
async def events(
    changes: Annotated[Watch[Execution], Depends(changes_of)],
) -> AsyncIterator[ServerSentEvent]:
    """Stream the current state and each change until the build ends."""
    try:
        async for execution in changes:
            yield ServerSentEvent(event="state", data=Build.of(execution))
    except WaitError as error:
        # The build may still succeed, so the client can reconnect.
        yield ServerSentEvent(event="lost", data=str(error))


@app.get("/builds/{arn:path}")
async def show(arn: str, ib: Client) -> Build:
    """Return the state of a build."""
    return Build.of(await ib.get_image(arn))


@app.exception_handler(ValueError)
async def refuse(_: Request, error: ValueError) -> JSONResponse:
    """Return 422 for an ARN that is malformed, or of another kind or region."""
    return JSONResponse({"detail": str(error)}, 422)


@app.exception_handler(OperationError)
async def pass_on(_: Request, error: OperationError) -> JSONResponse:
    """Return 404 for an unknown resource, and 502 for any other error of AWS."""
    return JSONResponse({"detail": str(error)}, 404 if isinstance(error, ResourceNotFoundException) else 502)
