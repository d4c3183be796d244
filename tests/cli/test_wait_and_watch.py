"""``wait`` and ``watch`` as processes: exit codes, standard streams, signals and pipes."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys

import pytest

from aioimagebuilder.testing import BuildScript, Fault, Simulator
from cli.support import FAST, Cli, finish, wait_until

UNKNOWN = "wf-12345678-1234-1234-1234-123456789012"
AMI = r"ami-[0-9a-f]{17}"


def events(stdout: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in stdout.splitlines()]


def workflow(simulator: Simulator, *schedule: str, **members: str) -> str:
    """Return a workflow execution that has each status for a simulated minute, and keeps the last."""
    steps = [(status, 60.0) for status in schedule[:-1]] + [(schedule[-1], None)]
    return simulator.add_execution("workflow_execution", steps, **members)


@pytest.mark.parametrize(
    ("kind", "status", "code", "outcome"),
    [
        ("workflow_execution", "COMPLETED", 0, "succeeded"),
        ("workflow_execution", "SKIPPED", 0, "skipped"),
        ("workflow_execution", "ROLLBACK_COMPLETED", 1, "failed"),
        ("workflow_step_execution", "TIMED_OUT", 1, "failed"),
        ("lifecycle_execution", "CANCELLED", 3, "cancelled"),
        ("image", "DELETED", 1, "failed"),
    ],
)
def test_wait_reports_the_outcome_by_exit_code_and_line(
    simulator: Simulator, cli: Cli, kind: str, status: str, code: int, outcome: str
) -> None:
    identifier = simulator.add_execution(kind, [(status, None)])
    result = cli("wait", identifier)
    assert result.code == code
    assert re.fullmatch(rf"{identifier}\t{outcome}\t{status}(\t[^\t\n]+)?\n", result.stdout)
    assert f"{status}" in result.stderr
    assert ("Error: " in result.stderr) == (code != 0)


def test_wait_separates_progress_and_result(simulator: Simulator, cli: Cli) -> None:
    simulator.set_time_scale(0)
    arn = simulator.start_build(simulator.create_pipeline("demo"))
    simulator.advance(60)
    process = cli.start("wait", arn)
    # The second list of steps is requested after the first has been shown.
    wait_until(lambda: simulator.call_count("ListWorkflowStepExecutions") >= 2)
    simulator.set_time_scale(FAST)
    result = finish(process)
    assert result.code == 0
    assert re.fullmatch(rf"{arn}\tsucceeded\tAVAILABLE\t{AMI}\n", result.stdout)
    lines = [re.fullmatch(r"\[ *[0-9ms]+\] (.+)", line)[1] for line in result.stderr.splitlines()]
    assert "demo 1.0.0/1  AVAILABLE" in lines
    assert "  BUILD build-image  RUNNING" in lines
    assert "    ApplyBuildComponents  COMPLETED after 1m01s" in lines


def test_wait_reads_ids_from_standard_input(simulator: Simulator, cli: Cli) -> None:
    good, bad = workflow(simulator, "COMPLETED"), workflow(simulator, "FAILED", message="no space left")
    stuck = workflow(simulator, "RUNNING")
    result = cli("wait", "--timeout", "1s", "--quiet", stdin=f"{good}\n{bad} {stuck}\n{good}\n")
    assert result.code == 1
    rows = {line.split("\t")[0]: line.split("\t")[1:] for line in result.stdout.splitlines()}
    assert rows == {
        good: ["succeeded", "COMPLETED"],
        bad: ["failed", "FAILED", "no space left"],
        stuck: ["timed_out", "RUNNING"],
    }
    assert re.search(r"^Error: .*no space left", result.stderr, re.MULTILINE)
    assert re.search(r"^Error: .*is still RUNNING, and continues at AWS", result.stderr, re.MULTILINE)


def test_fail_fast_exits_at_the_first_failure(simulator: Simulator, cli: Cli) -> None:
    bad, stuck = workflow(simulator, "FAILED"), workflow(simulator, "RUNNING")
    result = cli("wait", "--fail-fast", "--timeout", "none", stuck, bad)
    assert result.code == 1
    assert result.stdout.startswith(f"{bad}\tfailed\tFAILED")
    assert stuck not in result.stdout


def test_timeout_exits_with_124(simulator: Simulator, cli: Cli) -> None:
    stuck = workflow(simulator, "RUNNING")
    result = cli("wait", stuck, "--output", "json", AIOIMAGEBUILDER_TIMEOUT="0")
    assert result.code == 124
    (event,) = events(result.stdout)
    assert event["event"] == "error"
    assert (event["id"], event["error"], event["exit_code"]) == (stuck, "WaitTimeoutError", 124)
    assert event["last"]["status"] == "RUNNING"
    assert "continues at AWS" in result.stderr


@pytest.mark.parametrize(
    ("fault", "name"),
    [
        (None, "ExecutionNotFoundError"),
        (Fault("error", status=403, code="AccessDeniedException"), "ObservationError"),
    ],
)
def test_unobservable_execution_exits_with_4(
    simulator: Simulator, cli: Cli, fault: Fault | None, name: str
) -> None:
    if fault is not None:
        simulator.inject(fault)
    result = cli("wait", UNKNOWN, "--output", "json", "--timeout", "15s")
    assert result.code == 4
    assert events(result.stdout)[-1]["error"] == name
    assert re.search(r"^Error: .+could not be observed", result.stderr, re.MULTILINE)


def test_missing_credentials_exit_with_4_and_advice(simulator: Simulator, cli: Cli) -> None:
    unset = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"))
    result = cli("wait", workflow(simulator, "COMPLETED"), **unset, AWS_EC2_METADATA_DISABLED="true")
    assert (result.code, result.stdout) == (4, "")
    assert "Set AWS credentials" in result.stderr
    assert "pass --profile" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["wait", "nonsense"], "'nonsense' is not an Image Builder id"),
        (["wait"], "There is nothing to wait for"),
        (["wait", UNKNOWN, "--timeout", "soon"], "'soon' is not a duration"),
        (["wait", UNKNOWN, "--min-delay", "0"], "must be greater than zero"),
        (["wait", UNKNOWN, "--min-delay", "9s", "--max-delay", "1s"], "not --min-delay 9, --max-delay 1"),
        (["wait", UNKNOWN, "--profile", "nobody"], "profile (nobody) could not be found"),
        (["watch"], "Missing argument 'ID'"),
        (
            ["wait", "--region", "eu-west-1", "arn:aws:imagebuilder:us-east-1:123456789012:image/a/1.0.0/1"],
            "us-east-1",
        ),
        (["sing"], "No such command 'sing'"),
    ],
)
def test_invalid_command_line_exits_with_2_before_any_call(
    simulator: Simulator, cli: Cli, arguments: list[str], message: str
) -> None:
    result = cli(*arguments)
    assert (result.code, result.stdout) == (2, "")
    assert message in result.stderr
    assert simulator.call_count() == 0


def test_region_of_an_arn_overrides_the_environment(simulator: Simulator, cli: Cli) -> None:
    arn = simulator.add_execution("image", [("AVAILABLE", None)])
    assert cli("wait", arn, AWS_REGION="eu-west-1").code == 0


def test_profile_is_resolved_as_in_the_aws_cli(simulator: Simulator, cli: Cli, tmp_path) -> None:
    config = tmp_path / "config"
    config.write_text(
        "[profile builder]\nregion = us-east-1\n"
        "aws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = secret\n"
    )
    unset = dict.fromkeys(("AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"))
    environment = {**unset, "AWS_CONFIG_FILE": str(config)}
    identifier = workflow(simulator, "COMPLETED")
    assert cli("wait", identifier, "--profile", "builder", **environment).code == 0
    assert cli("wait", identifier, AWS_PROFILE="builder", **environment).code == 0


def test_heartbeat_prints_lines_while_nothing_changes(simulator: Simulator, cli: Cli) -> None:
    stuck = workflow(simulator, "RUNNING")
    result = cli("wait", stuck, "--heartbeat", "300ms", "--timeout", "2s")
    heartbeats = [line for line in result.stderr.splitlines() if f"{stuck}  still RUNNING" in line]
    assert 3 <= len(heartbeats) <= 7


@pytest.mark.posix
@pytest.mark.parametrize(
    ("number", "code", "word"), [(signal.SIGINT, 130, "Interrupted"), (signal.SIGTERM, 143, "Terminated")]
)
@pytest.mark.parametrize("command", ["wait", "watch"])
@pytest.mark.usefixtures("default_interrupts")
def test_signal_ends_the_wait_and_prints_a_resume_command(
    simulator: Simulator, cli: Cli, command: str, number: int, code: int, word: str
) -> None:
    identifier = workflow(simulator, "RUNNING")
    process = cli.start(command, identifier, "--timeout", "90m", "--quiet")
    wait_until(lambda: simulator.call_count() > 0)
    process.send_signal(number)
    result = finish(process, timeout=10)
    assert (result.code, result.stdout) == (code, "")
    message, command_line = result.stderr.splitlines()
    assert message.startswith(f"{word}. Nothing was cancelled at AWS")
    assert command_line.strip() == f"aioimagebuilder {command} --timeout 5400s --quiet {identifier}"
    simulator.add_execution("workflow_execution", [("COMPLETED", None)])
    assert cli(*shlex.split(command_line)[1:], "--timeout", "0").code == 124


@pytest.mark.posix
def test_resume_command_includes_ids_from_standard_input(simulator: Simulator, cli: Cli) -> None:
    one, two = workflow(simulator, "RUNNING"), workflow(simulator, "RUNNING")
    process = cli.start("wait", "-", one, stdin="")
    process.stdin.write(two)
    process.stdin.close()
    process.stdin = None
    wait_until(lambda: simulator.call_count() >= 2)
    process.send_signal(signal.SIGTERM)
    assert finish(process).stderr.splitlines()[-1] == f"  aioimagebuilder wait {one} {two}"


def test_watch_writes_an_event_for_each_change(simulator: Simulator, cli: Cli) -> None:
    simulator.set_time_scale(200)
    arn = simulator.start_build(simulator.create_pipeline("demo"))
    result = cli("watch", arn, "--output", "json", "--quiet")
    assert (result.code, result.stderr) == (0, "")
    written = events(result.stdout)
    assert all({"event", "time", "id", "kind", "status", "outcome"} <= event.keys() for event in written)
    states = [event["status"] for event in written if event["event"] == "state"]
    assert states[-1] == "AVAILABLE"
    steps = {event["name"]: event["status"] for event in written if event["event"] == "step"}
    assert steps["ApplyBuildComponents"] == "COMPLETED"
    assert not any(event["is_waiting"] for event in written if event["event"] == "step")
    assert (written[-1]["event"], written[-1]["exit_code"]) == ("ended", 0)
    assert re.fullmatch(AMI, written[-1]["members"]["output_resources"]["amis"][0]["image"])


@pytest.mark.parametrize("kind", ["workflow_step_execution", "lifecycle_execution"])
def test_watch_follows_executions_without_steps(simulator: Simulator, cli: Cli, kind: str) -> None:
    first = "IN_PROGRESS" if kind == "lifecycle_execution" else "RUNNING"
    last = "SUCCESS" if kind == "lifecycle_execution" else "COMPLETED"
    identifier = simulator.add_execution(kind, [(first, 600.0), (last, None)])
    result = cli("watch", identifier)
    assert result.code == 0
    assert f"{identifier}  {last}" in result.stderr


def test_closed_standard_output_exits_with_141(simulator: Simulator, cli: Cli) -> None:
    ids = [workflow(simulator, "COMPLETED") for _ in range(2)]
    command = [sys.executable, "-W", "error", "-m", "aioimagebuilder", "wait", "--quiet", *ids]
    reader, writer = os.pipe()
    os.close(reader)
    with subprocess.Popen(
        command, stdout=writer, stderr=subprocess.PIPE, text=True, env=cli.environment
    ) as process:
        os.close(writer)
        _, stderr = process.communicate(timeout=30)
    assert (process.returncode, stderr) == (141, "")


def test_closed_standard_error_is_ignored(simulator: Simulator, cli: Cli) -> None:
    identifier = workflow(simulator, "RUNNING", "RUNNING", "COMPLETED")
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "aioimagebuilder", "wait", identifier]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=writer, text=True, env=cli.environment
    ) as process:
        os.close(writer)
        stdout, _ = process.communicate(timeout=30)
    assert (process.returncode, stdout) == (0, f"{identifier}\tsucceeded\tCOMPLETED\n")


def test_unencodable_characters_are_escaped(simulator: Simulator, cli: Cli) -> None:
    bad = workflow(simulator, "FAILED", message="naïve ✗ plan")
    result = cli("wait", bad, PYTHONUTF8="0", PYTHONIOENCODING="ascii", LC_ALL="C")
    assert result.code == 1
    assert result.stdout == f"{bad}\tfailed\tFAILED\tna\\xefve \\u2717 plan\n"
    assert "na\\xefve" in result.stderr


def test_untrusted_text_is_escaped_on_all_streams(simulator: Simulator, cli: Cli) -> None:
    hostile = "\x1b[2J\rforged\n::error::forged\n##[error]forged \u202e"
    bad = workflow(simulator, "FAILED", message=hostile)
    for result in (cli("wait", bad), cli("show", bad), cli("wait", bad, GITHUB_ACTIONS="true")):
        for stream in (result.stdout, result.stderr):
            assert "\x1b" not in stream
            assert "\r" not in stream
            assert "\u202e" not in stream
            assert "##[" not in stream
            assert not re.search(r"^\s*(::error::)?forged", stream, re.MULTILINE)
    assert r"\x1b[2J\rforged\n" in result.stdout
    (event,) = events(cli("wait", bad, "--output", "json", "--quiet").stdout)
    assert event["reason"] == hostile


def test_each_line_of_several_executions_names_one(simulator: Simulator, cli: Cli) -> None:
    simulator.set_time_scale(500)
    first = simulator.start_build(simulator.create_pipeline("first"))
    second = simulator.start_build(simulator.create_pipeline("second"))
    third = workflow(simulator, "RUNNING", "COMPLETED")
    result = cli("wait", first, second, third, "--heartbeat", "200ms")
    assert result.code == 0
    lines = [line.partition("] ")[2] for line in result.stderr.splitlines()]
    lines = [line for line in lines if line != "waiting for the first response"]
    assert any("LaunchBuildInstance" in line for line in lines)
    assert all(re.match(rf"first 1\.0\.0/1  |second 1\.0\.0/1  |{third}  ", line) for line in lines)


def test_progress_ends_with_the_end_of_the_execution(simulator: Simulator, cli: Cli) -> None:
    simulator.set_time_scale(300)
    arn = simulator.start_build(simulator.create_pipeline("demo"))
    result = cli("wait", arn)
    lines = [line.partition("] ")[2] for line in result.stderr.splitlines()]
    assert lines[-1] == "demo 1.0.0/1  AVAILABLE"
    ends = [
        lines.index(f"  {kind} {kind.lower()}-image  COMPLETED after {after}")
        for kind, after in (("BUILD", "7m44s"), ("TEST", "2m32s"))
    ]
    assert ends[0] > lines.index("    TerminateBuildInstance  COMPLETED after 3s")
    # Nothing of the build workflow follows the start of its successor.
    testing = next(number for number, line in enumerate(lines) if re.match("  TEST |demo .* TESTING", line))
    assert testing > ends[0]
    assert len(lines) == len(set(lines))
    watched = events(cli("watch", arn, "--output", "json", "--quiet").stdout)
    assert [event["event"] for event in watched[-2:]] == ["state", "ended"]


def test_failures_among_several_are_one_line_each(simulator: Simulator, cli: Cli) -> None:
    simulator.script(BuildScript.failing_component("no space left"), recipe="broken", default=True)
    broken = [simulator.start_build(simulator.create_pipeline("broken"))]
    good, stuck = workflow(simulator, "COMPLETED"), workflow(simulator, "RUNNING")
    simulator.advance(3600)
    result = cli("wait", good, *broken, stuck, "--quiet", "--timeout", "3s", GITHUB_ACTIONS="true")
    assert result.code == 1
    lines = [line for line in result.stderr.splitlines() if not line.startswith("::")]
    assert len(lines) == 6
    errors = {line for line in lines if line.startswith("Error: ")}
    assert any(f"{stuck} is still RUNNING" in line for line in errors)
    failure = next(number for number, line in enumerate(lines) if "no space left" in line)
    assert lines[failure].startswith(f"Error: Image {broken[0]} is FAILED: ")
    assert lines[failure + 1] == f"  aioimagebuilder why {broken[0]}"
    assert lines[3] == "Of 3 executions: 1 succeeded, 1 failed, 1 timed out"
    assert lines[5].endswith(f" {stuck}")
    # The annotation has the whole report.
    assert re.search(r"^::error .*Root cause", result.stderr, re.MULTILINE)


def test_unknown_status_is_warned_of_on_standard_error(simulator: Simulator, cli: Cli) -> None:
    simulator.set_time_scale(0)
    identifier = workflow(simulator, "POLISHING", "COMPLETED")
    process = cli.start("wait", identifier)
    wait_until(lambda: simulator.call_count("GetWorkflowExecution") > 0)
    simulator.set_time_scale(FAST)
    result = finish(process)
    assert result.code == 0
    assert re.search(r"\] Warning: .*POLISHING", result.stderr)
