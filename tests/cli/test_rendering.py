"""The pure rooms of the command line: durations, escaping, exit codes, charts, plain lines, the clock."""

from __future__ import annotations

import re
from datetime import timedelta
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aioimagebuilder import Image
from aioimagebuilder.cli.durations import parse_duration, shown_duration
from aioimagebuilder.cli.exit_codes import ExitCode, gravest
from aioimagebuilder.cli.options import Display, Waiting
from aioimagebuilder.cli.render.escaping import escaped, escaped_in_markdown
from aioimagebuilder.cli.render.plain import changes, still
from aioimagebuilder.cli.render.results import made_by
from aioimagebuilder.cli.runtime import github_actions
from aioimagebuilder.cli.runtime.reporter import reporter_for
from aioimagebuilder.cli.runtime.service_clock import ServiceClock
from cli.support import BEGIN, build, step


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
