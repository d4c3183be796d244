"""`wait_all` and `as_completed`: order, duplicates, mixed kinds, and groups of errors."""

import anyio
import pytest

from aioimagebuilder import (
    ExecutionCancelledError,
    ExecutionFailedError,
    ExecutionNotFoundError,
    ImageBuilder,
    WaitGroupError,
    WaitTimeoutError,
)
from support.scripted_service import ScriptedService, lifecycle_id


def _add_one_of_each_kind(service: ScriptedService) -> list[str]:
    return [
        service.image((0, "BUILDING"), (300, "AVAILABLE")),
        service.workflow((0, "RUNNING"), (100, "COMPLETED")),
        service.step((0, "SKIPPED")),
        service.lifecycle((0, "IN_PROGRESS"), (200, "SUCCESS")),
    ]


def test_wait_all_returns_duplicates_in_the_given_order(run):
    async def main():
        service = ScriptedService()
        ids = _add_one_of_each_kind(service)
        given = [*ids, ids[1], *reversed(ids)]
        async with ImageBuilder(client=service) as ib:
            results = await ib.wait_all(iter(given), timeout=600)
        assert [each.id for each in results] == given

    run(main)


def test_empty_wait_all_and_as_completed_return_nothing(run):
    async def main():
        service = ScriptedService()
        async with ImageBuilder(client=service) as ib:
            assert await ib.wait_all([], timeout=0) == []
            assert [each async for each in ib.as_completed([], timeout=0)] == []
        assert service.calls == []

    run(main)


def test_failures_are_raised_as_one_group_in_the_given_order(run):
    async def main():
        service = ScriptedService()
        succeeded = service.workflow((0, "COMPLETED"), number=1)
        failed_late = service.workflow((0, "RUNNING"), (50, "FAILED"), number=2)
        cancelled = service.workflow((0, "CANCELLED"), number=3)
        running = service.workflow((0, "RUNNING"), number=4)
        missing = lifecycle_id(5)
        async with ImageBuilder(client=service) as ib:
            with pytest.raises(WaitGroupError) as caught:
                await ib.wait_all(
                    [succeeded, failed_late, cancelled, running, missing, failed_late], timeout=100
                )
        group = caught.value
        assert [type(error) for error in group.exceptions] == [
            ExecutionFailedError,
            ExecutionCancelledError,
            WaitTimeoutError,
            ExecutionNotFoundError,
        ]
        assert [error.identifier for error in group.exceptions] == [failed_late, cancelled, running, missing]
        assert [each and str(each.status) for each in group.executions] == [
            "COMPLETED",
            "FAILED",
            "CANCELLED",
            "RUNNING",
            None,
            "FAILED",
        ]
        assert group.subgroup(TimeoutError).executions == group.executions

    run(main)


def test_without_check_failed_executions_are_returned(run):
    async def main():
        service = ScriptedService()
        ids = [service.workflow((0, "FAILED"), number=1), service.workflow((0, "COMPLETED"), number=2)]
        async with ImageBuilder(client=service) as ib:
            results = await ib.wait_all(ids, timeout=100, check=False)
            assert [str(each.status) for each in results] == ["FAILED", "COMPLETED"]
            with pytest.raises(WaitGroupError):
                await ib.wait_all([*ids, service.workflow((0, "RUNNING"), number=3)], timeout=9, check=False)

    run(main)


def test_fail_fast_raises_the_first_failure_and_stops_polling(run):
    async def main():
        service = ScriptedService()
        ids = [
            service.workflow((0, "RUNNING"), number=1),
            service.workflow((0, "RUNNING"), (40, "FAILED"), number=2),
        ]
        async with ImageBuilder(client=service) as ib:
            with pytest.raises(WaitGroupError) as caught:
                await ib.wait_all(ids, timeout=None, fail_fast=True)
            assert [error.identifier for error in caught.value.exceptions] == [ids[1]]
            assert [str(each.status) for each in caught.value.executions] == ["RUNNING", "FAILED"]
            assert anyio.current_time() - service.started < 40 + 31
            calls = len(service.calls)
            await anyio.sleep(1000)
            assert len(service.calls) == calls
            with pytest.raises(ValueError, match="check=True"):
                await ib.wait_all(ids, timeout=None, fail_fast=True, check=False)

    run(main)


def test_fail_fast_raises_all_simultaneous_failures(run):
    async def main():
        service = ScriptedService()
        arn = service.image((0, "BUILDING"), (101, "AVAILABLE"))
        ends = [(99, "FAILED"), (99, "FAILED"), (99, "COMPLETED"), (500, "COMPLETED")]
        ids = [
            service.workflow((0, "RUNNING"), end, number=number, imageBuildVersionArn=arn)
            for number, end in enumerate(ends)
        ]
        # From the second poll on, one list reads all of them, and so they end simultaneously.
        async with ImageBuilder(client=service, min_delay=100, max_delay=100) as ib:
            with pytest.raises(WaitGroupError) as caught:
                await ib.wait_all(ids, timeout=None, fail_fast=True)
        assert [error.identifier for error in caught.value.exceptions] == ids[:2]
        statuses = [str(each.status) for each in caught.value.executions]
        assert statuses == ["FAILED", "FAILED", "COMPLETED", "RUNNING"]

    run(main)


def test_as_completed_yields_failed_executions_as_they_end(run):
    async def main():
        service = ScriptedService()
        ids = [
            service.workflow((0, "RUNNING"), (300, "COMPLETED"), number=1),
            service.workflow((0, "RUNNING"), (100, "FAILED"), number=2),
            service.workflow((0, "SKIPPED"), number=3),
        ]
        async with ImageBuilder(client=service) as ib:
            ended = [each.id async for each in ib.as_completed([*ids, *ids], timeout=600)]
        assert ended == [ids[2], ids[1], ids[0]]

    run(main)


def test_as_completed_yields_ended_ones_before_it_raises(run):
    async def main():
        service = ScriptedService()
        completed = service.workflow((0, "RUNNING"), (40, "COMPLETED"), number=1)
        running = service.workflow((0, "RUNNING"), number=2)
        ended = []
        async with ImageBuilder(client=service) as ib:
            with pytest.raises(WaitGroupError) as caught:
                async for each in ib.as_completed([running, completed], timeout=60):
                    ended.append(each.id)
        assert ended == [completed]
        assert [type(error) for error in caught.value.exceptions] == [WaitTimeoutError]

    run(main)


def test_leaving_as_completed_early_stops_polling(run):
    async def main():
        service = ScriptedService()
        ids = _add_one_of_each_kind(service)
        async with ImageBuilder(client=service) as ib:
            async for each in ib.as_completed(ids, timeout=600):
                first = each.id
                break
            calls = len(service.calls)
            await anyio.sleep(1000)
            assert len(service.calls) == calls
        assert first == ids[2]

    run(main)


def test_wait_all_awaits_thousands_of_executions(run):
    async def main():
        service = ScriptedService()
        ids = [
            service.workflow((0, "RUNNING"), (number % 600, "COMPLETED"), number=number)
            for number in range(3000)
        ]
        async with ImageBuilder(client=service) as ib:
            results = await ib.wait_all(ids, timeout=None)
        assert [each.id for each in results] == ids

    run(main)
