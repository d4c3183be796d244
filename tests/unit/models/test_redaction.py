"""Redaction of secrets in untrusted text."""

import re
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aioimagebuilder import LogLine, WorkflowStepExecution
from aioimagebuilder.models.redaction import _NAMED, one_line, redact
from support.marked_secrets import ECHOES, MARKS, SIGNATURE, TOKEN


@pytest.mark.parametrize("form", ECHOES)
def test_secret_is_hidden_and_the_rest_is_kept(form):
    for shown in (redact(ECHOES[form]), redact(repr(ECHOES[form])), one_line(ECHOES[form])):
        assert not [mark for mark in MARKS if mark in shown or mark.rstrip("=") in shown]
        assert "[redacted]" in shown
    assert redact(ECHOES[form]).split()[0] == redact(ECHOES[form].split()[0])


def test_truncation_leaves_no_part_of_a_secret():
    for cut in range(1950, 2010):
        assert TOKEN[-25:] not in one_line("x" * (cut - len(TOKEN)) + f" x-amz-security-token:{TOKEN} y")


def test_repr_hides_a_signed_url():
    step = WorkflowStepExecution(step_execution_id="step-1", outputs=ECHOES["signed-url"])
    assert SIGNATURE in str(step.outputs)
    assert SIGNATURE not in repr(step)
    assert "log.txt" in repr(step)


@pytest.mark.parametrize(
    "text",
    [
        "arn:aws:imagebuilder:us-east-1:123456789012:image/demo/1.0.0/1",
        "Workflow Execution ID: 'wf-12345678-1234-1234-1234-123456789012' failed with reason: x",
        "Set AWS credentials (environment, profile, role), or pass profile_name= or session=.",
        "ami-0123456789abcdef0 in eu-west-1: see https://docs.aws.amazon.com/imagebuilder/a?b=c#d",
        "git@github.com and 3f786850e387550fdab836ed7e6dc881de23001b",
        "the signature is not right, and the security token has expired",
    ],
)
def test_text_without_secrets_is_unchanged(text):
    assert redact(text) == text


@given(st.text(), st.text())
def test_token_is_hidden_in_any_context(before, after):
    assert TOKEN not in redact(f"{before} x-amz-security-token:{TOKEN} {after}")


@given(st.from_regex(re.compile(_NAMED, re.IGNORECASE | re.VERBOSE)))
def test_every_match_of_the_pattern_is_redacted(text):
    assert "[redacted]" in redact(text)


@pytest.mark.parametrize("repeated", ["a", "://", "signature=", "IQoJ", "authorization: "])
def test_time_of_redaction_is_linear(repeated):
    text = "key " + repeated * 10**5
    started = time.process_time()
    redact(text)
    # Linear time is below 0.1 s, quadratic time a minute.
    assert time.process_time() - started < 5


def test_log_line_is_complete_and_its_repr_is_redacted():
    line = LogLine(datetime(2026, 9, 9, tzinfo=UTC), ECHOES["environment"])
    assert line.message == ECHOES["environment"]
    assert not [mark for mark in MARKS if mark in repr(line)]


@pytest.mark.parametrize("text", ["a\nb", "\x1b[2J", "\r\n::error::x", "\u2028", "a\x00b", "\u202e"])
def test_untrusted_text_becomes_one_printable_line(text):
    assert one_line(text).isprintable()
