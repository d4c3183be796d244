"""The outcome of `wait` for every status of every kind of execution, and for an unknown status."""

import logging

import pytest

from aioimagebuilder import (
    ExecutionCancelledError,
    ExecutionFailedError,
    ImageBuilder,
    ImageDeletedError,
    ImageStatus,
    LifecycleExecutionStatus,
    Outcome,
    WaitTimeoutError,
    WorkflowExecutionStatus,
    WorkflowStepExecutionStatus,
)
from support.scripted_service import UNKNOWN, ScriptedService

NOT_TERMINAL = (WaitTimeoutError, None)
SUCCEEDED = (None, Outcome.SUCCEEDED)
SKIPPED = (None, Outcome.SKIPPED)
FAILED = (ExecutionFailedError, Outcome.FAILED)
CANCELLED = (ExecutionCancelledError, Outcome.CANCELLED)
DELETED = (ImageDeletedError, Outcome.FAILED)

WORKFLOW = {
    "PENDING": NOT_TERMINAL,
    "RUNNING": NOT_TERMINAL,
    "ROLLBACK_IN_PROGRESS": NOT_TERMINAL,
    "COMPLETED": SUCCEEDED,
    "SKIPPED": SKIPPED,
    "FAILED": FAILED,
    "ROLLBACK_COMPLETED": FAILED,
    "CANCELLED": CANCELLED,
    UNKNOWN: NOT_TERMINAL,
}
STEP = {
    "PENDING": NOT_TERMINAL,
    "RUNNING": NOT_TERMINAL,
    "WAITING": NOT_TERMINAL,
    "COMPLETED": SUCCEEDED,
    "SKIPPED": SKIPPED,
    "FAILED": FAILED,
    "TIMED_OUT": FAILED,
    "CANCELLED": CANCELLED,
    UNKNOWN: NOT_TERMINAL,
}
IMAGE = {
    "PENDING": NOT_TERMINAL,
    "CREATING": NOT_TERMINAL,
    "BUILDING": NOT_TERMINAL,
    "TESTING": NOT_TERMINAL,
    "DISTRIBUTING": NOT_TERMINAL,
    "INTEGRATING": NOT_TERMINAL,
    "AVAILABLE": SUCCEEDED,
    "DEPRECATED": SUCCEEDED,
    "DISABLED": SUCCEEDED,
    "FAILED": FAILED,
    "CANCELLED": CANCELLED,
    "DELETED": DELETED,
    UNKNOWN: NOT_TERMINAL,
}
LIFECYCLE = {
    "PENDING": NOT_TERMINAL,
    "IN_PROGRESS": NOT_TERMINAL,
    "CANCELLING": NOT_TERMINAL,
    "SUCCESS": SUCCEEDED,
    "FAILED": FAILED,
    "CANCELLED": CANCELLED,
    UNKNOWN: NOT_TERMINAL,
}

CASES = [
    pytest.param(kind, status, error, outcome, id=f"{kind}-{status}")
    for kind, table in (("workflow", WORKFLOW), ("step", STEP), ("image", IMAGE), ("lifecycle", LIFECYCLE))
    for status, (error, outcome) in table.items()
]


@pytest.mark.parametrize(
    ("table", "enum"),
    [
        (WORKFLOW, WorkflowExecutionStatus),
        (STEP, WorkflowStepExecutionStatus),
        (IMAGE, ImageStatus),
        (LIFECYCLE, LifecycleExecutionStatus),
    ],
)
def test_tables_cover_every_status_of_the_model(table, enum):
    assert set(table) == {*enum.__members__, UNKNOWN}


@pytest.mark.parametrize(("kind", "status", "error", "outcome"), CASES)
def test_wait_returns_or_raises_according_to_the_status(run, kind, status, error, outcome):
    async def main():
        service = ScriptedService()
        identifier = getattr(service, kind)((0, status))
        async with ImageBuilder(client=service) as ib:
            if error is None:
                found = await ib.wait(identifier, timeout=60)
            else:
                with pytest.raises(error) as caught:
                    await ib.wait(identifier, timeout=60)
                assert type(caught.value) is error
                found = caught.value.execution
        assert found.id == identifier
        assert str(found.status) == status
        assert found.outcome == outcome
        assert found.is_terminal is (outcome is not None)

    run(main)


@pytest.mark.parametrize(("kind", "status", "error", "outcome"), CASES)
def test_without_check_every_terminal_execution_is_returned(run, kind, status, error, outcome):
    async def main():
        service = ScriptedService()
        identifier = getattr(service, kind)((0, status))
        async with ImageBuilder(client=service) as ib:
            if outcome is None:
                with pytest.raises(WaitTimeoutError):
                    await ib.wait(identifier, timeout=60, check=False)
            else:
                found = await ib.wait(identifier, timeout=60, check=False)
                assert (str(found.status), found.outcome) == (status, outcome)

    run(main)


def test_unknown_status_is_logged_once_and_not_terminal(run, caplog):
    async def main():
        service = ScriptedService()
        identifier = service.workflow((0, "RUNNING"), (20, UNKNOWN), (300, "COMPLETED"))
        async with ImageBuilder(client=service) as ib:
            seen = [str(each.status) async for each in ib.watch(identifier)]
            again = [str(each.status) async for each in ib.watch(identifier)]
        assert seen == ["RUNNING", UNKNOWN, "COMPLETED"]
        assert again == ["COMPLETED"]

    with caplog.at_level(logging.WARNING, "aioimagebuilder"):
        run(main)
    warnings = [record.getMessage() for record in caplog.records]
    assert len(warnings) == 1
    assert UNKNOWN in warnings[0]


@pytest.mark.parametrize(
    ("attempt", "max_attempts", "outcome"),
    [
        (1, 3, None),
        (2, 3, None),
        (3, 3, Outcome.FAILED),
        (None, None, Outcome.FAILED),
        (1, None, Outcome.FAILED),
    ],
)
def test_failed_step_is_terminal_only_without_attempts_left(run, attempt, max_attempts, outcome):
    async def main():
        service = ScriptedService()
        counts = {"attemptNumber": attempt, "maxAttempts": max_attempts}
        identifier = service.step((0, "FAILED"), **{k: v for k, v in counts.items() if v is not None})
        async with ImageBuilder(client=service) as ib:
            with pytest.raises(WaitTimeoutError if outcome is None else ExecutionFailedError) as caught:
                await ib.wait_for_workflow_step(identifier, timeout=60)
            assert caught.value.execution.outcome == outcome

    run(main)


def test_error_of_a_failed_image_describes_the_wait(run):
    async def main():
        service = ScriptedService()
        identifier = service.image((0, "BUILDING"), (42, "FAILED"), reason="Document arn:…\n failed!\x1b[2J")
        async with ImageBuilder(client=service) as ib:
            with pytest.raises(ExecutionFailedError) as caught:
                await ib.wait_for_image(identifier, timeout=600)
        error = caught.value
        assert str(error) == f"Image {identifier} is FAILED: Document arn:…  failed! [2J"
        assert (error.identifier, error.throttles) == (identifier, 0)
        assert error.polls == len(service.calls)
        assert 42 <= error.elapsed < 42 + 30 + 1

    run(main)
