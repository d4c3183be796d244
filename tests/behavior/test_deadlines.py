"""Deadlines, cadence, grace and backoff: when `wait` polls, and when it ends."""

import logging
import random
import re
from datetime import timedelta
from itertools import pairwise

import anyio
import pytest
import tenacity
from botocore.exceptions import EndpointConnectionError, NoCredentialsError

from aioimagebuilder import (
    Backoff,
    CallRateLimitExceededException,
    ConnectionFailedError,
    CredentialsError,
    ExecutionNotFoundError,
    ForbiddenException,
    ImageBuilder,
    ObservationError,
    ResourceNotFoundException,
    ServiceUnavailableException,
    WaitTimeoutError,
)
from support.scripted_service import ScriptedService, aws_error, throttle, workflow_id


@pytest.fixture(autouse=True)
def _seeded():
    random.seed(42)


def test_a_timeout_of_zero_polls_once(run):
    async def main():
        service = ScriptedService()
        running = service.workflow((0, "RUNNING"))
        done = service.workflow((0, "COMPLETED"), number=2)
        async with ImageBuilder(client=service) as ib:
            with pytest.raises(WaitTimeoutError) as caught:
                await ib.wait(running, timeout=0)
            assert (caught.value.polls, len(service.calls)) == (1, 1)
            assert (await ib.wait(done, timeout=0)).is_terminal
            assert len(service.calls) == 2

    run(main)


@pytest.mark.parametrize("timeout", [3, 60, timedelta(minutes=7), 3601.5])
def test_the_last_poll_falls_on_the_deadline_and_the_wait_ends_with_its_answer(run, timeout):
    async def main():
        service = ScriptedService(latency=0.25)
        identifier = service.workflow((0, "RUNNING"))
        seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
        async with ImageBuilder(client=service) as ib:
            with pytest.raises(WaitTimeoutError) as caught:
                await ib.wait(identifier, timeout=timeout)
        assert service.times[-1] == pytest.approx(seconds, abs=0.001)
        assert caught.value.elapsed == pytest.approx(seconds + 0.25, abs=0.001)
        assert caught.value.polls == len(service.calls)
        assert isinstance(caught.value, TimeoutError)

    run(main)


def test_an_execution_that_ends_just_before_the_deadline_is_a_success(run):
    async def main():
        service = ScriptedService()
        identifier = service.workflow((0, "RUNNING"), (59.9, "COMPLETED"))
        async with ImageBuilder(client=service) as ib:
            assert (await ib.wait(identifier, timeout=60)).status == "COMPLETED"

    run(main)


def test_delays_grow_from_min_to_max_and_no_poll_comes_just_before_the_deadline(run):
    async def main():
        service = ScriptedService(latency=0)
        identifier = service.workflow((0, "RUNNING"))
        async with ImageBuilder(client=service, min_delay=2, max_delay=32) as ib:
            with pytest.raises(WaitTimeoutError):
                await ib.wait(identifier, timeout=1000)
        delays = [b - a for a, b in zip(service.times, service.times[1:], strict=False)]
        bounds = [2, 4, 8, 16] + [32] * len(delays)
        # The last delay alone may be longer: a poll too near to the deadline is left out for that on it.
        assert all(2 <= delay <= bound for delay, bound in zip(delays[:-1], bounds, strict=False))
        assert delays[-1] <= 32 + 2
        assert max(delays) > 20

    run(main)


def test_each_waiting_method_may_override_the_cadence(run):
    async def main():
        service = ScriptedService(latency=0)
        identifier = service.workflow((0, "RUNNING"))
        async with ImageBuilder(client=service, min_delay=5, max_delay=30) as ib:
            with pytest.raises(WaitTimeoutError):
                await ib.wait(identifier, timeout=10, min_delay=1, max_delay=1)
        assert service.times == [0, 1, 2, 3, 4, 5, 6, 7, 8, 10]

    run(main)


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
        assert error == "GetWorkflowExecution: ServiceUnavailableException (HTTP 503): said the service."
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


def test_a_hiccup_at_the_deadline_leaves_it_a_timeout(run):
    async def main():
        service = ScriptedService(fault=lambda now: throttle() if now >= 595 else None)
        identifier = service.workflow((0, "RUNNING"))
        async with ImageBuilder(client=service) as ib:
            with pytest.raises(WaitTimeoutError) as caught:
                await ib.wait(identifier, timeout=600)
        assert caught.value.execution.status == "RUNNING"
        assert caught.value.throttles >= 1

    run(main)


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


def test_an_id_that_was_never_seen_fails_after_the_grace(run):
    async def main():
        service = ScriptedService()
        async with ImageBuilder(client=service, not_found_grace=20) as ib:
            with pytest.raises(ExecutionNotFoundError) as caught:
                await ib.wait(workflow_id(404), timeout=600)
        assert 20 <= caught.value.elapsed < 21
        assert caught.value.execution is None

    run(main)


def test_an_id_that_shows_up_within_the_grace_is_awaited(run):
    async def main():
        service = ScriptedService()
        identifier = service.workflow((7, "RUNNING"), (60, "COMPLETED"))
        async with ImageBuilder(client=service) as ib:
            assert (await ib.wait(identifier, timeout=600)).status == "COMPLETED"

    run(main)


def test_an_id_that_was_seen_and_is_gone_fails_at_once(run):
    async def main():
        service = ScriptedService()
        gone = aws_error("ResourceNotFoundException", 404)
        service.fault = lambda now: gone if now > 100 else None
        identifier = service.workflow((0, "RUNNING"))
        async with ImageBuilder(client=service) as ib:
            with pytest.raises(ExecutionNotFoundError) as caught:
                await ib.wait(identifier, timeout=600)
        assert caught.value.elapsed < 100 + 31
        assert caught.value.execution.status == "RUNNING"

    run(main)


def test_a_read_that_never_returns_does_not_outlast_the_deadline_by_more_than_its_grace(run):
    async def main():
        service = ScriptedService(hang=lambda now: 10_000 if now > 30 else 0)
        identifier = service.workflow((0, "RUNNING"))
        async with ImageBuilder(client=service) as ib:
            with pytest.raises(WaitTimeoutError) as caught:
                await ib.wait(identifier, timeout=60)
            assert 60 <= caught.value.elapsed <= 70
            await anyio.sleep(0.1)
            assert service.in_flight == 0

    run(main)


def test_a_slow_answer_to_the_last_poll_is_waited_for(run):
    async def main():
        service = ScriptedService(hang=lambda now: 5 if now >= 60 else 0)
        identifier = service.workflow((0, "RUNNING"), (60, "COMPLETED"))
        async with ImageBuilder(client=service) as ib:
            assert (await ib.wait(identifier, timeout=60)).status == "COMPLETED"

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


def test_a_deadline_of_a_late_comer_cuts_a_backoff_short(run):
    async def main():
        service = ScriptedService(fault=lambda now: aws_error("ServiceException", 500) if now < 20 else None)
        identifier = service.workflow((0, "RUNNING"), (25, "COMPLETED"))
        backoff = Backoff(transient=tenacity.wait_fixed(1000))
        async with ImageBuilder(client=service, backoff=backoff) as ib, anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: ib.wait(identifier, timeout=None))
            await anyio.sleep(10)
            # Its last poll falls on its own deadline, though the read sleeps until the second 1000.
            assert (await ib.wait(identifier, timeout=30)).is_terminal
            assert service.now == pytest.approx(40, abs=0.1)

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
