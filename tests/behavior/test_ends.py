"""What a wait says when it ends without an outcome: what was true just then, and no more than was seen."""

import gc
import weakref

import anyio
import pytest
from botocore.exceptions import IncompleteReadError

from aioimagebuilder import (
    ExecutionNotFoundError,
    ImageBuilder,
    ObservationError,
    ResourceNotFoundException,
    WaitTimeoutError,
)
from support.scripted_service import UNKNOWN, ScriptedService, throttle, workflow_id


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


@pytest.mark.parametrize("fault", [None, throttle()])
def test_a_slow_consumer_is_told_what_was_true_at_its_deadline(run, fault):
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


def test_a_wait_does_not_say_that_work_goes_on_which_nobody_has_seen_for_long(run):
    async def main():
        # No error ever comes: the read just hangs, past everything.
        service = ScriptedService(hang=lambda now: 100_000 if now > 30 else 0)
        identifier = service.workflow((0, "RUNNING"), (40, "COMPLETED"))
        async with ImageBuilder(client=service) as ib:
            with pytest.raises(ObservationError, match="could no longer be observed") as caught:
                await ib.wait(identifier, timeout=115)
        assert caught.value.execution.status == "RUNNING"
        assert 115 <= caught.value.elapsed <= 125.1

    run(main)


def test_a_poll_that_hung_since_the_id_was_not_found_leaves_it_open_what_became_of_it(run):
    async def main():
        service = ScriptedService(hang=lambda now: 100_000 if now > 1 else 0)
        identifier = service.workflow((2, "RUNNING"))
        async with ImageBuilder(client=service, not_found_grace=100) as ib:
            with pytest.raises(ObservationError) as caught:
                await ib.wait(identifier, timeout=60)
        assert not isinstance(caught.value, ExecutionNotFoundError)

    run(main)


def test_a_truncated_body_passes(run):
    async def main():
        cut = IncompleteReadError(actual_bytes=100, expected_bytes=4000)
        service = ScriptedService(fault=lambda now: cut if now < 30 else None)
        identifier = service.workflow((0, "COMPLETED"))
        async with ImageBuilder(client=service) as ib:
            assert (await ib.wait(identifier, timeout=600)).status == "COMPLETED"

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
        service.scripts[identifier].course += [
            (180, {**again, "status": "RUNNING"}),
            (240, {**again, "status": "COMPLETED"}),
        ]
        async with ImageBuilder(client=service) as ib:
            seen = [(str(step.status), step.attempt_number) async for step in ib.watch(identifier)]
        assert seen == [("RUNNING", None), ("FAILED", None), ("RUNNING", 2), ("COMPLETED", 2)]

    run(main)
