"""What `wait` does for every status of every kind of execution, and for one that nobody knows."""

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

RUNS_ON = (WaitTimeoutError, None)
SUCCEEDED = (None, Outcome.SUCCEEDED)
SKIPPED = (None, Outcome.SKIPPED)
FAILED = (ExecutionFailedError, Outcome.FAILED)
CANCELLED = (ExecutionCancelledError, Outcome.CANCELLED)
DELETED = (ImageDeletedError, Outcome.FAILED)

WORKFLOW = {
    "PENDING": RUNS_ON,
    "RUNNING": RUNS_ON,
    "ROLLBACK_IN_PROGRESS": RUNS_ON,
    "COMPLETED": SUCCEEDED,
    "SKIPPED": SKIPPED,
    "FAILED": FAILED,
    "ROLLBACK_COMPLETED": FAILED,
    "CANCELLED": CANCELLED,
    UNKNOWN: RUNS_ON,
}
STEP = {
    "PENDING": RUNS_ON,
    "RUNNING": RUNS_ON,
    "WAITING": RUNS_ON,
    "COMPLETED": SUCCEEDED,
    "SKIPPED": SKIPPED,
    "FAILED": FAILED,
    "TIMED_OUT": FAILED,
    "CANCELLED": CANCELLED,
    UNKNOWN: RUNS_ON,
}
IMAGE = {
    "PENDING": RUNS_ON,
    "CREATING": RUNS_ON,
    "BUILDING": RUNS_ON,
    "TESTING": RUNS_ON,
    "DISTRIBUTING": RUNS_ON,
    "INTEGRATING": RUNS_ON,
    "AVAILABLE": SUCCEEDED,
    "DEPRECATED": SUCCEEDED,
    "DISABLED": SUCCEEDED,
    "FAILED": FAILED,
    "CANCELLED": CANCELLED,
    "DELETED": DELETED,
    UNKNOWN: RUNS_ON,
}
LIFECYCLE = {
    "PENDING": RUNS_ON,
    "IN_PROGRESS": RUNS_ON,
    "CANCELLING": RUNS_ON,
    "SUCCESS": SUCCEEDED,
    "FAILED": FAILED,
    "CANCELLED": CANCELLED,
    UNKNOWN: RUNS_ON,
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
def test_every_status_of_the_model_stands_in_these_tables(table, enum):
    assert set(table) == {*enum.__members__, UNKNOWN}


@pytest.mark.parametrize(("kind", "status", "error", "outcome"), CASES)
def test_wait_returns_or_raises_by_the_status(run, kind, status, error, outcome):
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
def test_without_a_check_every_terminal_execution_is_returned(run, kind, status, error, outcome):
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


def test_an_unknown_status_is_warned_of_once_and_waited_through(run, caplog):
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
    ("attempt", "attempts", "outcome"),
    [
        (1, 3, None),
        (2, 3, None),
        (3, 3, Outcome.FAILED),
        (None, None, Outcome.FAILED),
        (1, None, Outcome.FAILED),
    ],
)
def test_a_failed_step_has_ended_only_when_no_attempt_is_left(run, attempt, attempts, outcome):
    async def main():
        service = ScriptedService()
        counts = {"attemptNumber": attempt, "maxAttempts": attempts}
        identifier = service.step((0, "FAILED"), **{k: v for k, v in counts.items() if v is not None})
        async with ImageBuilder(client=service) as ib:
            with pytest.raises(WaitTimeoutError if outcome is None else ExecutionFailedError) as caught:
                await ib.wait_for_workflow_step(identifier, timeout=60)
            assert caught.value.execution.outcome == outcome

    run(main)


def test_the_error_of_a_failed_image_says_what_happened_to_which_and_why(run):
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
