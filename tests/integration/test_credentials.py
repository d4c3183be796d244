"""Temporary credentials that rotate, fail to refresh and run out under a wait."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import anyio
import pytest
import trio
from aiobotocore.config import AioConfig
from aiobotocore.credentials import AioRefreshableCredentials, AnyioRefreshableCredentials
from aiobotocore.session import AioSession
from botocore.exceptions import CredentialRetrievalError

from aioimagebuilder import CredentialsError, ImageBuilder, ObservationError
from aioimagebuilder.testing import Simulator

from .conftest import BACKOFF, CADENCE, CLIENTS
from .fault_proxy import HostileProxy, Trouble

# An hour of a role's session, scaled as the builds are.
LIFETIME = 1.0
ADVISORY = 0.7
MANDATORY = 0.5


def metadata(lifetime: float = LIFETIME) -> dict[str, str]:
    """What a source of credentials gives; the token tells when it runs out."""
    expires = datetime.now(UTC) + timedelta(seconds=lifetime)
    return {
        "access_key": "ASIAIOSFODNN7EXAMPLE",
        "secret_key": "simulated",
        "token": str(expires.timestamp()),
        "expiry_time": expires.isoformat(),
    }


def _retrieval_error() -> dict:
    raise CredentialRetrievalError(provider="test", error_msg="the metadata service is away")


def _no_json() -> dict:
    raise ValueError("Expecting value: line 1 column 1 (char 0)")


def _away() -> dict:
    raise OSError("no route to the metadata service")


def _run_out_already() -> dict:
    return metadata(lifetime=-1)


FAILURES = (_retrieval_error, _no_json, _away, _run_out_already, dict)


class Source:
    """Gives out credentials; while it `fails`, it does what it can do wrong, one after the other."""

    def __init__(self) -> None:
        self.fails = False
        self.refreshes = 0
        self.failures = 0

    async def refresh(self) -> dict[str, str]:
        await anyio.sleep(0.03)
        if self.fails:
            self.failures += 1
            return FAILURES[self.failures % len(FAILURES)]()
        self.refreshes += 1
        return metadata()

    def session(self, options: dict) -> AioSession:
        session = AioSession()
        runs_on_anyio = "http_session_cls" in options or trio.lowlevel.in_trio_run()
        credentials_cls = AnyioRefreshableCredentials if runs_on_anyio else AioRefreshableCredentials
        session._credentials = credentials_cls.create_from_metadata(
            metadata(), self.refresh, "test", advisory_timeout=ADVISORY, mandatory_timeout=MANDATORY
        )
        return session


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def proxy(simulator: Simulator):
    with HostileProxy(simulator.endpoint_url) as proxy:
        yield proxy


@pytest.fixture
def open_client(source: Source, proxy: HostileProxy) -> Callable[..., ImageBuilder]:
    def make(**options: object) -> ImageBuilder:
        return ImageBuilder(
            region_name="us-east-1",
            endpoint_url=proxy.endpoint_url,
            session=source.session(options),
            config=AioConfig(**options),
            backoff=BACKOFF,
            **CADENCE,
        )

    return make


@pytest.mark.parametrize(("backend", "options"), CLIENTS)
def test_many_waits_outlive_their_credentials_again_and_again(
    simulator: Simulator, proxy: HostileProxy, source, open_client, backend, options
):
    proxy.has_expired = lambda token: float(token) < time.time()

    async def main():
        async with open_client(**options) as ib:
            # Polled one by one: several calls need the same new credentials at once.
            course = [("IN_PROGRESS", 1500.0), ("SUCCESS", None)]
            ids = [simulator.add_execution("lifecycle_execution", course) for _ in range(8)]
            return await ib.wait_all(ids, timeout=30)

    assert [str(each.status) for each in anyio.run(main, backend=backend)] == ["SUCCESS"] * 8
    assert source.refreshes >= 3
    assert len(proxy.tokens) >= 4


@pytest.mark.parametrize(("backend", "options"), CLIENTS)
def test_a_refresh_that_fails_for_a_while_fails_no_wait(
    simulator: Simulator, source, open_client, backend, options
):
    execution = simulator.add_execution("workflow_execution", [("RUNNING", 1000.0), ("COMPLETED", None)])

    async def fail_for_a_while() -> None:
        while not source.refreshes:
            await anyio.sleep(0.01)
        source.fails = True
        while source.failures < len(FAILURES):
            await anyio.sleep(0.01)
        source.fails = False

    async def main():
        async with open_client(**options) as ib, anyio.create_task_group() as tasks:
            tasks.start_soon(fail_for_a_while)
            await ib.get_workflow_execution(execution)
            while source.failures < len(FAILURES):
                # One that begins in the middle of it gets through as well.
                await ib.wait(execution, timeout=30)
            return await ib.wait(execution, timeout=30)

    assert anyio.run(main, backend=backend).status == "COMPLETED"
    assert source.failures >= len(FAILURES)


@pytest.mark.parametrize(("backend", "options"), CLIENTS)
def test_an_answer_that_they_have_expired_in_mid_wait_fails_no_wait(
    simulator: Simulator, proxy: HostileProxy, open_client, backend, options
):
    async def main():
        async with open_client(**options) as ib:
            assert [each async for each in ib.list_waiting_workflow_steps()] == []
            course = [("RUNNING", 500.0), ("COMPLETED", None)]
            execution = simulator.add_execution("workflow_execution", course)
            async with ib.watch(execution, timeout=30) as watch:
                states = [await anext(watch)]
                proxy.inject(Trouble("expired", seconds=0.4))
                return states + [each async for each in watch]

    assert [str(each.status) for each in anyio.run(main, backend=backend)] == ["RUNNING", "COMPLETED"]
    assert proxy.met["expired"] >= 1


def test_credentials_that_never_were_good_are_told_at_once(
    simulator: Simulator, proxy: HostileProxy, open_client
):
    execution = simulator.add_execution("workflow_execution", [("RUNNING", None)])
    proxy.inject(Trouble("expired"))

    async def main():
        async with open_client() as ib:
            with pytest.raises(ObservationError, match="ExpiredTokenException") as caught:
                await ib.wait(execution, timeout=30)
            return caught.value

    began = time.monotonic()
    assert isinstance(anyio.run(main).__cause__, CredentialsError)
    assert time.monotonic() - began < 5
    assert proxy.requests == 1
