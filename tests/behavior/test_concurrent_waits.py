"""Concurrent waits on one client: what they share, and that none affects another."""

import asyncio

import anyio
import pytest

from aioimagebuilder import ClientClosedError, ImageBuilder, WaitTimeoutError
from support.scripted_service import ScriptedService, throttle
from support.virtual_time import run_virtually


async def _wait_into(results: list, ib: ImageBuilder, identifier: str, **options: object) -> None:
    results.append(await ib.wait(identifier, **options))


def test_waits_for_one_execution_share_its_polls(run):
    async def main():
        service = ScriptedService()
        identifier = service.workflow((0, "RUNNING"), (100, "COMPLETED"))
        results: list = []
        async with ImageBuilder(client=service) as ib, anyio.create_task_group() as tasks:
            for _ in range(200):
                tasks.start_soon(lambda: _wait_into(results, ib, identifier, timeout=600))
        assert len(results) == 200
        assert len(service.calls) < 12

    run(main)


def test_cancelled_wait_in_flight_does_not_affect_the_others(run):
    async def main():
        service = ScriptedService(latency=2)
        identifier = service.workflow((0, "COMPLETED"))
        results: list = []
        async with ImageBuilder(client=service) as ib, anyio.create_task_group() as tasks:
            scopes = []

            async def cancellable() -> None:
                with anyio.CancelScope() as scope:
                    scopes.append(scope)
                    await _wait_into(results, ib, identifier, timeout=600)

            for _ in range(200):
                tasks.start_soon(cancellable)
            await anyio.sleep(1)
            scopes[0].cancel()
        assert len(results) == 199
        assert len(service.calls) == 1

    run(main)


def test_deadline_ends_only_its_own_wait(run):
    async def main():
        service = ScriptedService()
        identifier = service.workflow((0, "RUNNING"), (200, "COMPLETED"))
        results: list = []
        async with ImageBuilder(client=service) as ib, anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: _wait_into(results, ib, identifier, timeout=600))
            with pytest.raises(WaitTimeoutError) as caught:
                await ib.wait(identifier, timeout=50)
            assert 50 <= caught.value.elapsed < 51
        assert [each.status for each in results] == ["COMPLETED"]

    run(main)


def test_later_consumer_gets_the_present_state_at_once(run):
    async def main():
        service = ScriptedService()
        identifier = service.workflow((0, "RUNNING"))
        async with ImageBuilder(client=service) as ib, anyio.create_task_group() as tasks:

            async def first() -> None:
                async for _ in ib.watch(identifier):
                    pass

            tasks.start_soon(first)
            await anyio.sleep(1)
            async with ib.watch(identifier) as watch:
                before = anyio.current_time()
                assert (await anext(watch)).status == "RUNNING"
                # The last read was a second ago, and is still fresh.
                assert anyio.current_time() == before
                assert len(service.calls) == 1
            await anyio.sleep(100)
            with pytest.raises(WaitTimeoutError) as caught:
                await ib.wait(identifier, timeout=0)
            assert caught.value.polls == 1
            tasks.cancel_scope.cancel()

    run(main)


def test_later_watch_yields_the_unchanged_state_soon(run):
    async def main():
        service = ScriptedService()
        identifier = service.workflow((0, "RUNNING"))
        async with ImageBuilder(client=service) as ib, anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: _wait_into([], ib, identifier, timeout=None))
            await anyio.sleep(100)
            with anyio.fail_after(1):
                async with ib.watch(identifier) as watch:
                    assert (await anext(watch)).status == "RUNNING"
            tasks.cancel_scope.cancel()

    run(main)


def test_later_wait_is_polled_at_its_own_deadline(run):
    async def main():
        service = ScriptedService(latency=0)
        identifier = service.workflow((0, "RUNNING"), (9, "COMPLETED"))
        results: list = []
        async with ImageBuilder(client=service, min_delay=60, max_delay=60) as ib:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(lambda: _wait_into(results, ib, identifier, timeout=None))
                await anyio.sleep(1)
                assert (await ib.wait(identifier, timeout=10)).status == "COMPLETED"
        assert service.times == [0, 11]
        assert len(results) == 1

    run(main)


def test_request_without_waiters_left_is_cancelled(run):
    async def main():
        service = ScriptedService(hang=lambda now: 500 if now > 1 else 0)
        other = service.workflow((0, "RUNNING"), number=1)
        hung = service.workflow((0, "RUNNING"), number=2)
        async with ImageBuilder(client=service, min_delay=60, max_delay=60) as ib:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(lambda: _wait_into([], ib, other, timeout=None))
                await anyio.sleep(2)
                with anyio.move_on_after(3):
                    await ib.wait(hung, timeout=None)
                await anyio.sleep(1)
                assert [call.params["workflowExecutionId"] for call in service.calls] == [other, hung]
                assert service.in_flight == 0
                assert not ib._parts.poller.is_idle
                tasks.cancel_scope.cancel()

    run(main)


def test_shorter_delays_apply_while_their_wait_lasts(run):
    async def main():
        service = ScriptedService(latency=0)
        identifier = service.workflow((0, "RUNNING"))
        async with ImageBuilder(client=service, min_delay=30, max_delay=30) as ib:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(lambda: _wait_into([], ib, identifier, timeout=None))
                await anyio.sleep(100)
                with pytest.raises(WaitTimeoutError):
                    await ib.wait(identifier, timeout=10, min_delay=1, max_delay=1)
                await anyio.sleep(95)
                tasks.cancel_scope.cancel()
        during = [time for time in service.times if 100 <= time <= 110]
        after = [time for time in service.times if time > 110]
        assert len(during) == 10
        assert len(after) == 3

    run(main)


def test_faster_wait_is_not_delayed_by_a_slower_one(run):
    async def main():
        service = ScriptedService(latency=0)
        identifier = service.workflow((0, "RUNNING"), (20, "COMPLETED"))
        async with ImageBuilder(client=service) as ib, anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: ib.wait(identifier, timeout=None, min_delay=300, max_delay=300))
            await anyio.sleep(0.5)
            await ib.wait(identifier, timeout=None, min_delay=1, max_delay=2)
        assert 20 <= service.now <= 22

    run(main)


def test_throttle_slows_all_waits_and_fails_none(run):
    async def main():
        service = ScriptedService(fault=lambda now: throttle() if now < 120 else None)
        ids = [service.workflow((0, "COMPLETED"), number=number) for number in range(50)]
        async with ImageBuilder(client=service) as ib:
            results = await ib.wait_all(ids, timeout=1800)
        assert [each.id for each in results] == ids
        throttled = [time for time in service.times if time < 120]
        # 50 independent waits, each with full jitter up to 20 s, would make some 600 calls.
        assert len(throttled) < 150

    run(main)


def test_closing_the_client_ends_all_waits_and_requests(run):
    async def main():
        service = ScriptedService(latency=3)
        identifier = service.workflow((0, "RUNNING"))
        ib = ImageBuilder(client=service)
        await ib.__aenter__()
        errors: list = []

        async def waiting() -> None:
            with pytest.raises(ClientClosedError) as caught:
                await ib.wait(identifier, timeout=600)
            errors.append(caught.value)

        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(waiting)
            await anyio.sleep(10)
            poller = ib._parts.poller
            await ib.aclose()
        assert len(errors) == 3
        assert errors[0].execution.status == "RUNNING"
        assert service.in_flight == 0
        assert poller.is_idle
        with pytest.raises(RuntimeError, match="not open"):
            await ib.wait(identifier, timeout=0)

    run(main)


def test_client_can_be_opened_and_closed_in_different_tasks(run):
    async def main():
        service = ScriptedService()
        ib = ImageBuilder(client=service)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ib.__aenter__)
        identifier = service.workflow((0, "RUNNING"), (60, "COMPLETED"))
        assert (await ib.wait(identifier, timeout=600)).status == "COMPLETED"
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ib.aclose)

    run(main)


def test_unexpected_exception_is_raised_in_the_wait(run):
    async def main():
        service = ScriptedService(fault=lambda _: ZeroDivisionError("a bug"))
        async with ImageBuilder(client=service) as ib:
            with pytest.raises(ZeroDivisionError, match="a bug"):
                await ib.wait(service.workflow((0, "RUNNING")), timeout=600)
            assert len(service.calls) == 1

    run(main)


@pytest.mark.parametrize("checkpoint", range(12))
def test_wait_cancelled_at_any_checkpoint_leaks_nothing(run, checkpoint):
    async def main():
        service = ScriptedService()
        identifier = service.workflow((0, "RUNNING"), (30, "COMPLETED"))
        async with ImageBuilder(client=service) as ib:
            with anyio.CancelScope() as scope:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(lambda: _wait_into([], ib, identifier, timeout=600))
                    for _ in range(checkpoint):
                        await anyio.lowlevel.checkpoint()
                    scope.cancel()
            assert scope.cancelled_caught
            await anyio.sleep(100)
            assert service.in_flight == 0
            assert ib._parts.poller.is_idle
            assert (await ib.wait(identifier, timeout=600)).status == "COMPLETED"

    run(main)


def test_hanging_call_does_not_delay_a_later_wait(run):
    async def main():
        service = ScriptedService(hang=lambda now: 100 if now < 1 else 0)
        hung = service.workflow((0, "COMPLETED"), number=1)
        other = service.workflow((0, "RUNNING"), (20, "COMPLETED"), number=2)
        ends: list[float] = []

        async def wait_for(identifier: str) -> None:
            await ib.wait(identifier, timeout=None, min_delay=5, max_delay=5)
            ends.append(service.now)

        async with ImageBuilder(client=service) as ib, anyio.create_task_group() as tasks:
            tasks.start_soon(wait_for, hung)
            await anyio.sleep(2)
            tasks.start_soon(wait_for, other)
        assert ends == [pytest.approx(22, abs=1), pytest.approx(100, abs=1)]

    run(main)


def test_hanging_call_does_not_delay_polls_of_another_wait(run):
    async def main():
        # One is polled at 10 s, the other at 8 s and 12 s.
        service = ScriptedService(hang=lambda now: 100 if 9.5 < now < 10.5 else 0)
        hung = service.workflow((0, "RUNNING"), (15, "COMPLETED"))
        other = service.lifecycle((0, "IN_PROGRESS"), (30, "SUCCESS"))
        ends: dict[str, float] = {}

        async def wait_for(identifier: str, delay: float) -> None:
            await ib.wait(identifier, timeout=None, min_delay=delay, max_delay=delay)
            ends[identifier] = service.now

        async with ImageBuilder(client=service) as ib, anyio.create_task_group() as tasks:
            tasks.start_soon(wait_for, hung, 10)
            tasks.start_soon(wait_for, other, 4)
        assert ends[other] == pytest.approx(32, abs=1)
        assert ends[hung] > 100

    run(main)


def test_single_wait_has_one_request_in_flight():
    async def main() -> set[int]:
        service = ScriptedService()
        identifier = service.workflow((0, "RUNNING"), (100, "COMPLETED"))
        tasks: set[int] = set()
        service.fault = lambda _: tasks.add(len(asyncio.all_tasks()))
        async with ImageBuilder(client=service) as ib:
            await ib.wait(identifier, timeout=None)
        assert len(service.calls) > 4
        return tasks

    # The tasks of the caller, of the poller, and of the call.
    assert run_virtually("asyncio", main) == {3}


def test_cancelled_task_group_ends_only_its_own_waits(run):
    async def main():
        service = ScriptedService(latency=1)
        shared = service.workflow((0, "RUNNING"), (100, "COMPLETED"))
        others = [
            service.lifecycle((0, "IN_PROGRESS"), (90 + number, "SUCCESS"), number=number)
            for number in range(1, 4)
        ]
        results: dict[str, list] = {"first": [], "second": [], "cancelled": []}

        async def wait_for_all(ib: ImageBuilder, name: str) -> None:
            async with anyio.create_task_group() as tasks:
                for identifier in (shared, *others):
                    tasks.start_soon(lambda each=identifier: _wait_into(results[name], ib, each, timeout=600))

        async def wait_and_cancel(ib: ImageBuilder) -> None:
            # Started first, so that polling starts inside its task groups.
            with anyio.move_on_after(30.5) as scope:
                await wait_for_all(ib, "cancelled")
            assert scope.cancelled_caught

        async with ImageBuilder(client=service) as ib:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(wait_and_cancel, ib)
                await anyio.sleep(3)
                tasks.start_soon(wait_for_all, ib, "first")
                tasks.start_soon(wait_for_all, ib, "second")
            assert results["cancelled"] == []
            for name in ("first", "second"):
                assert {each.id for each in results[name]} == {shared, *others}
            await anyio.sleep(0.1)
            assert ib._parts.poller.is_idle
        assert service.in_flight == 0

    run(main)


def test_failed_task_group_ends_only_its_own_waits(run):
    async def main():
        service = ScriptedService()
        identifier = service.workflow((0, "RUNNING"), (100, "COMPLETED"))
        results: list = []

        async def failing(ib: ImageBuilder) -> None:
            with pytest.raises(ExceptionGroup):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(lambda: _wait_into(results, ib, identifier, timeout=600))
                    await anyio.sleep(10)
                    raise ZeroDivisionError

        async with ImageBuilder(client=service) as ib, anyio.create_task_group() as tasks:
            tasks.start_soon(failing, ib)
            await anyio.sleep(1)
            tasks.start_soon(lambda: _wait_into(results, ib, identifier, timeout=600))
        assert [str(each.status) for each in results] == ["COMPLETED"]

    run(main)


@pytest.mark.parametrize("call", ["get", "wait"])
def test_cancelled_calls_use_no_permits(run, call):
    async def main():
        service = ScriptedService(latency=0.1)
        identifier = service.workflow((0, "COMPLETED"))
        async with ImageBuilder(client=service) as ib:
            for _ in range(100):
                with anyio.move_on_after(0.001):
                    if call == "get":
                        await ib.get_workflow_execution(identifier)
                    else:
                        await ib.wait(identifier, timeout=None)
            started = anyio.current_time()
            await ib.wait(identifier, timeout=2)
            assert anyio.current_time() - started < 1

    run(main)
