"""The service's model judges every request, and every answer of the simulator."""

from __future__ import annotations

import http.client
import json
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from aioimagebuilder.testing import Control
from aioimagebuilder.testing.server import Server
from aioimagebuilder.testing.service.errors import ServiceError, SimulatorBugError
from aioimagebuilder.testing.service.validation import check_request, check_response, error_status
from simulator.support import refused

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
        ("TagResource", {"resourceArn": "a", "tags": {"k": "v"}}, "at 'resourceArn'"),
        ("CreateComponent", {}, "4 validation errors detected|5 validation errors detected"),
    ],
)
def test_a_bad_request_is_refused_in_the_words_of_the_service(operation, params, text):
    with pytest.raises(ServiceError, match=text) as caught:
        check_request(operation, params)
    assert caught.value.code == "InvalidRequestException"


def test_members_that_the_model_lacks_are_ignored_in_requests():
    check_request("ListWaitingWorkflowSteps", {"whatever": 1})


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ({"unheard": 1}, "no such member"),
        ({"totalStepCount": "7"}, "must be a integer"),
        ({"workflowExecutionId": "wf-1"}, "pattern"),
        ({"status": "HUMMING"}, "enum value set"),
        ({"message": "x" * 501}, "length less than or equal to 500"),
    ],
)
def test_a_bad_answer_is_a_bug_of_the_simulator(answer, text):
    with pytest.raises(SimulatorBugError, match=text):
        check_response("GetWorkflowExecution", answer)


def test_a_word_of_a_script_is_no_bug():
    check_response("GetWorkflowExecution", {"status": "HUMMING"}, {"HUMMING"})
    with pytest.raises(SimulatorBugError):
        check_response("GetWorkflowExecution", {"type": "HUMMING"}, {"HUMMING"})


def test_a_bug_of_the_simulator_is_loud(simulator, client):
    identifier = simulator.add_execution("workflow_execution", [("RUNNING", None)], totalStepCount="seven")
    with pytest.raises(ClientError, match=r"simulator bug: .*totalStepCount") as caught:
        client.get_workflow_execution(workflowExecutionId=identifier)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500


class Broken(Control):
    def perform(self, operation, params, **where):
        raise RuntimeError("broken")


def test_a_crash_of_the_simulator_is_loud(capfd):
    server = Server(Broken())
    server.start()
    try:
        address = urlsplit(server.endpoint_url)
        status, _, body = send(address, "POST", "/ListWaitingWorkflowSteps", b"{}")
    finally:
        server.stop()
    assert (status, body.split(b":")[0]) == (500, b"simulator bug")
    assert "RuntimeError: broken" in capfd.readouterr().err


def test_what_the_simulator_does_not_serve_is_loud(client):
    with pytest.raises(ClientError, match="does not implement GetComponentPolicy"):
        client.get_component_policy(
            componentArn="arn:aws:imagebuilder:us-east-1:123456789012:component/x/1.0.0/1"
        )


def test_errors_have_the_status_of_the_model():
    assert error_status("ServiceQuotaExceededException") == 402
    assert error_status("DryRunOperationException") == 412
    assert error_status("Unheard") == 400


def send(address, method, path, body=b""):
    connection = http.client.HTTPConnection(address.hostname, address.port)
    scope = "AKIAIOSFODNN7EXAMPLE/20260101/us-east-1/imagebuilder/aws4_request"
    connection.request(method, path, body, {"Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, a=b"})
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, answer.headers, content


def test_an_error_looks_on_the_wire_as_rest_json_wants_it(simulator):
    status, headers, body = send(
        urlsplit(simulator.endpoint_url), "GET", f"/GetWorkflowExecution?workflowExecutionId={WORKFLOW}"
    )
    assert status == 404
    assert headers["x-amzn-ErrorType"] == "ResourceNotFoundException"
    content = json.loads(body)
    assert content["__type"] == "ResourceNotFoundException"
    assert WORKFLOW in content["message"]


def test_a_body_that_is_no_json_is_refused(simulator):
    for body in (b"{", b"[]"):
        status, headers, _ = send(urlsplit(simulator.endpoint_url), "POST", "/ListWaitingWorkflowSteps", body)
        assert (status, headers["x-amzn-ErrorType"]) == (400, "InvalidRequestException")


def test_an_unknown_path_is_refused(simulator):
    assert send(urlsplit(simulator.endpoint_url), "GET", "/GetLunch")[0] == 404


def test_bad_requests_come_back_over_the_wire(client):
    with refused("InvalidRequestException", 400):
        client.get_workflow_execution(workflowExecutionId="nonsense")
    with refused("InvalidRequestException", 400):
        client.list_waiting_workflow_steps(maxResults=26)
