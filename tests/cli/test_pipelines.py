"""``wait --next`` and ``watch PIPELINE`` as processes."""

from __future__ import annotations

import json
import re
import signal

import pytest

from aioimagebuilder.testing import BuildScript, Fault, Simulator
from cli.support import FAST, Cli, finish, wait_until

UNKNOWN = "arn:aws:imagebuilder:us-east-1:123456789012:image-pipeline/unknown"
LIST = "ListImagePipelineImages"
DELETED = Fault("error", operation=LIST, code="ResourceNotFoundException", status=404)


def wait_until_polled(simulator: Simulator) -> None:
    """Wait until a poll of the pipeline that starts from now on has been answered."""
    before = simulator.call_count(LIST)
    # The second and the third: the first may have been in flight.
    wait_until(lambda: simulator.call_count(LIST) >= before + 3)


def events(stdout: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in stdout.splitlines()]


@pytest.mark.parametrize("by", ["name", "arn"])
def test_wait_next_waits_for_the_next_image(simulator: Simulator, cli: Cli, by: str) -> None:
    pipeline = simulator.create_pipeline("demo")
    earlier = simulator.start_build(pipeline)
    process = cli.start("wait", "--next", "demo" if by == "name" else pipeline)
    wait_until_polled(simulator)
    arn = simulator.start_build(pipeline)
    result = finish(process)
    assert result.code == 0
    assert re.fullmatch(rf"{arn}\tsucceeded\tAVAILABLE\tami-[0-9a-f]{{17}}\n", result.stdout)
    assert f"New image {arn}" in result.stderr
    assert earlier not in result.stderr


def test_wait_next_reports_a_failure_as_wait_does(simulator: Simulator, cli: Cli) -> None:
    simulator.script(BuildScript.failing_component("no space left"), default=True)
    pipeline = simulator.create_pipeline("demo")
    process = cli.start("wait", "--next", "demo", "--output", "json")
    wait_until_polled(simulator)
    arn = simulator.start_build(pipeline)
    result = finish(process)
    assert result.code == 1
    started, ended = events(result.stdout)
    assert (started["event"], started["id"], started["pipeline"]) == ("started", arn, pipeline)
    assert (ended["event"], ended["id"], ended["exit_code"]) == ("ended", arn, 1)
    assert ended["diagnosis"]
    assert "no space left" in result.stderr


@pytest.mark.parametrize("command", [["wait", "--next"], ["watch"]])
def test_pipeline_without_new_image_exits_with_124(
    simulator: Simulator, cli: Cli, command: list[str]
) -> None:
    simulator.create_pipeline("demo")
    result = cli(*command, "demo", "--timeout", "1s", "--heartbeat", "300ms")
    assert (result.code, result.stdout) == (124, "")
    assert "waiting for the next image of demo" in result.stderr
    assert ("aioimagebuilder watch --timeout 1s" in result.stderr) == (command == ["watch"])
    assert re.search(r"^Error: Image pipeline .* has not made a new image", result.stderr, re.MULTILINE)


@pytest.mark.parametrize("command", [["wait", "--next"], ["watch"]])
def test_missing_pipeline_of_an_image_exits_with_4(
    simulator: Simulator, cli: Cli, command: list[str]
) -> None:
    by_name = cli(*command, "unknown")
    assert (by_name.code, by_name.stdout) == (4, "")
    assert "there is no pipeline 'unknown'" in by_name.stderr
    by_arn = cli(*command, UNKNOWN)
    assert (by_arn.code, by_arn.stdout) == (4, "")
    assert f"Image pipeline {UNKNOWN} does not exist" in by_arn.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["wait", "--next", "demo", "wf-12345678-1234-1234-1234-123456789012"], "Pass either IDs or --next"),
        (["wait", "--next", "demo", "-"], "Pass either IDs or --next"),
        (
            ["wait", "--next", "wf-12345678-1234-1234-1234-123456789012"],
            "expected the id of an image pipeline",
        ),
        (["wait", "--next", ""], "is not an Image Builder id"),
        (["wait", "--next", "demo", "--on-timeout", "cancel", "--timeout", "none"], "needs a timeout"),
        (["wait", UNKNOWN], "aioimagebuilder wait --next"),
    ],
)
def test_invalid_next_exits_with_2_before_any_call(
    simulator: Simulator, cli: Cli, arguments: list[str], message: str
) -> None:
    simulator.reset_calls()
    result = cli(*arguments)
    assert (result.code, result.stdout) == (2, "")
    assert message in " ".join(result.stderr.split())
    assert simulator.call_count() == 0


@pytest.mark.posix
@pytest.mark.usefixtures("default_interrupts")
def test_interrupted_wait_next_can_be_resumed_once_an_image_is_known(simulator: Simulator, cli: Cli) -> None:
    pipeline = simulator.create_pipeline("demo")
    waiting = cli.start("wait", "--next", "demo")
    wait_until_polled(simulator)
    waiting.send_signal(signal.SIGINT)
    result = finish(waiting)
    assert (result.code, result.stdout) == (130, "")
    assert "No new image was seen" in result.stderr
    simulator.set_time_scale(0)
    waiting = cli.start("wait", "--next", "demo", "--timeout", "5m")
    wait_until_polled(simulator)
    arn = simulator.start_build(pipeline)
    wait_until(lambda: simulator.call_count("GetImage") > 1)
    waiting.send_signal(signal.SIGINT)
    result = finish(waiting)
    assert result.code == 130
    assert f"  aioimagebuilder wait --timeout 300s {arn}\n" in result.stderr


@pytest.mark.parametrize("by", ["name", "arn"])
def test_watch_of_a_pipeline_shows_each_new_image(simulator: Simulator, cli: Cli, by: str) -> None:
    pipeline = simulator.create_pipeline("demo")
    ended = simulator.start_build(pipeline)
    simulator.advance(3600)
    process = cli.start("watch", "demo" if by == "name" else pipeline, "--timeout", "9h")
    wait_until_polled(simulator)
    good = simulator.start_build(pipeline)
    wait_until_polled(simulator)
    simulator.script(BuildScript.failing_component("no space left"))
    bad = simulator.start_build(pipeline)
    wait_until_polled(simulator)
    simulator.inject(DELETED)
    result = finish(process)
    assert result.code == 1
    rows = [line.split("\t")[:3] for line in result.stdout.splitlines()]
    assert sorted(rows) == sorted([[good, "succeeded", "AVAILABLE"], [bad, "failed", "FAILED"]])
    assert ended not in result.stderr
    assert "no space left" in result.stderr
    assert re.search(r"^Error: Image pipeline .* no longer exists", result.stderr, re.MULTILINE)


def test_watch_of_a_pipeline_begins_with_running_builds(simulator: Simulator, cli: Cli) -> None:
    pipeline = simulator.create_pipeline("demo")
    simulator.set_time_scale(0)
    simulator.start_build(pipeline)
    simulator.advance(3600)
    running = simulator.start_build(pipeline)
    result = cli("watch", "demo", "--timeout", "0", "--quiet")
    assert (result.code, result.stdout.partition("\t")[0]) == (124, running)
    assert len(result.stdout.splitlines()) == 1


def test_events_of_a_watched_pipeline_are_those_of_its_images(simulator: Simulator, cli: Cli) -> None:
    pipeline = simulator.create_pipeline("demo")
    process = cli.start("watch", "demo", "--output", "json", "--quiet")
    wait_until_polled(simulator)
    simulator.set_time_scale(FAST / 10)
    arn = simulator.start_build(pipeline)
    wait_until(lambda: simulator.call_count("ListWorkflowStepExecutions") > 0)
    simulator.inject(DELETED)
    result = finish(process)
    assert result.code == 4
    found = events(result.stdout)
    of_image = [each for each in found if each["event"] in {"started", "state", "ended"}]
    assert [each["id"] for each in of_image] == [arn] * len(of_image)
    assert (of_image[0]["event"], of_image[0]["pipeline"]) == ("started", pipeline)
    assert (of_image[-1]["event"], of_image[-1]["exit_code"]) == ("ended", 0)
    assert {"state", "workflow", "step"} <= {each["event"] for each in found}
    (error,) = [each for each in found if each["event"] == "error"]
    assert (error["error"], error["id"], error["exit_code"]) == ("ExecutionNotFoundError", pipeline, 4)
