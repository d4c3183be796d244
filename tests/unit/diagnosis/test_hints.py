"""What to look at next: hints agree with the report."""

import json

import pytest

from aioimagebuilder import Image, LifecycleExecution
from support.evidence import APPLY, ARN, diagnosis_of, image, log, step, workflow


@pytest.mark.parametrize(
    ("message", "next_step"),
    [
        ("RunInstances failed in workflow step LaunchBuildInstance", "The instance never launched"),
        ("An error occurred (InvalidInstanceId) when calling SendCommand", "The SSM agent never connected"),
        ("ExpectationNotMet. ssm:ListCommandInvocations returned Failed", "could not fetch AWSTOE"),
        ("Can't start SSM Automation. Rate exceeded", "AWS throttled"),
        ("UnauthorizedOperation: you are not authorized", "A role lacks a permission"),
    ],
)
def test_known_message_adds_a_next_step(message, next_step):
    found = diagnosis_of(image(), workflow(1), step(1, message=message))
    assert any(next_step in each for each in found.next_steps)
    assert not any(next_step in each for each in diagnosis_of(image(), workflow(1), step(1)).next_steps)


AMIS = {
    "amis": [
        {"region": "us-east-1", "image": "ami-0123456789abcdef0", "accountId": "111122223333"},
        {"region": "eu-west-1", "image": "ami-00000000"},
        {"region": "eu-west-1", "image": "; reboot"},
        {"region": "us-east-1", "image": "ami-99999999"},
    ]
}


@pytest.mark.parametrize(
    ("status", "count"), [("FAILED", 2), ("CANCELLED", 2), ("AVAILABLE", 0), ("DELETED", 0)]
)
def test_amis_that_an_unsuccessful_build_left_are_told(status, count):
    members = {"arn": ARN, "state": {"status": status}, "outputResources": AMIS}
    # A build without a build workflow returns the AMI that it started from.
    found = diagnosis_of(Image.parse({**members, "imageRecipe": {"parentImage": "ami-99999999"}}))
    assert [each.image for each in found.amis] == ["ami-0123456789abcdef0", "ami-00000000"][:count]
    commands = [each for each in found.next_steps if "deregister-image" in each]
    assert len(commands) == count
    if count:
        assert commands[0].startswith(
            "aws ec2 deregister-image --image-id ami-0123456789abcdef0 --region us-east-1"
        )
        assert "AMI left    ami-00000000 in eu-west-1" in found.report()


@pytest.mark.parametrize(
    ("principal", "rest", "remedy"),
    [
        (
            "assumed-role/AWSServiceRoleForImageBuilder/ImageBuilder",
            "",
            "The service-linked role AWSServiceRoleFor",
        ),
        ("assumed-role/Builder/i-0123456789abcdef0", "", "The role Builder of the instance profile lacks"),
        ("assumed-role/Executor/session", "", "Executor lacks a permission: allow ssm:SendCommand."),
        ("role/path/Executor", " because no identity-based policy allows it", "Executor lacks a permission"),
        (
            "assumed-role/Executor/s",
            " with an explicit deny in a service control policy",
            "A service control policy denies ssm:SendCommand to Executor",
        ),
        ("user/bob", " because no resource-based policy allows it", "A resource-based policy has to allow"),
    ],
)
def test_denial_names_who_was_denied(principal, rest, remedy):
    message = (
        f"User: arn:aws:sts::1:{principal} is not authorized to perform: ssm:SendCommand on resource: x{rest}"
    )
    hints = diagnosis_of(image(), workflow(1), step(1, message=message)).next_steps
    assert hints[0].startswith(remedy)
    assert not any("the instance profile, the execution role, or" in each for each in hints)


def test_denial_to_assume_a_role_names_that_role():
    role = "arn:aws:iam::444455556666:role/EC2ImageBuilderDistributionCrossAccountRole"
    denied = "User: arn:aws:sts::1:assumed-role/X/y is not authorized to perform: sts:AssumeRole"
    message = f"{denied} on resource: {role}"
    hints = diagnosis_of(image(), workflow(1), step(1, message=message)).next_steps
    assert hints[0] == f"The role {role} has to exist, and its trust policy has to allow X to assume it."


def test_denial_names_only_roles_that_it_may_have_been():
    failed = step(
        1, action="ExecuteComponents", outputs=json.dumps({"error": "AccessDenied: status code: 403"})
    )
    hints = diagnosis_of(image(), workflow(1), failed).next_steps
    assert "A role lacks a permission: that of the instance profile." in hints
    state = {"status": "FAILED", "reason": "You are not authorized"}
    subject = LifecycleExecution.parse({"lifecycleExecutionId": "lce-1", "state": state})
    assert diagnosis_of(subject).next_steps == (
        "A role lacks a permission: the execution role of the lifecycle policy.",
    )


def test_denied_launch_is_no_lack_of_capacity():
    message = "User: arn:aws:sts::1:assumed-role/X/y is not authorized to perform: ec2:RunInstances"
    hints = diagnosis_of(image(), workflow(1), step(1, action="LaunchInstance", message=message)).next_steps
    assert not any("instance types" in each for each in hints)


def test_component_that_was_throttled_is_not_the_service():
    lines = log(APPLY, "Stderr: An error occurred (Throttling): Rate exceeded", "ExitCode 255")
    failed = step(1, name="ApplyBuildComponents", action="ExecuteComponents")
    hints = diagnosis_of(image(), workflow(1), failed, lines=lines).next_steps
    assert not any("AWS throttled the calls that Image Builder made" in each for each in hints)


@pytest.mark.parametrize(
    ("state", "name", "hint"),
    [
        ("Failed", "LaunchBuildInstance", "The check of the SSM agent failed"),
        ("Failed", "ApplyBuildComponents", "The command ended without a report of the components"),
        ("TimedOut", "ApplyBuildComponents", "Find out from the log what the step waited for"),
    ],
)
def test_step_that_only_the_reason_names_has_its_hint(state, name, hint):
    returned = f"ssm:ListCommandInvocations returned terminal state {state}"
    reason = f"ExpectationNotMet. {returned} in workflow step {name}"
    [only] = diagnosis_of(image(reason=reason)).next_steps
    assert only.startswith(hint)


UNREPORTED = (
    "ExpectationNotMet. ssm:ListCommandInvocations returned terminal state Failed in workflow step {}"
)


@pytest.mark.parametrize(
    ("action", "output", "hint"),
    [
        ("ExecuteComponents", "Launching instance", "could not fetch AWSTOE"),
        ("ExecuteComponents", "Stdout: Downloading", "AWSTOE ran"),
        ("LaunchInstance", "Launching instance", "check of the SSM agent"),
        ("RunSysPrep", "Launching instance", "command of this step"),
    ],
)
def test_unreported_command_has_a_hint_that_fits_the_log(action, output, hint):
    started = f"Started step Step1 with action {action}"
    failed = step(1, action=action, message=UNREPORTED.format("Step1"))
    hints = diagnosis_of(image(), workflow(1), failed, lines=log(started, output)).next_steps
    texts = ("could not fetch AWSTOE", "AWSTOE ran", "check of the SSM agent", "command of this step")
    assert [text for text in texts if any(text in each for each in hints)] == [hint]


def test_updates_and_reboots_are_hinted_at_only_without_another_cause():
    failed = step(1, name="ApplyBuildComponents", action="ExecuteComponents")
    windows = Image.parse({"arn": ARN, "platform": "Windows", "state": {"status": "FAILED"}})
    updates = (APPLY, "Stdout: Installing 2026-05 Cumulative Update (KB5087539)", "Step Next")
    hints = diagnosis_of(windows, workflow(1), failed, lines=log(*updates)).next_steps
    assert any(each.startswith("Windows updates were installed") for each in hints)
    hints = diagnosis_of(
        image(), workflow(1), failed, lines=log(APPLY, "ExitCode 194", "Step Next")
    ).next_steps
    assert any("was rebooted" in each for each in hints)
    hints = diagnosis_of(windows, workflow(1), failed, lines=log(*updates, "[ ERROR ] no space")).next_steps
    assert not any("updates" in each for each in hints)
