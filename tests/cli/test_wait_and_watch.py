"""``wait`` and ``watch`` as processes: exit codes, standard output, standard error, signals and pipes."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys

import pytest

from aioimagebuilder.testing import Fault, Simulator
from cli.support import FAST, Cli, ended, eventually

UNKNOWN = "wf-12345678-1234-1234-1234-123456789012"
AMI = r"ami-[0-9a-f]{17}"


def events(stdout: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in stdout.splitlines()]


def workflow(simulator: Simulator, *schedule: str, **members: str) -> str:
    """A workflow execution that is a simulated minute in each of these, and stays in the last."""
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
def test_wait_tells_by_its_exit_code_and_in_one_line_how_it_ended(
    simulator: Simulator, cli: Cli, kind: str, status: str, code: int, outcome: str
) -> None:
    identifier = simulator.add_execution(kind, [(status, None)])
    done = cli("wait", identifier)
    assert done.code == code
    assert re.fullmatch(rf"{identifier}\t{outcome}\t{status}(\t[^\t\n]+)?\n", done.stdout)
    assert f"{status}" in done.stderr
    assert ("Error: " in done.stderr) == (code != 0)


def test_wait_shows_progress_on_standard_error_and_what_was_made_on_standard_output(
    simulator: Simulator, cli: Cli
) -> None:
    simulator.set_time_scale(0)
    arn = simulator.start_build(simulator.create_pipeline("demo"))
    simulator.advance(60)
    process = cli.start("wait", arn)
    # The second step list is asked for when the first has been shown.
    eventually(lambda: simulator.call_count("ListWorkflowStepExecutions") >= 2)
    simulator.set_time_scale(FAST)
    done = ended(process)
    assert done.code == 0
    assert re.fullmatch(rf"{arn}\tsucceeded\tAVAILABLE\t{AMI}\n", done.stdout)
    lines = [re.fullmatch(r"\[ *[0-9ms]+\] (.+)", line)[1] for line in done.stderr.splitlines()]
    assert "demo 1.0.0/1  AVAILABLE" in lines
    assert "  BUILD build-image  RUNNING" in lines
    assert "    ApplyBuildComponents  COMPLETED after 1m01s" in lines


def test_wait_for_several_of_standard_input_tells_each_and_the_gravest(
    simulator: Simulator, cli: Cli
) -> None:
    good, bad = workflow(simulator, "COMPLETED"), workflow(simulator, "FAILED", message="no space left")
    stuck = workflow(simulator, "RUNNING")
    done = cli("wait", "--timeout", "1s", "--quiet", stdin=f"{good}\n{bad} {stuck}\n{good}\n")
    assert done.code == 1
    rows = {line.split("\t")[0]: line.split("\t")[1:] for line in done.stdout.splitlines()}
    assert rows == {
        good: ["succeeded", "COMPLETED"],
        bad: ["failed", "FAILED", "no space left"],
        stuck: ["timed_out", "RUNNING"],
    }
    assert re.search(r"^Error: .*no space left", done.stderr, re.MULTILINE)
    assert re.search(r"^Error: .*is still RUNNING, and goes on at AWS", done.stderr, re.MULTILINE)


def test_fail_fast_does_not_wait_for_the_others(simulator: Simulator, cli: Cli) -> None:
    bad, stuck = workflow(simulator, "FAILED"), workflow(simulator, "RUNNING")
    done = cli("wait", "--fail-fast", "--timeout", "none", stuck, bad)
    assert done.code == 1
    assert done.stdout.startswith(f"{bad}\tfailed\tFAILED")
    assert stuck not in done.stdout


def test_a_timeout_is_124_and_says_that_it_goes_on(simulator: Simulator, cli: Cli) -> None:
    stuck = workflow(simulator, "RUNNING")
    done = cli("wait", stuck, "--output", "json", AIOIMAGEBUILDER_TIMEOUT="0")
    assert done.code == 124
    (event,) = events(done.stdout)
    assert event["event"] == "error"
    assert (event["id"], event["error"], event["exit_code"]) == (stuck, "WaitTimeoutError", 124)
    assert event["last"]["status"] == "RUNNING"
    assert "goes on at AWS" in done.stderr


@pytest.mark.parametrize(
    ("fault", "name"),
    [
        (None, "ExecutionNotFoundError"),
        (Fault("error", status=403, code="AccessDeniedException"), "ObservationError"),
    ],
)
def test_what_cannot_be_observed_is_4(simulator: Simulator, cli: Cli, fault: Fault | None, name: str) -> None:
    if fault is not None:
        simulator.inject(fault)
    done = cli("wait", UNKNOWN, "--output", "json", "--timeout", "15s")
    assert done.code == 4
    assert events(done.stdout)[-1]["error"] == name
    assert re.search(r"^Error: .+cannot be observed", done.stderr, re.MULTILINE)


def test_without_credentials_it_is_4_and_says_what_to_do(simulator: Simulator, cli: Cli) -> None:
    unset = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"))
    done = cli("wait", workflow(simulator, "COMPLETED"), **unset, AWS_EC2_METADATA_DISABLED="true")
    assert (done.code, done.stdout) == (4, "")
    assert "Set AWS credentials" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["wait", "nonsense"], "'nonsense' is no Image Builder id"),
        (["wait"], "There is nothing to wait for"),
        (["wait", UNKNOWN, "--timeout", "soon"], "'soon' is no duration"),
        (["wait", UNKNOWN, "--min-delay", "0"], "it must be more than nothing"),
        (["wait", UNKNOWN, "--min-delay", "9s", "--max-delay", "1s"], "delay"),
        (["wait", UNKNOWN, "--profile", "nobody"], "profile (nobody) could not be found"),
        (["watch"], "Missing argument 'ID'"),
        (
            ["wait", "--region", "eu-west-1", "arn:aws:imagebuilder:us-east-1:123456789012:image/a/1.0.0/1"],
            "us-east-1",
        ),
        (["sing"], "No such command 'sing'"),
    ],
)
def test_a_wrong_command_line_is_2_before_anything_is_sent(
    simulator: Simulator, cli: Cli, arguments: list[str], said: str
) -> None:
    done = cli(*arguments)
    assert (done.code, done.stdout) == (2, "")
    assert said in done.stderr
    assert simulator.call_count() == 0


def test_the_region_of_an_arn_wins_over_that_of_the_environment(simulator: Simulator, cli: Cli) -> None:
    arn = simulator.add_execution("image", [("AVAILABLE", None)])
    assert cli("wait", arn, AWS_REGION="eu-west-1").code == 0


def test_a_profile_is_found_as_by_the_aws_cli(simulator: Simulator, cli: Cli, tmp_path) -> None:
    config = tmp_path / "config"
    config.write_text(
        "[profile builder]\nregion = us-east-1\n"
        "aws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = secret\n"
    )
    unset = dict.fromkeys(("AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"))
    found = {**unset, "AWS_CONFIG_FILE": str(config)}
    identifier = workflow(simulator, "COMPLETED")
    assert cli("wait", identifier, "--profile", "builder", **found).code == 0
    assert cli("wait", identifier, AWS_PROFILE="builder", **found).code == 0


def test_off_a_terminal_a_line_comes_now_and_then_while_nothing_changes(
    simulator: Simulator, cli: Cli
) -> None:
    stuck = workflow(simulator, "RUNNING")
    done = cli("wait", stuck, "--heartbeat", "300ms", "--timeout", "2s")
    beats = [line for line in done.stderr.splitlines() if f"{stuck}  still RUNNING" in line]
    assert 3 <= len(beats) <= 7


@pytest.mark.parametrize(
    ("number", "code", "word"), [(signal.SIGINT, 130, "Interrupted"), (signal.SIGTERM, 143, "Terminated")]
)
@pytest.mark.parametrize("command", ["wait", "watch"])
@pytest.mark.usefixtures("heeded_interrupts")
def test_a_signal_ends_the_wait_alone_and_tells_the_command_that_resumes_it(
    simulator: Simulator, cli: Cli, command: str, number: int, code: int, word: str
) -> None:
    identifier = workflow(simulator, "RUNNING")
    process = cli.start(command, identifier, "--timeout", "90m", "--quiet")
    eventually(lambda: simulator.call_count() > 0)
    process.send_signal(number)
    done = ended(process, timeout=10)
    assert (done.code, done.stdout) == (code, "")
    said, resume = done.stderr.splitlines()
    assert said.startswith(f"{word}. Nothing was cancelled at AWS")
    assert resume.strip() == f"aioimagebuilder {command} --timeout 5400s --quiet {identifier}"
    simulator.add_execution("workflow_execution", [("COMPLETED", None)])
    assert cli(*shlex.split(resume)[1:], "--timeout", "0").code == 124  # it takes its own words


def test_ids_of_standard_input_stand_in_the_command_that_resumes_it(simulator: Simulator, cli: Cli) -> None:
    one, two = workflow(simulator, "RUNNING"), workflow(simulator, "RUNNING")
    process = cli.start("wait", "-", one, stdin="")
    process.stdin.write(two)
    process.stdin.close()
    process.stdin = None
    eventually(lambda: simulator.call_count() >= 2)
    process.send_signal(signal.SIGTERM)
    assert ended(process).stderr.splitlines()[-1] == f"  aioimagebuilder wait {one} {two}"


def test_watch_tells_each_change_as_an_event(simulator: Simulator, cli: Cli) -> None:
    simulator.set_time_scale(200)
    arn = simulator.start_build(simulator.create_pipeline("demo"))
    done = cli("watch", arn, "--output", "json", "--quiet")
    assert (done.code, done.stderr) == (0, "")
    told = events(done.stdout)
    assert all({"event", "time", "id", "kind", "status", "outcome"} <= event.keys() for event in told)
    states = [event["status"] for event in told if event["event"] == "state"]
    assert states[-1] == "AVAILABLE"
    steps = {event["name"]: event["status"] for event in told if event["event"] == "step"}
    assert steps["ApplyBuildComponents"] == "COMPLETED"
    assert (told[-1]["event"], told[-1]["exit_code"]) == ("ended", 0)
    assert re.fullmatch(AMI, told[-1]["members"]["output_resources"]["amis"][0]["image"])


@pytest.mark.parametrize("kind", ["workflow_step_execution", "lifecycle_execution"])
def test_watch_follows_what_has_no_steps(simulator: Simulator, cli: Cli, kind: str) -> None:
    first = "IN_PROGRESS" if kind == "lifecycle_execution" else "RUNNING"
    last = "SUCCESS" if kind == "lifecycle_execution" else "COMPLETED"
    identifier = simulator.add_execution(kind, [(first, 600.0), (last, None)])
    done = cli("watch", identifier)
    assert done.code == 0
    assert f"{identifier}  {last}" in done.stderr


def test_a_reader_that_goes_away_ends_it_quietly(simulator: Simulator, cli: Cli) -> None:
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


def test_standard_error_may_be_closed(simulator: Simulator, cli: Cli) -> None:
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


def test_what_the_streams_cannot_show_is_escaped(simulator: Simulator, cli: Cli) -> None:
    bad = workflow(simulator, "FAILED", message="naïve ✗ plan")
    done = cli("wait", bad, PYTHONUTF8="0", PYTHONIOENCODING="ascii", LC_ALL="C")
    assert done.code == 1
    assert done.stdout == f"{bad}\tfailed\tFAILED\tna\\xefve \\u2717 plan\n"
    assert "na\\xefve" in done.stderr


def test_nothing_that_the_service_tells_moves_the_cursor_or_forges_a_line(
    simulator: Simulator, cli: Cli
) -> None:
    evil = "\x1b[2J\rforged\n::error::forged\n##[error]forged \u202e"
    bad = workflow(simulator, "FAILED", message=evil)
    for done in (cli("wait", bad), cli("show", bad), cli("wait", bad, GITHUB_ACTIONS="true")):
        for stream in (done.stdout, done.stderr):
            assert "\x1b" not in stream
            assert "\r" not in stream
            assert "\u202e" not in stream
            assert "##[" not in stream
            assert not re.search(r"^\s*(::error::)?forged", stream, re.MULTILINE)
    assert r"\x1b[2J\rforged\n" in done.stdout
    (event,) = events(cli("wait", bad, "--output", "json", "--quiet").stdout)
    assert event["reason"] == evil


def test_a_status_that_nobody_knows_is_warned_of_on_standard_error(simulator: Simulator, cli: Cli) -> None:
    simulator.set_time_scale(0)
    identifier = workflow(simulator, "POLISHING", "COMPLETED")
    process = cli.start("wait", identifier)
    eventually(lambda: simulator.call_count("GetWorkflowExecution") > 0)
    simulator.set_time_scale(FAST)
    done = ended(process)
    assert done.code == 0
    assert re.search(r"\] Warning: .*POLISHING", done.stderr)
