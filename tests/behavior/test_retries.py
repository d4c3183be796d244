"""Failed calls: which are retried and at what pace, and which end the wait."""

import gc
import logging
import re
import weakref
from itertools import pairwise

import anyio
import pytest
import tenacity
from botocore.exceptions import EndpointConnectionError, IncompleteReadError, NoCredentialsError

from aioimagebuilder import (
    Backoff,
    CallRateLimitExceededException,
    ConnectionFailedError,
    CredentialsError,
    ForbiddenException,
    ImageBuilder,
    ObservationError,
    ResourceNotFoundException,
    ServiceUnavailableException,
)
from support.scripted_service import ScriptedService, aws_error, throttle, workflow_id


@pytest.mark.parametrize("minutes", [1, 60])
def test_throttles_alone_fail_no_wait(run, minutes):
    async def main():
        service = ScriptedService(fault=lambda now: throttle() if now < 60 * minutes else None)
        identifier = service.workflow((0, "RUNNING"), (60, "COMPLETED"))
        async with ImageBuilder(client=service) as ib:
            found = await ib.wait(identifier, timeout=None)
        assert found.status == "COMPLETED"
        # Allows for the longest backoff, one interval of the lowest rate, and the delay of a poll.
        assert service.times[-1] < 60 * minutes + 30
        assert len(service.calls) < 20 + 12 * minutes

    run(main)


def test_throttled_until_deadline_raises_observation_error(run):
    async def main():
        service = ScriptedService(fault=lambda _: throttle())
        identifier = service.workflow((0, "RUNNING"))
        async with ImageBuilder(client=service) as ib:
            with pytest.raises(ObservationError) as caught:
                await ib.wait(identifier, timeout=120)
        error = caught.value
        assert isinstance(error.__cause__, CallRateLimitExceededException)
        assert error.__cause__.__cause__.response["Error"]["Code"] == "CallRateLimitExceededException"
        assert (error.execution, error.throttles) == (None, len(service.calls))
        assert error.polls == len(service.calls)
        assert 120 <= error.elapsed <= 130
        assert "never seen" in str(error)

    run(main)


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        (aws_error("ServiceUnavailableException", 503), ServiceUnavailableException),
        (EndpointConnectionError(endpoint_url="http://nowhere"), ConnectionFailedError),
    ],
)
def test_outage_fails_the_wait_only_if_it_lasts(run, fault, cause):
    async def main(end: float):
        service = ScriptedService(fault=lambda now: fault if 60 <= now < end else None)
        identifier = service.workflow((0, "RUNNING"), (100, "COMPLETED"))
        async with ImageBuilder(client=service) as ib:
            return await ib.wait(identifier, timeout=900)

    async def until_660():
        assert (await main(660)).status == "COMPLETED"

    async def beyond_the_deadline():
        with pytest.raises(ObservationError) as caught:
            await main(10_000)
        assert isinstance(caught.value.__cause__, cause)
        assert caught.value.execution.status == "RUNNING"
        assert caught.value.throttles == 0

    run(until_660)
    run(beyond_the_deadline)


def test_long_outage_and_its_end_are_logged_as_warnings(run, caplog):
    async def main():
        fault = aws_error("ServiceUnavailableException", 503)
        service = ScriptedService(fault=lambda now: fault if 60 <= now < 660 else None)
        identifier = service.workflow((0, "RUNNING"), (700, "COMPLETED"))
        async with ImageBuilder(client=service) as ib:
            await ib.wait(identifier, timeout=None)

    caplog.set_level(logging.WARNING, "aioimagebuilder")
    run(main)
    *outage, recovery = [record.getMessage() for record in caplog.records]
    assert len(outage) == 2
    due = 10
    for warning in outage:
        seconds, error = re.fullmatch(r"No call has succeeded for (\d+) s: (.*)", warning).groups()
        # The next attempt after it is due follows within the longest backoff.
        assert due <= int(seconds) <= due + 16
        due = int(seconds) + 300
        assert error == "GetWorkflowExecution: ServiceUnavailableException (HTTP 503): the request failed."
    assert 570 <= int(re.fullmatch(r"The service responds again after (\d+) s", recovery)[1]) <= 640


def test_outage_includes_the_time_of_its_first_call(run, caplog):
    async def main():
        timeout = EndpointConnectionError(endpoint_url="http://nowhere")
        service = ScriptedService(latency=40, fault=lambda now: timeout if now < 30 else None)
        identifier = service.workflow((0, "COMPLETED"))
        async with ImageBuilder(client=service) as ib:
            await ib.wait(identifier, timeout=None)

    caplog.set_level(logging.WARNING, "aioimagebuilder")
    run(main)
    outage, recovery = [record.getMessage() for record in caplog.records]
    assert outage.startswith("No call has succeeded for 40 s: GetWorkflowExecution: ")
    assert 80 <= int(re.fullmatch(r"The service responds again after (\d+) s", recovery)[1]) < 90


def test_short_faults_and_rejections_log_no_warning(run, caplog):
    async def main():
        fault = aws_error("ServiceUnavailableException", 503)
        service = ScriptedService(fault=lambda now: fault if now % 60 < 8 else None)
        identifier = service.workflow((0, "RUNNING"), (700, "COMPLETED"))
        async with ImageBuilder(client=service) as ib:
            await ib.wait(identifier, timeout=None)
            for number in range(2, 60):
                with pytest.raises(ResourceNotFoundException):
                    await ib.get_workflow_execution(workflow_id(number))
                await anyio.sleep(1)

    caplog.set_level(logging.WARNING, "aioimagebuilder")
    run(main)
    assert not caplog.records


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        (aws_error("ForbiddenException", 403), ForbiddenException),
        (NoCredentialsError(), CredentialsError),
        (aws_error("ExpiredTokenException", 403), CredentialsError),
    ],
)
def test_rejection_ends_the_wait_at_once(run, fault, cause):
    async def main():
        service = ScriptedService(fault=lambda _: fault)
        identifier = service.workflow((0, "RUNNING"))
        async with ImageBuilder(client=service) as ib:
            with pytest.raises(ObservationError) as caught:
                await ib.wait(identifier, timeout=600)
        assert isinstance(caught.value.__cause__, cause)
        assert len(service.calls) == 1
        assert caught.value.elapsed < 1

    run(main)


@pytest.mark.parametrize(
    "error",
    [
        throttle(headers={"x-amz-retry-after": "45000"}),
        aws_error("ServiceUnavailableException", 503, headers={"retry-after": "45"}),
    ],
)
def test_retry_hint_of_the_server_is_followed(run, error):
    async def main():
        service = ScriptedService(fault=lambda now: error if now < 1 else None)
        identifier = service.workflow((0, "COMPLETED"))
        async with ImageBuilder(client=service) as ib:
            await ib.wait(identifier, timeout=None)
        assert len(service.calls) == 2
        assert 45 <= service.times[1] < 46

    run(main)


def test_retry_hint_is_followed_for_at_most_a_minute(run):
    async def main():
        a_year = throttle(headers={"retry-after": "31536000"})
        service = ScriptedService(fault=lambda now: a_year if now < 1 else None)
        identifier = service.workflow((0, "RUNNING"), (50, "COMPLETED"))
        async with ImageBuilder(client=service) as ib:
            assert (await ib.wait(identifier, timeout=100)).status == "COMPLETED"
        assert 60 <= service.times[1] < 61

    run(main)


def test_custom_wait_strategy_of_tenacity_is_used(run):
    async def main():
        service = ScriptedService(latency=0, fault=lambda now: throttle() if now < 34 else None)
        identifier = service.workflow((0, "COMPLETED"))
        errors: list[str] = []
        backoff = Backoff(
            throttled=tenacity.wait_fixed(10),
            before_sleep=lambda state: errors.append(type(state.outcome.exception()).__name__),
        )
        async with ImageBuilder(client=service, backoff=backoff) as ib:
            await ib.wait(identifier, timeout=None)
        assert service.times == [0, 10, 20, 30, 40]
        assert errors == ["CallRateLimitExceededException"] * 4

    run(main)


def test_async_hook_is_awaited_before_each_sleep(run):
    async def main():
        service = ScriptedService(fault=lambda now: throttle() if now < 34 else None)
        identifier = service.workflow((0, "COMPLETED"))
        delays: list[float] = []

        async def hook(state: tenacity.RetryCallState) -> None:
            await anyio.sleep(1)
            delays.append(state.upcoming_sleep)

        backoff = Backoff(throttled=tenacity.wait_fixed(10), before_sleep=hook)
        async with ImageBuilder(client=service, backoff=backoff) as ib:
            await ib.wait(identifier, timeout=None)
        assert delays
        assert set(delays) == {10}
        assert all(later - sooner > 11 for sooner, later in pairwise(service.times))

    run(main)


def test_retrying_everything_does_not_prevent_cancellation(run):
    async def main():
        service = ScriptedService(fault=lambda _: throttle())
        identifier = service.workflow((0, "RUNNING"))
        backoff = Backoff(retry=tenacity.retry_if_exception(lambda _: True))
        async with ImageBuilder(client=service, backoff=backoff) as ib:
            with anyio.move_on_after(100) as scope:
                await ib.wait(identifier, timeout=None)
            assert scope.cancelled_caught
            calls = len(service.calls)
            await anyio.sleep(1000)
            assert len(service.calls) == calls

    run(main)


def test_stop_strategy_ends_the_retries_of_an_operation(run):
    async def main():
        service = ScriptedService(fault=lambda _: throttle())
        backoff = Backoff(stop=tenacity.stop_after_attempt(3), throttled=tenacity.wait_fixed(1))
        async with ImageBuilder(client=service, backoff=backoff) as ib:
            with pytest.raises(CallRateLimitExceededException):
                await ib.get_workflow_execution(workflow_id())
        assert len(service.calls) == 3

    run(main)


def test_unexpected_exception_is_never_retried(run):
    async def main():
        service = ScriptedService(fault=lambda _: ZeroDivisionError("a bug"))
        backoff = Backoff(retry=tenacity.retry_if_exception(lambda _: True))
        async with ImageBuilder(client=service, backoff=backoff) as ib:
            with pytest.raises(ZeroDivisionError):
                await ib.wait(service.workflow((0, "RUNNING")), timeout=600)
        assert len(service.calls) == 1

    run(main)


def test_truncated_response_is_retried(run):
    async def main():
        truncated = IncompleteReadError(actual_bytes=100, expected_bytes=4000)
        service = ScriptedService(fault=lambda now: truncated if now < 30 else None)
        identifier = service.workflow((0, "COMPLETED"))
        async with ImageBuilder(client=service) as ib:
            assert (await ib.wait(identifier, timeout=600)).status == "COMPLETED"

    run(main)


def test_rejection_leaves_no_reference_cycle(run):
    async def main():
        service = ScriptedService()
        async with ImageBuilder(client=service) as ib:
            gc.disable()
            try:
                await ib.get_workflow_execution(workflow_id(404))
            except ResourceNotFoundException as error:
                rejection = weakref.ref(error)
            finally:
                gc.enable()
        assert rejection() is None

    run(main)
