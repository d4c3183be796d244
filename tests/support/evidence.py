"""Evidence of failures, in the shape of the service's answers, and what is concluded from it."""

from datetime import UTC, datetime, timedelta

from aioimagebuilder import Diagnosis, Image, LogLine, WorkflowExecution, WorkflowStepExecution
from aioimagebuilder.diagnosis.conclusion import conclude
from aioimagebuilder.diagnosis.evidence import Evidence
from aioimagebuilder.models.parsing import Structure

ARN = "arn:aws:imagebuilder:us-east-1:123456789012:image/demo/1.0.0/1"
COMPONENT = "arn:aws:imagebuilder:us-east-1:123456789012:component/web/1.0.0/1"
TIME = datetime(2026, 9, 9, 19, 0, tzinfo=UTC)
UUID = "12345678-1234-1234-1234-12345678901"
INSTANCE = "i-0123456789abcdef0"
COMMAND = "11111111-2222-4333-8444-555555555555"
LEGACY = "SSM execution '22222222-0000-4000-8000-000000000001' failed"
TRANSITION = "Image transitioned to {} state for Image ARN: " + ARN
APPLY = "Started step ApplyBuildComponents with action ExecuteComponents"
COMMAND_FAILED = f"Command failed (command id: {COMMAND}, state: Failed)"
STEP_FAILED = "Action failed for step ApplyBuildComponents. Failing step"
DISTRIBUTION = (
    "Distribution failed with JobId '1', status = 'Failed' for ARN 'arn:x'. "
    "Error:'Not all distribution jobs are completed. "
    "1) EC2 Client Error: 'AMIs cannot be public' when distributing the image from the source account "
    "(ID: 111122223333) to the destination account (ID: 444455556666) in Region ap-south-1."
)


def image(status: str = "FAILED", **state) -> Image:
    return Image.parse({"arn": ARN, "name": "demo", "state": {"status": status, **state}})


def workflow(number: int, status: str = "FAILED", **members) -> WorkflowExecution:
    ended = (TIME + timedelta(minutes=number)).isoformat()
    row = {"workflowExecutionId": f"wf-{UUID}{number}", "type": "TEST", "status": status, "endTime": ended}
    return WorkflowExecution.parse({**row, **members})


def step(number: int, status: str = "FAILED", *, of: int = 1, **members) -> WorkflowStepExecution:
    row = {
        "stepExecutionId": f"step-{UUID}{number}",
        "workflowExecutionId": f"wf-{UUID}{of}",
        "name": f"Step{number}",
        "action": "RunCommand",
        "status": status,
    }
    return WorkflowStepExecution.parse({**row, **members})


def log(*texts: str) -> tuple[LogLine, ...]:
    return tuple(LogLine(TIME + timedelta(seconds=number), text) for number, text in enumerate(texts))


def diagnosis_of(*parts: Structure, lines: tuple[LogLine, ...] = ()) -> Diagnosis:
    evidence = Evidence(
        subject=parts[0],
        image=next((each for each in parts if isinstance(each, Image)), None),
        workflows=tuple(each for each in parts if isinstance(each, WorkflowExecution)),
        steps=tuple(each for each in parts if isinstance(each, WorkflowStepExecution)),
        lines=lines,
    )
    return conclude(evidence, log_lines=20)
