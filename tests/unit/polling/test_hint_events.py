"""Messages of a queue, parsed into hints."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aioimagebuilder.polling.hint_events import Hint, Ignored, parse_hint
from support.scripted_queue import image_event, step_event
from support.scripted_service import image_arn, step_id, workflow_id

REGION = "us-east-1"
ARN = image_arn()
# The events of the user guide, "EventBridge integration in Image Builder".
GUIDE_IMAGE = "arn:aws:imagebuilder:us-west-2:111122223333:image/cmkencryptedworkflowtest-a1b2c3d4/1.0.0/1"
GUIDE_STEP = {
    "version": "0",
    "id": "a1b2c3d4-5678-90ab-cdef-EXAMPLE11111",
    "detail-type": "EC2 Image Builder Workflow Step Waiting",
    "source": "aws.imagebuilder",
    "account": "111122223333",
    "time": "2024-01-18T16:54:44Z",
    "region": "us-west-2",
    "resources": [
        GUIDE_IMAGE,
        "arn:aws:imagebuilder:us-west-2:111122223333:workflow/build/build-workflow-a1b2c3d4/1.0.0/1",
    ],
    "detail": {
        "workflow-execution-id": "wf-a1b2c3d4-5678-90ab-cdef-EXAMPLE22222",
        "workflow-step-execution-id": "step-a1b2c3d4-5678-90ab-cdef-EXAMPLE11111",
        "workflow-step-name": "TestAutoSNSStop",
    },
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda each: st.lists(each) | st.dictionaries(st.text(), each),
    max_leaves=10,
)


def _envelope(event: object) -> str:
    return json.dumps({"Type": "Notification", "TopicArn": "arn:aws:sns:…", "Message": json.dumps(event)})


@pytest.mark.parametrize("body", [json.dumps, _envelope])
def test_state_change_names_the_image_and_its_status(body):
    hint = parse_hint(body(image_event(ARN, "TESTING")), REGION)
    assert hint == Hint(f"TESTING-0-{ARN}", ARN, frozenset({ARN}), "TESTING")


def test_waiting_step_names_image_workflow_and_step():
    hint = parse_hint(json.dumps(step_event(ARN, workflow_id(), step_id())), REGION)
    assert hint.names == {ARN, workflow_id(), step_id()}
    assert (hint.status, hint.is_waiting_step) == (None, True)


def test_event_of_the_user_guide_is_a_hint():
    hint = parse_hint(json.dumps(GUIDE_STEP), "us-west-2")
    assert hint.image == GUIDE_IMAGE
    assert hint.names == {
        GUIDE_IMAGE,
        "wf-a1b2c3d4-5678-90ab-cdef-example22222",
        "step-a1b2c3d4-5678-90ab-cdef-example11111",
    }


@pytest.mark.parametrize("missing", ["id", "account", "region", "detail", "time", "version"])
def test_event_without_a_member_is_still_a_hint(missing):
    # moto leaves the account out.
    event = {name: value for name, value in image_event(ARN, "TESTING").items() if name != missing}
    assert parse_hint(json.dumps(event), REGION).names == {ARN}


@pytest.mark.parametrize(
    "detail", [None, [], "x", {}, {"state": None}, {"state": {"status": 7}}, {"state": {"status": "X" * 99}}]
)
def test_malformed_detail_leaves_the_image(detail):
    hint = parse_hint(json.dumps(image_event(ARN, "TESTING", detail=detail)), REGION)
    assert (hint.image, hint.status) == (ARN, None)


@pytest.mark.parametrize(
    "members",
    [
        {"source": "aws.ec2"},
        {"source": None},
        {"detail-type": "AWS API Call via CloudTrail"},
        {"detail-type": "EC2 Image Builder CVE Detected"},
        {"detail-type": ["EC2 Image Builder Image State Change"]},
        {"account": "999999999999"},
        {"account": None},
        {"account": ["123456789012"]},
        {"region": "eu-west-1"},
        {"region": {}},
        {"resources": [image_arn(region="eu-west-1")]},
    ],
)
def test_event_of_others_is_foreign(members):
    assert parse_hint(json.dumps(image_event(ARN, "TESTING", **members)), REGION) is Ignored.FOREIGN


@pytest.mark.parametrize(
    "body",
    [
        None,
        7,
        b"{}",
        "",
        "null",
        "[]",
        "{",
        "[" * 60_000,
        "9" * 60_000,
        json.dumps(image_event(ARN, "TESTING", padding="x" * 65_536)),
        json.dumps({"Type": "Notification", "Message": None}),
        json.dumps({"Type": "Notification", "Message": "{"}),
        _envelope(_envelope(image_event(ARN, "TESTING"))),
        json.dumps(image_event(ARN, "TESTING", resources=None)),
        json.dumps(image_event(ARN, "TESTING", resources={ARN: 1})),
        json.dumps(image_event(ARN, "TESTING", resources=[])),
        json.dumps(image_event(ARN, "TESTING", resources=[[ARN], 1, None, "arn:aws:s3:::bucket"])),
        json.dumps(image_event(ARN, "TESTING", resources=["x"] * 1000 + [ARN])),
    ],
)
def test_malformed_message_is_ignored(body):
    assert parse_hint(body, REGION) is Ignored.MALFORMED


@given(JSON)
def test_any_json_is_parsed_or_ignored(value):
    assert isinstance(parse_hint(json.dumps(value), REGION), Hint | Ignored)


@given(st.text() | st.binary(), st.sampled_from([*image_event(ARN, "TESTING"), "Type", "Message"]), JSON)
def test_any_member_is_parsed_or_ignored(body, name, value):
    assert isinstance(parse_hint(body, REGION), Hint | Ignored)
    event = image_event(ARN, "TESTING", **{name: value})
    for each in (json.dumps(event), _envelope(event)):
        assert isinstance(parse_hint(each, REGION), Hint | Ignored)
