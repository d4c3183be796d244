"""Deadlines and delays: when `wait` polls, when it ends, and with which error."""

from collections.abc import AsyncIterator
from datetime import timedelta

import anyio
import pytest
import tenacity

from aioimagebuilder import (
    Backoff,
    ExecutionNotFoundError,
    ImageBuilder,
    ObservationError,
    WaitGroupError,
    WaitTimeoutError,
)
from support.scripted_service import ScriptedService, aws_error, throttle, workflow_id


def test_zero_timeout_polls_once(run):
    async def main():
        service = ScriptedService()
        running = service.workflow((0, "RUNNING"))
        done = service.workflow((0, "COMPLETED"), number=2)
        async with ImageBuilder(client=service) as ib:
            with pytest.raises(WaitTimeoutError) as caught:
                await ib.wait(running, timeout=0)
            assert (caught.value.polls, len(service.calls)) == (1, 1)
            assert (await ib.wait(done, timeout=0)).status == "COMPLETED"
            assert len(service.calls) == 2

    run(main)


@pytest.mark.parametrize("timeout", [3, 60, timedelta(minutes=7), 3601.5])
def test_last_poll_is_made_at_the_deadline(run, timeout):
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


def test_execution_ending_before_the_deadline_is_returned(run):
    async def main():
        service = ScriptedService()
        identifier = service.workflow((0, "RUNNING"), (59.9, "COMPLETED"))
        async with ImageBuilder(client=service) as ib:
            assert (await ib.wait(identifier, timeout=60)).status == "COMPLETED"

    run(main)


def test_delays_grow_and_skip_a_poll_just_before_the_deadline(run):
    async def main():
        service = ScriptedService(latency=0)
        identifier = service.workflow((0, "RUNNING"))
        async with ImageBuilder(client=service, min_delay=2, max_delay=32) as ib:
            with pytest.raises(WaitTimeoutError):
                await ib.wait(identifier, timeout=1000)
        delays = [b - a for a, b in zip(service.times, service.times[1:], strict=False)]
        bounds = [2, 4, 8, 16] + [32] * len(delays)
        # The last delay may be longer: a poll just before the deadline is skipped.
        assert all(2 <= delay <= bound for delay, bound in zip(delays[:-1], bounds, strict=False))
        assert delays[-1] <= 32 + 2
        assert max(delays) > 20

    run(main)


async def _iterate(states: AsyncIterator[object]) -> None:
    async for _ in states:
        pass


@pytest.mark.parametrize(
    ("add", "wait"),
    [
        (ScriptedService.workflow, ImageBuilder.wait),
        (ScriptedService.workflow, ImageBuilder.wait_for_workflow_execution),
        (ScriptedService.step, ImageBuilder.wait_for_workflow_step),
        (ScriptedService.image, ImageBuilder.wait_for_image),
        (ScriptedService.lifecycle, ImageBuilder.wait_for_lifecycle_execution),
        (ScriptedService.workflow, lambda ib, each, **options: ib.wait_all([each], **options)),
        (ScriptedService.workflow, lambda ib, each, **options: _iterate(ib.as_completed([each], **options))),
        (ScriptedService.workflow, lambda ib, each, **options: _iterate(ib.watch(each, **options))),
    ],
    ids=["wait", "workflow", "step", "image", "lifecycle", "wait-all", "as-completed", "watch"],
)
def test_wait_overrides_the_delays_of_the_client(run, add, wait):
    async def main():
        service = ScriptedService(latency=0)
        identifier = add(service, (0, "RUNNING"))
        async with ImageBuilder(client=service, min_delay=5, max_delay=30) as ib:
            with pytest.raises((WaitTimeoutError, WaitGroupError)):
                await wait(ib, identifier, timeout=10, min_delay=1, max_delay=1)
        polls = [round(call.time, 3) for call in service.calls if call.operation.startswith("get_")]
        assert polls == [0, 1, 2, 3, 4, 5, 6, 7, 8, 10]

    run(main)


def test_throttles_near_the_deadline_raise_wait_timeout_error(run):
    async def main():
        service = ScriptedService(fault=lambda now: throttle() if now >= 595 else None)
        identifier = service.workflow((0, "RUNNING"))
        async with ImageBuilder(client=service) as ib:
            with pytest.raises(WaitTimeoutError) as caught:
                await ib.wait(identifier, timeout=600)
        assert caught.value.execution.status == "RUNNING"
        assert caught.value.throttles >= 1

    run(main)


def test_unknown_id_is_not_found_after_the_grace_period(run):
    async def main():
        service = ScriptedService()
        async with ImageBuilder(client=service, not_found_grace=20) as ib:
            with pytest.raises(ExecutionNotFoundError) as caught:
                await ib.wait(workflow_id(404), timeout=600)
        assert 20 <= caught.value.elapsed < 21
        assert caught.value.execution is None

    run(main)


def test_id_appearing_within_the_grace_period_is_awaited(run):
    async def main():
        service = ScriptedService()
        identifier = service.workflow((7, "RUNNING"), (60, "COMPLETED"))
        async with ImageBuilder(client=service) as ib:
            assert (await ib.wait(identifier, timeout=600)).status == "COMPLETED"

    run(main)


def test_deleted_execution_is_not_found_at_once(run):
    async def main():
        service = ScriptedService()
        deleted = aws_error("ResourceNotFoundException", 404)
        service.fault = lambda now: deleted if now > 100 else None
        identifier = service.workflow((0, "RUNNING"))
        async with ImageBuilder(client=service) as ib:
            with pytest.raises(ExecutionNotFoundError) as caught:
                await ib.wait(identifier, timeout=600)
        assert caught.value.elapsed < 100 + 31
        assert caught.value.execution.status == "RUNNING"

    run(main)


def test_hanging_read_ends_the_wait_soon_after_the_deadline(run):
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


def test_slow_response_to_the_last_poll_is_awaited(run):
    async def main():
        service = ScriptedService(hang=lambda now: 5 if now >= 60 else 0)
        identifier = service.workflow((0, "RUNNING"), (60, "COMPLETED"))
        async with ImageBuilder(client=service) as ib:
            assert (await ib.wait(identifier, timeout=60)).status == "COMPLETED"

    run(main)


def test_deadline_of_a_later_wait_interrupts_the_backoff(run):
    async def main():
        service = ScriptedService(fault=lambda now: aws_error("ServiceException", 500) if now < 20 else None)
        identifier = service.workflow((0, "RUNNING"), (25, "COMPLETED"))
        backoff = Backoff(transient=tenacity.wait_fixed(1000))
        async with ImageBuilder(client=service, backoff=backoff) as ib, anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: ib.wait(identifier, timeout=None))
            await anyio.sleep(10)
            # Its last poll is made at its own deadline, even if the backoff lasts until second 1000.
            assert (await ib.wait(identifier, timeout=30)).status == "COMPLETED"
            assert service.now == pytest.approx(40, abs=0.1)

    run(main)


@pytest.mark.parametrize("fault", [None, throttle()])
def test_slow_consumer_receives_the_error_as_of_its_deadline(run, fault):
    async def main():
        service = ScriptedService(fault=lambda now: fault if 59 < now < 61 else None)
        identifier = service.workflow((0, "RUNNING"), (100, "COMPLETED"))
        async with ImageBuilder(client=service) as ib:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(lambda: ib.wait(identifier, timeout=None))
                watch = ib.watch(identifier, timeout=60)
                await anext(watch)
                await anyio.sleep(500)
                with pytest.raises(WaitTimeoutError) as caught:
                    await anext(watch)
        error = caught.value
        assert error.execution.status == "RUNNING"
        assert 60 <= error.elapsed < 61
        assert error.polls < 20
        assert "is still RUNNING" in str(error)

    run(main)


def test_outdated_state_raises_observation_error(run):
    async def main():
        # The read hangs without ever raising an error.
        service = ScriptedService(hang=lambda now: 100_000 if now > 30 else 0)
        identifier = service.workflow((0, "RUNNING"), (40, "COMPLETED"))
        async with ImageBuilder(client=service) as ib:
            with pytest.raises(ObservationError, match="could no longer be observed") as caught:
                await ib.wait(identifier, timeout=115)
        assert caught.value.execution.status == "RUNNING"
        assert 115 <= caught.value.elapsed <= 125.1

    run(main)


def test_hanging_poll_of_a_new_id_raises_observation_error(run):
    async def main():
        service = ScriptedService(hang=lambda now: 100_000 if now > 1 else 0)
        identifier = service.workflow((2, "RUNNING"))
        async with ImageBuilder(client=service, not_found_grace=100) as ib:
            with pytest.raises(ObservationError) as caught:
                await ib.wait(identifier, timeout=60)
        assert not isinstance(caught.value, ExecutionNotFoundError)

    run(main)
