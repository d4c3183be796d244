"""Requests that the server refuses: of other sites, malformed, or too large."""

from __future__ import annotations

import http.client
import json
import socket
from dataclasses import asdict, fields
from urllib.parse import urlsplit

import pytest

from aioimagebuilder.testing import BuildScript, Fault, StepScript
from aioimagebuilder.testing.control_routes import MAX_BODY_LENGTH, ROUTES

IMAGEBUILDER = {
    "Authorization": "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/imagebuilder/aws4_request"
}
MOTO = {"Authorization": "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/sqs/aws4_request"}
WRONG_VALUES = [None, True, -1, "text", [], {}, [[]], {"a": 1}, 1.5, "\ud800", 10**400]


@pytest.fixture
def address(simulator):
    return urlsplit(simulator.endpoint_url)


@pytest.fixture
def send(address):
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=10)

    def send(method, path, body=b"", **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        return response.status, response.read()

    yield send
    connection.close()


def send_raw(address, *chunks):
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        for chunk in chunks:
            connection.sendall(chunk)
        response = http.client.HTTPResponse(connection)
        response.begin()
        return response.status, json.loads(response.read())


# ---------------------------------------------------------------------- other sites


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:{port}",
        "localhost.evil.example:{port}",
        "127.0.0.1.evil.example",
        "evil-localhost",
        "192.168.0.1:{port}",
        "0.0.0.0:{port}",
        "user@localhost",
        "localhost, evil.example",
        "[::2]:{port}",
        "",
    ],
)
@pytest.mark.parametrize("route", ["GET ", "GET config", "POST reset", "POST nothing"])
def test_control_routes_refuse_host_of_other_site(send, address, simulator, route, host):
    method, _, path = route.partition(" ")
    simulator.create_pipeline()
    status, body = send(method, f"/_simulator/{path}", Host=host.format(port=address.port))
    assert (status, "loopback" in json.loads(body)["message"]) == (403, True)
    assert simulator.control.backends


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "https://evil.example:{port}",
        "null",
        "",
        "http://localhost.evil.example:{port}",
        "http://127.0.0.1:{other}",
        "http://localhost:{port}",
        "file://127.0.0.1:{port}",
        "chrome-extension://abc",
    ],
)
def test_control_routes_refuse_other_origin(send, address, simulator, origin):
    simulator.create_pipeline()
    origin = origin.format(port=address.port, other=address.port + 1)
    status, body = send("POST", "/_simulator/reset", Origin=origin)
    assert (status, "origin" in json.loads(body)["message"]) == (403, True)
    assert send("OPTIONS", "/_simulator/config", Origin=origin)[0] == 403
    assert simulator.control.backends


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1:{port}", "127.0.0.1", "localhost:{port}", "LOCALHOST.", "x.localhost:1", "[::1]:{port}"],
)
def test_control_routes_accept_loopback_and_own_origin(send, address, host):
    host = host.format(port=address.port)
    assert send("GET", "/_simulator/config", Host=host)[0] == 200
    assert (
        send("POST", "/_simulator/advance", b'{"seconds": 1}', Host=host, Origin=f"http://{host}")[0] == 200
    )


@pytest.mark.parametrize("service", [IMAGEBUILDER, MOTO, {}])
@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost.evil.example"])
def test_services_refuse_origin_of_other_site(send, simulator, origin, service):
    simulator.create_pipeline()
    for method, path in [("POST", "/ListImages"), ("POST", "/moto-api/reset"), ("OPTIONS", "/ListImages")]:
        assert send(method, path, b"{}", Origin=origin, **service)[0] == 403
    assert simulator.calls == []
    assert simulator.control.backends


def test_services_accept_programs_and_local_pages(send):
    for headers in [{"Host": "simulator:5000"}, {"Origin": "http://localhost:3000"}, {}]:
        assert send("POST", "/ListImages", b"{}", **IMAGEBUILDER, **headers)[0] == 200


def test_only_post_resets_through_moto(send, simulator):
    simulator.create_pipeline()
    send("GET", "/moto-api/reset")
    assert simulator.control.backends
    send("POST", "/moto-api/reset")
    assert not simulator.control.backends


# ---------------------------------------------------------------------- bodies

BODIES = {
    "deep-list": b"[" * 100_000,
    "deep-object": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "deep-member": b'{"seconds": ' + b"[" * 500 + b"]" * 500 + b"}",
    "nan": b'{"seconds": NaN}',
    "infinity": b'{"seconds": Infinity}',
    "minus-infinity": b'{"seconds": -Infinity}',
    "overflow": b'{"seconds": 1e999}',
    "many-digits": b'{"seconds": ' + b"1" * 5000 + b"}",
    "invalid-utf-8": b'{"seconds": "\xff"}',
    "utf-16": '{"seconds": 1}'.encode("utf-16"),
    "byte-order-mark": b'\xef\xbb\xbf{"seconds": 1}',
    "list": b"[]",
    "number": b"5",
    "null": b"null",
    "text": b"seconds=5",
    "nothing-but-space": b" ",
    "half": b'{"seconds": ',
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_malformed_body_is_refused(send, simulator, body):
    status, response = send("POST", "/_simulator/advance", body)
    assert (status, bool(json.loads(response)["message"])) == (400, True)
    status, response = send("POST", "/ListImages", body, **IMAGEBUILDER)
    assert (status, json.loads(response)["__type"]) == (400, "InvalidRequestException")


def test_body_of_other_service_never_fails_the_recording_of_calls(send, simulator):
    logs = {**MOTO, "Authorization": MOTO["Authorization"].replace("sqs", "logs")}
    logs["X-Amz-Target"] = "Logs_20140328.DescribeLogGroups"
    simulator.inject(Fault("throttle", service="logs"))
    for body in BODIES.values():
        assert send("POST", "/", body, **logs)[0] == 400
    assert simulator.call_count("DescribeLogGroups") == len(BODIES)


HEAD = b"POST /_simulator/advance HTTP/1.1\r\nHost: localhost\r\n"


def test_long_body_is_refused(address, send):
    body = b'{"seconds": ' + b" " * MAX_BODY_LENGTH + b"1}"
    status, response = send("POST", "/_simulator/advance", body)
    assert (status, "longer than" in json.loads(response)["message"]) == (400, True)
    assert send("GET", "/_simulator/config")[0] == 200
    chunk = b"%x\r\n%s\r\n" % (len(body), body)
    status, response = send_raw(address, HEAD + b"Transfer-Encoding: chunked\r\n\r\n", chunk, b"0\r\n\r\n")
    assert (status, "longer than" in response["message"]) == (400, True)
    status, response = send_raw(address, HEAD + b"Content-Length: 999999999999\r\n\r\n", b"{")
    assert (status, "longer than" in response["message"]) == (400, True)


@pytest.mark.parametrize("length", [b"-1", b"abc", b"1e3", b"9" * 100])
def test_invalid_content_length_is_refused(address, length):
    status, response = send_raw(address, HEAD + b"Content-Length: " + length + b"\r\n\r\n")
    assert (status, "Content-Length" in response["message"]) == (400, True)


def test_malformed_chunks_are_refused(address):
    status, response = send_raw(address, HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"zz\r\n{}\r\n")
    assert (status, "chunks" in response["message"]) == (400, True)


def test_long_body_of_a_service_is_accepted(send):
    status, _ = send(
        "POST", "/ListImages", b'{"owner": ' + b" " * MAX_BODY_LENGTH + b'"Self"}', **IMAGEBUILDER
    )
    assert status == 200


# ---------------------------------------------------------------------- members

REQUESTS = {
    ("PUT", "config"): {},
    ("POST", "scripts"): {"script": {}},
    ("POST", "executions"): {"kind": "image", "schedule": [["BUILDING", None]]},
    ("POST", "lifecycle-runs"): {
        "policy": "arn:aws:imagebuilder:us-east-1:123456789012:lifecycle-policy/missing"
    },
    ("POST", "faults"): {"kind": "throttle"},
}
MEMBERS = [
    (route.method, route.path, name)
    for route in ROUTES.values()
    for name in route.takes
    if route.method != "GET"
]


def is_valid(send, method, path, member, value):
    """Return whether a request with one member replaced was accepted (200), and not refused (400)."""
    request = {**REQUESTS.get((method, path), {}), member: value}
    status, response = send(method, f"/_simulator/{path}", json.dumps(request))
    assert status in {200, 400}, response
    if status == 400:
        assert json.loads(response)["message"]
    return status == 200


@pytest.mark.parametrize(("method", "path", "member"), MEMBERS)
def test_member_of_any_type_never_breaks_later_calls(send, simulator, client, method, path, member):
    accepted = [value for value in WRONG_VALUES if is_valid(send, method, path, member, value)]
    assert len(accepted) < len(WRONG_VALUES)
    simulator.clear_faults()
    simulator.set_rate_limit(None)
    arn = simulator.start_build(simulator.create_pipeline("after"))
    client.get_image(imageBuildVersionArn=arn)
    client.list_image_build_versions()


@pytest.mark.parametrize("member", [each.name for each in fields(BuildScript)])
def test_script_of_wrong_type_never_breaks_later_calls(send, simulator, client, member):
    for value in WRONG_VALUES:
        is_valid(send, "POST", "scripts", "script", {member: value})
    check_builds(simulator, client)


@pytest.mark.parametrize("member", [each.name for each in fields(StepScript)])
def test_step_script_of_wrong_type_never_breaks_later_calls(send, simulator, client, member):
    for value in [*WRONG_VALUES, "FAILED", 5000]:
        step = {"status": "FAILED", member: value}
        is_valid(send, "POST", "scripts", "script", {"steps": {"ApplyBuildComponents": step}})
    check_builds(simulator, client)


def check_builds(simulator, client):
    """Run a build for each accepted script, and read everything at several times."""
    pipeline = simulator.create_pipeline("scripted")
    arns = [simulator.start_build(pipeline) for _ in WRONG_VALUES]
    for seconds in (0, 60, 1000, 1e6, 1e9):
        simulator.advance(seconds)
        for arn in arns:
            client.get_image(imageBuildVersionArn=arn)
            for row in client.list_workflow_executions(imageBuildVersionArn=arn)["workflowExecutions"]:
                client.list_workflow_step_executions(workflowExecutionId=row["workflowExecutionId"])


@pytest.mark.parametrize("member", [each.name for each in fields(Fault)])
def test_fault_of_wrong_type_never_crashes_a_call(send, simulator, member):
    for value in [*WRONG_VALUES, 599, 204, "\r\nX: y", "é"]:
        fault = {**asdict(Fault("error", status=503)), member: value, "seconds": 0.5, "times": 1}
        status, response = send("POST", "/_simulator/faults", json.dumps(fault))
        assert status in {200, 400}, response
        status, body = send("POST", "/ListImages", b"{}", **IMAGEBUILDER)
        assert b"simulator bug" not in body
        simulator.clear_faults()


@pytest.mark.parametrize(
    ("path", "request_body", "message"),
    [
        ("advance", {}, "'seconds' is missing"),
        (
            "advance",
            {"seconds": 1, "minutes": 2},
            "unknown member 'minutes'; POST /_simulator/advance takes seconds",
        ),
        ("advance", {"seconds": "5"}, "seconds must be a number from 0 to 1,000,000,000, not '5'"),
        ("advance", {"seconds": True}, "seconds must be a number from 0 to 1,000,000,000, not True"),
        ("config", {"time_scale": None}, "time_scale must be a number"),
        ("config", {"rate_limit": 0}, "rate_limit must be a number above 0"),
        ("config", {"rate_limit": None, "burst": 0}, "burst must be a number from 1"),
        ("config", {"burst": 5}, "burst needs rate_limit"),
        ("faults", {"kind": "throttle", "times": "3"}, "times must be a whole number"),
        ("faults", {"kind": "throttle", "probabilty": 1}, "unknown member 'probabilty'"),
        ("scripts", {"script": {"pace": 1, "steps": {"A": {"durations": 5}}}}, "durations"),
        ("scripts", {"script": {}, "recipe": "arn:aws"}, "neither the name nor the ARN"),
        ("executions", {"kind": "build", "schedule": [["A", 1]]}, "one of: workflow_execution"),
        ("executions", {"kind": "image", "schedule": [["A", -1]]}, "schedule must be"),
        ("executions", {"kind": "image", "schedule": [["A"]]}, "schedule must be"),
        ("executions", {"kind": "image", "schedule": "RUNNING"}, "schedule must be"),
        (
            "executions",
            {"kind": "image", "schedule": [["A", 1]], "region_name": "nowhere"},
            "region_name must be",
        ),
        ("executions", {"kind": "image", "schedule": [["A", 1]], "account_id": "me"}, "account_id must be"),
        (
            "executions",
            {"kind": "image", "schedule": [["A", 1]], "members": {"arn": "x"}},
            "'x' is not the ARN",
        ),
        (
            "executions",
            {"kind": "image", "schedule": [["A", 1]], "members": {"region_name": "eu-west-1"}},
            "no member 'region_name'",
        ),
        (
            "executions",
            {"kind": "workflow_execution", "schedule": [["A", 1]], "members": {"totalStepCount": "7"}},
            "totalStepCount='7'",
        ),
        ("lifecycle-runs", {"policy": "my-policy"}, "'my-policy' is not the ARN of a lifecycle policy"),
        ("pipelines", {"regions": "us-east-1"}, "regions must be a list"),
    ],
)
def test_refusal_says_what_is_wrong(send, path, request_body, message):
    method = "PUT" if path == "config" else "POST"
    status, response = send(method, f"/_simulator/{path}", json.dumps(request_body))
    assert status == 400
    assert message in json.loads(response)["message"]


def test_unknown_route_names_the_list_of_routes(send):
    status, response = send("PATCH", "/_simulator/config")
    assert status == 404
    assert json.loads(response)["message"].endswith("GET /_simulator/ lists the routes")


def test_invalid_time_of_state_update_is_refused(send, built):
    for value in ["tomorrow", "9999-12-31T23:59:59+00:00", 1e300, -5]:
        request = {
            "resourceArn": built,
            "state": {"status": "DEPRECATED"},
            "updateAt": value,
            "clientToken": "t",
        }
        status, response = send("PUT", "/StartResourceStateUpdate", json.dumps(request), **IMAGEBUILDER)
        assert (status, json.loads(response)["__type"]) == (400, "InvalidRequestException")
