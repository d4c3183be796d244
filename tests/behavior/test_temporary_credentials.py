"""Waits of hours with credentials that expire within minutes: those of botocore, on virtual time."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import anyio
import pytest
from aiobotocore.credentials import AnyioRefreshableCredentials
from botocore.exceptions import CredentialRetrievalError, EndpointConnectionError

from aioimagebuilder import (
    AccessDeniedException,
    CredentialsError,
    CredentialsRefreshError,
    ImageBuilder,
    ObservationError,
    WaitGroupError,
    WaitTimeoutError,
)
from support.scripted_service import REGION, ScriptedService, aws_error, image_arn

MINUTE = 60.0
HOUR = 3600.0
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
LIFETIME = 20 * MINUTE


class SignedService:
    """Gets credentials for each call to `service`, as botocore does. Their source may be down."""

    meta = SimpleNamespace(region_name=REGION)

    def __init__(self, service: ScriptedService, is_down: Callable[[float], bool] = lambda _: False) -> None:
        self.service = service
        self.refreshes = 0
        self._is_down = is_down
        self._credentials = AnyioRefreshableCredentials(
            "key", "secret", "token", EPOCH, self._refresh, "test", time_fetcher=self._wall_clock
        )

    def _wall_clock(self) -> datetime:
        return EPOCH + timedelta(seconds=self.service.now)

    async def _refresh(self) -> dict[str, str]:
        await anyio.sleep(0.5)
        if self._is_down(self.service.now):
            raise CredentialRetrievalError(provider="test", error_msg="the metadata service is down")
        self.refreshes += 1
        expires = self._wall_clock() + timedelta(seconds=LIFETIME)
        return {
            "access_key": "key",
            "secret_key": "secret",
            "token": "token",
            "expiry_time": expires.isoformat(),
        }

    def __getattr__(self, operation: str):
        method = getattr(self.service, operation)

        async def call(**params: object):
            await self._credentials.get_frozen_credentials()
            return await method(**params)

        return call


def test_wait_survives_expiry_and_an_outage_of_the_source(run):
    async def main():
        expired = aws_error("ExpiredTokenException", 403)
        service = ScriptedService(fault=lambda now: expired if 2 * HOUR < now < 2.2 * HOUR else None)
        client = SignedService(service, lambda now: HOUR < now < 1.3 * HOUR)
        ids = [
            service.lifecycle((0, "IN_PROGRESS"), ((3 + number / 10) * HOUR, "SUCCESS"), number=number)
            for number in range(1, 6)
        ]
        async with ImageBuilder(client=client) as ib:
            assert [each.id for each in await ib.wait_all(ids, timeout=6 * HOUR)] == ids
        assert client.refreshes > 10
        assert service.now < 3.5 * HOUR + 2 * MINUTE

    run(main)


def test_lost_credentials_end_the_wait_after_15_minutes(run, caplog):
    async def main():
        service = ScriptedService()
        client = SignedService(service, lambda now: now > HOUR)
        identifier = service.workflow((0, "RUNNING"))
        async with ImageBuilder(client=client) as ib:
            with pytest.raises(ObservationError, match="the metadata service is down") as caught:
                await ib.wait(identifier, timeout=6 * HOUR)
        error = caught.value
        assert type(error.__cause__) is CredentialsError
        assert error.execution.status == "RUNNING"
        # botocore fails no call until its credentials expire in less than ten minutes.
        assert HOUR + 15 * MINUTE < error.elapsed < HOUR + LIFETIME + 16 * MINUTE

    run(main)
    assert sum("This may be temporary" in record.message for record in caplog.records) == 1


def test_token_expired_until_deadline_raises_observation_error(run):
    async def main():
        expired = aws_error("ExpiredTokenException", 403)
        service = ScriptedService(fault=lambda now: expired if now > 1000 else None)
        identifier = service.workflow((0, "RUNNING"))
        async with ImageBuilder(client=service) as ib:
            with pytest.raises(WaitTimeoutError):
                await ib.wait(identifier, timeout=1010)
            with pytest.raises(ObservationError, match="ExpiredTokenException") as caught:
                await ib.wait(identifier, timeout=300)
        assert isinstance(caught.value.__cause__, CredentialsRefreshError)
        assert caught.value.elapsed == pytest.approx(300, abs=1)

    run(main)


def test_denial_during_a_wait_ends_it_at_once(run):
    async def main():
        denied = aws_error("AccessDeniedException", 403)
        service = ScriptedService(fault=lambda now: denied if now > 1000 else None)
        identifier = service.workflow((0, "RUNNING"))
        async with ImageBuilder(client=service) as ib:
            with pytest.raises(ObservationError) as caught:
                await ib.wait(identifier, timeout=HOUR)
        assert isinstance(caught.value.__cause__, AccessDeniedException)
        assert caught.value.elapsed < 1000 + 31

    run(main)


def test_lists_resume_once_credentials_are_valid_again(run):
    async def main():
        expired = aws_error("ExpiredTokenException", 403)
        service = ScriptedService(fault=lambda now: expired if 0.1 * HOUR < now < HOUR else None)
        ids = [
            service.workflow(
                (0, "RUNNING"), (2 * HOUR, "COMPLETED"), number=number, imageBuildVersionArn=image_arn()
            )
            for number in range(1, 11)
        ]
        async with ImageBuilder(client=service) as ib:
            with pytest.raises(WaitGroupError):
                await ib.wait_all(ids, timeout=2 * HOUR)
            await anyio.sleep(HOUR)
            service.calls.clear()
            assert len(await ib.wait_all(ids, timeout=2 * HOUR)) == len(ids)
        assert service.count("list_workflow_executions") > 10
        assert service.count("get_workflow_execution") < 10

    run(main)


@pytest.mark.parametrize(
    ("code", "status", "operation"),
    [
        ("Throttling", 400, "AssumeRole"),
        ("InternalFailure", 500, "AssumeRoleWithWebIdentity"),
        ("TooManyRequestsException", 429, "GetRoleCredentials"),
    ],
)
def test_unavailable_credentials_provider_fails_no_wait_at_its_start(run, code, status, operation):
    async def main():
        failure = aws_error(code, status, operation=operation)
        service = ScriptedService(fault=lambda now: failure if now < 10 * MINUTE else None)
        identifier = service.workflow((0, "RUNNING"), (HOUR, "COMPLETED"))
        async with ImageBuilder(client=service) as ib:
            found = await ib.wait(identifier, timeout=2 * HOUR)
            # A throttle of the provider says nothing about the rate of Image Builder.
            assert ib._caller._rate_limiter.rate >= 5
        assert found.status == "COMPLETED"

    run(main)


def test_credentials_provider_that_stays_unavailable_ends_the_wait(run):
    async def main():
        service = ScriptedService(fault=lambda _: aws_error("Throttling", 400, operation="AssumeRole"))
        identifier = service.workflow((0, "RUNNING"))
        async with ImageBuilder(client=service) as ib:
            with pytest.raises(ObservationError, match="AssumeRole") as caught:
                await ib.wait(identifier, timeout=None)
        assert type(caught.value.__cause__) is CredentialsError
        assert 15 * MINUTE <= caught.value.elapsed < 16 * MINUTE

    run(main)


@pytest.mark.parametrize(
    ("code", "status", "operation"),
    [
        ("AccessDenied", 403, "AssumeRole"),
        ("ResourceNotFoundException", 404, "GetRoleCredentials"),
        ("InvalidIdentityToken", 400, "AssumeRoleWithWebIdentity"),
        ("IDPCommunicationError", 400, "AssumeRoleWithWebIdentity"),
        ("UnauthorizedException", 401, "CreateToken"),
    ],
)
def test_rejection_by_the_credentials_provider_is_not_that_of_the_service(run, code, status, operation):
    async def main():
        rejection = aws_error(code, status, operation=operation)
        service = ScriptedService(fault=lambda now: rejection if MINUTE < now < 10 * MINUTE else None)
        identifier = service.workflow((0, "RUNNING"), (HOUR, "COMPLETED"))
        async with ImageBuilder(client=service) as ib:
            assert (await ib.wait(identifier, timeout=2 * HOUR)).status == "COMPLETED"
        # Without credentials that were ever accepted, it is final.
        service = ScriptedService(fault=lambda _: rejection)
        async with ImageBuilder(client=service) as ib:
            with pytest.raises(ObservationError, match=operation) as caught:
                await ib.wait(service.workflow((0, "RUNNING")), timeout=2 * HOUR)
        assert type(caught.value) is ObservationError
        assert type(caught.value.__cause__) is CredentialsError
        assert caught.value.elapsed < 1

    run(main)


def test_expiry_of_the_credentials_of_an_idle_client_fails_no_wait(run):
    async def main():
        expired = aws_error("ExpiredTokenException", 403)
        service = ScriptedService(fault=lambda now: expired if 2 * HOUR < now < 2.1 * HOUR else None)
        identifier = service.workflow((0, "RUNNING"), (3 * HOUR, "COMPLETED"))
        async with ImageBuilder(client=service) as ib:
            await ib.get_workflow_execution(identifier)
            await anyio.sleep(2 * HOUR)
            assert (await ib.wait(identifier, timeout=2 * HOUR)).status == "COMPLETED"

    run(main)


class _UnreachableProvider(SignedService):
    async def _refresh(self) -> dict[str, str]:
        if self._is_down(self.service.now):
            raise EndpointConnectionError(endpoint_url="https://sts.amazonaws.com")
        return await super()._refresh()


@pytest.mark.parametrize("first", [False, True])
def test_unreachable_credentials_provider_is_not_an_unreachable_service(run, first):
    async def main():
        service = ScriptedService()
        client = _UnreachableProvider(service, lambda now: first or now > HOUR)
        identifier = service.workflow((0, "RUNNING"))
        async with ImageBuilder(client=client) as ib:
            with pytest.raises(ObservationError, match="could not be refreshed") as caught:
                await ib.wait(identifier, timeout=6 * HOUR)
        assert type(caught.value.__cause__) is CredentialsError
        assert caught.value.elapsed < HOUR + LIFETIME + 16 * MINUTE

    run(main)
