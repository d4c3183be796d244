"""What the errors of the waits say, word by word: it is what people read in the logs of their pipelines."""

import math

import anyio
import pytest

from aioimagebuilder import (
    ClientClosedError,
    ExecutionFailedError,
    ExecutionNotFoundError,
    ImageBuilder,
    ObservationError,
    WaitError,
    WaitGroupError,
    WaitTimeoutError,
)
from support.scripted_service import ScriptedService, aws_error, image_arn, throttle, workflow_id

WORKFLOW = f"Workflow execution {workflow_id()}"


def _ends_with(run, cls: type[WaitError], service: ScriptedService, *, timeout: float | None = 100) -> str:
    """Get the message of the error of exactly this class that a wait ends with."""

    async def main() -> WaitError:
        # The clock need not begin with the wait.
        await anyio.sleep(7)
        async with ImageBuilder(client=service) as ib:
            with pytest.raises(WaitError) as caught:
                await ib.wait(workflow_id(), timeout=timeout)
        return caught.value

    error = run(main)
    assert type(error) is cls
    return str(error)


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ({"message": "why"}, f"{WORKFLOW} is FAILED: why"),
        ({}, f"{WORKFLOW} is FAILED, and the service gives no reason"),
    ],
)
def test_a_failure_says_why(run, members, says):
    service = ScriptedService()
    service.workflow((0, "FAILED"), **members)
    assert _ends_with(run, ExecutionFailedError, service) == says


@pytest.mark.parametrize(("throttled", "says"), [(0, ""), (2, ", 2 throttled")])
def test_a_timeout_says_that_the_work_goes_on_and_what_the_wait_did(run, throttled, says):
    faults = [throttle()] * throttled
    service = ScriptedService(fault=lambda _: faults.pop() if faults else None)
    service.workflow((0, "RUNNING"))
    message = _ends_with(run, WaitTimeoutError, service)
    assert message.startswith(f"{WORKFLOW} is still RUNNING, and continues at AWS (after 100 s, ")
    assert message.endswith(f" polls{says})")


def test_an_id_that_nobody_knows_is_not_found(run):
    message = _ends_with(run, ExecutionNotFoundError, ScriptedService())
    start = f"{WORKFLOW} could not be observed (never seen): GetWorkflowExecution: ResourceNotFoundException"
    assert message.startswith(start)


def test_what_is_forbidden_is_another_thing(run):
    service = ScriptedService(fault=lambda _: aws_error("ForbiddenException", 403))
    message = _ends_with(run, ObservationError, service)
    assert message.startswith(
        f"{WORKFLOW} could not be observed (never seen): GetWorkflowExecution: Forbidden"
    )


def test_silence_is_said(run):
    service = ScriptedService(hang=lambda _: 3600)
    service.workflow((0, "RUNNING"))
    message = _ends_with(run, ObservationError, service)
    assert message.startswith(
        f"{WORKFLOW} could not be observed (never seen): no response came in time. (after "
    )


def test_who_has_gone_blind_says_what_was_seen_last(run):
    service = ScriptedService(fault=lambda now: aws_error("ServiceException", 500) if now > 20 else None)
    service.workflow((0, "RUNNING"))
    message = _ends_with(run, ObservationError, service, timeout=600)
    assert message.startswith(f"{WORKFLOW} could no longer be observed (last seen RUNNING): GetWorkflow")


@pytest.mark.parametrize(
    ("hang", "seen"), [(lambda _: 0.0, "last seen RUNNING"), (lambda _: math.inf, "never seen")]
)
def test_a_client_that_is_closed_says_so(run, hang, seen):
    service = ScriptedService(hang=hang)
    identifier = service.workflow((0, "RUNNING"))

    async def main() -> str:
        errors: list[WaitError] = []

        async def wait() -> None:
            with pytest.raises(ClientClosedError) as caught:
                await ib.wait(identifier, timeout=None)
            errors.append(caught.value)

        async with anyio.create_task_group() as tasks:
            async with ImageBuilder(client=service) as ib:
                tasks.start_soon(wait)
                await anyio.sleep(50)
        return str(errors[0])

    start = f"{WORKFLOW} ({seen}) is no longer awaited: the client was closed (after 50 s, "
    assert run(main).startswith(start)


def test_a_group_counts_what_ended_otherwise(run):
    service = ScriptedService()
    ids = [
        service.workflow((0, status), number=number)
        for number, status in enumerate(("FAILED", "COMPLETED", "CANCELLED"), start=1)
    ]

    async def main() -> None:
        async with ImageBuilder(client=service) as ib:
            with pytest.raises(WaitGroupError) as caught:
                await ib.wait_all([*ids, ids[0]], timeout=10)
            assert caught.value.message == "2 of 3 executions did not succeed"
            with pytest.raises(WaitGroupError) as caught:
                await ib.wait_all([*ids, image_arn()], timeout=20, check=False)
            assert caught.value.message == "1 of 4 executions could not be awaited"

    run(main)
