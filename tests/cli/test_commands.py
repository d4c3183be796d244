"""``build``, ``retry``, ``cancel``, ``why``, ``logs`` and ``show`` as processes."""

from __future__ import annotations

import json
import re

import pytest

from aioimagebuilder.testing import BuildScript, Fault, Simulator
from cli.support import Cli, ended, eventually

AMI = r"ami-[0-9a-f]{17}"
ARN = r"arn:aws:imagebuilder:us-east-1:123456789012:image/demo/1\.0\.0/1"
UNKNOWN = "arn:aws:imagebuilder:us-east-1:123456789012:image-pipeline/unknown"
BROKEN = BuildScript.failing_component("No package nginx-1.99 available.")


@pytest.mark.parametrize("by", ["name", "arn"])
def test_build_writes_the_ami_alone_to_standard_output(simulator: Simulator, cli: Cli, by: str) -> None:
    arn = simulator.create_pipeline("demo")
    done = cli("build", "demo" if by == "name" else arn)
    assert done.code == 0
    assert re.fullmatch(rf"{AMI}\n", done.stdout)
    assert re.match(rf"\[     0s\] Building {ARN}\n", done.stderr)
    assert "demo 1.0.0/1  AVAILABLE" in done.stderr


def test_as_json_a_build_tells_its_start_and_its_end_with_the_amis_of_all_regions(
    simulator: Simulator, cli: Cli
) -> None:
    regions = {"ap-south-1", "us-east-1", "eu-west-1"}
    arn = simulator.create_pipeline("demo", regions=sorted(regions))
    done = cli("build", arn, "--output", "json", "--quiet")
    started, end = map(json.loads, done.stdout.splitlines())
    assert (started["event"], started["pipeline"], done.stderr) == ("started", arn, "")
    assert (end["event"], end["id"], end["exit_code"]) == ("ended", started["id"], 0)
    assert {ami["region"] for ami in end["members"]["output_resources"]["amis"]} == regions


def test_container_images_are_told_by_their_uris(simulator: Simulator, cli: Cli) -> None:
    done = cli("build", simulator.create_pipeline("demo", container=True), "--quiet")
    assert done.code == 0
    assert re.match(r"123456789012\.dkr\.ecr\.us-east-1\.amazonaws\.com/\S+\n", done.stdout)


def test_a_build_that_fails_says_why_on_standard_error_and_nothing_on_standard_output(
    simulator: Simulator, cli: Cli
) -> None:
    simulator.script(BROKEN)
    done = cli("build", simulator.create_pipeline("demo"))
    assert (done.code, done.stdout) == (1, "")
    assert re.search(rf"^Error: Image {ARN} is FAILED: .*No package nginx-1.99", done.stderr, re.MULTILINE)
    assert "step        ApplyBuildComponents" in done.stderr


def test_the_same_client_token_joins_the_same_build(simulator: Simulator, cli: Cli) -> None:
    simulator.create_pipeline("demo")
    arguments = ["build", "demo", "--output", "json", "--client-token", "deploy-42"]
    both = [cli.start(*arguments), cli.start(*arguments)]
    starts = {json.loads(ended(process).stdout.splitlines()[0])["id"] for process in both}
    assert len(starts) == 1


def test_a_pipeline_that_is_not_there_is_a_usage_error_by_name_and_not_found_by_arn(
    simulator: Simulator, cli: Cli
) -> None:
    simulator.create_pipeline("demonstration")
    by_name = cli("build", "demo")
    assert (by_name.code, by_name.stdout) == (2, "")
    assert "There is no pipeline 'demo' in us-east-1" in by_name.stderr
    by_arn = cli("build", UNKNOWN)
    assert (by_arn.code, by_arn.stdout) == (4, "")
    assert "Error: StartImagePipelineExecution: ResourceNotFoundException" in by_arn.stderr


def test_the_log_of_a_build_is_shown_beside_its_progress(simulator: Simulator, cli: Cli) -> None:
    simulator.script(BuildScript(log_lines=30))
    simulator.create_pipeline("demo")
    simulator.set_time_scale(500)
    done = cli("build", "demo", "--logs")
    assert done.code == 0
    assert re.fullmatch(rf"{AMI}\n", done.stdout)
    assert re.search(r"^\[ *\d+s\] \| Started step ApplyBuildComponents", done.stderr, re.MULTILINE)


def test_at_the_timeout_a_build_is_cancelled_where_that_is_asked_for(simulator: Simulator, cli: Cli) -> None:
    simulator.set_time_scale(20)
    simulator.create_pipeline("demo")
    done = cli("build", "demo", "--timeout", "1s", "--on-timeout", "cancel")
    assert done.code == 124
    assert "CANCELLED" in done.stderr
    assert simulator.call_count("CancelImageCreation") == 1


def test_a_gate_is_reported_or_is_5(gated_build: str, cli: Cli) -> None:
    raised = cli("wait", gated_build, "--on-waiting", "raise", "--output", "json")
    assert raised.code == 5
    (event,) = map(json.loads, raised.stdout.splitlines())
    assert (event["error"], event["exit_code"]) == ("WaitingForActionError", 5)
    assert "ApproveRelease" in raised.stderr
    reported = cli("wait", gated_build, "--timeout", "2s", AIOIMAGEBUILDER_ON_WAITING="report")
    assert reported.code == 124
    assert re.search(r"ApproveRelease  waits for a person: aioimagebuilder approve step-", reported.stderr)


def test_pending_lists_the_gates_and_approve_opens_one(
    gated_build: str, simulator: Simulator, cli: Cli
) -> None:
    waiting = cli.start("wait", gated_build)
    pending = cli("pending")
    assert pending.code == 0
    step, name, image, since = pending.stdout.rstrip("\n").split("\t")
    assert (name, image) == ("ApproveRelease", gated_build)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", since)
    simulator.set_time_scale(2000)
    approved = cli("approve", step, "--reason", "tests are green")
    assert (approved.code, approved.stdout) == (0, f"{step}\tresumed\tApproveRelease\n")
    assert ended(waiting).code == 0
    assert cli("pending").stdout == ""
    again = cli("approve", step)
    assert again.code == 4
    assert "is not waiting" in again.stderr


def test_reject_stops_a_gate_and_its_reason_reaches_whoever_waits(
    gated_build: str, simulator: Simulator, cli: Cli
) -> None:
    (event,) = map(json.loads, cli("pending", "--output", "json").stdout.splitlines())
    assert cli("reject", event["id"]).code == 2  # a reason is due
    simulator.set_time_scale(2000)
    rejected = cli("reject", event["id"], "--reason", "not on a Friday", "--output", "json")
    assert json.loads(rejected.stdout)["action"] == "STOP"
    done = cli("wait", gated_build)
    assert done.code == 1
    assert "not on a Friday" in done.stderr


def test_cancel_confirms_that_it_was_cancelled(simulator: Simulator, cli: Cli) -> None:
    simulator.set_time_scale(20)
    arn = simulator.start_build(simulator.create_pipeline("demo"))
    done = cli("cancel", arn)
    assert (done.code, done.stdout) == (0, f"{arn}\tcancelled\tCANCELLED\n")


def test_cancel_of_what_has_ended_says_so_and_is_1(simulator: Simulator, cli: Cli) -> None:
    arn = simulator.start_build(simulator.create_pipeline("demo"))
    simulator.advance(3600)
    done = cli("cancel", arn)
    assert done.code == 1
    assert re.fullmatch(rf"{arn}\tsucceeded\tAVAILABLE\t{AMI}\n", done.stdout)
    assert "Error: demo 1.0.0/1 was not cancelled: it had become AVAILABLE before." in done.stderr
    assert cli("cancel", "wf-12345678-1234-1234-1234-123456789012").code == 2


def test_retry_waits_for_the_new_end(simulator: Simulator, cli: Cli) -> None:
    simulator.script(BuildScript.failing_step("LaunchTestInstance", "no capacity"))
    arn = simulator.start_build(simulator.create_pipeline("demo"))
    simulator.advance(3600)
    assert cli("wait", arn, "--quiet").code == 1
    done = cli("retry", arn)
    assert done.code == 0
    assert re.fullmatch(rf"{AMI}\n", done.stdout)
    assert "FAILED" not in done.stdout


def test_why_shows_the_diagnosis_whatever_became_of_it(simulator: Simulator, cli: Cli) -> None:
    simulator.script(BROKEN)
    arn = simulator.start_build(simulator.create_pipeline("demo"))
    simulator.advance(3600)
    shown = cli("why", arn)
    assert (shown.code, shown.stderr) == (0, "")
    assert "Root cause" in shown.stdout
    assert "No package nginx-1.99 available." in shown.stdout
    (event,) = map(json.loads, cli("why", arn, "--output", "json").stdout.splitlines())
    assert event["id"] == arn
    assert "No package nginx-1.99 available." in json.dumps(event["diagnosis"])


def test_logs_shows_the_log_and_follows_it(simulator: Simulator, cli: Cli) -> None:
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


def test_a_log_that_may_not_be_read_is_4(simulator: Simulator, cli: Cli) -> None:
    simulator.inject(Fault("error", operation="GetImage", status=403, code="AccessDeniedException"))
    done = cli("logs", simulator.start_build(simulator.create_pipeline("demo")))
    assert (done.code, done.stdout) == (4, "")


@pytest.mark.parametrize(
    "kind", ["image", "workflow_execution", "workflow_step_execution", "lifecycle_execution"]
)
def test_show_tells_what_there_is_now_and_is_0_whatever_that_is(
    simulator: Simulator, cli: Cli, kind: str
) -> None:
    identifier = simulator.add_execution(kind, [("FAILED", None)])
    shown = cli("show", identifier)
    assert (shown.code, shown.stderr) == (0, "")
    assert re.match(rf"id: +{identifier}\nkind: +\w.*\nstatus: +FAILED\noutcome: +failed\n", shown.stdout)
    if kind == "image":
        (event,) = map(json.loads, cli("show", identifier, "--output", "json").stdout.splitlines())
        assert (event["event"], event["status"]) == ("execution", "FAILED")
        assert event["members"]["state"]["status"] == "FAILED"


def test_under_github_actions_there_are_groups_an_annotation_and_a_summary(
    simulator: Simulator, cli: Cli, tmp_path
) -> None:
    summary = tmp_path / "summary.md"
    github = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)}
    simulator.script(BuildScript.failing_component("50% of <b>disk</b>\n::set-output name=x::y | z"))
    done = cli("build", simulator.create_pipeline("demo"), **github)
    assert done.code == 1
    lines = done.stderr.splitlines()
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


def test_the_summary_of_a_build_that_succeeds_names_what_it_made(
    simulator: Simulator, cli: Cli, tmp_path
) -> None:
    summary = tmp_path / "summary.md"
    simulator.create_pipeline("demo")
    done = cli("build", "demo", GITHUB_ACTIONS="true", GITHUB_STEP_SUMMARY=str(summary))
    ami = done.stdout.strip().replace("-", "&#45;")
    assert f"AVAILABLE | {ami} |" in summary.read_text(encoding="utf-8")


def test_the_calls_of_a_watch_are_few(simulator: Simulator, cli: Cli) -> None:
    simulator.set_time_scale(0)
    arn = simulator.start_build(simulator.create_pipeline("demo"))
    simulator.advance(100)
    process = cli.start("watch", arn, "--min-delay", "10s", "--max-delay", "30s")
    eventually(lambda: simulator.call_count("ListWorkflowStepExecutions") > 0)
    process.terminate()
    assert ended(process).code == 143
    assert simulator.call_count() <= 5
