"""The messages of the errors of waits, word by word: users read them in the logs of their pipelines."""

import math
import re

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


def _message_of(run, cls: type[WaitError], service: ScriptedService, *, timeout: float | None = 100) -> str:
    """Return the message of the error that ends a wait, which must be of exactly this class."""

    async def main() -> WaitError:
        # The elapsed time is that of the wait, not of the clock.
        await anyio.sleep(7)
        async with ImageBuilder(client=service) as ib:
            with pytest.raises(WaitError) as caught:
                await ib.wait(workflow_id(), timeout=timeout)
        return caught.value

    error = run(main)
    assert type(error) is cls
    return str(error)


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"message": "why"}, f"{WORKFLOW} is FAILED: why"),
        ({}, f"{WORKFLOW} is FAILED, and the service gives no reason"),
    ],
)
def test_failure_includes_the_reason(run, members, expected):
    service = ScriptedService()
    service.workflow((0, "FAILED"), **members)
    assert _message_of(run, ExecutionFailedError, service) == expected


@pytest.mark.parametrize(("throttled", "expected"), [(0, ""), (2, ", 2 throttled")])
def test_timeout_says_that_the_work_continues(run, throttled, expected):
    faults = [throttle()] * throttled
    service = ScriptedService(fault=lambda _: faults.pop() if faults else None)
    service.workflow((0, "RUNNING"))
    message = _message_of(run, WaitTimeoutError, service)
    assert message.startswith(f"{WORKFLOW} is still RUNNING, and continues at AWS (after 100 s, ")
    assert message.endswith(f" polls{expected})")


def test_unknown_id_is_not_found(run):
    message = _message_of(run, ExecutionNotFoundError, ScriptedService())
    effort = r"never seen; after 10 s, [23] polls"
    start = rf"{WORKFLOW} could not be observed \({effort}\): GetWorkflowExecution: ResourceNotFoundException"
    assert re.match(start, message)


def test_forbidden_read_is_not_reported_as_not_found(run):
    service = ScriptedService(fault=lambda _: aws_error("ForbiddenException", 403))
    message = _message_of(run, ObservationError, service)
    effort = "never seen; after 0 s, 1 polls"
    assert message.startswith(f"{WORKFLOW} could not be observed ({effort}): GetWorkflowExecution: Forbidden")


def test_missing_response_is_reported(run):
    service = ScriptedService(hang=lambda _: 3600)
    service.workflow((0, "RUNNING"))
    message = _message_of(run, ObservationError, service)
    effort = "never seen; after 110 s, 1 polls"
    assert message == f"{WORKFLOW} could not be observed ({effort}): no response came in time."


def test_outage_message_includes_the_last_state(run):
    service = ScriptedService(fault=lambda now: aws_error("ServiceException", 500) if now > 20 else None)
    service.workflow((0, "RUNNING"))
    message = _message_of(run, ObservationError, service, timeout=600)
    effort = r"last seen RUNNING; after 600 s, \d+ polls"
    assert re.match(rf"{WORKFLOW} could no longer be observed \({effort}\): GetWorkflow", message)


@pytest.mark.parametrize(
    ("hang", "seen"), [(lambda _: 0.0, "last seen RUNNING"), (lambda _: math.inf, "never seen")]
)
def test_closed_client_is_reported(run, hang, seen):
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

    start = f"{WORKFLOW} is no longer awaited, since the client was closed ({seen}; after 50 s, "
    assert run(main).startswith(start)


def test_group_counts_unsuccessful_executions(run):
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
