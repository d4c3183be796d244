"""Bodies that lie, over HTTP, to the real client: a retry, then an error of ours; no crash, and no hang."""

import gzip
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import anyio
import pytest
from tenacity import stop_after_attempt, wait_none

from aioimagebuilder import Backoff, ImageBuilder, ImageBuilderError, MalformedResponseError, ObservationError
from support.scripted_service import workflow_id

MEGABYTES = 10 * 1024 * 1024
GOOD = json.dumps({"workflowExecutionId": workflow_id(), "status": "COMPLETED"}).encode()


@dataclass
class Liar:
    """A server whose answers are given; the last one stays. `calls` counts those it gave."""

    url: str
    answers: list[tuple[int, dict[str, str], bytes]] = field(default_factory=list)
    calls: int = 0

    def next(self) -> tuple[int, dict[str, str], bytes]:
        self.calls += 1
        return self.answers[min(self.calls, len(self.answers)) - 1]


@pytest.fixture
def liar() -> Iterator[Liar]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = liar.next()
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        liar = Liar(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield liar
        server.shutdown()
        thread.join()


@pytest.fixture(params=["asyncio", "trio"])
def run(request: pytest.FixtureRequest, liar: Liar) -> Callable[..., object]:
    """Run an async function with a client of the liar, on aiohttp and on httpx2."""

    async def main(function: Callable[[ImageBuilder], object], attempts: int) -> object:
        backoff = Backoff(transient=wait_none(), stop=stop_after_attempt(attempts))
        async with ImageBuilder(
            region_name="us-east-1",
            endpoint_url=liar.url,
            aws_access_key_id="AKIAIOSFODNN7EXAMPLE",
            aws_secret_access_key="simulated",
            backoff=backoff,
        ) as ib:
            with anyio.fail_after(30):
                return await function(ib)

    return lambda function, attempts=2: anyio.run(main, function, attempts, backend=request.param)


UNREADABLE = {
    "garbage": ({}, b"<<< this is no JSON >>>"),
    "no-utf-8": ({}, b"\xff\xfe\x00{"),
    "list": ({}, b"[]"),
    "deeply-nested": ({}, b"[" * 1_000_000),
    "ten-megabytes-of-nothing": ({}, b" " * MEGABYTES),
    "ten-megabytes-in-a-text": ({}, b'{"message":"' + b"\\u001b" * (MEGABYTES // 6) + b'"}'),
    "says-utf-16": ({"Content-Type": "application/json; charset=utf-16"}, GOOD.decode().encode("utf-16")),
}


@pytest.mark.parametrize("lie", UNREADABLE)
def test_an_answer_that_cannot_be_read_is_tried_again(run, liar: Liar, lie: str):
    liar.answers = [(200, *UNREADABLE[lie]), (200, {}, GOOD)]
    found = run(lambda ib: ib.get_workflow_execution(workflow_id()))
    assert (found.status, liar.calls) == ("COMPLETED", 2)


@pytest.mark.parametrize("lie", UNREADABLE)
def test_nothing_but_lies_is_an_error_of_ours(run, liar: Liar, lie: str):
    liar.answers = [(200, *UNREADABLE[lie])]

    async def get(ib: ImageBuilder) -> ImageBuilderError:
        with pytest.raises(ImageBuilderError) as caught:
            await ib.get_workflow_execution(workflow_id())
        return caught.value

    error = run(get)
    assert isinstance(error, MalformedResponseError)
    assert str(error).isprintable()
    assert len(str(error)) < 5000
    assert liar.calls == 2


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "nonsense"])
@pytest.mark.parametrize(
    "body", [GOOD, b"\x00\x01\x02", gzip.compress(GOOD)[:20]], ids=["plain", "bytes", "half"]
)
# httpx2 leaves its own generator open when it cannot decode a body.
@pytest.mark.filterwarnings("ignore:.*PoolByteStream:ResourceWarning")
@pytest.mark.filterwarnings("ignore:.*PoolByteStream:pytest.PytestUnraisableExceptionWarning")
def test_an_encoding_that_lies_is_seen_through_or_tried_again(run, liar: Liar, encoding: str, body: bytes):
    # aiohttp is told by aiobotocore not to decode, and httpx2 decodes.
    liar.answers = [(200, {"Content-Encoding": encoding}, body), (200, {}, GOOD)]
    found = run(lambda ib: ib.get_workflow_execution(workflow_id()))
    assert found.status == "COMPLETED"


def test_a_wait_says_that_it_could_not_read(run, liar: Liar):
    liar.answers = [(200, {}, b"[" * 1_000_000)]

    async def wait(ib: ImageBuilder) -> ObservationError:
        with pytest.raises(ObservationError) as caught:
            await ib.wait(workflow_id(), timeout=0.5)
        return caught.value

    error = run(wait)
    assert isinstance(error.__cause__, MalformedResponseError)


def test_a_message_of_ten_megabytes_is_kept_whole_and_shown_short(run, liar: Liar):
    message = "why\x1b[2J" + "x" * MEGABYTES
    body = json.dumps({"workflowExecutionId": workflow_id(), "status": "FAILED", "message": message})
    liar.answers = [(200, {}, body.encode())]

    async def wait(ib: ImageBuilder) -> ImageBuilderError:
        with pytest.raises(ImageBuilderError) as caught:
            await ib.wait(workflow_id(), timeout=30)
        return caught.value

    error = run(wait)
    assert error.execution.message == message
    assert str(error).isprintable()
    assert len(str(error)) < 5000
