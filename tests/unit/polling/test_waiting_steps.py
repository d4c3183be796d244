"""The waiting steps of the account: which executions they belong to, and how they are reported."""

from aioimagebuilder import Image, WorkflowExecution, WorkflowStepExecution
from aioimagebuilder.polling.step_inspector import WaitingSteps, describe_waiting_steps

IMAGE = Image.parse(
    {"arn": "arn:aws:imagebuilder:us-east-1:123456789012:image/demo/1.0.0/1", "state": {"status": "BUILDING"}}
)
WORKFLOW = WorkflowExecution.parse({"workflowExecutionId": "wf-2", "status": "RUNNING"})


def step(name: str, **members: object) -> WorkflowStepExecution:
    return WorkflowStepExecution.parse(
        {
            "stepExecutionId": f"step-{name}",
            "name": name,
            "workflowExecutionId": "wf-1",
            "startTime": "2026-01-02T03:01:00Z",
            **members,
        }
    )


WAITING = (step("a", status="WAITING"), step("b", status="WAITING"))


def test_listed_steps_wait_even_without_a_status():
    waiting_steps = WaitingSteps()
    listed = [step("a", imageBuildVersionArn=IMAGE.id), step("b", workflowExecutionId=WORKFLOW.id)]
    waiting_steps.update(listed)
    assert [each.id for each in waiting_steps.of(IMAGE)] == ["step-a"]
    assert [each.id for each in waiting_steps.of(WORKFLOW)] == ["step-b"]
    assert all(each.is_waiting for each in waiting_steps.of(IMAGE))
    waiting_steps.update([])
    assert waiting_steps.of(IMAGE) == ()


def test_answered_step_is_left_out_for_one_minute():
    waiting_steps = WaitingSteps()
    waiting_steps.answered("step-a", 100.0)
    assert waiting_steps.unanswered(WAITING, 159.0) == WAITING[1:]
    assert waiting_steps.unanswered(WAITING, 160.0) == WAITING


def test_each_step_is_reported_once():
    waiting_steps = WaitingSteps()
    assert waiting_steps.unreported(WAITING[:1]) == WAITING[:1]
    assert waiting_steps.unreported(WAITING) == WAITING[1:]
    assert waiting_steps.unreported(WAITING) == ()


def test_description_says_how_to_answer_the_step():
    unnamed = WorkflowStepExecution(step_execution_id="step-9")
    assert describe_waiting_steps(WAITING[:1]) == (
        "step a (step-a) waits for a person since 2026-01-02 03:01:00 UTC: "
        'answer it with resume("step-a") or stop("step-a", reason="…")'
    )
    assert describe_waiting_steps([unnamed, WAITING[0]]).startswith(
        "step ? (step-9), and 1 more, waits for a person: "
    )
