"""Temporary credentials that rotate, fail to refresh or expire during a wait."""

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
from .fault_proxy import FaultProxy, NetworkFault

# The hour of a role's session and botocore's refresh timeouts, scaled down like the builds.
LIFETIME = 1.0
ADVISORY = 0.7
MANDATORY = 0.5


def metadata(lifetime: float = LIFETIME) -> dict[str, str]:
    """Return new credentials in botocore's format; the token is the time of their expiry."""
    expires = datetime.now(UTC) + timedelta(seconds=lifetime)
    return {
        "access_key": "ASIAIOSFODNN7EXAMPLE",
        "secret_key": "simulated",
        "token": str(expires.timestamp()),
        "expiry_time": expires.isoformat(),
    }


def _retrieval_error() -> dict:
    raise CredentialRetrievalError(provider="test", error_msg="the metadata service is unavailable")


def _invalid_json() -> dict:
    raise ValueError("Expecting value: line 1 column 1 (char 0)")


def _unreachable() -> dict:
    raise OSError("no route to the metadata service")


def _already_expired() -> dict:
    return metadata(lifetime=-1)


FAILURES = (_retrieval_error, _invalid_json, _unreachable, _already_expired, dict)


class CredentialsSource:
    """Provides credentials. While it `fails`, each refresh fails in another of the ways in `FAILURES`."""

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
def source() -> CredentialsSource:
    return CredentialsSource()


@pytest.fixture
def proxy(simulator: Simulator):
    with FaultProxy(simulator.endpoint_url) as proxy:
        yield proxy


@pytest.fixture
def open_client(source: CredentialsSource, proxy: FaultProxy) -> Callable[..., ImageBuilder]:
    def open_client(**options: object) -> ImageBuilder:
        return ImageBuilder(
            region_name="us-east-1",
            endpoint_url=proxy.endpoint_url,
            session=source.session(options),
            config=AioConfig(**options),
            backoff=BACKOFF,
            **CADENCE,
        )

    return open_client


@pytest.mark.parametrize(("backend", "options"), CLIENTS)
def test_waits_outlast_repeatedly_expiring_credentials(
    simulator: Simulator, proxy: FaultProxy, source, open_client, backend, options
):
    proxy.has_expired = lambda token: float(token) < time.time()

    async def main():
        async with open_client(**options) as ib:
            # Lifecycle executions are not polled in batches: several calls need new credentials at once.
            schedule = [("IN_PROGRESS", 1500.0), ("SUCCESS", None)]
            ids = [simulator.add_execution("lifecycle_execution", schedule) for _ in range(8)]
            return await ib.wait_all(ids, timeout=30)

    assert [str(each.status) for each in anyio.run(main, backend=backend)] == ["SUCCESS"] * 8
    assert source.refreshes >= 3
    assert len(proxy.tokens) >= 4


@pytest.mark.parametrize(("backend", "options"), CLIENTS)
def test_temporary_refresh_failure_fails_no_wait(simulator: Simulator, source, open_client, backend, options):
    execution = simulator.add_execution("workflow_execution", [("RUNNING", 1000.0), ("COMPLETED", None)])

    async def fail_temporarily() -> None:
        while not source.refreshes:
            await anyio.sleep(0.01)
        source.fails = True
        while source.failures < len(FAILURES):
            await anyio.sleep(0.01)
        source.fails = False

    async def main():
        async with open_client(**options) as ib, anyio.create_task_group() as tasks:
            tasks.start_soon(fail_temporarily)
            await ib.get_workflow_execution(execution)
            while source.failures < len(FAILURES):
                # A wait that starts during the failure succeeds as well.
                await ib.wait(execution, timeout=30)
            return await ib.wait(execution, timeout=30)

    assert anyio.run(main, backend=backend).status == "COMPLETED"
    assert source.failures >= len(FAILURES)


@pytest.mark.parametrize(("backend", "options"), CLIENTS)
def test_expired_token_response_during_watch_is_retried(
    simulator: Simulator, proxy: FaultProxy, open_client, backend, options
):
    async def main():
        async with open_client(**options) as ib:
            assert [each async for each in ib.list_waiting_workflow_steps()] == []
            simulator.set_time_scale(0)
            schedule = [("RUNNING", 500.0), ("COMPLETED", None)]
            execution = simulator.add_execution("workflow_execution", schedule)
            async with ib.watch(execution, timeout=30) as watch:
                states = [await anext(watch)]
                proxy.inject(NetworkFault("expired_token", seconds=0.4))
                simulator.advance(500)
                return states + [each async for each in watch]

    assert [str(each.status) for each in anyio.run(main, backend=backend)] == ["RUNNING", "COMPLETED"]
    assert proxy.counts["expired_token"] >= 1


def test_credentials_rejected_on_first_poll_raise_at_once(
    simulator: Simulator, proxy: FaultProxy, open_client
):
    execution = simulator.add_execution("workflow_execution", [("RUNNING", None)])
    proxy.inject(NetworkFault("expired_token"))

    async def main():
        async with open_client() as ib:
            with pytest.raises(ObservationError, match="ExpiredTokenException") as caught:
                await ib.wait(execution, timeout=30)
            return caught.value

    started = time.monotonic()
    assert isinstance(anyio.run(main).__cause__, CredentialsError)
    assert time.monotonic() - started < 5
    assert proxy.requests == 1
