"""The control routes: the methods of the simulator over HTTP."""

from __future__ import annotations

import http.client
import json
import re
import urllib.request
from dataclasses import asdict, fields
from inspect import Parameter
from pathlib import Path
from urllib.parse import urlsplit

import boto3
import pytest

from aioimagebuilder.testing import BuildScript, Fault
from aioimagebuilder.testing.control_routes import ROUTES
from simulator.support import get_status, list_executions, raises_error

PAGE = (Path(__file__).parents[2] / "docs" / "testing.md").read_text(encoding="utf-8")


@pytest.fixture
def send(simulator):
    address = urlsplit(simulator.endpoint_url)
    connection = http.client.HTTPConnection(address.hostname, address.port)

    def send(method, path, body=None):
        connection.request(method, f"/_simulator/{path}", None if body is None else json.dumps(body))
        response = connection.getresponse()
        return response.status, json.loads(response.read())

    yield send
    connection.close()


def test_config_route_reads_and_sets_settings(send, simulator):
    status, config = send("PUT", "config", {"time_scale": 5, "rate_limit": 7, "burst": 9})
    assert status == 200
    assert (config["time_scale"], config["rate_limit"], config["burst"]) == (5, 7, 9)
    assert send("PUT", "config", {"rate_limit": None})[1]["rate_limit"] is None
    assert simulator.control.time_scale == 5
    assert send("GET", "config")[1]["now"] == pytest.approx(simulator.now(), abs=60)


def test_routes_script_and_advance_a_build(send, client):
    _, response = send("POST", "pipelines", {"name": "remote", "regions": ["us-east-1"]})
    pipeline = response["imagePipelineArn"]
    send("POST", "scripts", {"script": asdict(BuildScript.failing_component()), "recipe": "remote"})
    arn = client.start_image_pipeline_execution(imagePipelineArn=pipeline)["imageBuildVersionArn"]
    before = send("GET", "config")[1]["now"]
    assert send("POST", "advance", {"seconds": 3600})[1]["now"] == pytest.approx(before + 3600)
    assert get_status(client, arn) == "FAILED"


def test_executions_route_adds_execution(send, client):
    body = {"kind": "workflow_execution", "schedule": [["RUNNING", None]], "members": {"type": "TEST"}}
    _, response = send("POST", "executions", body)
    execution = client.get_workflow_execution(workflowExecutionId=response["id"])
    assert (execution["type"], execution["status"]) == ("TEST", "RUNNING")
    [row] = list_executions(client, execution["imageBuildVersionArn"])
    assert row["workflowExecutionId"] == response["id"]


def test_faults_routes_inject_list_and_clear(send, client):
    send("POST", "faults", asdict(Fault("throttle", operation="List*")))
    [fault] = send("GET", "faults")[1]["faults"]
    assert (fault["kind"], fault["operation"]) == ("throttle", "List*")
    with raises_error("CallRateLimitExceededException"):
        client.list_waiting_workflow_steps()
    send("DELETE", "faults")
    assert client.list_waiting_workflow_steps()["steps"] == []


def test_calls_routes_list_and_clear_calls(send, client):
    client.list_waiting_workflow_steps()
    client.list_images()
    response = send("GET", "calls?operation=ListImages")[1]
    assert (response["count"], [call["operation"] for call in response["calls"]]) == (1, ["ListImages"])
    assert send("GET", "calls")[1]["count"] == 2
    send("DELETE", "calls")
    assert send("GET", "calls")[1] == {"calls": [], "count": 0}


@pytest.fixture
def policy(client):
    return client.create_lifecycle_policy(
        name="old-images",
        executionRole="role",
        resourceType="AMI_IMAGE",
        policyDetails=[{"action": {"type": "DELETE"}, "filter": {"type": "COUNT", "value": 1}}],
        resourceSelection={"tagMap": {"a": "b"}},
    )["lifecyclePolicyArn"]


def test_lifecycle_runs_route_runs_policy(send, client, policy):
    _, response = send("POST", "lifecycle-runs", {"policy": policy, "seconds": 5})
    run = client.get_lifecycle_execution(lifecycleExecutionId=response["id"])["lifecycleExecution"]
    assert (run["lifecyclePolicyArn"], run["state"]) == (policy, {"status": "IN_PROGRESS"})


def test_reset_route_discards_resources_of_all_services(send, simulator, client, built):
    sqs = boto3.client("sqs", **simulator.client_arguments)
    sqs.create_queue(QueueName="queue")
    assert send("POST", "reset") == (200, {})
    assert client.list_image_pipelines()["imagePipelineList"] == []
    assert "QueueUrls" not in sqs.list_queues()
    sqs.close()


def test_executions_route_adds_execution_of_region_and_account(send, simulator):
    body = {"kind": "image", "schedule": [["BUILDING", 5], ["AVAILABLE", None]]}
    body |= {"region_name": "eu-west-1", "account_id": "111111111111"}
    arn = send("POST", "executions", body)[1]["id"]
    assert arn.startswith("arn:aws:imagebuilder:eu-west-1:111111111111:image/")
    assert arn in simulator.control.backend("111111111111", "eu-west-1").images


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "nothing", None, 404),
        ("POST", "faults", {"kind": "unknown"}, 400),
        ("POST", "faults", {}, 400),
        ("POST", "faults", [], 400),
        ("POST", "scripts", {"script": {"unknown": 1}}, 400),
        ("POST", "executions", {"kind": "image", "schedule": []}, 400),
        ("POST", "advance", {"seconds": -1}, 400),
        ("POST", "pipelines", {"name": "?"}, 400),
        ("PUT", "config", {"time_scale": -1}, 400),
    ],
)
def test_invalid_request_returns_error_message(send, method, path, body, status):
    actual, response = send(method, path, body)
    assert actual == status
    assert response["message"]


@pytest.mark.parametrize("path", ["", "?", "?a"])
def test_list_of_routes_says_what_each_takes(send, path):
    status, response = send("GET", path)
    if path == "?a":
        assert (status, response["message"]) == (400, "unknown member 'a'; GET /_simulator/ takes nothing")
        return
    routes = {each["route"]: each for each in response["routes"]}
    assert list(routes) == [f"{method} /_simulator/{path}" for method, path in ROUTES]
    assert routes["POST /_simulator/advance"] == {
        "route": "POST /_simulator/advance",
        "summary": "advances the clock",
        "takes": {"seconds": "a number from 0 to 1,000,000,000; required"},
        "returns": ["now"],
    }
    script = routes["POST /_simulator/scripts"]["takes"]["script"]
    assert script.keys() == {each.name for each in fields(BuildScript)}
    assert script["steps"]["<name>"]["duration"] == "a number from 0 to 1,000,000,000 or null; default null"
    assert "action" in script["steps"]["<name>"]["component_failure"]


def test_list_of_routes_is_served_without_slash(simulator):
    with urllib.request.urlopen(f"{simulator.endpoint_url}/_simulator") as response:
        assert json.load(response)["routes"]


def test_table_of_routes_in_documentation_matches_them():
    table = re.findall(r"^\| `(\w+ /_simulator/.*?)` \| (.*?) \| (.*?) ?\| (.*?) ?\|$", PAGE, re.MULTILINE)
    documented = [
        (route, summary, re.findall(r"(\**)`(\w+)`", takes), re.findall(r"`(\w+)`", returns))
        for route, summary, takes, returns in table
    ]
    assert documented == [
        (
            f"{route.method} /_simulator/{route.path}",
            route.summary,
            [("**" * (member.default is Parameter.empty), name) for name, member in route.takes.items()],
            list(route.returns),
        )
        for route in ROUTES.values()
    ]


def test_example_calls_of_documentation_get_their_responses(send, policy):
    calls = re.findall(
        r"^curl \$url/(\S*)(?: -X (\w+))?(?:\s(?:\\\n)?\s*-d '([^']+)')?\n# (\{.*)$", PAGE, re.MULTILINE
    )
    assert len(calls) == PAGE.count("\ncurl $url")
    called = set()
    for path, option, body, expected in calls:
        method = option or ("POST" if body else "GET")
        status, response = send(method, path, json.loads(body) if body else None)
        assert (status, path) == (200, path)
        assert re.fullmatch(".*".join(map(re.escape, expected.split("…"))), json.dumps(response)), response
        called.add((method, path.partition("?")[0]))
    assert called == set(ROUTES)
