"""Waits of hours: an answer that never ends, and a machine that sleeps."""

import anyio
import pytest

from aioimagebuilder import ConnectionFailedError, ImageBuilder, ObservationError, WaitTimeoutError
from support.scripted_service import ScriptedService
from support.virtual_time import jump

HOUR = 3600.0


def test_an_answer_that_trickles_in_for_ever_holds_up_no_wait(run):
    async def main():
        # No read timeout of the connection's sees it: each of its bytes comes in time.
        service = ScriptedService(hang=lambda now: 100 * HOUR if 10 < now < 60 else 0)
        identifier = service.workflow((0, "RUNNING"), (60, "COMPLETED"))
        async with ImageBuilder(client=service) as ib:
            assert (await ib.wait(identifier, timeout=None)).status == "COMPLETED"
        assert service.now < 200
        assert service.in_flight == 0

    run(main)


def test_answers_that_all_trickle_are_told_at_the_deadline_as_what_they_are(run):
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


async def _sleep(*, falls_asleep: float, seconds: float) -> None:
    await anyio.sleep(falls_asleep)
    jump(seconds)


@pytest.mark.parametrize("falls_asleep", [100, 599.9])
@pytest.mark.parametrize("timeout", [600, None])
def test_what_ended_while_the_machine_slept_is_seen_on_waking_even_past_the_deadline(
    run, falls_asleep, timeout
):
    async def main():
        service = ScriptedService(latency=5)
        identifier = service.workflow((0, "RUNNING"), (1000, "COMPLETED"))
        async with ImageBuilder(client=service) as ib, anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: _sleep(falls_asleep=falls_asleep, seconds=2 * HOUR))
            assert (await ib.wait(identifier, timeout=timeout)).status == "COMPLETED"
        # At once: nothing that was put off before is waited for.
        assert service.now < falls_asleep + 2 * HOUR + 60

    run(main)


def test_what_still_runs_when_the_machine_wakes_past_the_deadline_is_polled_once_more_and_told(run):
    async def main():
        service = ScriptedService()
        identifier = service.workflow((0, "RUNNING"), (1000, "RUNNING"))
        async with ImageBuilder(client=service) as ib, anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: _sleep(falls_asleep=100, seconds=2 * HOUR))
            with pytest.raises(WaitTimeoutError) as caught:
                await ib.wait(identifier, timeout=600)
        assert [time for time in service.times if time > 100] == [pytest.approx(100 + 2 * HOUR, abs=1)]
        assert caught.value.elapsed == pytest.approx(100 + 2 * HOUR, abs=1)

    run(main)


def test_a_watch_goes_on_after_the_machine_slept(run):
    async def main():
        service = ScriptedService()
        arn = service.image((0, "BUILDING"), (1000, "TESTING"), (3 * HOUR, "AVAILABLE"))
        async with ImageBuilder(client=service) as ib, anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: _sleep(falls_asleep=100, seconds=2 * HOUR))
            states = [str(each.status) async for each in ib.watch(arn)]
        assert states == ["BUILDING", "TESTING", "AVAILABLE"]

    run(main)
