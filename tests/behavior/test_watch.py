"""What a watch yields, and what it leaves behind when it stops."""

import anyio
import pytest

from aioimagebuilder import ClientClosedError, ImageBuilder, ObservationError, WaitTimeoutError
from support.scripted_service import UNKNOWN, ScriptedService, throttle

STATUSES = ["PENDING", "CREATING", "BUILDING", "TESTING", "DISTRIBUTING", "AVAILABLE"]


def _watch(ib: ImageBuilder, identifier: str):
    return ib.watch(identifier, timeout=None)


def _as_completed(ib: ImageBuilder, identifier: str):
    return ib.as_completed([identifier], timeout=None)


def test_watch_yields_states_from_present_to_terminal(run):
    async def main():
        service = ScriptedService()
        identifier = service.image(*((60 * i, status) for i, status in enumerate(STATUSES)))
        await anyio.sleep(130)
        service.started = 0
        async with ImageBuilder(client=service) as ib:
            seen = [str(image.status) async for image in ib.watch(identifier)]
        assert seen == STATUSES[2:]

    run(main)


def test_change_of_step_counts_alone_is_yielded(run):
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


def test_slow_consumer_always_receives_the_last_state(run):
    async def main():
        service = ScriptedService()
        identifier = service.image(*((60 * i, status) for i, status in enumerate(STATUSES)))
        seen = []
        async with ImageBuilder(client=service) as ib:
            async for image in ib.watch(identifier):
                seen.append(str(image.status))
                await anyio.sleep(1000)
        assert seen == ["PENDING", "AVAILABLE"]

    run(main)


def test_slow_consumer_receives_no_repeated_state(run):
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


def test_stale_read_is_not_yielded(run):
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
def test_leaving_the_watch_stops_polling(run, leave):
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
            assert len(service.calls) == calls > 0
            assert ib._parts.poller.is_idle

    run(main)


def test_watch_that_is_not_iterated_makes_no_call(run):
    async def main():
        service = ScriptedService()
        async with ImageBuilder(client=service) as ib:
            ib.watch(service.image((0, "BUILDING")))
            await anyio.sleep(100)
        assert service.calls == []

    run(main)


def test_ended_watch_yields_nothing_more(run):
    async def main():
        service = ScriptedService()
        async with ImageBuilder(client=service) as ib:
            watch = ib.watch(service.image((0, "AVAILABLE")))
            assert [str(image.status) async for image in watch] == ["AVAILABLE"]
            assert [image async for image in watch] == []
            assert len(service.calls) == 1

    run(main)


def test_watch_raises_at_its_deadline_after_its_states(run):
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


def test_watch_without_successful_read_raises(run):
    async def main():
        service = ScriptedService(fault=lambda _: throttle())
        async with ImageBuilder(client=service) as ib:
            with pytest.raises(ObservationError):
                async for _ in ib.watch(service.image((0, "BUILDING")), timeout=50):
                    pytest.fail("no state was read")

    run(main)


def test_watch_of_a_closed_client_raises_client_closed_error(run):
    async def main():
        service = ScriptedService()
        async with ImageBuilder(client=service) as ib:
            watch = ib.watch(service.image((0, "BUILDING")))
        with pytest.raises(ClientClosedError):
            await anext(watch)
        assert service.calls == []

    run(main)


def test_stale_read_after_an_unknown_status_is_not_yielded(run):
    async def main():
        service = ScriptedService()
        identifier = service.image(
            (0, "TESTING"), (60, UNKNOWN), (120, "BUILDING"), (180, "DISTRIBUTING"), (240, "AVAILABLE")
        )
        async with ImageBuilder(client=service) as ib:
            seen = [str(image.status) async for image in ib.watch(identifier)]
        assert seen == ["TESTING", UNKNOWN, "DISTRIBUTING", "AVAILABLE"]

    run(main)


def test_stale_read_of_a_failed_attempt_is_not_yielded(run):
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


@pytest.mark.parametrize("create", [_watch, _as_completed])
def test_closing_an_iterator_ends_the_task_that_waits_for_it(run, create):
    async def main():
        service = ScriptedService()
        async with ImageBuilder(client=service) as ib:
            iterator = create(ib, service.workflow((0, "RUNNING")))
            items: list[object] = []

            async def consume() -> None:
                items.extend([each async for each in iterator])
                items.append("over")

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(consume)
                await anyio.sleep(100)
                await iterator.aclose()
            assert items[-1] == "over"
            with pytest.raises(StopAsyncIteration):
                await anext(iterator)
        assert service.in_flight == 0

    run(main)


@pytest.mark.parametrize("create", [_watch, _as_completed])
def test_second_task_that_waits_for_an_iterator_raises(run, create):
    async def main():
        service = ScriptedService()
        identifier = service.workflow((0, "RUNNING"), (100, "COMPLETED"))
        async with ImageBuilder(client=service) as ib:
            iterator = create(ib, identifier)
            found: list[object] = []

            async def consume() -> None:
                found.extend([each async for each in iterator])

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(consume)
                await anyio.sleep(50)
                with pytest.raises(RuntimeError, match="Another task"):
                    await anext(iterator)
            assert found[-1].status == "COMPLETED"

    run(main)


@pytest.mark.parametrize("create", [_watch, _as_completed])
def test_iterator_that_was_left_before_its_first_item_is_over(run, create):
    async def main():
        service = ScriptedService()
        async with ImageBuilder(client=service) as ib:
            async with create(ib, service.workflow((0, "RUNNING"))) as iterator:
                pass
            with pytest.raises(StopAsyncIteration):
                await anext(iterator)
        assert not service.calls

    run(main)
