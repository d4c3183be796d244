"""All commands but ``wait``, ``watch``, ``timeline``, ``simulate`` and ``demo``, as processes."""

from __future__ import annotations

import json
import re
import time

import pytest

from aioimagebuilder.testing import BuildScript, Fault, Simulator
from cli.support import WAITING_STEP_WORKFLOW, Cli, finish, wait_until

AMI = r"ami-[0-9a-f]{17}"
ARN = r"arn:aws:imagebuilder:us-east-1:123456789012:image/demo/1\.0\.0/1"
UNKNOWN = "arn:aws:imagebuilder:us-east-1:123456789012:image-pipeline/unknown"
BROKEN = BuildScript.failing_component("No package nginx-1.99 available.")


@pytest.mark.parametrize("by", ["name", "arn"])
def test_build_writes_only_the_ami_to_standard_output(simulator: Simulator, cli: Cli, by: str) -> None:
    arn = simulator.create_pipeline("demo")
    result = cli("build", "demo" if by == "name" else arn)
    assert result.code == 0
    assert re.fullmatch(rf"{AMI}\n", result.stdout)
    assert re.match(rf"\[ +\d+s\] Building {ARN}\n", result.stderr)
    assert "demo 1.0.0/1  AVAILABLE" in result.stderr


def test_build_json_lists_the_amis_of_all_regions(simulator: Simulator, cli: Cli) -> None:
    regions = {"ap-south-1", "us-east-1", "eu-west-1"}
    arn = simulator.create_pipeline("demo", regions=sorted(regions))
    result = cli("build", arn, "--output", "json", "--quiet")
    started, end = map(json.loads, result.stdout.splitlines())
    assert (started["event"], started["pipeline"], result.stderr) == ("started", arn, "")
    assert (end["event"], end["id"], end["exit_code"]) == ("ended", started["id"], 0)
    assert {ami["region"] for ami in end["members"]["output_resources"]["amis"]} == regions


def test_build_writes_the_uris_of_container_images(simulator: Simulator, cli: Cli) -> None:
    result = cli("build", simulator.create_pipeline("demo", container=True), "--quiet")
    assert result.code == 0
    assert re.match(r"123456789012\.dkr\.ecr\.us-east-1\.amazonaws\.com/\S+\n", result.stdout)


def test_failed_build_prints_the_diagnosis_to_standard_error(simulator: Simulator, cli: Cli) -> None:
    simulator.script(BROKEN)
    result = cli("build", simulator.create_pipeline("demo"))
    assert (result.code, result.stdout) == (1, "")
    assert re.search(rf"^Error: Image {ARN} is FAILED: .*No package nginx-1.99", result.stderr, re.MULTILINE)
    assert "step        ApplyBuildComponents" in result.stderr


def test_builds_with_the_same_client_token_are_joined(simulator: Simulator, cli: Cli) -> None:
    simulator.create_pipeline("demo")
    arguments = ["build", "demo", "--output", "json", "--client-token", "deploy-42"]
    both = [cli.start(*arguments), cli.start(*arguments)]
    starts = {json.loads(finish(process).stdout.splitlines()[0])["id"] for process in both}
    assert len(starts) == 1


@pytest.mark.parametrize("command", ["build", "watch", "logs"])
def test_unknown_pipeline_exits_with_4(simulator: Simulator, cli: Cli, command: str) -> None:
    simulator.create_pipeline("demonstration")
    by_name = cli(command, "demo")
    assert (by_name.code, by_name.stdout) == (4, "")
    assert by_name.stderr == "Error: ListImagePipelines: there is no pipeline 'demo' in us-east-1.\n"
    by_arn = cli(command, UNKNOWN)
    assert (by_arn.code, by_arn.stdout) == (4, "")
    assert "ResourceNotFoundException" in by_arn.stderr


@pytest.mark.parametrize("command", ["build", "watch"])
@pytest.mark.parametrize("by_name", [True, False])
def test_timeout_covers_the_search_and_the_start(
    simulator: Simulator, cli: Cli, command: str, by_name: bool
) -> None:
    pipeline = simulator.create_pipeline("demo")
    simulator.inject(Fault("error", code="ServiceUnavailableException", status=503))
    started = time.monotonic()
    result = cli(command, "demo" if by_name else pipeline, "--timeout", "3s")
    assert (result.code, result.stdout) == (4, "")
    assert "ServiceUnavailableException" in result.stderr
    assert time.monotonic() - started < 15


def test_build_logs_option_shows_the_log(simulator: Simulator, cli: Cli) -> None:
    simulator.script(BuildScript(log_lines=30))
    simulator.create_pipeline("demo")
    simulator.set_time_scale(500)
    result = cli("build", "demo", "--logs")
    assert result.code == 0
    assert re.fullmatch(rf"{AMI}\n", result.stdout)
    assert re.search(r"^\[ *\d+s\] \| Started step ApplyBuildComponents", result.stderr, re.MULTILINE)


def test_build_on_timeout_cancel_cancels_the_build(simulator: Simulator, cli: Cli) -> None:
    simulator.set_time_scale(20)
    simulator.create_pipeline("demo")
    result = cli("build", "demo", "--timeout", "1s", "--on-timeout", "cancel")
    assert result.code == 124
    assert "CANCELLED" in result.stderr
    assert simulator.call_count("CancelImageCreation") == 1


def test_waiting_step_is_reported_or_exits_with_5(waiting_build: str, cli: Cli) -> None:
    raised = cli("wait", waiting_build, "--on-waiting-step", "raise", "--output", "json")
    assert raised.code == 5
    (event,) = map(json.loads, raised.stdout.splitlines())
    assert (event["error"], event["exit_code"]) == ("WaitingForActionError", 5)
    assert re.search(
        r"ApproveRelease.* aioimagebuilder approve step-\S+ or aioimagebuilder reject step-", raised.stderr
    )
    reported = cli("wait", waiting_build, "--timeout", "2s", AIOIMAGEBUILDER_ON_WAITING="report")
    assert reported.code == 124
    assert re.search(r"ApproveRelease  waits for a person: aioimagebuilder approve step-", reported.stderr)


def test_raised_waiting_step_repeats_no_line(simulator: Simulator, cli: Cli) -> None:
    launch = "  - {name: Launch, action: LaunchInstance, onFailure: Abort, inputs: {waitFor: ssmAgent}}"
    document = WAITING_STEP_WORKFLOW.replace("steps:\n", f"steps:\n{launch}\n")
    release = simulator.create_workflow("release", document, type="TEST")
    simulator.set_time_scale(0)
    arn = simulator.start_build(simulator.create_pipeline("approval", workflows=[{"workflowArn": release}]))
    simulator.advance(300)
    # A list of the waiting steps ends the wait: it does not replace the steps seen before.
    result = cli("wait", arn, "--on-waiting-step", "raise")
    assert result.code == 5
    lines = [line.partition("] ")[2] for line in result.stderr.splitlines() if line.startswith("[")]
    assert len([line for line in lines if re.match(r"    Launch  COMPLETED", line)]) == 1
    assert len(lines) == len(set(lines)) == 4


def test_approve_resumes_a_step_listed_by_pending(waiting_build: str, simulator: Simulator, cli: Cli) -> None:
    waiting = cli.start("wait", waiting_build)
    pending = cli("pending")
    assert pending.code == 0
    step, name, image, since = pending.stdout.rstrip("\n").split("\t")
    assert (name, image) == ("ApproveRelease", waiting_build)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", since)
    simulator.set_time_scale(2000)
    approved = cli("approve", step, "--reason", "tests are green")
    assert (approved.code, approved.stdout) == (0, f"{step}\tresumed\tApproveRelease\n")
    assert finish(waiting).code == 0
    assert cli("pending").stdout == ""
    again = cli("approve", step)
    assert again.code == 4
    assert "is not waiting" in again.stderr


def test_reject_fails_the_build_with_the_reason(waiting_build: str, simulator: Simulator, cli: Cli) -> None:
    (event,) = map(json.loads, cli("pending", "--output", "json").stdout.splitlines())
    assert cli("reject", event["id"]).code == 2
    simulator.set_time_scale(2000)
    rejected = cli("reject", event["id"], "--reason", "not on a Friday", "--output", "json")
    assert json.loads(rejected.stdout)["action"] == "STOP"
    result = cli("wait", waiting_build)
    assert result.code == 1
    assert "not on a Friday" in result.stderr


def test_cancel_confirms_the_cancellation(simulator: Simulator, cli: Cli) -> None:
    simulator.set_time_scale(20)
    arn = simulator.start_build(simulator.create_pipeline("demo"))
    result = cli("cancel", arn)
    assert (result.code, result.stdout) == (0, f"{arn}\tcancelled\tCANCELLED\n")


def test_cancel_of_an_ended_build_exits_with_1(simulator: Simulator, cli: Cli) -> None:
    arn = simulator.start_build(simulator.create_pipeline("demo"))
    simulator.advance(3600)
    result = cli("cancel", arn)
    assert result.code == 1
    assert re.fullmatch(rf"{arn}\tsucceeded\tAVAILABLE\t{AMI}\n", result.stdout)
    assert "Error: demo 1.0.0/1 was not cancelled: it ended as AVAILABLE." in result.stderr
    assert cli("cancel", "wf-12345678-1234-1234-1234-123456789012").code == 2


def test_retry_waits_for_the_new_result(simulator: Simulator, cli: Cli) -> None:
    simulator.script(BuildScript.failing_step("LaunchTestInstance", "no capacity"))
    arn = simulator.start_build(simulator.create_pipeline("demo"))
    simulator.advance(3600)
    assert cli("wait", arn, "--quiet").code == 1
    result = cli("retry", arn)
    assert result.code == 0
    assert re.fullmatch(rf"{AMI}\n", result.stdout)


def test_refused_retry_says_what_can_be_retried(simulator: Simulator, cli: Cli) -> None:
    arn = simulator.start_build(simulator.create_pipeline("demo"))
    simulator.advance(3600)
    result = cli("retry", arn, "--quiet")
    assert result.code == 4
    assert "Only an AMI that failed or was cancelled in its test or distribution phase" in result.stderr
    assert "AMI that failed in its test or distribution phase" in cli("retry", "--help").stdout


def test_logs_accepts_the_name_of_a_pipeline(simulator: Simulator, cli: Cli) -> None:
    arn = simulator.start_build(simulator.create_pipeline("demo"))
    result = cli("logs", "demo")
    assert result.code == 0
    assert arn in result.stdout


def test_why_shows_the_diagnosis(simulator: Simulator, cli: Cli) -> None:
    simulator.script(BROKEN)
    arn = simulator.start_build(simulator.create_pipeline("demo"))
    simulator.advance(3600)
    result = cli("why", arn)
    assert (result.code, result.stderr) == (0, "")
    assert "Root cause" in result.stdout
    assert "No package nginx-1.99 available." in result.stdout
    (event,) = map(json.loads, cli("why", arn, "--output", "json").stdout.splitlines())
    assert event["id"] == arn
    assert "No package nginx-1.99 available." in json.dumps(event["diagnosis"])


def test_logs_follows_the_log_to_the_end(simulator: Simulator, cli: Cli) -> None:
    simulator.script(BuildScript(log_lines=50))
    arn = simulator.start_build(simulator.create_pipeline("demo"))
    simulator.set_time_scale(300)
    followed = cli("logs", "--follow", arn)
    assert followed.code == 0
    lines = followed.stdout.splitlines()
    assert all(re.match(r"\d{4}-\d\d-\d\dT[0-9:.]+\+00:00 \S", line) for line in lines)
    assert "transitioned to AVAILABLE" in lines[-1]
    again = cli("logs", arn, "--output", "json")
    assert [json.loads(line)["message"] for line in again.stdout.splitlines()] == [
        line.partition(" ")[2] for line in lines
    ]


def test_logs_without_access_exits_with_4(simulator: Simulator, cli: Cli) -> None:
    simulator.inject(Fault("error", operation="GetImage", status=403, code="AccessDeniedException"))
    result = cli("logs", simulator.start_build(simulator.create_pipeline("demo")))
    assert (result.code, result.stdout) == (4, "")


@pytest.mark.parametrize(
    "kind", ["image", "workflow_execution", "workflow_step_execution", "lifecycle_execution"]
)
def test_show_exits_with_0_for_a_failed_execution(simulator: Simulator, cli: Cli, kind: str) -> None:
    identifier = simulator.add_execution(kind, [("FAILED", None)])
    result = cli("show", identifier)
    assert (result.code, result.stderr) == (0, "")
    assert re.match(rf"id: +{identifier}\nkind: +\w.*\nstatus: +FAILED\noutcome: +failed\n", result.stdout)
    if kind == "image":
        (event,) = map(json.loads, cli("show", identifier, "--output", "json").stdout.splitlines())
        assert (event["event"], event["status"]) == ("execution", "FAILED")
        assert event["members"]["state"]["status"] == "FAILED"


def test_github_actions_gets_group_annotation_and_summary(simulator: Simulator, cli: Cli, tmp_path) -> None:
    summary = tmp_path / "summary.md"
    github = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)}
    simulator.script(BuildScript.failing_component("50% of <b>disk</b>\n::set-output name=x::y | z"))
    result = cli("build", simulator.create_pipeline("demo"), **github)
    assert result.code == 1
    lines = result.stderr.splitlines()
    commands = [line for line in lines if line.startswith("::")]
    assert [command.split("::")[1].split(" ")[0] for command in commands] == ["group", "endgroup", "error"]
    assert re.match(rf"::group::Building {ARN}$", commands[0])
    assert commands[2].startswith("::error title=demo 1.0.0/1::")
    assert "%0A" in commands[2]
    assert "50%25 of" in commands[2]
    written = summary.read_text(encoding="utf-8")
    assert "| demo 1&#46;0&#46;0&#47;1 | FAILED |" in written
    assert "<b>" not in written
    assert re.search(r"<pre>.*Root cause", written, re.DOTALL)


def test_github_summary_lists_the_artifacts(simulator: Simulator, cli: Cli, tmp_path) -> None:
    summary = tmp_path / "summary.md"
    simulator.create_pipeline("demo")
    result = cli("build", "demo", GITHUB_ACTIONS="true", GITHUB_STEP_SUMMARY=str(summary))
    ami = result.stdout.strip().replace("-", "&#45;")
    assert f"AVAILABLE | {ami} |" in summary.read_text(encoding="utf-8")


def test_retry_sets_outputs_of_the_step(simulator: Simulator, cli: Cli, tmp_path) -> None:
    output = tmp_path / "output"
    simulator.script(BuildScript.failing_step("LaunchTestInstance", "no capacity"))
    arn = simulator.start_build(simulator.create_pipeline("demo"))
    simulator.advance(3600)
    result = cli("retry", arn, GITHUB_ACTIONS="true", GITHUB_OUTPUT=str(output))
    assert result.code == 0
    written = output.read_text(encoding="utf-8")
    assert re.match(rf"image-arn<<(\S+)\n{arn}\n\1\noutcome<<(\S+)\nsucceeded\n\2\n", written)
    assert f"\n{result.stdout}" in written


@pytest.mark.parametrize("arguments", [["build", "web", "--on-timeout", "Cancel"], ["build", ""]])
def test_invalid_command_line_is_annotated_in_github(cli: Cli, tmp_path, arguments) -> None:
    output = tmp_path / "output"
    result = cli(*arguments, GITHUB_ACTIONS="true", GITHUB_OUTPUT=str(output))
    assert result.code == 2
    (annotation,) = re.findall(r"^::error title=aioimagebuilder::(.+)$", result.stderr, re.MULTILINE)
    written = output.read_text(encoding="utf-8")
    assert re.match(r"outcome<<(\S+)\nnot_observed\n\1\nexit-code<<\1\n2\n\1\nmessage<<\1\n", written)
    assert annotation.split("%0A")[0] in written


@pytest.mark.posix
def test_watch_makes_few_calls(simulator: Simulator, cli: Cli) -> None:
    simulator.set_time_scale(0)
    arn = simulator.start_build(simulator.create_pipeline("demo"))
    simulator.advance(100)
    process = cli.start("watch", arn, "--min-delay", "10s", "--max-delay", "30s")
    wait_until(lambda: simulator.call_count("ListWorkflowStepExecutions") > 0)
    process.terminate()
    assert finish(process).code == 143
    assert simulator.call_count() <= 5
