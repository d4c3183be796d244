"""What a watch shows, and what stopping one leaves behind."""

import anyio
import pytest

from aioimagebuilder import ClientClosedError, ImageBuilder, ObservationError, WaitTimeoutError
from support.scripted_service import UNKNOWN, ScriptedService, throttle

COURSE = ["PENDING", "CREATING", "BUILDING", "TESTING", "DISTRIBUTING", "AVAILABLE"]


def test_a_watch_begins_with_the_present_state_and_ends_with_the_terminal_one(run):
    async def main():
        service = ScriptedService()
        identifier = service.image(*((60 * i, status) for i, status in enumerate(COURSE)))
        await anyio.sleep(130)
        service.started = 0
        async with ImageBuilder(client=service) as ib:
            seen = [str(image.status) async for image in ib.watch(identifier)]
        assert seen == COURSE[2:]

    run(main)


def test_a_change_of_the_step_counts_alone_is_a_change(run):
    async def main():
        service = ScriptedService()
        identifier = service.workflow((0, "RUNNING"))
        service.scripts[identifier].states = [
            (
                60 * done,
                {
                    "workflowExecutionId": identifier,
                    "status": status,
                    "totalStepCount": 3,
                    "totalStepsSucceeded": done,
                    "requestId": f"r-{done}",
                },
            )
            for done, status in enumerate(["RUNNING", "RUNNING", "RUNNING", "COMPLETED"])
        ]
        async with ImageBuilder(client=service) as ib:
            seen = [each.progress.steps_done async for each in ib.watch(identifier)]
        assert seen == [0, 1, 2, 3]

    run(main)


def test_a_slow_consumer_misses_states_in_between_but_never_the_last(run):
    async def main():
        service = ScriptedService()
        identifier = service.image(*((60 * i, status) for i, status in enumerate(COURSE)))
        seen = []
        async with ImageBuilder(client=service) as ib:
            async for image in ib.watch(identifier):
                seen.append(str(image.status))
                await anyio.sleep(1000)
        assert seen == ["PENDING", "AVAILABLE"]

    run(main)


def test_a_slow_consumer_is_not_shown_a_state_twice_that_came_back_meanwhile(run):
    async def main():
        service = ScriptedService()
        identifier = service.step((0, "RUNNING"), (60, "WAITING"), (120, "RUNNING"), (900, "COMPLETED"))
        seen = []
        async with ImageBuilder(client=service) as ib:
            async for step in ib.watch(identifier):
                seen.append(str(step.status))
                await anyio.sleep(300)
        assert seen == ["RUNNING", "COMPLETED"]

    run(main)


def test_a_stale_read_that_steps_back_is_not_shown(run):
    async def main():
        service = ScriptedService()
        identifier = service.image(
            (0, "BUILDING"), (60, "TESTING"), (120, "BUILDING"), (180, "TESTING"), (240, "AVAILABLE")
        )
        async with ImageBuilder(client=service) as ib:
            seen = [str(image.status) async for image in ib.watch(identifier)]
        assert seen == ["BUILDING", "TESTING", "AVAILABLE"]

    run(main)


@pytest.mark.parametrize("leave", ["break", "context", "cancel", "drop"])
def test_the_polling_ends_with_the_watch_however_it_is_left(run, leave):
    async def main():
        service = ScriptedService()
        identifier = service.image((0, "BUILDING"))
        async with ImageBuilder(client=service) as ib:
            if leave == "break":
                async for _ in ib.watch(identifier):
                    break
            elif leave == "context":
                async with ib.watch(identifier) as watch:
                    await anext(watch)
            elif leave == "cancel":
                with anyio.move_on_after(100):
                    async for _ in ib.watch(identifier):
                        pass
            else:
                watch = ib.watch(identifier)
                await anext(watch)
                del watch
            calls = len(service.calls)
            await anyio.sleep(1000)
            assert len(service.calls) == calls
            assert ib._parts.poller.is_idle

    run(main)


def test_a_watch_that_is_not_iterated_costs_nothing(run):
    async def main():
        service = ScriptedService()
        async with ImageBuilder(client=service) as ib:
            ib.watch(service.image((0, "BUILDING")))
            await anyio.sleep(100)
        assert service.calls == []

    run(main)


def test_a_watch_that_ended_stays_ended(run):
    async def main():
        service = ScriptedService()
        async with ImageBuilder(client=service) as ib:
            watch = ib.watch(service.image((0, "AVAILABLE")))
            assert [str(image.status) async for image in watch] == ["AVAILABLE"]
            assert [image async for image in watch] == []
            assert len(service.calls) == 1

    run(main)


def test_a_watch_raises_at_its_deadline_after_what_it_saw(run):
    async def main():
        service = ScriptedService()
        seen = []
        async with ImageBuilder(client=service) as ib:
            watch = ib.watch(service.image((0, "BUILDING"), (50, "TESTING")), timeout=100)
            with pytest.raises(WaitTimeoutError):
                async for image in watch:
                    seen.append(str(image.status))
            assert seen == ["BUILDING", "TESTING"]
            assert [image async for image in watch] == []

    run(main)


def test_a_watch_of_what_cannot_be_seen_raises_why(run):
    async def main():
        service = ScriptedService(fault=lambda _: throttle())
        async with ImageBuilder(client=service) as ib:
            with pytest.raises(ObservationError):
                async for _ in ib.watch(service.image((0, "BUILDING")), timeout=50):
                    pytest.fail("there was nothing to see")

    run(main)


def test_a_watch_begun_after_its_client_was_closed_says_so(run):
    async def main():
        service = ScriptedService()
        async with ImageBuilder(client=service) as ib:
            watch = ib.watch(service.image((0, "BUILDING")))
        with pytest.raises(ClientClosedError):
            await anext(watch)
        assert service.calls == []

    run(main)


def test_an_unknown_status_does_not_let_a_stale_read_step_back(run):
    async def main():
        service = ScriptedService()
        identifier = service.image(
            (0, "TESTING"), (60, UNKNOWN), (120, "BUILDING"), (180, "DISTRIBUTING"), (240, "AVAILABLE")
        )
        async with ImageBuilder(client=service) as ib:
            seen = [str(image.status) async for image in ib.watch(identifier)]
        assert seen == ["TESTING", UNKNOWN, "DISTRIBUTING", "AVAILABLE"]

    run(main)


def test_a_step_that_failed_and_will_be_tried_again_does_not_run_on_in_a_stale_read(run):
    async def main():
        service = ScriptedService()
        identifier = service.step((0, "RUNNING"), (60, "FAILED"), (120, "RUNNING"), maxAttempts=2)
        again = {"stepExecutionId": identifier, "attemptNumber": 2, "maxAttempts": 2}
        service.scripts[identifier].states += [
            (180, {**again, "status": "RUNNING"}),
            (240, {**again, "status": "COMPLETED"}),
        ]
        async with ImageBuilder(client=service) as ib:
            seen = [(str(step.status), step.attempt_number) async for step in ib.watch(identifier)]
        assert seen == [("RUNNING", None), ("FAILED", None), ("RUNNING", 2), ("COMPLETED", 2)]

    run(main)
