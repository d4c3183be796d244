"""Diagnoses over HTTP. The expected reports are in ``diagnoses/``; ids and times are stable."""

import json
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import pytest
import pytest_asyncio

from aioimagebuilder import (
    CauseKind,
    Diagnosis,
    ExecutionCancelledError,
    ExecutionFailedError,
    ImageBuilder,
    Outcome,
    ResourceNotFoundException,
    SourceState,
    WaitGroupError,
    blocking,
)
from aioimagebuilder.testing import BuildScript, ComponentFailure, Fault, Simulator, StepScript

from .conftest import CADENCE

REPORTS = Path(__file__).parent / "diagnoses"
START = 1788980000.0
DAYS = 4 * 86400.0
MANAGED = "arn:aws:imagebuilder:us-east-1:aws:workflow"
LOGS_DENIED = Fault(
    "error",
    service="logs",
    code="AccessDeniedException",
    status=400,
    message="User is not authorized to perform: logs:GetLogEvents",
)


@pytest.fixture(scope="module")
def stopped_simulator() -> Iterator[Simulator]:
    with Simulator(time_scale=0, start=START) as simulator:
        yield simulator


@pytest.fixture
def simulator(stopped_simulator: Simulator) -> Simulator:
    stopped_simulator.reset()
    return stopped_simulator


@pytest_asyncio.fixture
async def ib(simulator: Simulator) -> AsyncIterator[ImageBuilder]:
    async with ImageBuilder(**simulator.client_arguments, **CADENCE) as ib:
        yield ib


def failing_component(at: str = "ApplyBuildComponents", **members) -> BuildScript:
    failure = ComponentFailure(**{"stderr": "Error: Unable to find a match: htpd", **members})
    return BuildScript(steps={at: StepScript(status="FAILED", component_failure=failure)})


def cancel(simulator: Simulator, arn: str) -> None:
    simulator.control.call("CancelImageCreation", imageBuildVersionArn=arn)


def retry(simulator: Simulator, arn: str) -> None:
    simulator.script(failing_component("ApplyTestComponents", phase="test", step="CheckPort"))
    simulator.control.call("RetryImage", imageBuildVersionArn=arn)


def stop_waiting_step(simulator: Simulator, arn: str) -> None:
    [step] = simulator.control.call("ListWaitingWorkflowSteps")["steps"]
    simulator.control.call(
        "SendWorkflowStepAction",
        stepExecutionId=step["stepExecutionId"],
        imageBuildVersionArn=arn,
        action="STOP",
        reason="The release is postponed.",
    )


@dataclass(frozen=True)
class Scenario:
    """A build that runs for `seconds` (simulated), and for days after `action`; then it is diagnosed."""

    script: BuildScript
    pipeline: dict[str, object] = field(default_factory=dict)
    seconds: float = DAYS
    action: Callable[[Simulator, str], None] | None = None
    faults: tuple[Fault, ...] = ()


SCENARIOS = {
    "component_failed_in_build_phase": Scenario(failing_component(), {"log_bucket": "example-logs"}),
    "step_timed_out": Scenario(BuildScript(steps={"LaunchBuildInstance": StepScript(duration=9000)})),
    "attempts_exhausted": Scenario(
        BuildScript(
            steps={
                "RunSanitizeScript": StepScript(
                    status="FAILED", message="The script ended with 7", failed_attempts=2, max_attempts=3
                )
            }
        )
    ),
    "test_failed_with_continue": Scenario(
        failing_component("ApplyTestComponents", phase="test", error="port 80 is closed", stderr=None),
        {
            "workflows": [
                {"workflowArn": f"{MANAGED}/build/build-image/x.x.x"},
                {"workflowArn": f"{MANAGED}/test/test-image/x.x.x", "onFailure": "CONTINUE"},
            ]
        },
    ),
    "one_of_three_regions_failed": Scenario(
        BuildScript(failed_regions={"eu-west-1": "You are not authorized to use the given KMS key."}),
        {"regions": ("us-east-1", "eu-west-1", "ap-southeast-2")},
    ),
    "no_instance_type_available": Scenario(
        BuildScript(early_failure="None of the provided Instance Types are available in the current region.")
    ),
    "instance_launch_failed": Scenario(
        BuildScript.failing_step(
            "LaunchBuildInstance",
            "An error occurred (InsufficientInstanceCapacity) when calling the RunInstances operation in "
            "workflow step LaunchBuildInstance",
        )
    ),
    "cancelled": Scenario(BuildScript(), seconds=200, action=cancel),
    "waiting_step_stopped": Scenario(
        BuildScript.waiting("RunSanitizeScript"), seconds=600, action=stop_waiting_step
    ),
    "waiting_step_timed_out": Scenario(
        BuildScript(steps={"RunSanitizeScript": StepScript(is_waiting_step=True, timeout_seconds=3600)})
    ),
    "no_failure_context": Scenario(
        BuildScript(steps=failing_component().steps, failure_context=False), {"log_bucket": "example-logs"}
    ),
    "log_denied": Scenario(failing_component(), faults=(LOGS_DENIED,)),
    "log_throttled": Scenario(failing_component(), faults=(Fault("throttle", service="logs"),)),
    "no_log": Scenario(BuildScript(steps=failing_component().steps, log_stream=False)),
    "only_image_readable": Scenario(
        failing_component(),
        faults=(
            Fault(
                "error", operation="List*", code="ForbiddenException", status=403, message="Not authorized."
            ),
            Fault(
                "error", operation="*Step*", code="ForbiddenException", status=403, message="Not authorized."
            ),
            LOGS_DENIED,
        ),
    ),
    "retry_failed_differently": Scenario(
        BuildScript.failing_step("LaunchTestInstance", "InsufficientInstanceCapacity"),
        seconds=3600,
        action=retry,
    ),
    "waiting_step": Scenario(BuildScript.waiting("RunSanitizeScript"), seconds=600),
    "still_running": Scenario(BuildScript(steps={"ApplyBuildComponents": StepScript(never_ends=True)})),
    "nothing_failed": Scenario(BuildScript()),
}


def build(simulator: Simulator, scenario: Scenario) -> str:
    simulator.script(scenario.script)
    arn = simulator.start_build(simulator.create_pipeline("Web Server", **scenario.pipeline))
    simulator.advance(scenario.seconds)
    if scenario.action is not None:
        scenario.action(simulator, arn)
        simulator.advance(DAYS)
    for fault in scenario.faults:
        simulator.inject(fault)
    return arn


def expected_report(name: str) -> str:
    return (REPORTS / f"{name}.txt").read_text(encoding="utf-8")


def check_representations(diagnosis: Diagnosis) -> None:
    """Check that the summary, the report and the JSON agree, and are printable."""
    members = diagnosis.as_dict()
    assert json.loads(json.dumps(members)) == members
    assert str(diagnosis) == members["summary"] == diagnosis.report().partition("\n")[0]
    assert "\n" not in str(diagnosis)
    assert diagnosis.report().replace("\n", "").isprintable()


@pytest.mark.asyncio
@pytest.mark.parametrize("name", SCENARIOS)
async def test_diagnosis_names_root_cause(ib: ImageBuilder, simulator: Simulator, name):
    arn = build(simulator, SCENARIOS[name])
    # A source that is always throttled would use up its default timeout.
    diagnosis = await ib.diagnose(arn, timeout=3)
    check_representations(diagnosis)
    assert diagnosis.report() + "\n" == expected_report(name)


@pytest.mark.asyncio
async def test_report_in_documentation_matches_real_report(ib: ImageBuilder, simulator: Simulator):
    arn = build(simulator, SCENARIOS["component_failed_in_build_phase"])
    report = (await ib.diagnose(arn, log_lines=4)).report()
    page = (Path(__file__).parents[2] / "docs" / "watching.md").read_text(encoding="utf-8")
    assert f"```text\n{report}\n```" in page


def test_every_report_has_a_scenario():
    assert {path.stem for path in REPORTS.glob("*.txt")} == set(SCENARIOS)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_diagnosis_reads_log_on_both_event_loops(simulator: Simulator, backend):
    arn = build(simulator, SCENARIOS["component_failed_in_build_phase"])

    async def main() -> Diagnosis:
        async with ImageBuilder(**simulator.client_arguments) as ib:
            return await ib.diagnose(arn)

    diagnosis = anyio.run(main, backend=backend)
    assert diagnosis.report() + "\n" == expected_report("component_failed_in_build_phase")


def test_blocking_client_returns_same_diagnosis(simulator: Simulator):
    arn = build(simulator, SCENARIOS["step_timed_out"])
    with blocking.ImageBuilder(**simulator.client_arguments) as ib:
        report = ib.diagnose(arn).report()
    assert report + "\n" == expected_report("step_timed_out")


@pytest.mark.asyncio
async def test_workflow_and_step_have_cause_of_their_image(ib: ImageBuilder, simulator: Simulator):
    arn = build(simulator, SCENARIOS["component_failed_in_build_phase"])
    of_image = await ib.diagnose(arn)
    workflows = [each.id async for each in ib.list_workflow_executions(arn)]
    assert of_image.cause.place.workflow_execution_id in workflows
    of_workflow = await ib.diagnose(of_image.cause.place.workflow_execution_id)
    of_step = await ib.diagnose(of_image.cause.place.step_execution_id)
    assert of_workflow.cause == of_step.cause == of_image.cause
    assert of_workflow.instance_id == of_step.instance_id == of_image.instance_id
    assert of_step.log_lines == of_image.log_lines
    assert of_step.image_build_version_arn == arn
    assert str(of_step).startswith(f"Workflow step execution {of_step.identifier} is FAILED: component ")


@pytest.mark.asyncio
async def test_succeeded_workflow_of_failed_image_has_no_cause(ib: ImageBuilder, simulator: Simulator):
    script = BuildScript.failing_step("LaunchTestInstance", "InsufficientInstanceCapacity")
    arn = build(simulator, Scenario(script))
    succeeded, failed = [each async for each in ib.list_workflow_executions(arn)]
    diagnosis = await ib.diagnose(succeeded.id)
    assert (diagnosis.cause, diagnosis.outcome) == (None, Outcome.SUCCEEDED)
    assert str(diagnosis).endswith("is COMPLETED: nothing failed")
    assert (await ib.diagnose(failed.id)).cause.kind is CauseKind.STEP


@pytest.mark.asyncio
async def test_failed_step_with_on_failure_continue_is_reported(ib: ImageBuilder, simulator: Simulator):
    step = StepScript(status="FAILED", message="No such instance", on_failure="Continue")
    arn = build(simulator, Scenario(BuildScript(steps={"TerminateBuildInstance": step})))
    assert str(await ib.diagnose(arn)).endswith("is AVAILABLE: nothing failed")
    workflow = await anext(ib.list_workflow_executions(arn))
    diagnosis = await ib.diagnose(workflow.id)
    assert "is COMPLETED, although step TerminateBuildInstance (TerminateInstance) failed" in str(diagnosis)


@pytest.mark.asyncio
async def test_lifecycle_diagnosis_names_failed_resources(ib: ImageBuilder, simulator: Simulator):
    arn = build(simulator, Scenario(BuildScript()))
    simulator.start_build(arn.replace(":image/", ":image-pipeline/").removesuffix("/1.0.0/1"))
    simulator.advance(DAYS)
    policy = simulator.control.call(
        "CreateLifecyclePolicy",
        name="retire",
        executionRole="arn:aws:iam::123456789012:role/lifecycle",
        resourceType="AMI_IMAGE",
        policyDetails=[
            {
                "action": {"type": "DELETE", "includeResources": {"amis": True}},
                "filter": {"type": "COUNT", "value": 1},
            }
        ],
        resourceSelection={"recipes": [{"name": "Web Server", "semanticVersion": "1.0.0"}]},
    )["lifecyclePolicyArn"]
    identifier = simulator.run_lifecycle_policy(policy, status="FAILED", reason="The AMI is in use.")
    simulator.advance(3600)
    diagnosis = await ib.diagnose(identifier)
    check_representations(diagnosis)
    assert diagnosis.cause.kind is CauseKind.RESOURCE
    assert [target.name for target in diagnosis.cause.targets] == [arn]
    assert str(diagnosis) == (
        f"Lifecycle execution {identifier} is FAILED: 1 of 1 resource ({arn} in us-east-1) failed: "
        "The AMI is in use."
    )


@pytest.mark.asyncio
async def test_lifecycle_diagnosis_reads_resources_below_the_image(ib: ImageBuilder, simulator: Simulator):
    arn = build(simulator, Scenario(BuildScript()))
    update = simulator.control.call(
        "StartResourceStateUpdate",
        resourceArn=arn,
        state={"status": "DELETED"},
        includeResources={"amis": True, "snapshots": True},
        executionRole="arn:aws:iam::123456789012:role/lifecycle",
    )["lifecycleExecutionId"]
    failed = {"status": "FAILED"}
    execution = {"lifecycleExecutionId": update, "state": failed}
    snapshot = {"snapshotId": "snap-1", "state": {**failed, "reason": "The snapshot is in use."}}
    below = {"resources": [{"resourceId": "ami-1", "snapshots": [snapshot]}]}
    for operation, identifier, response in (
        ("GetLifecycleExecution", None, {"lifecycleExecution": execution}),
        ("ListLifecycleExecutionResources", arn, below),
        ("ListLifecycleExecutionResources", None, {"resources": [{"resourceId": arn, "state": failed}]}),
    ):
        body = json.dumps(response)
        simulator.inject(Fault("garbage", operation=operation, identifier=identifier, body=body))
    diagnosis = await ib.diagnose(update)
    check_representations(diagnosis)
    assert diagnosis.cause.message == "snap-1: The snapshot is in use."
    # What is below is optional.
    simulator.inject(Fault("error", code="ForbiddenException", status=403, identifier=arn))
    diagnosis = await ib.diagnose(update)
    assert diagnosis.cause.kind is CauseKind.RESOURCE
    assert diagnosis.cause.message is None
    assert diagnosis.sources[-1].state is SourceState.UNREADABLE


@pytest.mark.asyncio
async def test_failed_wait_has_diagnosis_on_request(ib: ImageBuilder, simulator: Simulator):
    arn = build(simulator, SCENARIOS["component_failed_in_build_phase"])
    with pytest.raises(ExecutionFailedError) as plain:
        await ib.wait(arn, timeout=60)
    assert plain.value.diagnosis is None
    assert "GetLogEvents" not in {call.operation for call in simulator.calls}
    with pytest.raises(ExecutionFailedError) as explained:
        await ib.wait_for_image(arn, timeout=60, diagnose=True)
    error = explained.value
    assert str(error) == str(error.diagnosis) == error.diagnosis.summary
    assert error.diagnosis.cause.error_output == "Error: Unable to find a match: htpd"
    assert error.diagnosis.report() + "\n" == expected_report("component_failed_in_build_phase")
    assert (error.execution.status, error.polls) == (plain.value.execution.status, 1)


@pytest.mark.asyncio
async def test_failed_wait_all_has_diagnosis_of_each_failure(ib: ImageBuilder, simulator: Simulator):
    simulator.script(failing_component(), recipe="one")
    simulator.script(BuildScript(), recipe="two")
    arns = [simulator.start_build(simulator.create_pipeline(name)) for name in ("one", "two", "three")]
    simulator.advance(100)
    cancel(simulator, arns[2])
    simulator.advance(DAYS)
    with pytest.raises(WaitGroupError) as caught:
        await ib.wait_all(arns, timeout=60, diagnose=True)
    failed, cancelled = caught.value.errors
    assert failed.diagnosis.cause.kind is CauseKind.COMPONENT
    assert isinstance(cancelled, ExecutionCancelledError)
    assert cancelled.diagnosis.cause is None
    assert "is CANCELLED [BUILDING" in str(cancelled)


@pytest.mark.asyncio
async def test_denied_sources_of_diagnosis_change_no_outcome(simulator: Simulator):
    arn = build(simulator, SCENARIOS["component_failed_in_build_phase"])
    async with ImageBuilder(**simulator.client_arguments, **CADENCE) as ib:
        wait = ib.wait(arn, timeout=60, diagnose=True)
        # The wait has not started yet, and its GetImage still works.
        simulator.inject(Fault("error", code="ForbiddenException", status=403, operation="List*"))
        simulator.inject(LOGS_DENIED)
        with pytest.raises(ExecutionFailedError) as caught:
            await wait
    diagnosis = caught.value.diagnosis
    assert diagnosis.cause.kind is CauseKind.COMPONENT
    states = {source.name: source.state for source in diagnosis.sources}
    assert states["ListWorkflowExecutions"] is states["GetLogEvents"] is SourceState.UNREADABLE


@pytest.mark.asyncio
async def test_diagnosis_of_unknown_or_invalid_id_raises(ib: ImageBuilder, simulator: Simulator):
    with pytest.raises(ResourceNotFoundException):
        await ib.diagnose("wf-12345678-1234-1234-1234-123456789012")
    with pytest.raises(ValueError, match="is not an Image Builder id"):
        await ib.diagnose("wf-1")
    with pytest.raises(ValueError, match="log_lines must be"):
        await ib.diagnose("wf-12345678-1234-1234-1234-123456789012", log_lines=-1)


@pytest.mark.asyncio
async def test_zero_log_lines_open_no_cloudwatch_client(ib: ImageBuilder, simulator: Simulator):
    arn = build(simulator, SCENARIOS["component_failed_in_build_phase"])
    diagnosis = await ib.diagnose(arn, log_lines=0)
    assert diagnosis.cause.message == "exit status 1"
    assert ib._parts.cloudwatch._open is None


@pytest.mark.asyncio
async def test_untrusted_text_is_sanitized(ib: ImageBuilder, simulator: Simulator):
    untrusted = "\x1b[2J\r\nImage is AVAILABLE\u202e" + "A" * 5000
    failure = ComponentFailure(error=untrusted[:900], step="a\nb", stderr=untrusted)
    step = StepScript(
        status="FAILED",
        component_failure=failure,
        outputs={
            "runCommandId": "; rm -rf /",
            "instanceId": "$(reboot)",
            "logUrl": "https://x",
            "error": untrusted,
        },
    )
    arn = build(simulator, Scenario(BuildScript(steps={"ApplyBuildComponents": step})))
    diagnosis = await ib.diagnose(arn)
    check_representations(diagnosis)
    assert "\\x1b[2J Image is AVAILABLE\\u202eAAA" in str(diagnosis)
    assert len(str(diagnosis)) < 4000
    assert (diagnosis.run_command_id, diagnosis.log_url) == (None, None)
    assert "reboot" not in diagnosis.report()
    assert max(len(line.message) for line in diagnosis.log_lines) <= 400
