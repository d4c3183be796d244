"""Validation of requests and responses by the service model."""

from __future__ import annotations

import http.client
import json
from urllib.parse import urlsplit

import pytest

from aioimagebuilder.testing import Control
from aioimagebuilder.testing.imagebuilder.errors import ServiceError, SimulatorBugError
from aioimagebuilder.testing.imagebuilder.validation import check_request, check_response, error_status
from aioimagebuilder.testing.server import Server
from simulator.support import raises_error

WORKFLOW = "wf-00000000-0000-0000-0000-000000000000"


@pytest.mark.parametrize(
    ("operation", "params", "text"),
    [
        (
            "GetWorkflowExecution",
            {},
            "1 validation error detected: Value null at 'workflowExecutionId' failed to satisfy constraint:",
        ),
        (
            "GetWorkflowExecution",
            {"workflowExecutionId": "wf-EXAMPLE"},
            "Value 'wf-EXAMPLE' at 'workflowExecutionId' failed to satisfy constraint: .* pattern: .wf-",
        ),
        ("ListWaitingWorkflowSteps", {"maxResults": 26}, "value less than or equal to 25"),
        ("ListWaitingWorkflowSteps", {"maxResults": 0}, "value greater than or equal to 1"),
        ("ListWaitingWorkflowSteps", {"maxResults": "many"}, "Member must be a integer"),
        ("ListWaitingWorkflowSteps", {"maxResults": True}, "Member must be a integer"),
        ("ListWaitingWorkflowSteps", {"nextToken": ""}, "length greater than or equal to 1"),
        ("ListImages", {"owner": "Nobody"}, r"enum value set: \[AWSMarketplace, Amazon, Self"),
        ("ListImages", {"filters": []}, "length greater than or equal to 1"),
        ("ListImages", {"filters": [{"name": "a b"}]}, "at 'filters.1.member.name'"),
        ("CreateComponent", {}, "4 validation errors detected|5 validation errors detected"),
    ],
)
def test_invalid_request_raises_service_message(operation, params, text):
    with pytest.raises(ServiceError, match=text) as caught:
        check_request(operation, params)
    assert caught.value.code == "InvalidRequestException"


def test_invalid_tag_request_raises_error_of_its_model():
    with pytest.raises(ServiceError, match="at 'resourceArn'") as caught:
        check_request("TagResource", {"resourceArn": "a", "tags": {"k": "v"}})
    assert caught.value.code == "InvalidParameterException"


def test_unknown_request_members_are_ignored(simulator):
    address = urlsplit(simulator.endpoint_url)
    status, _, body = send_request(address, "POST", "/ListWaitingWorkflowSteps", b'{"whatever": 1}')
    assert (status, json.loads(body)["steps"]) == (200, [])


@pytest.mark.parametrize(
    ("response", "text"),
    [
        ({"unknown": 1}, "no such member"),
        ({"totalStepCount": "7"}, "must be a integer"),
        ({"workflowExecutionId": "wf-1"}, "pattern"),
        ({"status": "NEW_STATUS"}, "enum value set"),
        ({"message": "x" * 501}, "length less than or equal to 500"),
    ],
)
def test_invalid_response_is_simulator_bug(response, text):
    with pytest.raises(SimulatorBugError, match=text):
        check_response("GetWorkflowExecution", response)


def test_scripted_status_is_allowed_in_response():
    check_response("GetWorkflowExecution", {"status": "NEW_STATUS"}, {"NEW_STATUS"})
    with pytest.raises(SimulatorBugError):
        check_response("GetWorkflowExecution", {"type": "NEW_STATUS"}, {"NEW_STATUS"})


class Broken(Control):
    def perform(self, operation, params, **where):
        raise RuntimeError("broken")


def test_simulator_crash_returns_501_and_prints_traceback(capfd):
    server = Server(Broken())
    server.start()
    try:
        address = urlsplit(server.endpoint_url)
        status, _, body = send_request(address, "POST", "/ListWaitingWorkflowSteps", b"{}")
    finally:
        server.stop()
    assert (status, body.split(b":")[0]) == (501, b"simulator bug")
    assert "RuntimeError: broken" in capfd.readouterr().err


def test_error_status_comes_from_model():
    assert error_status("ServiceQuotaExceededException") == 402
    assert error_status("DryRunOperationException") == 412
    assert error_status("UnknownException") == 400


def send_request(address, method, path, body=b""):
    connection = http.client.HTTPConnection(address.hostname, address.port)
    scope = "AKIAIOSFODNN7EXAMPLE/20260101/us-east-1/imagebuilder/aws4_request"
    connection.request(method, path, body, {"Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, a=b"})
    response = connection.getresponse()
    content = response.read()
    connection.close()
    return response.status, response.headers, content


def test_error_has_rest_json_wire_format(simulator):
    status, headers, body = send_request(
        urlsplit(simulator.endpoint_url), "GET", f"/GetWorkflowExecution?workflowExecutionId={WORKFLOW}"
    )
    assert status == 404
    assert headers["x-amzn-ErrorType"] == "ResourceNotFoundException"
    content = json.loads(body)
    assert content["__type"] == "ResourceNotFoundException"
    assert WORKFLOW in content["message"]


def test_body_that_is_not_json_is_rejected(simulator):
    for body in (b"{", b"[]"):
        address = urlsplit(simulator.endpoint_url)
        status, headers, _ = send_request(address, "POST", "/ListWaitingWorkflowSteps", body)
        assert (status, headers["x-amzn-ErrorType"]) == (400, "InvalidRequestException")


def test_unknown_path_returns_501(simulator):
    assert send_request(urlsplit(simulator.endpoint_url), "GET", "/GetUnknown")[0] == 501


def test_invalid_requests_are_rejected_over_the_wire(client):
    with raises_error("InvalidRequestException", 400):
        client.get_workflow_execution(workflowExecutionId="nonsense")
    with raises_error("InvalidRequestException", 400):
        client.list_waiting_workflow_steps(maxResults=26)
