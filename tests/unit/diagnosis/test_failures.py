"""What the reason, the log or the outputs alone say about a failure."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from aioimagebuilder import CauseKind, LifecycleExecution, LifecycleExecutionResource
from aioimagebuilder.diagnosis.conclusion import conclude
from aioimagebuilder.diagnosis.evidence import Evidence
from support.evidence import (
    APPLY,
    ARN,
    COMMAND,
    COMMAND_FAILED,
    COMPONENT,
    DISTRIBUTION,
    INSTANCE,
    LEGACY,
    STEP_FAILED,
    TIME,
    TRANSITION,
    UUID,
    diagnosis_of,
    image,
    log,
    step,
    workflow,
)

FAILED = "status = 'Failed' in state = 'BUILDING' and failure message ="


@pytest.mark.parametrize(
    "wrapper",
    [
        "Document {} failed!",
        f"Workflow Execution ID: 'wf-{UUID}2' failed with reason: Document {{}} failed!",
        f"Workflow Execution ID: wf-{UUID}2 failed with reason: Document '{{}}' failed!",
        f"{LEGACY} with {FAILED} 'Document {{}} failed!'",
        f"{LEGACY} for image arn: '{ARN}' with {FAILED} 'Document {{}} failed!'",
    ],
    ids=["plain", "workflow", "without_quotes", "legacy", "legacy_with_arn"],
)
def test_component_that_only_the_reason_names_is_the_cause(wrapper):
    found = diagnosis_of(image(reason=wrapper.format(COMPONENT)))
    assert (found.cause.kind, found.cause.component.arn) == (CauseKind.COMPONENT, COMPONENT)
    assert "component web 1.0.0/1 failed" in str(found)
    assert LEGACY not in str(found)


def test_component_in_a_denial_has_not_failed():
    denied = (
        f"User: arn:aws:sts::1:assumed-role/R/s is not authorized to perform: x:Y on resource: {COMPONENT}"
    )
    assert diagnosis_of(image(reason=denied)).cause.kind is CauseKind.IMAGE
    found = diagnosis_of(image(), workflow(1), step(1, action="ExecuteComponents", message=denied))
    assert found.cause.component.arn is None


def test_step_that_only_the_log_names_is_the_cause():
    lines = log(TRANSITION.format("BUILDING"), APPLY, "Stderr: Error: bad", "ExitCode 1", STEP_FAILED)
    found = diagnosis_of(image(), workflow(1, type="BUILD"), lines=lines)
    assert (found.cause.kind, found.cause.place.step) == (CauseKind.COMPONENT, "ApplyBuildComponents")
    assert found.cause.error_output == "Error: bad"
    # Nor can the workflows be read.
    image_only = diagnosis_of(image(), lines=lines)
    assert image_only.cause.place == replace(found.cause.place, workflow_execution_id=None, ended=None)


@pytest.mark.parametrize(
    "end", [STEP_FAILED, COMMAND_FAILED, "Step ApplyBuildComponents failed: exit status 1"]
)
def test_step_that_failed_in_the_log_is_not_the_one_after(end):
    after = ("Started step TerminateBuildInstance with action TerminateInstance", "Terminated instance")
    found = diagnosis_of(image(reason="An internal error has occurred."), lines=log(APPLY, end, *after))
    assert found.cause.place.step_with_action == "ApplyBuildComponents (ExecuteComponents)"


def test_step_that_only_the_reason_names_is_the_cause():
    reason = f"Workflow Execution ID: 'wf-{UUID}1' failed with reason: Boom in workflow step CreateOutputAMI."
    found = diagnosis_of(image(reason=reason))
    assert (found.cause.kind, found.cause.place.step) == (CauseKind.STEP, "CreateOutputAMI")
    timed_out = diagnosis_of(image(reason="Step LaunchBuildInstance timed out"))
    assert (timed_out.cause.kind, timed_out.cause.place.step) == (CauseKind.TIMEOUT, "LaunchBuildInstance")


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        ("BUILDING", "Step timed out while step is Poll action status for completion."),
        (
            "TESTING",
            "Step timed out while step is verifying the SSM agent availability on the target instance(s)",
        ),
    ],
)
def test_timeout_of_the_engine_before_2023_is_unwrapped(stage, message):
    reason = f"{LEGACY} with status = 'TimedOut' in state = '{stage}' and failure message = '{message}'"
    found = diagnosis_of(image(reason=reason))
    assert (found.cause.kind, found.cause.place.stage) == (CauseKind.TIMEOUT, stage)
    assert found.cause.message == message
    assert str(found).endswith(f"is FAILED: a step timed out: {message} [{stage}]")
    # There were no workflow documents then.
    assert not any("workflow document" in each for each in found.next_steps)


@pytest.mark.parametrize(
    "message",
    [
        "SSM Agent verification failed",
        "The SSM agent on the instance is not functioning",
        "Step timed out while step is verifying the Systems Manager Agent availability on the instance",
        "Agent not verified",
        "ssm:ListCommandInvocations returned terminal state Undeliverable in workflow step RunIt",
    ],
)
def test_agent_that_did_not_answer_is_understood(message):
    reason = f"{LEGACY} with {FAILED} '{message}'"
    for each in (reason, f"Workflow Execution ID: 'wf-{UUID}1' failed with reason: {message}"):
        found = diagnosis_of(image(reason=each))
        assert found.cause.message == message
        assert any("SSM agent never connected" in hint for hint in found.next_steps)


def test_agent_that_had_run_commands_was_connected():
    message = f"An error occurred (InvalidInstanceId): Instances [[{INSTANCE}]] not in a valid state"
    steps = (step(1, "COMPLETED", action="ExecuteComponents"), step(2, action="RunSysPrep", message=message))
    found = diagnosis_of(image(), workflow(1), *steps)
    assert any("was connected before" in each for each in found.next_steps)
    assert not any("never connected" in each for each in found.next_steps)
    assert found.instance_id == INSTANCE


def test_distribution_jobs_that_did_not_complete_name_their_regions():
    found = diagnosis_of(image(reason=DISTRIBUTION + "'"))
    assert (found.cause.kind, found.cause.place.stage) == (CauseKind.DISTRIBUTION, "DISTRIBUTING")
    [target] = found.cause.targets
    assert (target.region, target.account_id) == ("ap-south-1", "444455556666")
    assert found.cause.message == target.message == "AMIs cannot be public"
    two = diagnosis_of(
        image(
            reason=DISTRIBUTION
            + " 2) AMI Copy Reported Failure For ami-1 when distributing in Region eu-west-1.'"
        )
    )
    assert [each.name for each in two.cause.targets] == ["ap-south-1", "eu-west-1"]
    assert "distribution failed in 2 regions (ap-south-1, eu-west-1)" in str(two)


def test_distribution_of_the_engine_before_2023_names_its_region():
    route = "when distributing the image from the source account (ID: 1) to the destination account (ID: 2)"
    message = (
        f"Not all distribution jobs are completed. 1) AMI Copy Reported Failure {route} in Region eu-west-1."
    )
    reason = f"{LEGACY} with status = 'Failed' in state = 'DISTRIBUTING' and failure message = '{message}'"
    found = diagnosis_of(image(reason=reason))
    assert (found.cause.kind, found.cause.message) == (CauseKind.DISTRIBUTION, "AMI Copy Reported Failure")
    assert [(each.region, each.account_id) for each in found.cause.targets] == [("eu-west-1", "2")]


def test_failed_integration_is_a_stage_of_its_own():
    reason = (
        "Integration failed with JobId '1', status = 'Failed' for ARN 'arn:x'. The parameter is too long."
    )
    for found in (
        diagnosis_of(image(reason=reason)),
        diagnosis_of(image(reason="The parameter is too long."), lines=log(TRANSITION.format("INTEGRATING"))),
    ):
        assert found.cause.place.stage == "INTEGRATING"
        assert found.cause.message == "The parameter is too long."
        assert any("built and distributed" in each for each in found.next_steps)


def test_late_failure_outranks_the_test_that_it_continued_after():
    lines = log(TRANSITION.format("TESTING"), "Stderr: Error: port closed", TRANSITION.format("INTEGRATING"))
    for reason in (DISTRIBUTION, None):
        found = diagnosis_of(image(reason=reason), workflow(1, message="port closed"), lines=lines)
        assert found.cause.place.stage in {"DISTRIBUTING", "INTEGRATING"}
        assert found.cause.error_output is None
        assert [each.message for each in found.also] == ["port closed"]


@pytest.mark.parametrize(
    ("message", "outputs", "lines"),
    [
        ("boom", {"instanceId": INSTANCE, "runCommandId": COMMAND}, ()),
        ("boom", {"response": [{"InstanceIds": [INSTANCE], "CommandId": COMMAND}]}, ()),
        (f"Command {COMMAND} failed on instance {INSTANCE}", None, ()),
        (f"Instances [[{INSTANCE}]] not in a valid state (command id: {COMMAND})", None, ()),
        ("boom", None, (f"Launched instance (instance id: {INSTANCE})", APPLY, COMMAND_FAILED)),
        (
            "boom",
            None,
            (
                f"Waiting for instance availability (id: {INSTANCE}, expected state: ['passed'])",
                "Started step Other with action RunCommand",
                "Command failed (command id: 99999999-2222-4333-8444-555555555555, state: Failed)",
                APPLY,
                f"Running command (command id: {COMMAND})",
                "Stdout: command id: 88888888-2222-4333-8444-555555555555 on i-0bad0bad0bad0bad0",
            ),
        ),
    ],
    ids=["outputs", "nested", "message", "reason", "log", "running"],
)
def test_ids_that_stand_in_one_place_are_found(message, outputs, lines):
    failed = step(
        1,
        name="ApplyBuildComponents",
        action="ExecuteComponents",
        message=message,
        outputs=outputs and json.dumps(outputs),
    )
    found = diagnosis_of(image(), workflow(1), failed, lines=log(*lines))
    assert (found.instance_id, found.run_command_id) == (INSTANCE, COMMAND)
    command = f"aws ssm get-command-invocation --command-id {COMMAND} --instance-id {INSTANCE}"
    assert command in found.next_steps


def test_command_without_instance_is_listed():
    lines = log(APPLY, COMMAND_FAILED, STEP_FAILED)
    found = diagnosis_of(image(reason=f"Document {COMPONENT} failed!"), lines=lines)
    assert f"aws ssm list-command-invocations --command-id {COMMAND} --details" in found.next_steps


def test_evidence_of_another_step_is_not_told():
    other = ("Started step Prepare with action RunCommand", "Stderr: Error: not this", COMMAND_FAILED)
    failed = step(1, name="ApplyBuildComponents", action="ExecuteComponents")
    rollback = ("Started step TerminateBuildInstance with action TerminateInstance", "[ ERROR ] nor this")
    found = diagnosis_of(image(), workflow(1), failed, lines=log(*other, APPLY, STEP_FAILED, *rollback))
    assert (found.cause.error_output, found.run_command_id) == (None, None)
    # Its first line lies above the lines that were read.
    found = diagnosis_of(image(), workflow(1), failed, lines=log("[ ERROR ] this", STEP_FAILED, *rollback))
    assert found.cause.error_output == "this"


def test_evidence_before_the_step_started_is_not_told():
    failed = step(1, action="ExecuteComponents", startTime=(TIME + timedelta(minutes=5)).isoformat())
    lines = log("Stderr: Error: of the build", "ExitCode 1")
    assert diagnosis_of(image(), workflow(1), failed, lines=lines).cause.error_output is None


def test_component_has_its_place_from_the_log():
    lines = log(
        APPLY, f"Document {COMPONENT}", "Phase validate", "Step Check", "ExecuteBash: STARTED EXECUTION"
    )
    lines += log("Stderr: Error: bad", "ExitCode 1")
    component = {"componentArn": COMPONENT, "errorMessage": "exit status 1"}
    context = {"workflowExecutionId": f"wf-{UUID}1", "componentFailure": component}
    failed = step(1, name="ApplyBuildComponents", action="ExecuteComponents")
    for state in ({"failureContext": context}, {"reason": f"Document {COMPONENT} failed!"}, {}):
        found = diagnosis_of(image(**state), workflow(1), failed, lines=lines)
        assert found.cause.component.document_place == "phase validate, step Check (ExecuteBash)"
        assert found.cause.component.arn == COMPONENT
        assert found.cause.error_output == "Error: bad"
    # The log is that of another step than the one that the service names.
    context["componentFailure"] = {**component, "stepName": "Other"}
    found = diagnosis_of(image(failureContext=context), workflow(1), failed, lines=lines)
    assert (found.cause.component.step, found.cause.error_output) == ("Other", None)


@pytest.mark.parametrize(
    "message",
    [
        "Unable to bootstrap TOE",
        "An error occurred (InvalidInstanceId) when calling the SendCommand operation: not in a valid state",
        "ExpectationNotMet. ssm:ListCommandInvocations returned terminal state Failed",
    ],
)
def test_step_that_did_not_reach_the_components_is_the_cause(message):
    found = diagnosis_of(image(), workflow(1), step(1, action="ExecuteComponents", message=message))
    assert (found.cause.kind, found.cause.component) == (CauseKind.STEP, None)


def test_command_that_timed_out_is_a_timeout():
    failed = step(1, name="ApplyBuildComponents", action="ExecuteComponents")
    lines = log(APPLY, COMMAND_FAILED.replace("Failed)", "TimedOut)"))
    assert diagnosis_of(image(), workflow(1), failed, lines=lines).cause.kind is CauseKind.TIMEOUT


def test_reason_below_a_lifecycle_resource_is_told():
    def failed(name: str, reason: str | None = None, **members) -> dict:
        return {"resourceId": name, "state": {"status": "FAILED", "reason": reason}, **members}

    snapshot = {"snapshotId": "snap-1", "state": {"status": "FAILED", "reason": "The snapshot is in use."}}
    subject = LifecycleExecution.parse({"lifecycleExecutionId": "lce-1", "state": {"status": "FAILED"}})
    top, child = failed(ARN), failed("ami-1", "The AMI is in use.", snapshots=[snapshot])
    for resources, children in (
        ([failed("ami-1", snapshots=[snapshot])], []),
        ([top], [child]),
        ([{**top, "state": {"status": "SUCCESS"}}], [child]),
    ):
        rows = tuple(map(LifecycleExecutionResource.parse, resources))
        below = tuple(map(LifecycleExecutionResource.parse, children))
        found = conclude(Evidence(subject=subject, resources=rows, children={ARN: below}), log_lines=0)
        assert [each.name for each in found.cause.targets] == [resources[0]["resourceId"]]
        assert "snap-1: The snapshot is in use." in found.cause.message
        assert ("ami-1: The AMI is in use.; snap-1" in found.cause.message) is bool(children)
