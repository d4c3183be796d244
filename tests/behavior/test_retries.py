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
def test_nothing_but_throttles_fails_no_wait(run, minutes):
    async def main():
        service = ScriptedService(fault=lambda now: throttle() if now < 60 * minutes else None)
        identifier = service.workflow((0, "RUNNING"), (60, "COMPLETED"))
        async with ImageBuilder(client=service) as ib:
            found = await ib.wait(identifier, timeout=None)
        assert found.status == "COMPLETED"
        # Not beyond what the longest backoff, one slot of the slowest rate and a poll's delay allow.
        assert service.times[-1] < 60 * minutes + 30
        assert len(service.calls) < 20 + 12 * minutes

    run(main)


def test_throttles_up_to_the_deadline_are_an_observation_error_that_counts_them(run):
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
def test_an_outage_in_mid_wait_passes_and_one_to_the_end_is_told(run, fault, cause):
    async def main(ends: float):
        service = ScriptedService(fault=lambda now: fault if 60 <= now < ends else None)
        identifier = service.workflow((0, "RUNNING"), (100, "COMPLETED"))
        async with ImageBuilder(client=service) as ib:
            return await ib.wait(identifier, timeout=900)

    async def passing():
        assert (await main(660)).status == "COMPLETED"

    async def to_the_end():
        with pytest.raises(ObservationError) as caught:
            await main(10_000)
        assert isinstance(caught.value.__cause__, cause)
        assert caught.value.execution.status == "RUNNING"
        assert caught.value.throttles == 0

    run(passing)
    run(to_the_end)


def test_an_outage_that_lasts_is_warned_of_now_and_then_and_so_is_its_end(run, caplog):
    async def main():
        fault = aws_error("ServiceUnavailableException", 503)
        service = ScriptedService(fault=lambda now: fault if 60 <= now < 660 else None)
        identifier = service.workflow((0, "RUNNING"), (700, "COMPLETED"))
        async with ImageBuilder(client=service) as ib:
            await ib.wait(identifier, timeout=None)

    caplog.set_level(logging.WARNING, "aioimagebuilder")
    run(main)
    *outage, end = [record.getMessage() for record in caplog.records]
    assert len(outage) == 2
    for warning, least in zip(outage, (10, 310), strict=True):
        seconds, error = re.fullmatch(r"No call has succeeded for (\d+) s: (.*)", warning).groups()
        assert least <= int(seconds) <= least + 15
        assert error == "GetWorkflowExecution: ServiceUnavailableException (HTTP 503): the request failed."
    assert 570 <= int(re.fullmatch(r"The service responds again after (\d+) s", end)[1]) <= 640


def test_a_fault_that_passes_soon_is_not_warned_of_and_nor_is_a_refusal(run, caplog):
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
def test_a_refusal_ends_the_wait_at_once(run, fault, cause):
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
    "hint",
    [
        throttle(headers={"x-amz-retry-after": "45000"}),
        aws_error("ServiceUnavailableException", 503, headers={"retry-after": "45"}),
    ],
)
def test_a_servers_retry_hint_is_honoured(run, hint):
    async def main():
        service = ScriptedService(fault=lambda now: hint if now < 1 else None)
        identifier = service.workflow((0, "COMPLETED"))
        async with ImageBuilder(client=service) as ib:
            await ib.wait(identifier, timeout=None)
        assert len(service.calls) == 2
        assert 45 <= service.times[1] < 46

    run(main)


def test_a_retry_hint_of_a_year_blinds_no_wait(run):
    async def main():
        hint = throttle(headers={"retry-after": "31536000"})
        service = ScriptedService(fault=lambda now: hint if now < 1 else None)
        identifier = service.workflow((0, "RUNNING"), (50, "COMPLETED"))
        async with ImageBuilder(client=service) as ib:
            assert (await ib.wait(identifier, timeout=100)).status == "COMPLETED"
        assert 60 <= service.times[1] < 61

    run(main)


def test_a_caller_may_hand_in_strategies_of_tenacity(run):
    async def main():
        service = ScriptedService(latency=0, fault=lambda now: throttle() if now < 34 else None)
        identifier = service.workflow((0, "COMPLETED"))
        told: list[str] = []
        backoff = Backoff(
            throttled=tenacity.wait_fixed(10),
            before_sleep=lambda state: told.append(type(state.outcome.exception()).__name__),
        )
        async with ImageBuilder(client=service, backoff=backoff) as ib:
            await ib.wait(identifier, timeout=None)
        assert service.times == [0, 10, 20, 30, 40]
        assert told == ["CallRateLimitExceededException"] * 4

    run(main)


def test_an_async_hook_is_awaited_before_each_sleep(run):
    async def main():
        service = ScriptedService(fault=lambda now: throttle() if now < 34 else None)
        identifier = service.workflow((0, "COMPLETED"))
        told: list[float] = []

        async def hook(state: tenacity.RetryCallState) -> None:
            await anyio.sleep(1)
            told.append(state.upcoming_sleep)

        backoff = Backoff(throttled=tenacity.wait_fixed(10), before_sleep=hook)
        async with ImageBuilder(client=service, backoff=backoff) as ib:
            await ib.wait(identifier, timeout=None)
        assert told
        assert set(told) == {10}
        assert all(later - sooner > 11 for sooner, later in pairwise(service.times))

    run(main)


def test_a_caller_who_retries_everything_can_still_be_cancelled(run):
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


def test_a_single_operation_gives_up_when_its_strategy_says_so(run):
    async def main():
        service = ScriptedService(fault=lambda _: throttle())
        backoff = Backoff(stop=tenacity.stop_after_attempt(3), throttled=tenacity.wait_fixed(1))
        async with ImageBuilder(client=service, backoff=backoff) as ib:
            with pytest.raises(CallRateLimitExceededException):
                await ib.get_workflow_execution(workflow_id())
        assert len(service.calls) == 3

    run(main)


def test_what_is_no_answer_of_aws_is_never_retried(run):
    async def main():
        service = ScriptedService(fault=lambda _: ZeroDivisionError("a bug"))
        backoff = Backoff(retry=tenacity.retry_if_exception(lambda _: True))
        async with ImageBuilder(client=service, backoff=backoff) as ib:
            with pytest.raises(ZeroDivisionError):
                await ib.wait(service.workflow((0, "RUNNING")), timeout=600)
        assert len(service.calls) == 1

    run(main)


def test_a_truncated_body_passes(run):
    async def main():
        cut = IncompleteReadError(actual_bytes=100, expected_bytes=4000)
        service = ScriptedService(fault=lambda now: cut if now < 30 else None)
        identifier = service.workflow((0, "COMPLETED"))
        async with ImageBuilder(client=service) as ib:
            assert (await ib.wait(identifier, timeout=600)).status == "COMPLETED"

    run(main)


def test_a_refusal_leaves_nothing_to_the_garbage_collector(run):
    async def main():
        service = ScriptedService()
        async with ImageBuilder(client=service) as ib:
            gc.disable()
            try:
                await ib.get_workflow_execution(workflow_id(404))
            except ResourceNotFoundException as error:
                refusal = weakref.ref(error)
            finally:
                gc.enable()
        assert refusal() is None

    run(main)
