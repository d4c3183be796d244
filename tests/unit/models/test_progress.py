"""What is made of the lists of steps: progress, and who waits for a person."""

import pytest

from aioimagebuilder import Detail, Image, WorkflowExecution, WorkflowStepExecution
from aioimagebuilder.models.identifiers import Identifier
from aioimagebuilder.models.kinds import ExecutionKind
from aioimagebuilder.polling.history import RERUN_GRACE_PERIOD, Reruns
from aioimagebuilder.polling.step_inspector import WaitingSteps, describe_waiting_steps

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


def test_an_image_counts_the_steps_of_its_stage_and_names_the_one_that_has_run_longest():
    found = image(
        "TESTING", BUILD, *TESTS, step("a", "RUNNING", 9, of=2), step("b", "RUNNING", 5, of=3)
    ).progress
    assert (found.steps_done, found.steps_total, found.step) == (3, 8, "b")
    assert found.since.minute == 5
    assert str(found) == "TESTING 3/8 steps: b"


def test_lists_that_are_older_or_newer_than_the_status_are_not_mixed_with_it():
    assert str(image("TESTING", BUILD, step("old", "RUNNING", 1)).progress) == "TESTING"
    newer = image("BUILDING", BUILD, *TESTS, step("new", "RUNNING", 1, of=2)).progress
    assert str(newer) == "BUILDING 7/7 steps"


@pytest.mark.parametrize("status", ["PENDING", "INTEGRATING", "FROBNICATING", "AVAILABLE"])
def test_a_status_without_a_workflow_has_no_steps(status):
    found = image(status, BUILD, step("a", "RUNNING", 1)).progress
    assert (found.steps_done, found.steps_total, found.step, found.waiting_steps) == (None, None, None, ())


def test_a_step_that_waits_is_told_beside_one_that_runs():
    gate = step("Approve", "WAITING", 9, of=2)
    found = image("TESTING", *TESTS, step("a", "RUNNING", 1, of=3), gate).progress
    assert (found.step, found.waiting_steps) == ("a", (gate,))
    assert str(found) == "TESTING 3/8 steps: Approve waits for a person"


@pytest.mark.parametrize(
    ("status", "action", "waits"),
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
def test_who_waits(status, action, waits):
    found = step("a", status, 1, action=action)
    assert found.is_waiting is waits
    assert found.progress.waiting_steps == ((found,) if waits else ())


def test_detail_is_no_part_of_what_an_image_is():
    assert image("TESTING", BUILD) == image("TESTING")
    assert "detail" not in repr(image("TESTING", BUILD))


def test_what_stands_on_the_list_of_waiting_steps_waits_whatever_it_lacks():
    waiting_steps = WaitingSteps()
    waiting_steps.update([step("a", None, 1, imageBuildVersionArn=ARN), step("b", None, 1, of=2)])
    assert [each.id for each in waiting_steps.of(image("BUILDING"))] == ["step-a"]
    assert [each.id for each in waiting_steps.of(TESTS[0])] == ["step-b"]
    assert all(each.is_waiting for each in waiting_steps.of(image("BUILDING")))
    waiting_steps.update([])
    assert waiting_steps.of(image("BUILDING")) == ()


def test_an_answered_step_is_left_out_for_a_minute():
    waiting_steps, steps = WaitingSteps(), (step("a", "WAITING", 1), step("b", "WAITING", 1))
    waiting_steps.answered("step-a", 100.0)
    assert waiting_steps.unanswered(steps, 159.0) == steps[1:]
    assert waiting_steps.unanswered(steps, 160.0) == steps


def test_each_step_is_reported_once():
    waiting_steps, steps = WaitingSteps(), (step("a", "WAITING", 1), step("b", "WAITING", 1))
    assert waiting_steps.unreported(steps[:1]) == steps[:1]
    assert waiting_steps.unreported(steps) == steps[1:]
    assert waiting_steps.unreported(steps) == ()


def test_a_gate_is_described_with_what_to_do():
    one, other = step("a", "WAITING", 1), WorkflowStepExecution(step_execution_id="step-9")
    assert describe_waiting_steps([one]) == (
        "step a (step-a) waits for a person since 2026-01-02 03:01:00 UTC: "
        'answer it with resume("step-a") or stop("step-a", reason="…")'
    )
    assert describe_waiting_steps([other, one]).startswith(
        "step ? (step-9), and 1 more, waits for a person: "
    )


IMAGE = Identifier(ARN, ExecutionKind.IMAGE)


def failed(workflow_execution_id: str, status: str = "FAILED") -> Image:
    return image(status, reason="no", failureContext={"workflowExecutionId": workflow_execution_id})


@pytest.mark.parametrize("before", [None, failed("wf-1"), image("TESTING")])
def test_an_end_as_before_is_old_until_the_grace_has_passed_and_another_is_new(before):
    reruns = Reruns()
    reruns.expect(IMAGE, before, 1000.0)
    assert reruns.precedes(IMAGE, failed("wf-1"), 1001.0)
    assert not reruns.precedes(IMAGE, image("TESTING"), 1002.0)
    assert reruns.precedes(IMAGE, failed("wf-1"), 1003.0)
    assert not reruns.precedes(IMAGE, failed("wf-2"), 1004.0)
    assert not reruns.precedes(IMAGE, failed("wf-1", "CANCELLED"), 1005.0)
    assert not reruns.precedes(IMAGE, failed("wf-1"), 1000.0 + RERUN_GRACE_PERIOD)


@pytest.mark.parametrize("status", ["AVAILABLE", "DEPRECATED", "DISABLED", "DELETED", "FROBNICATING"])
def test_an_end_that_no_retry_begins_from_is_new_at_once(status):
    reruns = Reruns()
    reruns.expect(IMAGE, None, 0.0)
    assert not reruns.precedes(IMAGE, image(status), 0.0)


def test_what_was_not_asked_to_run_again_has_no_old_end():
    reruns = Reruns()
    assert not reruns.precedes(IMAGE, failed("wf-1"), 0.0)
    reruns.expect(Identifier(ARN + "0", ExecutionKind.IMAGE), None, 0.0)
    assert not reruns.precedes(IMAGE, failed("wf-1"), 0.0)
