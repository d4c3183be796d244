"""A web service that starts builds, and tells how they come along for as long as somebody listens.

    pip install 'fastapi>=0.135' uvicorn
    uvicorn --app-dir examples --timeout-graceful-shutdown 5 web_service:app

    curl -i --json '{"pipeline_arn": "arn:…:image-pipeline/demo"}' localhost:8000/builds     # 202, Location
    curl localhost:8000/builds/arn:…:image/demo/1.0.0/1                                      # as it stands
    curl -N localhost:8000/builds/arn:…:image/demo/1.0.0/1/events                            # as it changes

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
    """What lives as long as the service does."""

    ib: ImageBuilder


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[State]:
    """Open one client for all requests: a build that a hundred of them watch is polled once."""
    async with ImageBuilder(min_delay=POLL_SECONDS, max_delay=6 * POLL_SECONDS) as ib:
        yield {"ib": ib}


def shared_client(request: Request) -> ImageBuilder:
    """Get the one client."""
    return cast("ImageBuilder", request.state.ib)


Client = Annotated[ImageBuilder, Depends(shared_client)]
app = FastAPI(title="Image builds", lifespan=lifespan)


class Order(BaseModel):
    """What to build."""

    pipeline_arn: str


class Build(BaseModel):
    """How a build stands; the outcome is empty while it runs."""

    arn: str
    status: str | None
    outcome: str | None
    reason: str | None
    amis: dict[str, str]

    @classmethod
    def of(cls, execution: Execution) -> Self:
        """Get what the service tells of an execution."""
        amis = execution.amis if isinstance(execution, Image) else ()
        return cls(
            arn=execution.id,
            status=execution.status,
            outcome=execution.outcome,
            reason=execution.reason,
            amis={ami.region: ami.image for ami in amis if ami.region and ami.image},
        )


@app.post("/builds", status_code=202)
async def start(order: Order, ib: Client, response: Response) -> dict[str, str]:
    """Start a build, and say where to ask for it. It takes from minutes to hours: nobody waits here."""
    arn = await ib.start_image_pipeline_execution(order.pipeline_arn)
    response.headers["Location"] = f"/builds/{arn}"
    return {"arn": arn}


async def changes_of(arn: str, ib: Client) -> AsyncIterator[Watch[Execution]]:
    """Watch a build until the request is over, whether it was answered or dropped."""
    await ib.get_image(arn)  # a build that is not there is a 404 now; once the stream runs, it is too late
    async with ib.watch(arn) as changes:
        yield changes


# Before the next route, whose path would take this one in.
@app.get("/builds/{arn:path}/events", response_class=EventSourceResponse)
async def events(
    changes: Annotated[Watch[Execution], Depends(changes_of)],
) -> AsyncIterator[ServerSentEvent]:
    """Tell the present state and each change, up to the end of the build."""
    try:
        async for execution in changes:
            yield ServerSentEvent(event="state", data=Build.of(execution))
    except WaitError as error:
        # That nobody can observe the build does not mean that it failed; the listener may come again.
        yield ServerSentEvent(event="lost", data=str(error))


@app.get("/builds/{arn:path}")
async def show(arn: str, ib: Client) -> Build:
    """Tell how a build stands."""
    return Build.of(await ib.get_image(arn))


@app.exception_handler(ValueError)
async def refuse(_: Request, error: ValueError) -> JSONResponse:
    """Refuse an ARN that is none, or of another kind or region, in the library's words."""
    return JSONResponse({"detail": str(error)}, 422)


@app.exception_handler(OperationError)
async def pass_on(_: Request, error: OperationError) -> JSONResponse:
    """AWS did not do what it was asked to."""
    return JSONResponse({"detail": str(error)}, 404 if isinstance(error, ResourceNotFoundException) else 502)
