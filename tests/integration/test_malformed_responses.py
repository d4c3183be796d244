"""Malformed responses over HTTP to a real client: retried, then an error of this library; never a hang."""

import gzip
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import anyio
import httpx2
import pytest
from tenacity import stop_after_attempt, wait_none

from aioimagebuilder import Backoff, ImageBuilder, ImageBuilderError, MalformedResponseError, ObservationError
from support.scripted_service import workflow_id

TEN_MEGABYTES = 10 * 1024 * 1024
GOOD = json.dumps({"workflowExecutionId": workflow_id(), "status": "COMPLETED"}).encode()
# aiobotocore disables decoding in aiohttp; httpx2 decodes what it accepts.
DECODED = {"asyncio": [], "trio": httpx2.Client().headers["Accept-Encoding"].split(", ")}


@dataclass
class ScriptedServer:
    """An HTTP server with scripted responses (status, headers, body), the last of which is repeated."""

    url: str
    responses: list[tuple[int, dict[str, str], bytes]] = field(default_factory=list)
    calls: int = 0

    def next_response(self) -> tuple[int, dict[str, str], bytes]:
        self.calls += 1
        return self.responses[min(self.calls, len(self.responses)) - 1]


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = scripted.next_response()
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http_server:
        scripted = ScriptedServer(f"http://127.0.0.1:{http_server.server_port}")
        thread = threading.Thread(target=http_server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield scripted
        http_server.shutdown()
        thread.join()


@pytest.fixture(params=["asyncio", "trio"])
def backend(request: pytest.FixtureRequest) -> str:
    """The event loop: asyncio with aiohttp, trio with httpx2."""
    return request.param


@pytest.fixture
def run(backend: str, server: ScriptedServer) -> Callable[..., object]:
    """Run an async function with a client of the server."""

    async def main(function: Callable[[ImageBuilder], object], attempts: int) -> object:
        backoff = Backoff(transient=wait_none(), stop=stop_after_attempt(attempts))
        async with ImageBuilder(
            region_name="us-east-1",
            endpoint_url=server.url,
            aws_access_key_id="AKIAIOSFODNN7EXAMPLE",
            aws_secret_access_key="simulated",
            backoff=backoff,
        ) as ib:
            with anyio.fail_after(30):
                return await function(ib)

    return lambda function, attempts=2: anyio.run(main, function, attempts, backend=backend)


MALFORMED = {
    "not-json": ({}, b"<<< not JSON >>>"),
    "not-utf-8": ({}, b"\xff\xfe\x00{"),
    "list": ({}, b"[]"),
    "deeply-nested": ({}, b"[" * 1_000_000),
    "ten-megabytes-of-spaces": ({}, b" " * TEN_MEGABYTES),
    "ten-megabyte-string": ({}, b'{"message":"' + b"\\u001b" * (TEN_MEGABYTES // 6) + b'"}'),
    "utf-16": ({"Content-Type": "application/json; charset=utf-16"}, GOOD.decode().encode("utf-16")),
}


@pytest.mark.parametrize("response", MALFORMED)
def test_malformed_response_is_retried(run, server: ScriptedServer, response: str):
    server.responses = [(200, *MALFORMED[response]), (200, {}, GOOD)]
    found = run(lambda ib: ib.get_workflow_execution(workflow_id()))
    assert (found.status, server.calls) == ("COMPLETED", 2)


@pytest.mark.parametrize("response", MALFORMED)
def test_malformed_responses_raise_malformed_response_error(run, server: ScriptedServer, response: str):
    server.responses = [(200, *MALFORMED[response])]

    async def get(ib: ImageBuilder) -> ImageBuilderError:
        with pytest.raises(ImageBuilderError) as caught:
            await ib.get_workflow_execution(workflow_id())
        return caught.value

    error = run(get)
    assert isinstance(error, MalformedResponseError)
    assert str(error).isprintable()
    assert len(str(error)) < 5000
    assert server.calls == 2


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "nonsense"])
@pytest.mark.parametrize(
    "body", [GOOD, b"\x00\x01\x02", gzip.compress(GOOD)[:20]], ids=["plain", "binary", "truncated-gzip"]
)
# httpx2 leaves its own generator open when it cannot decode a body.
@pytest.mark.filterwarnings("ignore:.*PoolByteStream:ResourceWarning")
@pytest.mark.filterwarnings("ignore:.*PoolByteStream:pytest.PytestUnraisableExceptionWarning")
def test_wrong_content_encoding_fails_no_call(
    run, server: ScriptedServer, backend: str, encoding: str, body: bytes
):
    server.responses = [(200, {"Content-Encoding": encoding}, body), (200, {}, GOOD)]
    found = run(lambda ib: ib.get_workflow_execution(workflow_id()))
    is_readable = body == GOOD and encoding not in DECODED[backend]
    assert (found.status, server.calls) == ("COMPLETED", 1 if is_readable else 2)


def test_wait_on_malformed_responses_raises_observation_error(run, server: ScriptedServer):
    server.responses = [(200, {}, b"[" * 1_000_000)]

    async def wait(ib: ImageBuilder) -> ObservationError:
        with pytest.raises(ObservationError) as caught:
            await ib.wait(workflow_id(), timeout=0.5)
        return caught.value

    error = run(wait)
    assert isinstance(error.__cause__, MalformedResponseError)


def test_ten_megabyte_message_is_kept_and_shown_truncated(run, server: ScriptedServer):
    message = "why\x1b[2J" + "x" * TEN_MEGABYTES
    body = json.dumps({"workflowExecutionId": workflow_id(), "status": "FAILED", "message": message})
    server.responses = [(200, {}, body.encode())]

    async def wait(ib: ImageBuilder) -> ImageBuilderError:
        with pytest.raises(ImageBuilderError) as caught:
            await ib.wait(workflow_id(), timeout=30)
        return caught.value

    error = run(wait)
    assert error.execution.message == message
    assert str(error).isprintable()
    assert len(str(error)) < 5000
