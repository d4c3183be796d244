"""Hostile responses: a caller gets a value or an exception of the library for each of them."""

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
from fuzz.responses import API_CALLS, COMPOSED_CALLS, WORKFLOW, ApiCall, Response, ResponseReader, check
from fuzz.samples import sample_bodies

MEGABYTES = 10 * 1024 * 1024
DEEP = 100_000

ALL_CALLS = {**API_CALLS, **COMPOSED_CALLS}
each_simple_call = pytest.mark.parametrize("api_call", API_CALLS.values(), ids=API_CALLS)
each_call = pytest.mark.parametrize("api_call", ALL_CALLS.values(), ids=ALL_CALLS)
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
def reader() -> Iterator[ResponseReader]:
    with ResponseReader() as reader:
        yield reader


def _is_library_error(result: object) -> bool:
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
    ids=["list", "number", "text", "null", "not-utf-8", "gzip", "deep-list", "deep-object", "deep-state"],
)
@each_simple_call
def test_non_object_body_raises_malformed_response_error(
    reader: ResponseReader, api_call: ApiCall, body: bytes
):
    result = reader.read(api_call, Response(200, body))
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
def test_malformed_error_response_raises_library_error(reader: ResponseReader, status: int, body: bytes):
    for name, api_call in ALL_CALLS.items():
        assert _is_library_error(reader.read(api_call, Response(status, body))) or name in COMPOSED_CALLS


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
@each_simple_call
def test_malformed_headers_raise_library_error(reader: ResponseReader, api_call: ApiCall, headers: dict):
    assert _is_library_error(reader.read(api_call, Response(429, b'{"__type":"ClientException"}', headers)))


@each_call
@given(body=st.binary(max_size=200), status=st.sampled_from([200, 204, 301, 400, 404, 429, 500, 599]))
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_arbitrary_body_is_parsed_or_rejected(
    reader: ResponseReader, api_call: ApiCall, body: bytes, status: int
):
    result = reader.read(api_call, Response(status, body))
    assert status < 300 or _is_library_error(result) or api_call in COMPOSED_CALLS.values()


@each_call
@given(data=st.data())
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_replaced_members_are_parsed_or_rejected(
    reader: ResponseReader, api_call: ApiCall, data: st.DataObject
):
    body = json.loads(next(sample_bodies(api_call.operation)))
    for _ in range(data.draw(st.integers(1, 3))):
        _replace_member(body, data)
    reader.read(api_call, Response(200, json.dumps(body).encode()))


def _replace_member(body: object, data: st.DataObject) -> None:
    """Replace the value of one member at any depth."""
    while isinstance(body, dict | list) and body:
        key = data.draw(st.sampled_from(sorted(body) if isinstance(body, dict) else range(len(body))))
        if not isinstance(body[key], dict | list) or data.draw(st.booleans()):
            body[key] = data.draw(HOSTILE_VALUE)
            return
        body = body[key]


def _with_text(body: object, text: str) -> object:
    """Return a body in which all strings are replaced."""
    match body:
        case dict():
            return {name: _with_text(each, text) for name, each in body.items()}
        case list():
            return [_with_text(each, text) for each in body]
        case str():
            return text
    return body


@pytest.mark.parametrize("text", ["\x1b[2J\x1b[H", "\r\n::error::\x07", "\ud800", "\u202e", "\x00\x7f\x9b"])
@each_call
def test_control_characters_reach_no_message_or_repr(reader: ResponseReader, api_call: ApiCall, text: str):
    # ResponseReader checks every value, exception and log message.
    for body in sample_bodies(api_call.operation):
        reader.read(api_call, Response(200, json.dumps(_with_text(json.loads(body), text)).encode()))


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
def test_ten_megabytes_of_text_give_short_message(reader: ResponseReader, name: str, status: int):
    api_call = ALL_CALLS[name]
    body = json.loads(next(sample_bodies(api_call.operation)))
    body = json.dumps({**_first_text_replaced(body, "x" * MEGABYTES), "message": "y" * MEGABYTES}).encode()
    result = reader.read(api_call, Response(status, body))
    assert status == 200 or _is_library_error(result) or api_call in COMPOSED_CALLS.values()


def _first_text_replaced(body: dict, text: str) -> dict:
    body = copy.copy(body)
    name = next((name for name, each in body.items() if isinstance(each, str)), "requestId")
    return {**body, name: text}


def test_unknown_status_of_ten_megabytes_is_logged_briefly(
    reader: ResponseReader, caplog: pytest.LogCaptureFixture
):
    logger = logging.getLogger("aioimagebuilder")
    logger.addHandler(caplog.handler)
    try:
        body = {"workflowExecutionId": WORKFLOW, "status": "\x1b" + "x" * MEGABYTES}
        reader.read(API_CALLS["wait_for_workflow_execution"], Response(200, json.dumps(body).encode()))
    finally:
        logger.removeHandler(caplog.handler)
    (warning,) = [each for each in caplog.records if each.levelno == logging.WARNING]
    assert warning.getMessage().isprintable()
    assert len(warning.getMessage()) < 5000


@given(
    st.dictionaries(st.sampled_from(["status", "totalStepCount", "attemptNumber", "message"]), HOSTILE_VALUE)
)
def test_arbitrary_members_break_no_derived_property(members: dict):
    for cls in EXECUTION_CLASSES.values():
        check(cls.parse(members))
        check(cls.parse({**members, "state": members}))


def test_huge_number_is_kept_in_raw_and_breaks_no_text():
    found = WorkflowExecution.parse({"workflowExecutionId": "wf-1", "totalStepCount": 10**5000})
    check(found)
    assert found.total_step_count is None
    assert found.raw == {"totalStepCount": 10**5000}
