"""Input that lies: whatever the service answers, a caller gets a value or an error of the library's own."""

import copy
import json
import logging
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aioimagebuilder import (
    ImageBuilderError,
    MalformedResponseError,
    ObservationError,
    WaitGroupError,
    WorkflowExecution,
)
from aioimagebuilder.models.executions import EXECUTION_CLASSES
from fuzz.responses import COMPOSED, READINGS, WORKFLOW, Answer, Answering, Reading, check
from fuzz.samples import sample_bodies

MEGABYTES = 10 * 1024 * 1024
DEEP = 100_000

ALL = {**READINGS, **COMPOSED}
PLAIN_READING = pytest.mark.parametrize("reading", READINGS.values(), ids=READINGS)
EVERY_READING = pytest.mark.parametrize("reading", ALL.values(), ids=ALL)
HOSTILE_TEXT = st.text() | st.sampled_from(
    ["\x1b[2J\x1b[H", "\r\n::error::", "\ud800", "\u202e", "\x00", "a\u2028b"]
)
HOSTILE_VALUE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([2**63, -(2**200), 1e400, -1e400, float("nan"), 6.77e16])
    | st.floats()
    | HOSTILE_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(HOSTILE_TEXT, inner, max_size=3),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def answering() -> Iterator[Answering]:
    with Answering() as answering:
        yield answering


def _is_own(result: object) -> bool:
    return isinstance(result, ImageBuilderError)


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"5",
        b'"text"',
        b"null",
        b"\xff\xfe{}",
        b"\x1f\x8b\x08not gzip",
        b"[" * DEEP,
        b'{"a":' * DEEP,
        b'{"state":' * DEEP + b"{}" + b"}" * DEEP,
    ],
    ids=["list", "number", "text", "null", "no-utf-8", "gzip", "deep-list", "deep-object", "deep-state"],
)
@PLAIN_READING
def test_a_body_that_is_no_object_is_a_malformed_response(
    answering: Answering, reading: Reading, body: bytes
):
    result = answering.read(reading, Answer(200, body))
    causes = [each.__cause__ for each in result.errors] if isinstance(result, WaitGroupError) else [result]
    causes = [each.__cause__ if isinstance(each, ObservationError) else each for each in causes]
    assert {type(each) for each in causes} == {MalformedResponseError}


@pytest.mark.parametrize("status", [302, 400, 403, 404, 429, 500, 503])
@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"null",
        b"\xff\xfe",
        b"[" * DEEP,
        b'{"__type":5}',
        b'{"__type":["a:b"]}',
        b'{"__type":{"a":1}}',
        b'{"message":[1,"\\u001b[2J"]}',
        b'{"__type":"\\u001b]0;title\\u0007","message":"\\u001b[2J\\r\\n::error::"}',
        b'{"message":"' + b"\x01" * 50 + b'"}',
    ],
)
def test_an_error_of_any_form_is_an_error_of_ours(answering: Answering, status: int, body: bytes):
    for name, reading in ALL.items():
        assert _is_own(answering.read(reading, Answer(status, body))) or name in COMPOSED


@pytest.mark.parametrize(
    "headers",
    [
        {"x-amz-retry-after": "9" * 400},
        {"retry-after": "9" * 5000},
        {"retry-after": "-1"},
        {"retry-after": "\ud800"},
        {"x-amzn-RequestId": "\x1b[2J"},
        {"x-amzn-query-error": ";;;"},
        {"x-amzn-query-error": "nothing"},
    ],
)
@PLAIN_READING
def test_headers_that_lie_are_no_more_than_an_error(answering: Answering, reading: Reading, headers: dict):
    assert _is_own(answering.read(reading, Answer(429, b'{"__type":"ClientException"}', headers)))


@EVERY_READING
@given(body=st.binary(max_size=200), status=st.sampled_from([200, 204, 301, 400, 404, 429, 500, 599]))
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_read_or_refused(answering: Answering, reading: Reading, body: bytes, status: int):
    result = answering.read(reading, Answer(status, body))
    assert status < 300 or _is_own(result) or reading in COMPOSED.values()


@EVERY_READING
@given(data=st.data())
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_an_answer_with_some_members_that_lie_is_read_or_refused(
    answering: Answering, reading: Reading, data: st.DataObject
):
    answer = json.loads(next(sample_bodies(reading.operation)))
    for _ in range(data.draw(st.integers(1, 3))):
        _lie(answer, data)
    answering.read(reading, Answer(200, json.dumps(answer).encode()))


def _lie(answer: object, data: st.DataObject) -> None:
    """Put something else in the place of a member, however deep it lies."""
    while isinstance(answer, dict | list) and answer:
        key = data.draw(st.sampled_from(sorted(answer) if isinstance(answer, dict) else range(len(answer))))
        if not isinstance(answer[key], dict | list) or data.draw(st.booleans()):
            answer[key] = data.draw(HOSTILE_VALUE)
            return
        answer = answer[key]


def _with(answer: object, text: str) -> object:
    """Get the answer with all its texts replaced."""
    match answer:
        case dict():
            return {name: _with(each, text) for name, each in answer.items()}
        case list():
            return [_with(each, text) for each in answer]
        case str():
            return text
    return answer


@pytest.mark.parametrize("text", ["\x1b[2J\x1b[H", "\r\n::error::\x07", "\ud800", "\u202e", "\x00\x7f\x9b"])
@EVERY_READING
def test_texts_that_move_the_cursor_reach_no_message_and_no_repr(
    answering: Answering, reading: Reading, text: str
):
    # What is checked stands in `fuzzing.answering`, for every value, error and log line.
    for body in sample_bodies(reading.operation):
        answering.read(reading, Answer(200, json.dumps(_with(json.loads(body), text)).encode()))


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize(
    "name",
    [
        "get_image",
        "list_workflow_executions",
        "start_image_pipeline_execution",
        "wait_for_workflow_execution",
        "diagnose_by_GetImage",
        "diagnose_by_GetWorkflowStepExecution",
        "logs",
    ],
)
def test_ten_megabytes_of_text_make_no_long_message(answering: Answering, name: str, status: int):
    reading = ALL[name]
    answer = json.loads(next(sample_bodies(reading.operation)))
    body = json.dumps({**_first_text_replaced(answer, "x" * MEGABYTES), "message": "y" * MEGABYTES}).encode()
    result = answering.read(reading, Answer(status, body))
    assert status == 200 or _is_own(result) or reading in COMPOSED.values()


def _first_text_replaced(answer: dict, text: str) -> dict:
    answer = copy.copy(answer)
    name = next((name for name, each in answer.items() if isinstance(each, str)), "requestId")
    return {**answer, name: text}


def test_a_status_of_ten_megabytes_is_warned_of_in_a_line_and_forgotten(
    answering: Answering, caplog: pytest.LogCaptureFixture
):
    logger = logging.getLogger("aioimagebuilder")
    logger.addHandler(caplog.handler)
    try:
        body = {"workflowExecutionId": WORKFLOW + "\x1b[2J", "status": "\x1b" + "x" * MEGABYTES}
        answering.read(READINGS["wait_for_workflow_execution"], Answer(200, json.dumps(body).encode()))
    finally:
        logger.removeHandler(caplog.handler)
    (warning,) = [each for each in caplog.records if each.levelno == logging.WARNING]
    assert warning.getMessage().isprintable()
    assert len(warning.getMessage()) < 5000


@given(
    st.dictionaries(st.sampled_from(["status", "totalStepCount", "attemptNumber", "message"]), HOSTILE_VALUE)
)
def test_no_member_of_an_execution_breaks_what_is_derived_from_it(members: dict):
    for cls in EXECUTION_CLASSES.values():
        check(cls.parse(members))
        check(cls.parse({**members, "state": members}))


def test_a_number_of_any_length_is_kept_and_breaks_no_text():
    found = WorkflowExecution.parse({"workflowExecutionId": "wf-1", "totalStepCount": 10**5000})
    check(found)
    assert found.total_step_count is None
    assert found.raw == {"totalStepCount": 10**5000}
