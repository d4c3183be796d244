"""Waits of hours: a response that never ends, and a machine that is suspended."""

import anyio
import pytest

from aioimagebuilder import ConnectionFailedError, ImageBuilder, ObservationError, WaitTimeoutError
from support.scripted_service import ScriptedService
from support.virtual_time import jump

HOUR = 3600.0


def test_endless_response_does_not_block_the_wait(run):
    async def main():
        # Each byte arrives in time, so no read timeout of the connection applies.
        service = ScriptedService(hang=lambda now: 100 * HOUR if 10 < now < 60 else 0)
        identifier = service.workflow((0, "RUNNING"), (60, "COMPLETED"))
        async with ImageBuilder(client=service) as ib:
            assert (await ib.wait(identifier, timeout=None)).status == "COMPLETED"
        assert service.now < 200
        assert service.in_flight == 0

    run(main)


def test_endless_responses_raise_observation_error(run):
    async def main():
        service = ScriptedService(hang=lambda _: 100 * HOUR)
        identifier = service.workflow((0, "RUNNING"))
        async with ImageBuilder(client=service) as ib:
            with pytest.raises(ObservationError, match="no complete response within") as caught:
                await ib.wait(identifier, timeout=HOUR)
        assert isinstance(caught.value.__cause__, ConnectionFailedError)
        assert HOUR <= caught.value.elapsed <= HOUR + 10
        assert caught.value.polls == len(service.calls) > 10

    run(main)


async def _suspend(*, at: float, seconds: float) -> None:
    await anyio.sleep(at)
    jump(seconds)


@pytest.mark.parametrize("suspended_at", [100, 599.9])
@pytest.mark.parametrize("timeout", [600, None])
def test_end_during_suspension_is_seen_past_the_deadline(run, suspended_at, timeout):
    async def main():
        service = ScriptedService(latency=5)
        identifier = service.workflow((0, "RUNNING"), (1000, "COMPLETED"))
        async with ImageBuilder(client=service) as ib, anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: _suspend(at=suspended_at, seconds=2 * HOUR))
            assert (await ib.wait(identifier, timeout=timeout)).status == "COMPLETED"
        # Delays from before the suspension do not postpone the next poll.
        assert service.now < suspended_at + 2 * HOUR + 60

    run(main)


def test_deadline_during_suspension_polls_once_more(run):
    async def main():
        service = ScriptedService()
        identifier = service.workflow((0, "RUNNING"), (1000, "RUNNING"))
        async with ImageBuilder(client=service) as ib, anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: _suspend(at=100, seconds=2 * HOUR))
            with pytest.raises(WaitTimeoutError) as caught:
                await ib.wait(identifier, timeout=600)
        assert [time for time in service.times if time > 100] == [pytest.approx(100 + 2 * HOUR, abs=1)]
        assert caught.value.elapsed == pytest.approx(100 + 2 * HOUR, abs=1)

    run(main)


def test_watch_continues_after_a_suspension(run):
    async def main():
        service = ScriptedService()
        arn = service.image((0, "BUILDING"), (1000, "TESTING"), (3 * HOUR, "AVAILABLE"))
        async with ImageBuilder(client=service) as ib, anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: _suspend(at=100, seconds=2 * HOUR))
            states = [str(each.status) async for each in ib.watch(arn)]
        assert states == ["BUILDING", "TESTING", "AVAILABLE"]

    run(main)
