"""The control routes: what the Python methods do, over HTTP."""

from __future__ import annotations

import http.client
import json
from dataclasses import asdict
from urllib.parse import urlsplit

import pytest

from aioimagebuilder.testing import BuildScript, Fault
from aioimagebuilder.testing.control_routes import ROUTES
from simulator.support import executions, refused, status_of


@pytest.fixture
def send(simulator):
    address = urlsplit(simulator.endpoint_url)
    connection = http.client.HTTPConnection(address.hostname, address.port)

    def send(method, path, body=None):
        connection.request(method, f"/_simulator/{path}", None if body is None else json.dumps(body))
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())

    yield send
    connection.close()


def test_the_configuration_is_read_and_set(send, simulator):
    status, config = send("PUT", "config", {"time_scale": 5, "rate_limit": 7, "burst": 9})
    assert status == 200
    assert (config["time_scale"], config["rate_limit"], config["burst"]) == (5, 7, 9)
    assert send("PUT", "config", {"rate_limit": None})[1]["rate_limit"] is None
    assert simulator.control.time_scale == 5
    assert send("GET", "config")[1]["now"] == pytest.approx(simulator.now(), abs=60)


def test_a_build_is_scripted_started_and_advanced(send, client):
    _, answer = send("POST", "pipelines", {"name": "remote", "regions": ["us-east-1"]})
    pipeline = answer["imagePipelineArn"]
    send("POST", "scripts", {"script": asdict(BuildScript.failing_component()), "recipe": "remote"})
    arn = client.start_image_pipeline_execution(imagePipelineArn=pipeline)["imageBuildVersionArn"]
    before = send("GET", "config")[1]["now"]
    assert send("POST", "advance", {"seconds": 3600})[1]["now"] == pytest.approx(before + 3600)
    assert status_of(client, arn) == "FAILED"


def test_an_execution_is_added(send, client):
    body = {"kind": "workflow_execution", "schedule": [["RUNNING", None]], "members": {"type": "TEST"}}
    _, answer = send("POST", "executions", body)
    got = client.get_workflow_execution(workflowExecutionId=answer["id"])
    assert (got["type"], got["status"]) == ("TEST", "RUNNING")
    assert executions(client, got["imageBuildVersionArn"])


def test_faults_are_switched_on_and_off(send, client):
    send("POST", "faults", asdict(Fault("throttle", operation="List*")))
    [fault] = send("GET", "faults")[1]["faults"]
    assert (fault["kind"], fault["operation"]) == ("throttle", "List*")
    with refused("CallRateLimitExceededException"):
        client.list_waiting_workflow_steps()
    send("DELETE", "faults")
    assert client.list_waiting_workflow_steps()["steps"] == []


def test_calls_are_read_and_forgotten(send, client):
    client.list_waiting_workflow_steps()
    client.list_images()
    answer = send("GET", "calls?operation=ListImages")[1]
    assert (answer["count"], [call["operation"] for call in answer["calls"]]) == (1, ["ListImages"])
    assert send("GET", "calls")[1]["count"] == 2
    send("DELETE", "calls")
    assert send("GET", "calls")[1] == {"calls": [], "count": 0}


def test_a_policy_is_run(send, client):
    arn = client.create_lifecycle_policy(
        name="policy",
        executionRole="role",
        resourceType="AMI_IMAGE",
        policyDetails=[{"action": {"type": "DELETE"}, "filter": {"type": "COUNT", "value": 1}}],
        resourceSelection={"tagMap": {"a": "b"}},
    )["lifecyclePolicyArn"]
    _, answer = send("POST", "lifecycle-runs", {"policy": arn, "seconds": 5})
    assert client.get_lifecycle_execution(lifecycleExecutionId=answer["id"])


def test_everything_is_forgotten(send, client, built):
    assert send("POST", "reset") == (200, {})
    assert client.list_image_pipelines()["imagePipelineList"] == []


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "nothing", None, 404),
        ("POST", "faults", {"kind": "gremlins"}, 400),
        ("POST", "faults", {}, 400),
        ("POST", "faults", [], 400),
        ("POST", "scripts", {"script": {"unheard": 1}}, 400),
        ("POST", "executions", {"kind": "image", "schedule": []}, 400),
        ("POST", "advance", {"seconds": -1}, 400),
        ("POST", "pipelines", {"name": "?"}, 400),
        ("PUT", "config", {"time_scale": -1}, 400),
    ],
)
def test_what_cannot_be_done_is_told(send, method, path, body, status):
    told, answer = send(method, path, body)
    assert told == status
    assert answer["message"]


def test_every_route_is_documented():
    text = __import__("aioimagebuilder.testing.control_routes", fromlist=["x"]).__doc__
    assert all(f"``{method} /_simulator/{path}``" in text for method, path in ROUTES)
