"""No credential, token or signed URL in what the library logs, raises or shows, whatever goes wrong.

The credentials are marked, and so are the texts of the service that repeat them. botocore's own errors, which
stand behind ours as their cause, show what botocore shows.
"""

import json
import logging
import shlex
import sys
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from botocore.config import Config
from tenacity import stop_after_attempt, wait_none

from aioimagebuilder import Backoff, CredentialsError, ExecutionFailedError, ImageBuilder, ImageBuilderError
from aioimagebuilder.testing import Fault, Simulator
from aioimagebuilder.testing.faults import KINDS
from fuzz.answering import READINGS
from support.marked_secrets import ECHOES, KEY, MARKS, SECRET, SIGNATURE, TOKEN

CREDENTIALS = {"aws_access_key_id": KEY, "aws_secret_access_key": SECRET, "aws_session_token": TOKEN}

FAULTS = [
    *(Fault(kind, seconds=0.05 if kind in {"delay", "hang"} else None) for kind in sorted(KINDS)),
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
    Fault("unknown_status", word=ECHOES["bare"]),
]


@pytest.fixture
def said() -> Iterator[list[str]]:
    """All that our logger says, at DEBUG."""
    logger = logging.getLogger("aioimagebuilder")
    handler = _Handler()
    level, logger.level = logger.level, logging.DEBUG
    logger.addHandler(handler)
    yield handler.lines
    logger.removeHandler(handler)
    logger.level = level


class _Handler(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest_asyncio.fixture
async def ib(simulator: Simulator) -> AsyncIterator[ImageBuilder]:
    arguments = {**simulator.client_arguments, **CREDENTIALS}
    backoff = Backoff(throttled=wait_none(), transient=wait_none(), stop=stop_after_attempt(2))
    config = Config(read_timeout=1, connect_timeout=1)
    async with ImageBuilder(**arguments, backoff=backoff, config=config) as ib:
        yield ib


def _shown_of(error: BaseException) -> Iterator[str]:
    """Get what an error of ours shows, with its notes, its last state, and all of ours behind it."""
    if not isinstance(error, ImageBuilderError):
        return
    yield from (str(error), repr(error), *getattr(error, "__notes__", ()))
    yield repr(getattr(error, "execution", None))
    for behind in (error.__cause__, error.__context__, *getattr(error, "exceptions", ())):
        if behind is not None:
            yield from _shown_of(behind)


def _marks_in(texts: list[str]) -> list[str]:
    return [text for text in texts if any(mark in text or mark.rstrip("=") in text for mark in MARKS)]


async def _rows(called: AsyncIterable[object]) -> list[object]:
    return [row async for row in called]


@pytest.mark.asyncio
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.kind}-{fault.code}-{fault.status}")
async def test_no_fault_brings_a_secret_to_light(
    ib: ImageBuilder, simulator: Simulator, said: list[str], fault: Fault
):
    simulator.inject(fault)
    shown: list[str] = []
    for reading in READINGS.values():
        # Each from a client that has not been throttled yet: their rate is not what is tested.
        ib._caller._rate_limiter.__init__()
        called = reading.call(ib)
        try:
            shown.append(repr(await (_rows(called) if isinstance(called, AsyncIterable) else called)))
        except ImageBuilderError as error:
            shown.extend(_shown_of(error))
    assert len(shown) >= len(READINGS)
    assert not _marks_in([*shown, *said, repr(ib)])


@pytest.mark.asyncio
async def test_a_failure_with_a_signed_url_shows_none(
    ib: ImageBuilder, simulator: Simulator, said: list[str]
):
    step = simulator.add_execution(
        "workflow_step_execution",
        [("FAILED", None)],
        message=ECHOES["signed-url"],
        outputs=json.dumps({"logUrl": ECHOES["signed-url"]}),
    )
    with pytest.raises(ExecutionFailedError) as caught:
        await ib.wait(step, timeout=10, diagnose=True)
    diagnosis = caught.value.diagnosis
    told = [str(diagnosis), repr(diagnosis), diagnosis.report(), json.dumps(diagnosis.as_dict())]
    assert "log.txt" in diagnosis.report()
    assert not _marks_in([*told, *_shown_of(caught.value), *said])
    # What the service said is not lost: whoever asks for the member gets it.
    assert SIGNATURE in str(caught.value.execution.message)


@pytest.mark.asyncio
async def test_a_credential_process_that_talks_too_much_is_not_repeated(
    simulator: Simulator, said: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    script = tmp_path / "process.py"
    script.write_text(f"import sys; sys.exit({ECHOES['credential-process']!r})")
    command = shlex.join([sys.executable, str(script)])
    config = tmp_path / "config"
    config.write_text(f"[profile talkative]\ncredential_process = {command}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    with pytest.raises(CredentialsError) as caught:
        async with ImageBuilder(
            region_name="us-east-1", endpoint_url=simulator.endpoint_url, profile_name="talkative"
        ):
            pass
    assert not _marks_in([*_shown_of(caught.value), *said])
