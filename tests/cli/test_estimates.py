"""Estimates in plain lines, JSON, the live view and the timeline, and the file in which builds are kept."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from xml.etree import ElementTree as ET

import pytest
from rich.console import Console

from aioimagebuilder.cli.build_state import BuildState
from aioimagebuilder.cli.render.estimates import format_estimate
from aioimagebuilder.cli.render.live import RenderContext, render_live_view
from aioimagebuilder.cli.render.plain import format_changes, format_heartbeat
from aioimagebuilder.cli.render.results import execution_members
from aioimagebuilder.cli.render.symbols import ASCII, UNICODE
from aioimagebuilder.cli.render.timeline import create_timeline
from aioimagebuilder.cli.render.timeline_svg import render_svg
from aioimagebuilder.cli.render.timeline_text import render_text
from aioimagebuilder.models.estimates import Estimate
from aioimagebuilder.models.executions import Detail
from aioimagebuilder.testing import Simulator
from cli.support import BEGIN, Cli, build, step

HISTORY_CALLS = ("GetImage", "ListImagePipelineImages", "ListWorkflowExecutions")


def estimate(minutes: float | None = 12, longer_than: float = 0.3, usual: float = 38) -> Estimate:
    """An estimate of an end so many minutes after BEGIN."""
    end = None if minutes is None else BEGIN + timedelta(minutes=minutes)
    margin = timedelta(minutes=5)
    return Estimate(
        usual=timedelta(minutes=usual),
        longer_than=longer_than,
        expected_end=end,
        earliest=end and end - margin,
        latest=end and end + margin,
    )


def estimated(state: BuildState, value: Estimate | None) -> BuildState:
    return replace(state, execution=replace(state.execution, detail=Detail(estimate=value)))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (estimate(), "about 12 min left (usually 38 min)"),
        (estimate(72.4, usual=120), "about 1 h 12 min left (usually 2 h)"),
        (estimate(0.5), "less than 1 min left (usually 38 min)"),
        (estimate(-3), "less than 1 min left (usually 38 min)"),
        (estimate(4, 0.957), "about 4 min left, longer than 95 % of its builds (usually 38 min)"),
        (estimate(None, 0.9999), "longer than 99 % of its builds (usually 38 min)"),
        (estimate(None, 1.0, usual=0.2), "longer than 99 % of its builds (usually less than 1 min)"),
        (estimate(None, 0.2), "usually 38 min"),
    ],
)
def test_estimate_as_text(value: Estimate, text: str) -> None:
    assert format_estimate(value, BEGIN) == text


def test_plain_lines_show_an_estimate_when_it_is_news() -> None:
    before = build()
    first, same, later = (estimated(before, estimate(minutes)) for minutes in (12, 12.5, 20))
    line = "web 1.0.0/1  about 12 min left (usually 38 min)"
    assert list(format_changes(before, first, BEGIN)) == [line]
    assert list(format_changes(first, same, BEGIN)) == []
    assert list(format_changes(same, later, BEGIN)) == [line.replace("12", "20")]
    assert list(format_changes(later, before, BEGIN)) == []


def test_heartbeat_shows_the_estimate_by_the_clock_of_this_machine() -> None:
    state = estimated(build(step("Apply", "RUNNING", 2, None)), estimate())
    service_time = BEGIN + timedelta(minutes=5)
    assert format_heartbeat(state, service_time, BEGIN + timedelta(minutes=2)) == (
        "web 1.0.0/1  still BUILDING: Apply is running for 3m00s, about 10 min left (usually 38 min)"
    )


def test_json_has_the_expected_end_and_its_range() -> None:
    state = estimated(build(), estimate())
    members = json.loads(json.dumps(execution_members(state.execution)["progress"]))
    assert members["estimate"] == {
        "usual": 2280.0,
        "longer_than": 0.3,
        "expected_end": "2026-01-01T12:12:00+00:00",
        "earliest": "2026-01-01T12:07:00+00:00",
        "latest": "2026-01-01T12:17:00+00:00",
    }
    assert "estimate" not in json.dumps(execution_members(build().execution))


def rendered(*states: BuildState, minutes: float = 6, width: int = 80, symbols=UNICODE) -> list[str]:
    now = BEGIN + timedelta(minutes=minutes)
    context = RenderContext(now=now, wall_time=now, width=width, height=40, symbols=symbols)
    console = Console(width=width, height=40, color_system=None, legacy_windows=False)
    with console.capture() as captured:
        console.print(render_live_view(states, context))
    return [line.rstrip() for line in captured.get().splitlines()]


def test_live_view_shows_a_bar_of_what_has_passed_and_what_is_left() -> None:
    lines = rendered(estimated(build(), estimate(18)))
    assert f"{'█' * 10}{'░' * 20}  about 12 min left (usually 38 min)" in lines
    lines = rendered(estimated(build(), estimate(18)), symbols=ASCII)
    assert f"{'#' * 10}{'-' * 20}  about 12 min left (usually 38 min)" in lines


@pytest.mark.parametrize(("minutes", "done"), [(0, 0), (100, 29)])
def test_bar_is_complete_only_at_the_end(minutes: float, done: int) -> None:
    lines = rendered(estimated(build(), estimate(18)), minutes=minutes)
    (bar,) = (line for line in lines if "░" in line)
    assert bar.startswith("█" * done + "░" * (30 - done))


def test_live_view_without_an_expected_end_shows_no_bar() -> None:
    lines = rendered(estimated(build(), estimate(None, 0.97)))
    assert "longer than 97 % of its builds (usually 38 min)" in lines
    assert not any("░" in line for line in [*lines, *rendered(build())])


@pytest.mark.parametrize("width", [20, 40, 60, 100, 200])
def test_live_view_with_estimates_fits_the_width(width: int) -> None:
    state = estimated(build(step("Apply", "RUNNING", 1, None)), estimate(18))
    for lines in (rendered(state, width=width), rendered(state, state, width=width)):
        assert max(map(len, lines)) <= width


def test_live_view_of_several_shows_what_is_left_of_each() -> None:
    _, first, second = rendered(estimated(build(), estimate(18)), build())
    assert re.search(r" BUILDING +about 12 min left$", first)
    assert second.endswith("BUILDING")


def test_timeline_draws_what_is_still_to_come_light() -> None:
    state = build(step("Launch", "COMPLETED", 0, 10), step("Apply", "RUNNING", 10, None))
    chart = create_timeline(state, BEGIN + timedelta(minutes=20), timedelta(minutes=20))
    assert chart is not None
    assert (chart.seconds, chart.expected_seconds) == (1200, 2400)
    lines = list(render_text(chart, 60, ASCII))
    assert lines[1] == "20m00s since 2026-01-01 12:00:00 UTC, expected to take 40m00s"
    (line,) = (each for each in lines if "still to come" in each)
    assert re.fullmatch(r"\. still to come +-{17} +20m00s", line)
    assert max(map(len, lines[2:])) <= 60
    rects = [each for each in ET.fromstring(render_svg(chart)).iter() if each.get("stroke-dasharray")]
    assert [float(each.get("fill-opacity") or 1) < 0.2 for each in rects] == [True]


@pytest.mark.parametrize("remaining", [None, timedelta(minutes=5)])
def test_timeline_of_an_ended_build_has_nothing_to_come(remaining: timedelta | None) -> None:
    chart = create_timeline(build(status="AVAILABLE", workflow="COMPLETED"), BEGIN, remaining)
    assert chart is not None
    assert chart.expected_seconds is None
    assert "still to come" not in "".join((*render_text(chart, 60, ASCII), render_svg(chart)))


def history_calls(simulator: Simulator) -> Counter[str]:
    return Counter(call.operation for call in simulator.calls if call.operation in HISTORY_CALLS)


def test_watch_writes_when_the_build_can_be_expected_to_end(
    running_build: str, simulator: Simulator, cli: Cli
) -> None:
    result = cli("watch", running_build, "--output", "json", "--timeout", 4, AIOIMAGEBUILDER_TIME_SCALE=None)
    states = [each for each in map(json.loads, result.stdout.splitlines()) if each["event"] == "state"]
    (found,) = {each["progress"]["estimate"]["usual"] for each in states if "estimate" in each["progress"]}
    assert 600 < found < 7200
    last = states[-1]["progress"]["estimate"]
    assert datetime.fromisoformat(last["earliest"]) < datetime.fromisoformat(last["expected_end"])
    assert re.search(r"demo 1\.0\.0/4  about .* min left \(usually .* min\)$", result.stderr, re.MULTILINE)
    assert history_calls(simulator)["ListImagePipelineImages"] == 1


@pytest.mark.parametrize(
    ("arguments", "variables"),
    [(["--quiet"], {"AIOIMAGEBUILDER_TIME_SCALE": None}), ([], {})],
    ids=["quiet", "other time scale"],
)
def test_wait_without_use_for_estimates_asks_for_none(
    running_build: str, simulator: Simulator, cli: Cli, arguments, variables
) -> None:
    cli("wait", running_build, "--timeout", 1, *arguments, **variables)
    assert history_calls(simulator)["ListImagePipelineImages"] == 0


def test_timeline_command_shows_what_is_still_to_come(running_build: str, cli: Cli) -> None:
    real_time = {"AIOIMAGEBUILDER_TIME_SCALE": None}
    text = cli("timeline", running_build, **real_time).stdout
    assert re.search(r"^· still to come +░+ ", text, re.MULTILINE)
    event = json.loads(cli("timeline", running_build, "--output", "json", **real_time).stdout)
    assert event["expected_seconds"] > event["seconds"]


def test_build_that_ends_is_kept_in_the_cache_folder(simulator: Simulator, cli: Cli, tmp_path) -> None:
    simulator.set_time_scale(0)
    arn = simulator.start_build(simulator.create_pipeline("demo"))
    simulator.advance(30)
    process = cli.start("wait", arn, "--timeout", "30", AIOIMAGEBUILDER_TIME_SCALE=None)
    assert process.stderr is not None
    while "LaunchBuildInstance" not in process.stderr.readline():
        pass
    simulator.advance(7200)
    assert process.wait(30) == 0
    content = json.loads((tmp_path / "cache/aioimagebuilder/builds.json").read_text(encoding="utf-8"))
    ((pipeline, builds),) = content["pipelines"].items()
    assert pipeline.endswith(":image-pipeline/demo")
    assert [(each["id"], each["succeeded"]) for each in builds] == [(arn, True)]


@pytest.mark.parametrize("arguments", [["--pace", "forecast"], ["--pace", "forecast", "--max-delay", "1s"]])
def test_wait_by_forecast_ends(simulator: Simulator, cli: Cli, arguments) -> None:
    arn = simulator.start_build(simulator.create_pipeline("demo"))
    result = cli("wait", arn, *arguments, AIOIMAGEBUILDER_MAX_DELAY=None)
    assert (result.code, result.stdout.split("\t")[1]) == (0, "succeeded")


@pytest.mark.parametrize(("scale", "is_estimated"), [(None, True), ("10", False)])
def test_timeline_estimates_only_by_the_same_clock(
    running_build: str, simulator: Simulator, cli: Cli, scale: str | None, is_estimated: bool
) -> None:
    result = cli("timeline", running_build, "--output", "json", AIOIMAGEBUILDER_TIME_SCALE=scale)
    assert result.code == 0
    assert (json.loads(result.stdout)["expected_seconds"] is not None) == is_estimated
    assert history_calls(simulator)["ListImagePipelineImages"] == is_estimated
