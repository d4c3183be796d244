"""Facts in untrusted outputs: which ones are extracted."""

import json

import pytest

from aioimagebuilder.diagnosis.facts import facts_of

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
