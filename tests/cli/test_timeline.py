"""The timeline of a build as rows, text, picture and JSON."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aioimagebuilder import Image
from aioimagebuilder.cli.build_state import BuildState
from aioimagebuilder.cli.render.symbols import ASCII, UNICODE
from aioimagebuilder.cli.render.timeline import axis_ticks, create_timeline
from aioimagebuilder.cli.render.timeline_svg import render_html, render_svg
from aioimagebuilder.cli.render.timeline_text import render_text
from aioimagebuilder.testing import BuildScript, Simulator
from cli.support import BEGIN, Cli, build, step

CHART = build(
    step("Launch", "COMPLETED", 1, 11),
    step("Apply", "FAILED", 12, 37, message="<b>\x1b[2J no"),
    step("Never", "PENDING", None, None),
    step("Skipped", "SKIPPED", 37, 37),
    status="FAILED",
    workflow="FAILED",
)


def test_timeline_computes_rows_and_durations() -> None:
    timeline = create_timeline(CHART, BEGIN)
    assert timeline is not None
    assert [(row.name, row.start, row.end) for row in timeline.rows] == [
        ("BUILD", 0, 2400),
        ("Launch", 60, 660),
        ("Apply", 720, 2220),
    ]
    assert (timeline.seconds, timeline.seconds_between_steps) == (2400, 300)
    assert [row.name for row in timeline.longest_steps] == ["Apply", "Launch"]


def test_timeline_of_unknown_steps_has_nothing_between_them() -> None:
    # The service keeps the steps for a limited time.
    timeline = create_timeline(build(status="AVAILABLE", workflow="COMPLETED"), BEGIN)
    assert timeline is not None
    assert timeline.seconds_between_steps == 0


def test_timeline_rows_of_running_steps_end_now() -> None:
    timeline = create_timeline(build(step("Launch", "RUNNING", 1, None)), BEGIN + timedelta(minutes=5))
    assert [row.end for row in timeline.rows] == [300, 300]


def test_timeline_without_timestamps_is_none() -> None:
    assert create_timeline(BuildState(Image.parse({"arn": "arn:1"})), BEGIN) is None


def test_timeline_is_rendered_as_text() -> None:
    assert list(render_text(create_timeline(CHART, BEGIN), 60, ASCII)) == [
        "web 1.0.0/1  FAILED",
        "40m00s since 2026-01-01 12:00:00 UTC",
        "",
        "            0s            15m            30m",
        "x BUILD    #######################################   40m00s",
        "+   Launch ###########                               10m00s",
        "x   Apply             #########################      25m00s",
        "",
        "Apply  25m00s (62%)",
        "Launch  10m00s (25%)",
        "between steps  5m00s (12%)",
    ]


@pytest.mark.parametrize("width", [40, 60, 100, 200])
def test_timeline_text_fits_the_width(width: int) -> None:
    assert max(map(len, render_text(create_timeline(CHART, BEGIN), width, UNICODE))) <= width


def test_timeline_svg_is_well_formed_and_escaped() -> None:
    timeline = create_timeline(CHART, BEGIN)
    root = ET.fromstring(render_svg(timeline))
    texts = [
        "".join(element.itertext()) for element in root.iter() if element.tag.endswith(("text", "title"))
    ]
    assert "Apply" in texts
    assert r"Apply: FAILED, 25m00s. <b>\x1b[2J no" in texts
    bars = [element for element in root.iter() if element.tag.endswith("rect") and element.get("rx")]
    assert len(bars) == 3
    page = render_html(timeline)
    assert page.startswith("<!doctype html>")
    assert render_svg(timeline) in page
    assert "<b>" not in page


@given(st.floats(0, 10**6), st.integers(2, 20))
def test_axis_ticks_stay_within_the_limit(seconds: float, limit: int) -> None:
    assert 1 <= len(axis_ticks(seconds, limit)) <= limit


@pytest.fixture
def finished_build(simulator: Simulator) -> str:
    arn = simulator.start_build(simulator.create_pipeline("demo"))
    simulator.advance(3600)
    return arn


@pytest.mark.parametrize("columns", [60, 120])
def test_timeline_command_prints_the_chart(finished_build: str, cli: Cli, columns: int) -> None:
    result = cli("timeline", finished_build, COLUMNS=str(columns))
    assert (result.code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0] == "demo 1.0.0/1  AVAILABLE"
    assert all(len(line) <= columns for line in lines)
    assert re.search(r"^✓   LaunchBuildInstance +█+ +2m27s$", result.stdout, re.MULTILINE)
    assert re.search(r"^LaunchBuildInstance  2m27s \(\d\d%\)$", result.stdout, re.MULTILINE)


def test_timeline_command_writes_pictures_and_json(finished_build: str, cli: Cli, tmp_path) -> None:
    svg, html = tmp_path / "build.svg", tmp_path / "build.html"
    assert cli("timeline", finished_build, "--output", svg).stdout == f"{svg}\n"
    assert ET.parse(svg).getroot().tag == "{http://www.w3.org/2000/svg}svg"
    assert cli("timeline", finished_build, "--output", html).code == 0
    assert "LaunchBuildInstance" in html.read_text(encoding="utf-8")
    event = json.loads(cli("timeline", finished_build, "--output", "json").stdout)
    rows = {row["name"]: row["end"] - row["start"] for row in event["rows"]}
    assert rows["LaunchBuildInstance"] == pytest.approx(147, abs=1)
    assert event["seconds"] == pytest.approx(max(row["end"] for row in event["rows"]))


def test_timeline_command_shows_what_a_retry_replaced(simulator: Simulator, cli: Cli) -> None:
    simulator.script(BuildScript.failing_step("LaunchTestInstance", "no capacity"))
    arn = simulator.start_build(simulator.create_pipeline("demo"))
    simulator.advance(3600)
    assert cli("retry", arn, "--quiet").code == 0
    text = cli("timeline", arn, COLUMNS="100").stdout
    assert re.search(r"^\S TEST test-image \(replaced\)", text, re.MULTILINE)
    event = json.loads(cli("timeline", arn, "--output", "json").stdout)
    tests = [row for row in event["rows"] if row["name"].startswith("TEST ")]
    assert [row["is_replaced"] for row in tests] == [True, False]
    steps = [row for row in event["rows"] if row["kind"] == "workflow step execution"]
    assert {row["is_replaced"] for row in steps if row["name"] == "LaunchTestInstance"} == {True, False}
    # Between the failure and the retry, nothing ran; during the replaced steps, something did.
    times = sorted((row["start"], row["end"]) for row in steps)
    idle = sum(
        max(0.0, after[0] - max(end for _, end in times[: number + 1]))
        for number, after in enumerate(times[1:])
    )
    ends = max(end for _, end in times)
    assert event["seconds_between_steps"] == pytest.approx(
        idle + times[0][0] + event["seconds"] - ends, abs=0.01
    )


@pytest.mark.parametrize(
    ("output", "message"), [("build.png", "ends in .svg or .html"), ("/nowhere/build.svg", "No such file")]
)
def test_timeline_command_rejects_unwritable_files(
    finished_build: str, cli: Cli, output: str, message: str
) -> None:
    result = cli("timeline", finished_build, "--output", output)
    assert (result.code, result.stdout) == (2, "")
    assert message in result.stderr
