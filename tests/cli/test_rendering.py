"""The pure rooms of the command line: durations, escaping, exit codes, charts, plain lines, the clock."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from io import StringIO
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aioimagebuilder import Image, WorkflowExecution, WorkflowStepExecution
from aioimagebuilder.cli.build_state import BuildState, WorkflowState
from aioimagebuilder.cli.durations import parse_duration, shown_duration
from aioimagebuilder.cli.exit_codes import ExitCode, gravest
from aioimagebuilder.cli.options import Display, Waiting
from aioimagebuilder.cli.render.escaping import escaped, escaped_in_markdown
from aioimagebuilder.cli.render.plain import changes, still
from aioimagebuilder.cli.render.results import made_by
from aioimagebuilder.cli.render.symbols import ASCII, UNICODE
from aioimagebuilder.cli.render.timeline import ticks_of, timeline_of
from aioimagebuilder.cli.render.timeline_svg import timeline_html, timeline_svg
from aioimagebuilder.cli.render.timeline_text import timeline_lines
from aioimagebuilder.cli.runtime import github_actions
from aioimagebuilder.cli.runtime.reporter import reporter_for
from aioimagebuilder.cli.runtime.service_clock import ServiceClock

BEGIN = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


def at(minutes: float) -> str:
    return (BEGIN + timedelta(minutes=minutes)).isoformat()


def step(name: str, status: str, start: float | None, end: float | None, **members: object):
    times = {"startTime": start, "endTime": end}
    told = {key: at(value) for key, value in times.items() if value is not None}
    identifier = {"stepExecutionId": f"step-{name}", "workflowExecutionId": "wf-1"}
    return WorkflowStepExecution.parse({"name": name, "status": status, **identifier, **told, **members})


def build(*steps: WorkflowStepExecution, status: str = "BUILDING", workflow: str = "RUNNING") -> BuildState:
    image = {"arn": "arn:1", "name": "web", "version": "1.0.0/1", "state": {"status": status}}
    about = {"workflowExecutionId": "wf-1", "type": "BUILD", "startTime": at(0), "endTime": at(40)}
    if workflow == "RUNNING":
        del about["endTime"]
    execution = WorkflowExecution.parse({**about, "status": workflow})
    return BuildState(Image.parse({**image, "dateCreated": at(0)}), (WorkflowState(execution, steps),))


@pytest.mark.parametrize(
    ("waiting", "shown"), [(None, "Warning: of it\n"), (Waiting(), "[     0s] Warning: of it\n")]
)
def test_a_warning_is_shown_whether_a_command_waits_or_not_unless_it_is_to_be_quiet(waiting, shown):
    for quiet in (False, True):
        stream = StringIO()
        display = Display(output="text", quiet=quiet, no_color=True)
        reporter_for(stream, display, waiting, shares_terminal=False).warn("Warning: of it")
        assert stream.getvalue() == ("" if quiet else shown)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("45", 45),
        ("0", 0),
        ("90m", 5400),
        ("2h", 7200),
        ("1h30m", 5400),
        ("1.5h", 5400),
        ("250ms", 0.25),
        ("1d", 86400),
    ],
)
def test_durations_are_read_as_people_write_them(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "5 parsecs", "-1", "1h-30m", "h", "1e3", "nan", "inf"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no duration"):
        parse_duration(text)


@given(st.floats(0, 10**7))
def test_a_shown_duration_reads_as_what_it_was(seconds: float) -> None:
    assert parse_duration(shown_duration(seconds)) == int(seconds)


@given(st.text())
def test_escaped_text_is_one_printable_line_and_no_command(text: str) -> None:
    shown = escaped(text)
    assert shown.isprintable()
    assert not shown.lstrip().startswith("::")
    assert not re.search(r"##\w*\[", shown)
    markdown = escaped_in_markdown(text)
    assert not re.search(r"[<>`*_\[\]()|!\\~:@.-]", re.sub(r"&#\d+;", "", markdown))


@given(st.text(st.characters(categories=["L", "N"]) | st.sampled_from(" .,:/-_")))
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert escaped(text) == text or text.lstrip().startswith("::")


def test_the_gravest_of_several_is_told() -> None:
    order = [ExitCode.FAILED, ExitCode.CANCELLED, ExitCode.NOT_OBSERVED, ExitCode.WAITS_FOR_A_PERSON]
    order += [ExitCode.TIMED_OUT, ExitCode.SUCCEEDED]
    for place, code in enumerate(order):
        assert gravest(reversed(order[place:])) == code
    assert gravest([]) == ExitCode.SUCCEEDED


def test_the_ami_of_the_own_region_comes_first() -> None:
    amis = [
        {"region": region, "image": f"ami-{region}"} for region in ("ap-south-1", "us-east-1", "eu-west-1")
    ]
    image = Image.parse({"arn": "arn:1", "state": {"status": "AVAILABLE"}, "outputResources": {"amis": amis}})
    assert made_by(image, region="us-east-1") == ["ami-us-east-1", "ami-ap-south-1", "ami-eu-west-1"]
    # A build that failed can have left AMIs behind: they are no result.
    failed = Image.parse({"arn": "arn:1", "state": {"status": "FAILED"}, "outputResources": {"amis": amis}})
    assert made_by(failed, region="us-east-1") == []


def test_annotations_are_escaped_as_the_runner_reads_them() -> None:
    line = github_actions.error_annotation("a:b,c%", "50%\nnext: line, too")
    assert line == "::error title=a%3Ab%2Cc%25::50%25%0Anext: line, too"


def test_the_clock_of_the_service_is_past_all_that_it_told_and_runs_on() -> None:
    now = [0.0]
    clock = ServiceClock(60, wall=lambda: BEGIN, monotonic=lambda: now[0])
    clock.learn(BEGIN - timedelta(hours=1))
    assert clock.now() == BEGIN
    clock.learn(BEGIN + timedelta(minutes=5))
    now[0] = 1.0
    assert clock.now() == BEGIN + timedelta(minutes=6)
    clock.learn(BEGIN + timedelta(minutes=5, seconds=30))
    assert clock.now() == BEGIN + timedelta(minutes=6)


def test_plain_lines_tell_each_change_once() -> None:
    first = build(step("Launch", "RUNNING", 0, None), step("Later", "PENDING", None, None))
    second = build(
        step("Launch", "COMPLETED", 0, 2), step("Later", "RUNNING", 2, None, action="WaitForAction")
    )
    last = build(step("Launch", "COMPLETED", 0, 2), step("Later", "SKIPPED", 2, 2), status="AVAILABLE")
    assert list(changes(None, first)) == ["web 1.0.0/1  BUILDING", "  BUILD  RUNNING", "    Launch  RUNNING"]
    assert list(changes(first, first)) == []
    assert list(changes(first, second)) == [
        "    Launch  COMPLETED after 2m00s",
        "    Later  waits for a person: aioimagebuilder approve step-Later",
    ]
    assert list(changes(second, last)) == ["web 1.0.0/1  AVAILABLE"]
    told = still(second, BEGIN + timedelta(minutes=5))
    assert told == "web 1.0.0/1  still BUILDING: Later waits for a person for 3m00s"


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
