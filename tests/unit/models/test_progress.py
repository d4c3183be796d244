"""The progress of an execution, from its own counts and from its steps."""

import pytest

from aioimagebuilder import Detail, Image, WorkflowExecution, WorkflowStepExecution

ARN = "arn:aws:imagebuilder:us-east-1:123456789012:image/demo/1.0.0/1"


def image(status: str, *details, **state: object) -> Image:
    workflows = tuple(each for each in details if isinstance(each, WorkflowExecution))
    steps = tuple(each for each in details if isinstance(each, WorkflowStepExecution))
    found = Image.parse({"arn": ARN, "state": {"status": status, **state}})
    return Image(**vars(found) | {"detail": Detail(workflows, steps) if details else None})


def workflow(number: int, kind: str, done: int, total: int) -> WorkflowExecution:
    return WorkflowExecution.parse(
        {
            "workflowExecutionId": f"wf-{number}",
            "type": kind,
            "status": "RUNNING",
            "totalStepsSucceeded": done,
            "totalStepCount": total,
        }
    )


def step(name: str, status: str | None, minute: int, of: int = 1, **members: object) -> WorkflowStepExecution:
    return WorkflowStepExecution.parse(
        {
            "stepExecutionId": f"step-{name}",
            "name": name,
            **({} if status is None else {"status": status}),
            "workflowExecutionId": f"wf-{of}",
            "startTime": f"2026-01-02T03:{minute:02}:00Z",
            **members,
        }
    )


BUILD = workflow(1, "BUILD", 7, 7)
TESTS = (workflow(2, "TEST", 1, 4), workflow(3, "TEST", 2, 4))


def test_image_counts_steps_and_names_the_longest_running():
    found = image(
        "TESTING", BUILD, *TESTS, step("a", "RUNNING", 9, of=2), step("b", "RUNNING", 5, of=3)
    ).progress
    assert (found.steps_done, found.steps_total, found.step) == (3, 8, "b")
    assert found.since.minute == 5
    assert str(found) == "TESTING 3/8 steps: b"


def test_steps_of_another_stage_are_not_counted():
    assert str(image("TESTING", BUILD, step("old", "RUNNING", 1)).progress) == "TESTING"
    newer = image("BUILDING", BUILD, *TESTS, step("new", "RUNNING", 1, of=2)).progress
    assert str(newer) == "BUILDING 7/7 steps"


@pytest.mark.parametrize("status", ["PENDING", "INTEGRATING", "FROBNICATING", "AVAILABLE"])
def test_status_without_a_workflow_has_no_steps(status):
    found = image(status, BUILD, step("a", "RUNNING", 1)).progress
    assert (found.steps_done, found.steps_total, found.step, found.waiting_steps) == (None, None, None, ())


def test_waiting_step_is_shown_beside_a_running_one():
    waiting = step("Approve", "WAITING", 9, of=2)
    found = image("TESTING", *TESTS, step("a", "RUNNING", 1, of=3), waiting).progress
    assert (found.step, found.waiting_steps) == ("a", (waiting,))
    assert str(found) == "TESTING 3/8 steps: Approve waits for a person"


@pytest.mark.parametrize(
    ("status", "action", "expected"),
    [
        ("WAITING", None, True),
        ("RUNNING", "WaitForAction", True),
        ("RUNNING", "ExecuteBash", False),
        ("RUNNING", None, False),
        ("PENDING", "WaitForAction", False),
        ("COMPLETED", "WaitForAction", False),
        ("FAILED", "WaitForAction", False),
        (None, "WaitForAction", False),
    ],
)
def test_step_waits_according_to_status_and_action(status, action, expected):
    found = step("a", status, 1, action=action)
    assert found.is_waiting is expected
    assert found.progress.waiting_steps == ((found,) if expected else ())


def test_detail_is_not_part_of_equality_or_repr():
    assert image("TESTING", BUILD) == image("TESTING")
    assert "detail" not in repr(image("TESTING", BUILD))
