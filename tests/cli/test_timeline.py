"""The timeline of a build: its rows, and as text, a picture and JSON."""

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
from aioimagebuilder.cli.render.timeline import ticks_of, timeline_of
from aioimagebuilder.cli.render.timeline_svg import timeline_html, timeline_svg
from aioimagebuilder.cli.render.timeline_text import timeline_lines
from aioimagebuilder.testing import Simulator
from cli.support import BEGIN, Cli, build, step

CHART = build(
    step("Launch", "COMPLETED", 1, 11),
    step("Apply", "FAILED", 12, 37, message="<b>\x1b[2J no"),
    step("Never", "PENDING", None, None),
    step("Skipped", "SKIPPED", 37, 37),
    status="FAILED",
    workflow="FAILED",
)


def test_a_timeline_tells_where_the_time_went() -> None:
    timeline = timeline_of(CHART, BEGIN)
    assert timeline is not None
    assert [(row.name, row.start, row.end) for row in timeline.rows] == [
        ("BUILD", 0, 2400),
        ("Launch", 60, 660),
        ("Apply", 720, 2220),
    ]
    assert (timeline.seconds, timeline.between) == (2400, 300)
    assert [row.name for row in timeline.longest] == ["Apply", "Launch"]


def test_what_still_runs_ends_now() -> None:
    timeline = timeline_of(build(step("Launch", "RUNNING", 1, None)), BEGIN + timedelta(minutes=5))
    assert [row.end for row in timeline.rows] == [300, 300]


def test_without_any_time_there_is_no_timeline() -> None:
    assert timeline_of(BuildState(Image.parse({"arn": "arn:1"})), BEGIN) is None


def test_a_timeline_on_the_screen() -> None:
    assert list(timeline_lines(timeline_of(CHART, BEGIN), 60, ASCII)) == [
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
def test_a_timeline_fits_the_width(width: int) -> None:
    assert all(len(line) <= width for line in timeline_lines(timeline_of(CHART, BEGIN), width, UNICODE))


def test_a_picture_is_well_formed_and_holds_what_the_service_told_as_text() -> None:
    timeline = timeline_of(CHART, BEGIN)
    root = ET.fromstring(timeline_svg(timeline))
    texts = [
        "".join(element.itertext()) for element in root.iter() if element.tag.endswith(("text", "title"))
    ]
    assert "Apply" in texts
    assert r"Apply: FAILED, 25m00s. <b>\x1b[2J no" in texts
    bars = [element for element in root.iter() if element.tag.endswith("rect") and element.get("rx")]
    assert len(bars) == 3
    page = timeline_html(timeline)
    assert page.startswith("<!doctype html>")
    assert timeline_svg(timeline) in page
    assert "<b>" not in page


@given(st.floats(0, 10**6), st.integers(2, 20))
def test_an_axis_has_few_marks(seconds: float, most: int) -> None:
    assert 1 <= len(ticks_of(seconds, most)) <= most


@pytest.fixture
def finished_build(simulator: Simulator) -> str:
    arn = simulator.start_build(simulator.create_pipeline("demo"))
    simulator.advance(3600)
    return arn


@pytest.mark.parametrize("columns", [60, 120])
def test_the_timeline_on_the_screen(finished_build: str, cli: Cli, columns: int) -> None:
    shown = cli("timeline", finished_build, COLUMNS=str(columns))
    assert (shown.code, shown.stderr) == (0, "")
    lines = shown.stdout.splitlines()
    assert lines[0] == "demo 1.0.0/1  AVAILABLE"
    assert all(len(line) <= columns for line in lines)
    assert re.search(r"^✓   LaunchBuildInstance +█+ +2m27s$", shown.stdout, re.MULTILINE)
    assert re.search(r"^LaunchBuildInstance  2m27s \(\d\d%\)$", shown.stdout, re.MULTILINE)


def test_the_timeline_as_a_picture_and_as_json(finished_build: str, cli: Cli, tmp_path) -> None:
    svg, html = tmp_path / "build.svg", tmp_path / "build.html"
    assert cli("timeline", finished_build, "--output", svg).stdout == f"{svg}\n"
    assert ET.parse(svg).getroot().tag == "{http://www.w3.org/2000/svg}svg"
    assert cli("timeline", finished_build, "--output", html).code == 0
    assert "LaunchBuildInstance" in html.read_text(encoding="utf-8")
    told = json.loads(cli("timeline", finished_build, "--output", "json").stdout)
    rows = {row["name"]: row["end"] - row["start"] for row in told["rows"]}
    assert rows["LaunchBuildInstance"] == pytest.approx(147, abs=1)
    assert told["seconds"] == pytest.approx(max(row["end"] for row in told["rows"]))


@pytest.mark.parametrize(
    ("output", "said"), [("build.png", "ends in .svg or .html"), ("/nowhere/build.svg", "No such file")]
)
def test_a_picture_that_cannot_be_written_is_told(
    finished_build: str, cli: Cli, output: str, said: str
) -> None:
    done = cli("timeline", finished_build, "--output", output)
    assert (done.code, done.stdout) == (2, "")
    assert said in done.stderr
