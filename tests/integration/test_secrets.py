"""The library logs, raises and shows no credential, token or signed URL, whatever fails.

The credentials are recognizable strings, and responses of the service repeat them. All that is printed of an
uncaught error is checked, including its causes.
"""

import copy
import json
import logging
import pickle
import shlex
import sys
import traceback
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from pathlib import Path

import anyio
import pytest
import pytest_asyncio
from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession
from tenacity import stop_after_attempt, wait_none

from aioimagebuilder import (
    Backoff,
    ConnectionFailedError,
    CredentialsError,
    ExecutionFailedError,
    ImageBuilder,
    ImageBuilderError,
    ObservationError,
)
from aioimagebuilder.aws.call import AwsClient
from aioimagebuilder.testing import BuildScript, Fault, Simulator
from aioimagebuilder.testing.imagebuilder.faults import EVENT_KINDS, KINDS
from fuzz.responses import API_CALLS, IMAGE, PIPELINE
from support.marked_secrets import ECHOES, KEY, MARKS, SECRET, SIGNATURE, TOKEN
from support.scripted_service import workflow_id

from .conftest import CLIENTS

WORKFLOW = workflow_id()

CREDENTIALS = {"aws_access_key_id": KEY, "aws_secret_access_key": SECRET, "aws_session_token": TOKEN}

FAULTS = [
    *(
        Fault(kind, seconds=0.05 if kind in {"delay", "hang"} else None, identifiers=[IMAGE])
        for kind in sorted(KINDS - EVENT_KINDS)
    ),
    *(
        Fault("error", code=code, status=status, message=text)
        for code, status, text in zip(
            ("SignatureDoesNotMatch", "IncompleteSignature", "ServiceException", "SlowDown"),
            (403, 400, 500, 429),
            (ECHOES[form] for form in ("canonical-string", "authorization-header", "headers", "signed-url")),
            strict=True,
        )
    ),
    Fault("error", status=502, body=f"<html><!-- {ECHOES['headers']} --></html>"),
    Fault("garbage", body=ECHOES["canonical-string"]),
    Fault("garbage", body=json.dumps({"arn": ECHOES["signed-url"], "status": ECHOES["bare"]})),
    Fault("unknown_status", execution_status=ECHOES["bare"]),
]

BACKOFF = Backoff(throttled=wait_none(), transient=wait_none(), stop=stop_after_attempt(2))
CALLS = [
    *(each.call for each in API_CALLS.values()),
    lambda ib: ib.list_image_pipeline_images(PIPELINE, page_size=1),
]


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """The messages of the library's logger at DEBUG."""
    logger = logging.getLogger("aioimagebuilder")
    handler = _Handler()
    level, logger.level = logger.level, logging.DEBUG
    logger.addHandler(handler)
    yield handler.messages
    logger.removeHandler(handler)
    logger.level = level


class _Handler(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(self.format(record))


@pytest_asyncio.fixture
async def client(simulator: Simulator) -> AsyncIterator[AwsClient]:
    arguments = {**simulator.client_arguments, **CREDENTIALS}
    config = AioConfig(read_timeout=1, connect_timeout=1, retries={"total_max_attempts": 1})
    async with AioSession().create_client("imagebuilder", **arguments, config=config) as client:
        yield client


def _texts_of(error: BaseException) -> Iterator[str]:
    """Yield all texts of an error, including its traceback, its causes and the last state seen."""
    yield "".join(traceback.format_exception(error))
    yield repr(getattr(error, "execution", None))
    for each in (error, error.__cause__, error.__context__, *getattr(error, "exceptions", ())):
        yield from (str(each), repr(each))
    if isinstance(error, ImageBuilderError):
        for duplicate in (copy.copy(error), copy.deepcopy(error), pickle.loads(pickle.dumps(error))):
            yield "".join(traceback.format_exception(duplicate))


def _texts_with_secrets(texts: list[str]) -> list[str]:
    return [text for text in texts if any(mark in text or mark.rstrip("=") in text for mark in MARKS)]


async def _collect(rows: AsyncIterable[object]) -> list[object]:
    return [row async for row in rows]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "fault", FAULTS, ids=lambda each: f"error-{each.code}" if each.kind == "error" else each.kind
)
async def test_no_fault_reveals_a_secret(
    client: AwsClient, simulator: Simulator, logged: list[str], fault: Fault
):
    simulator.script(BuildScript(early_failure=ECHOES["signed-url"]), default=True)
    pipeline = simulator.create_pipeline("demo")
    for _ in range(2):
        simulator.start_build(pipeline)
    simulator.advance(60)
    simulator.inject(fault)
    texts: list[str] = []
    events: list[object] = []
    for call in CALLS:
        # One for each call, since throttles slow it down.
        async with ImageBuilder(client=client, backoff=BACKOFF, on_event=events.append) as ib:
            result = call(ib)
            try:
                texts.append(repr(await (_collect(result) if isinstance(result, AsyncIterable) else result)))
            except ImageBuilderError as error:
                texts.extend(_texts_of(error))
    assert len(texts) >= len(CALLS)
    assert simulator.control.faults._injected[0].matches >= len(CALLS)
    assert not _texts_with_secrets([*texts, *logged, repr(events)])


@pytest.mark.asyncio
async def test_signed_url_in_failure_is_redacted(simulator: Simulator, logged: list[str]):
    step = simulator.add_execution(
        "workflow_step_execution",
        [("FAILED", None)],
        message=ECHOES["signed-url"],
        outputs=json.dumps({"logUrl": ECHOES["signed-url"]}),
    )
    events: list[object] = []
    arguments = {**simulator.client_arguments, **CREDENTIALS}
    async with ImageBuilder(**arguments, on_event=events.append) as ib:
        with pytest.raises(ExecutionFailedError) as caught:
            await ib.wait(step, timeout=10, diagnose=True)
    diagnosis = caught.value.diagnosis
    texts = [
        repr(events),
        str(diagnosis),
        repr(diagnosis),
        diagnosis.report(),
        json.dumps(diagnosis.as_dict()),
        repr(ib),
    ]
    assert "log.txt" in diagnosis.report()
    assert not _texts_with_secrets([*texts, *_texts_of(caught.value), *logged])
    # The member itself is not redacted.
    assert SIGNATURE in str(caught.value.execution.message)


@pytest.mark.asyncio
async def test_output_of_credential_process_is_not_repeated(
    simulator: Simulator, logged: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    script = tmp_path / "process.py"
    script.write_text(f"import sys; sys.exit({ECHOES['credential-process']!r})")
    command = shlex.join([sys.executable, str(script)])
    config = tmp_path / "config"
    config.write_text(f"[profile verbose]\ncredential_process = {command}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    with pytest.raises(CredentialsError) as caught:
        async with ImageBuilder(
            region_name="us-east-1", endpoint_url=simulator.endpoint_url, profile_name="verbose"
        ):
            pass
    assert not _texts_with_secrets([*_texts_of(caught.value), *logged])


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(("backend", "options"), CLIENTS)
def test_password_of_a_proxy_is_not_revealed(
    simulator: Simulator, logged: list[str], backend: str, options: dict, scheme: str
):
    async def main() -> list[str]:
        proxies = {scheme: f"http://me:{SIGNATURE}@127.0.0.1:1"}
        config = AioConfig(proxies=proxies, connect_timeout=1, **options)
        arguments = {**simulator.client_arguments, "endpoint_url": f"{scheme}://example.invalid"}
        events: list[object] = []
        async with ImageBuilder(**arguments, config=config, backoff=BACKOFF, on_event=events.append) as ib:
            with pytest.raises(ConnectionFailedError) as failed:
                await ib.get_workflow_execution(WORKFLOW)
            with pytest.raises(ObservationError) as waited:
                await ib.wait(WORKFLOW, timeout=0.2)
        return [repr(events), *_texts_of(failed.value), *_texts_of(waited.value)]

    assert not _texts_with_secrets([*anyio.run(main, backend=backend), *logged])


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "arguments",
    [
        {"endpoint_url": f"no-url://me:{SIGNATURE}@"},
        {"endpoint_url": f"https://me:{SIGNATURE}@[::1"},
        {"endpoint_url": f"https://me:{SIGNATURE}@127.0.0.1:99999"},
        {"config": AioConfig(proxies={"https": f"nothing://me:{SIGNATURE}@["})},
    ],
)
async def test_invalid_address_is_reported_without_its_password(
    simulator: Simulator, logged: list[str], arguments: dict
):
    with pytest.raises(Exception) as caught:  # noqa: PT011 - its type depends on the address
        async with ImageBuilder(**{**simulator.client_arguments, **arguments}, backoff=BACKOFF) as ib:
            await ib.wait(WORKFLOW, timeout=0.2)
    assert not _texts_with_secrets([*_texts_of(caught.value), *logged])
