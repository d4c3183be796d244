"""Durations, escaping, messages, exit codes, plain lines and clocks, without processes."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aioimagebuilder import Image, WorkflowExecution
from aioimagebuilder.cli.build_state import BuildState, WorkflowState
from aioimagebuilder.cli.durations import format_duration, parse_duration
from aioimagebuilder.cli.exit_codes import ExitCode, most_severe
from aioimagebuilder.cli.options import Display, WaitOptions
from aioimagebuilder.cli.render.escaping import escape, escape_markdown
from aioimagebuilder.cli.render.messages import translate_message
from aioimagebuilder.cli.render.plain import format_changes, format_heartbeat
from aioimagebuilder.cli.render.results import artifacts_of
from aioimagebuilder.cli.runtime import github_actions
from aioimagebuilder.cli.runtime.reporter import reporter_for
from aioimagebuilder.cli.runtime.service_clock import ServiceClock
from aioimagebuilder.models.executions import Detail
from cli.support import BEGIN, build, step


@pytest.mark.parametrize(
    ("options", "expected"), [(None, "Warning: slow\n"), (WaitOptions(), "[     0s] Warning: slow\n")]
)
def test_warnings_are_shown_unless_quiet(options, expected):
    for quiet in (False, True):
        stream = StringIO()
        display = Display(output="text", quiet=quiet, no_color=True)
        reporter_for(stream, display, options, shares_terminal=False).warn("Warning: slow")
        assert stream.getvalue() == ("" if quiet else expected)


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
def test_parse_duration_accepts_units(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "5 parsecs", "-1", "1h-30m", "h", "1e3", "nan", "inf"])
def test_parse_duration_rejects_invalid_text(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration(text)


@given(st.floats(0, 10**7))
def test_formatted_duration_parses_back(seconds: float) -> None:
    assert parse_duration(format_duration(seconds)) == int(seconds)


@given(st.text())
def test_escaped_text_is_one_printable_line_without_commands(text: str) -> None:
    escaped = escape(text)
    assert escaped.isprintable()
    assert not escaped.lstrip().startswith("::")
    assert not re.search(r"##\w*\[", escaped)
    markdown = escape_markdown(text)
    assert not re.search(r"[<>`*_\[\]()|!\\~:@.-]", re.sub(r"&#\d+;", "", markdown))


@given(st.text(st.characters(categories=["L", "N"]) | st.sampled_from(" .,:/-_")))
def test_escape_keeps_ordinary_text(text: str) -> None:
    assert escape(text) == text or text.lstrip().startswith("::")


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ('answer with resume("step-1")', "answer with aioimagebuilder approve step-1"),
        ('or stop("step-1", reason="…").', "or aioimagebuilder reject step-1 --reason TEXT."),
        ("list_image_build_versions()", "aws imagebuilder list-image-build-versions"),
        ("pass region_name=, or", "pass --region, or"),
        ('Use ImageBuilder(region_name="eu-west-1").', "Use --region eu-west-1."),
        ('on_timeout="cancel" needs a timeout', "--on-timeout cancel needs a timeout"),
        ("pass profile_name= or session=.", "pass --profile."),
        ("ImageBuilder: no such file. Is the client closed already?", "no such file."),
        ("timeout must be finite", "--timeout must be finite"),
        ("0 < min_delay, not min_delay=9", "0 < --min-delay, not --min-delay 9"),
        ("No such file", "No such file"),
    ],
)
def test_messages_name_commands_and_options(message: str, expected: str) -> None:
    assert translate_message(message) == expected


def test_most_severe_follows_the_documented_order() -> None:
    order = [ExitCode.FAILED, ExitCode.CANCELLED, ExitCode.NOT_OBSERVED, ExitCode.WAITING_STEP]
    order += [ExitCode.TIMED_OUT, ExitCode.SUCCEEDED]
    for index, code in enumerate(order):
        assert most_severe(reversed(order[index:])) == code
    assert most_severe([]) == ExitCode.SUCCEEDED


def test_artifacts_start_with_the_ami_of_the_region() -> None:
    amis = [
        {"region": region, "image": f"ami-{region}"} for region in ("ap-south-1", "us-east-1", "eu-west-1")
    ]
    image = Image.parse({"arn": "arn:1", "state": {"status": "AVAILABLE"}, "outputResources": {"amis": amis}})
    assert artifacts_of(image, region="us-east-1") == ["ami-us-east-1", "ami-ap-south-1", "ami-eu-west-1"]
    # AMIs left behind by a failed build are not artifacts.
    failed = Image.parse({"arn": "arn:1", "state": {"status": "FAILED"}, "outputResources": {"amis": amis}})
    assert artifacts_of(failed, region="us-east-1") == []


def test_annotations_escape_titles_and_messages() -> None:
    line = github_actions.format_error("a:b,c%", "50%\nnext: line, too")
    assert line == "::error title=a%3Ab%2Cc%25::50%25%0Anext: line, too"


def test_service_clock_is_never_behind_timestamps() -> None:
    now = [0.0]
    clock = ServiceClock(60, wall=lambda: BEGIN, monotonic=lambda: now[0])
    clock.observe(BEGIN - timedelta(hours=1))
    assert clock.now() == BEGIN
    clock.observe(BEGIN + timedelta(minutes=5))
    now[0] = 1.0
    assert clock.now() == BEGIN + timedelta(minutes=6)
    clock.observe(BEGIN + timedelta(minutes=5, seconds=30))
    assert clock.now() == BEGIN + timedelta(minutes=6)


def test_plain_lines_follow_the_order_of_the_ends() -> None:
    running = build(step("Launch", "RUNNING", 0, None))
    ended = build(step("Launch", "COMPLETED", 0, 2), status="AVAILABLE", workflow="COMPLETED")
    lines = ["    Launch  COMPLETED after 2m00s", "  BUILD  COMPLETED after 40m00s", "web 1.0.0/1  AVAILABLE"]
    assert list(format_changes(running, ended, BEGIN)) == lines
    testing = WorkflowExecution.parse({"workflowExecutionId": "wf-2", "type": "TEST", "status": "RUNNING"})
    later = BuildState(build(status="TESTING").execution, (*ended.workflows, WorkflowState(testing)))
    assert list(format_changes(running, later, BEGIN)) == [
        *lines[:2],
        "web 1.0.0/1  TESTING",
        "  TEST  RUNNING",
    ]


@pytest.mark.parametrize(
    ("status", "workflow", "is_behind"),
    [("BUILDING", "RUNNING", False), ("TESTING", "RUNNING", True), ("TESTING", "COMPLETED", False)],
)
def test_running_workflow_of_an_earlier_stage_is_behind(status: str, workflow: str, is_behind: bool) -> None:
    assert build(status=status, workflow=workflow).is_behind == is_behind


def test_poorer_state_does_not_replace_a_richer_one() -> None:
    launch, approve = (
        step("Launch", "COMPLETED", 0, 2),
        step("Approve", "RUNNING", 2, None, action="WaitForAction"),
    )
    state = build(launch, approve)
    # The list of waiting steps has no workflows, and few members of a step.
    row = step("Approve", "WAITING", None, None)
    poorer = replace(state.execution, detail=Detail(steps=(row,)))
    updated = state.with_execution(poorer)
    assert list(format_changes(state, updated, BEGIN)) == []
    assert [each.name for each in updated.steps] == ["Launch", "Approve"]
    assert [each.start_time for each in updated.waiting_steps] == [approve.start_time]
    # A list that is older.
    ended = state.with_workflows(build(launch, workflow="COMPLETED").workflows, state.execution)
    older = ended.with_workflows(build(step("Launch", "RUNNING", 0, None)).workflows, state.execution)
    assert older == ended
    # An empty list, of an image that is too old.
    assert state.with_workflows((), state.execution).workflows == state.workflows


def test_plain_lines_show_each_change_once() -> None:
    first = build(step("Launch", "RUNNING", 0, None), step("Later", "PENDING", None, None))
    second = build(
        step("Launch", "COMPLETED", 0, 2), step("Later", "RUNNING", 2, None, action="WaitForAction")
    )
    last = build(step("Launch", "COMPLETED", 0, 2), step("Later", "SKIPPED", 2, 2), status="AVAILABLE")
    assert list(format_changes(None, first, BEGIN)) == [
        "web 1.0.0/1  BUILDING",
        "  BUILD  RUNNING",
        "    Launch  RUNNING",
    ]
    assert list(format_changes(first, first, BEGIN)) == []
    assert list(format_changes(first, second, BEGIN)) == [
        "    Launch  COMPLETED after 2m00s",
        "    Later  waits for a person: aioimagebuilder approve step-Later",
    ]
    assert list(format_changes(second, last, BEGIN)) == ["web 1.0.0/1  AVAILABLE"]
    assert list(format_changes(None, first, BEGIN, is_one_of_several=True)) == [
        "web 1.0.0/1  BUILDING",
        "web 1.0.0/1    BUILD  RUNNING",
        "web 1.0.0/1      Launch  RUNNING",
    ]
    line = format_heartbeat(second, BEGIN + timedelta(minutes=5), BEGIN)
    assert line == "web 1.0.0/1  still BUILDING: Later waits for a person for 3m00s"
