"""Untrusted text and outputs: which facts are extracted, and how text is made printable."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aioimagebuilder.diagnosis.sanitize import clean, facts_of

COMMAND_ID = "12345678-1234-1234-1234-123456789019"


@pytest.mark.parametrize(
    ("outputs", "facts"),
    [
        ('{"instanceId": "i-1234567890abcdef0"}', ("i-1234567890abcdef0", None, None)),
        (
            json.dumps({"runCommandId": COMMAND_ID, "output": json.dumps({"logUrl": "s3://b/My Image/1"})}),
            (None, COMMAND_ID, "s3://b/My Image/1"),
        ),
        (json.dumps({"a": [{"logUrl": "s3://bucket/key"}]}), (None, None, "s3://bucket/key")),
        ('{"instanceId": "i-1; reboot", "runCommandId": 7, "logUrl": "file:///etc"}', (None, None, None)),
        ("[" * 90_000, (None, None, None)),
        ("{" + " " * 200_000 + "}", (None, None, None)),
        ("null", (None, None, None)),
    ],
)
def test_only_well_formed_facts_are_taken_from_outputs(outputs, facts):
    found = facts_of(outputs)
    assert (found.instance_id, found.run_command_id, found.log_url) == facts


def test_outputs_that_are_not_json_are_the_error():
    assert facts_of("the disk\nis full").error == "the disk is full"
    assert facts_of('{"status": "Failed", "error": "the disk is full"}').error == "the disk is full"
    assert facts_of(None).error is None


@given(st.text())
def test_clean_text_is_one_printable_line(text):
    shown = clean(text, 50)
    assert shown is None or (shown.isprintable() and 1 <= len(shown) <= 50)
    if text.isprintable() and text == text.strip() and "  " not in text and 1 <= len(text) <= 50:
        assert shown == text


def test_truncation_and_escapes_are_visible():
    assert clean("a" * 51, 50) == "a" * 49 + "…"
    assert clean("\x1b[31mred\x07 \u202e\ud800") == "\\x1b[31mred\\x07 \\u202e\\ud800"
    assert clean("two\r\nlines\tand more") == "two lines and more"
    assert clean(" \n ") is clean(None) is None
