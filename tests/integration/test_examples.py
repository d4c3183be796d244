"""The examples, run against the simulator as their docstrings say."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import httpx2
import pytest

from aioimagebuilder.testing import BuildScript, Fault, Simulator, StepScript

EXAMPLES = Path(__file__).parents[2] / "examples"
AMI = r"ami-[0-9a-f]{17}"
UNKNOWN = "arn:aws:imagebuilder:us-east-1:123456789012:image/unknown/1.0.0/1"

FAST_TIME_SCALE = 2000  # a build takes less than a second
POLL_SECONDS = 0.05


@pytest.fixture(scope="module")
def running_simulator() -> Iterator[Simulator]:
    with Simulator(time_scale=0) as simulator:
        yield simulator


@pytest.fixture
def simulator(running_simulator: Simulator) -> Simulator:
    """An empty simulator whose clock stands still."""
    running_simulator.reset()
    return running_simulator


@pytest.fixture(scope="module")
def environment(running_simulator: Simulator) -> dict[str, str]:
    """The environment variables that point an AWS program at the simulator alone."""
    arguments = running_simulator.client_arguments
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return inherited | {
        "AWS_ENDPOINT_URL": arguments["endpoint_url"],
        "AWS_DEFAULT_REGION": arguments["region_name"],
        "AWS_ACCESS_KEY_ID": arguments["aws_access_key_id"],
        "AWS_SECRET_ACCESS_KEY": arguments["aws_secret_access_key"],
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "NO_PROXY": "127.0.0.1",
    }


Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(environment: dict[str, str]) -> Iterator[Start]:
    """Start an example; it is killed at the end of the test."""
    processes: list[subprocess.Popen[str]] = []

    def start(name: str, *arguments: object) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, EXAMPLES / name, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        with process:
            process.kill()


def result_of(process: subprocess.Popen[str], timeout: float = 30) -> tuple[int, str, str]:
    """Wait until a process has exited, and return its exit code, stdout and stderr."""
    stdout, stderr = process.communicate(timeout=timeout)
    assert "Traceback" not in stderr
    return process.returncode, stdout, stderr


def wait_until(condition: Callable[[], bool], timeout: float = 15) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "the condition was not met in time"
        time.sleep(0.01)


# ---------------------------------------------------------------------- deploy


def test_deploy_prints_only_ami_on_stdout(simulator: Simulator, start: Start) -> None:
    simulator.set_time_scale(FAST_TIME_SCALE)
    code, stdout, stderr = result_of(
        start("deploy.py", simulator.create_pipeline("web"), "--poll", POLL_SECONDS)
    )
    assert code == 0
    assert re.fullmatch(f"{AMI}\n", stdout)
    assert stderr == "Building arn:aws:imagebuilder:us-east-1:123456789012:image/web/1.0.0/1\n"


def test_deploy_prints_container_image_uris(simulator: Simulator, start: Start) -> None:
    simulator.set_time_scale(FAST_TIME_SCALE)
    pipeline = simulator.create_pipeline("web", container=True)
    code, stdout, _ = result_of(start("deploy.py", pipeline, "--poll", POLL_SECONDS))
    assert code == 0
    uri = r"123456789012\.dkr\.ecr\.us-east-1\.amazonaws\.com/web-repository:\S+\n"
    assert re.fullmatch(f"({uri})+", stdout)


@pytest.mark.parametrize(
    ("script", "exit_code", "message"),
    [
        (
            BuildScript.failing_step("CreateOutputAMI", "too many AMIs"),
            1,
            "step CreateOutputAMI (CreateImage) failed: too many AMIs",
        ),
        (BuildScript(status="DELETED"), 1, "is DELETED"),
        (BuildScript(status="CANCELLED"), 3, "is CANCELLED"),
    ],
    ids=["failed", "deleted", "cancelled"],
)
def test_deploy_exit_code_reflects_outcome_of_build(
    simulator: Simulator, start: Start, script: BuildScript, exit_code: int, message: str
) -> None:
    simulator.script(script)
    simulator.set_time_scale(FAST_TIME_SCALE)
    code, stdout, stderr = result_of(start("deploy.py", simulator.create_pipeline(), "--poll", POLL_SECONDS))
    assert (code, stdout) == (exit_code, "")
    assert message in stderr


@pytest.mark.parametrize("operation", ["GetImage", "StartImagePipelineExecution"])
def test_deploy_exits_with_4_if_access_is_denied(simulator: Simulator, start: Start, operation: str) -> None:
    simulator.inject(Fault("error", operation=operation, status=403, code="AccessDeniedException"))
    code, stdout, stderr = result_of(start("deploy.py", simulator.create_pipeline()))
    assert (code, stdout) == (4, "")
    assert "AccessDeniedException" in stderr


def test_deploy_exits_with_124_at_timeout(simulator: Simulator, start: Start) -> None:
    code, stdout, stderr = result_of(start("deploy.py", simulator.create_pipeline(), "--timeout", 0.2))
    assert (code, stdout) == (124, "")
    assert "is still PENDING, and continues at AWS" in stderr


def test_deploy_cancels_at_timeout_on_request(simulator: Simulator, start: Start) -> None:
    simulator.set_time_scale(FAST_TIME_SCALE)
    waiting_step = StepScript(is_waiting_step=True, timeout_seconds=259200)
    simulator.script(BuildScript(steps={"RunSanitizeScript": waiting_step}))
    arguments = ("--cancel", "--timeout", 2, "--poll", POLL_SECONDS)
    code, stdout, stderr = result_of(start("deploy.py", simulator.create_pipeline(), *arguments))
    assert (code, stdout) == (124, "")
    assert "it was cancelled at the deadline" in stderr
    assert stderr.count("step RunSanitizeScript") == 1
    assert "waits for a person" in stderr


def test_deploy_exits_with_2_for_arn_of_another_kind(start: Start) -> None:
    code, stdout, stderr = result_of(start("deploy.py", UNKNOWN))
    assert (code, stdout) == (2, "")
    assert "usage:" in stderr


def test_deploys_with_same_token_join_one_build(simulator: Simulator, start: Start) -> None:
    simulator.set_time_scale(FAST_TIME_SCALE)
    arguments = [simulator.create_pipeline(), "--poll", POLL_SECONDS, "--client-token", "job-42"]
    first, second = start("deploy.py", *arguments), start("deploy.py", *arguments)
    result = result_of(first)
    assert result[0] == 0
    assert result_of(second) == result


@pytest.fixture
def sigint_enabled() -> Iterator[None]:
    """Let child processes handle SIGINT, even if a shell runs the tests in the background and ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.posix
@pytest.mark.usefixtures("sigint_enabled")
@pytest.mark.parametrize("name", ["deploy.py", "gather_executions.py"])
def test_ctrl_c_exits_with_130_and_cancels_nothing(simulator: Simulator, start: Start, name: str) -> None:
    process = start(name, simulator.create_pipeline(), "--poll", 60)
    wait_until(lambda: simulator.call_count("GetImage") == 1)
    process.send_signal(signal.SIGINT)
    code, _, stderr = result_of(process, timeout=10)  # shorter than the delay between polls
    assert code == 130
    assert "continues at AWS" in stderr
    assert simulator.call_count("CancelImageCreation") == 0


# ---------------------------------------------------------------------- gather_executions


def rows(stdout: str) -> dict[str, tuple[str, ...]]:
    """Parse the printed table into outcome, status and reason by execution."""
    header, *lines = stdout.splitlines()
    assert header.split() == ["OUTCOME", "STATUS", "EXECUTION", "REASON"]
    cells = [re.split(r"\s{2,}", line, maxsplit=3) for line in lines]
    return {execution: (outcome, status, *reason) for outcome, status, execution, *reason in cells}


def test_gather_prints_row_per_execution_and_exits_with_0(simulator: Simulator, start: Start) -> None:
    simulator.set_time_scale(FAST_TIME_SCALE)
    workflow = simulator.add_execution("workflow_execution", [("RUNNING", 60), ("COMPLETED", None)])
    skipped = simulator.add_execution("workflow_execution", [("PENDING", 60), ("SKIPPED", None)])
    pipelines = [simulator.create_pipeline(name) for name in ("red", "blue")]
    process = start("gather_executions.py", "--poll", POLL_SECONDS, *pipelines, workflow, skipped)
    code, stdout, stderr = result_of(process)
    images = re.findall(r"^Building (\S+)$", stderr, re.MULTILINE)
    assert code == 0
    assert [image.split("/")[1] for image in images] == ["red", "blue"]
    assert rows(stdout) == {
        **dict.fromkeys(images, ("succeeded", "AVAILABLE")),
        workflow: ("succeeded", "COMPLETED"),
        skipped: ("skipped", "SKIPPED"),
    }


def test_gather_distinguishes_failures_and_exits_with_1(simulator: Simulator, start: Start) -> None:
    failed = simulator.add_execution("workflow_execution", [("FAILED", None)], message="no such package")
    running = simulator.add_execution("workflow_execution", [("RUNNING", None)])
    denied = simulator.add_execution("workflow_execution", [("RUNNING", None)])
    simulator.inject(Fault("error", identifier=denied, status=403, code="AccessDeniedException"))
    unknown = "arn:aws:imagebuilder:us-east-1:123456789012:image-pipeline/unknown"
    names = [failed, running, denied, unknown]
    code, stdout, _ = result_of(start("gather_executions.py", "--timeout", 0.5, *names))
    assert code == 1
    table = rows(stdout)
    assert {name: cells[:2] for name, cells in table.items()} == {
        failed: ("failed", "FAILED"),
        running: ("timed out", "RUNNING"),
        denied: ("unknown", "-"),
        unknown: ("no start", "-"),
    }
    assert table[failed][2] == "no such package"
    assert "AccessDeniedException" in table[denied][2]
    assert "ResourceNotFoundException" in table[unknown][2]


# ---------------------------------------------------------------------- many_processes

# moto deploys the template without its policies and subscriptions.
ignores_warnings_of_moto = pytest.mark.filterwarnings(
    "ignore:Tried to parse AWS..S.S..(.+Policy|Subscription):UserWarning"
)


def start_many_processes(simulator: Simulator, start: Start, builds: int) -> subprocess.Popen[str]:
    """Start the example, and wait until every build was started, and images are being polled.

    There is a minute between two polls of an image: only hints end a wait of a test.
    """
    arguments = ("--builds", builds, "--rate", 50, "--poll", 60)
    process = start("many_processes.py", simulator.create_pipeline("web"), *arguments)
    wait_until(lambda: simulator.call_count("StartImagePipelineExecution") == builds, timeout=30)
    wait_until(lambda: simulator.call_count() > builds)
    return process


@ignores_warnings_of_moto
def test_many_processes_wait_for_each_image_in_one(simulator: Simulator, start: Start) -> None:
    process = start_many_processes(simulator, start, builds=9)
    simulator.advance(3600)
    code, stdout, _ = result_of(process)
    *lines, totals = stdout.splitlines()
    images = [f"arn:aws:imagebuilder:us-east-1:123456789012:image/web/1.0.0/{n}" for n in range(1, 10)]
    assert code == 0
    assert sorted(lines) == [f"AVAILABLE  {image}" for image in images]
    calls = simulator.call_count()
    found = re.fullmatch(f"9 AVAILABLE, {calls} calls to Image Builder, ([0-9]+) messages from SQS", totals)
    assert found, totals
    assert int(found[1]) > 0


@pytest.mark.posix
@ignores_warnings_of_moto
@pytest.mark.usefixtures("sigint_enabled")
def test_many_processes_end_at_ctrl_c(simulator: Simulator, start: Start) -> None:
    process = start_many_processes(simulator, start, builds=3)
    process.send_signal(signal.SIGINT)
    code, _, stderr = result_of(process, timeout=10)
    assert code == 130
    assert "continues at AWS" in stderr
    assert simulator.call_count("CancelImageCreation") == 0


@ignores_warnings_of_moto
def test_many_processes_exit_with_1_for_a_failed_build(simulator: Simulator, start: Start) -> None:
    simulator.script(BuildScript.failing_step("CreateOutputAMI"))
    process = start_many_processes(simulator, start, builds=3)
    simulator.advance(3600)
    code, stdout, _ = result_of(process)
    assert code == 1
    assert stdout.splitlines()[-1].startswith("2 AVAILABLE, 1 FAILED, ")


# ---------------------------------------------------------------------- web_service


@pytest.fixture(scope="module")
def service(environment: dict[str, str]) -> Iterator[httpx2.Client]:
    """An HTTP client of the service, which runs in another process."""
    command = [sys.executable, "-m", "uvicorn", "--app-dir", str(EXAMPLES), "--port", "0", "--no-access-log"]
    with subprocess.Popen(
        [*command, "web_service:app"],
        stderr=subprocess.PIPE,
        text=True,
        env=environment | {"POLL_SECONDS": str(POLL_SECONDS)},
    ) as process:
        try:
            assert process.stderr is not None
            output = ""
            while (address := re.search(r"running on (http://\S+)", output)) is None:
                line = process.stderr.readline()
                assert line, output
                output += line
            with httpx2.Client(base_url=address[1], timeout=10) as client:
                yield client
            process.terminate()
            _, stderr = process.communicate(timeout=10)
            # Windows ends a process that is terminated at once.
            assert "Application shutdown complete" in stderr or sys.platform == "win32"
            assert "Traceback" not in stderr
        finally:
            process.kill()


def start_build(service: httpx2.Client, simulator: Simulator) -> str:
    """Start a build, and return its path in the service."""
    response = service.post("/builds", json={"pipeline_arn": simulator.create_pipeline()})
    assert response.status_code == 202
    return response.headers["Location"]


def open_stream(service: httpx2.Client, path: str) -> AbstractContextManager[httpx2.Response]:
    return service.stream("GET", f"{path}/events")


def events(response: httpx2.Response) -> Iterator[tuple[str, object]]:
    """Yield the name and data of each server-sent event."""
    assert response.headers["Content-Type"].startswith("text/event-stream")
    name = ""
    for line in response.iter_lines():
        field, _, value = line.partition(": ")
        if field == "event":
            name = value
        elif field == "data":
            yield name, json.loads(value)


def statuses(response: httpx2.Response) -> Iterator[str]:
    for name, data in events(response):
        assert (name, isinstance(data, dict)) == ("state", True)
        yield data["status"]  # type: ignore[index]


def polling_has_stopped(simulator: Simulator) -> Callable[[], bool]:
    """Return a condition that is met when no call was made for five times the maximum delay."""
    return lambda: time.time() - simulator.calls[-1].at > 5 * (6 * POLL_SECONDS)


def test_web_service_starts_build_and_returns_its_location(
    simulator: Simulator, service: httpx2.Client
) -> None:
    response = service.post("/builds", json={"pipeline_arn": simulator.create_pipeline()})
    assert response.status_code == 202
    location = response.headers["Location"]
    assert location == f"/builds/{response.json()['arn']}"

    pending = service.get(location).json()
    assert (pending["status"], pending["outcome"], pending["amis"]) == ("PENDING", None, {})
    simulator.advance(3600)
    available = service.get(location).json()
    assert (available["status"], available["outcome"]) == ("AVAILABLE", "succeeded")
    assert re.fullmatch(AMI, available["amis"]["us-east-1"])


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", f"/builds/{UNKNOWN}", None, 404),
        ("GET", f"/builds/{UNKNOWN}/events", None, 404),
        ("GET", "/builds/nonsense", None, 422),
        ("GET", "/builds/nonsense/events", None, 422),
        ("POST", "/builds", {"pipeline_arn": "nonsense"}, 422),
        ("POST", "/builds", {"pipeline_arn": UNKNOWN.replace("us-east-1", "eu-west-1")}, 422),
    ],
    ids=["unknown", "unknown-events", "malformed", "malformed-events", "malformed-pipeline", "wrong-region"],
)
@pytest.mark.usefixtures("simulator")
def test_web_service_rejects_unknown_and_invalid_arns(
    service: httpx2.Client, method: str, path: str, body: object, status: int
) -> None:
    response = service.request(method, path, json=body)
    assert response.status_code == status
    assert response.json()["detail"]


def test_web_service_returns_502_if_aws_denies_access(simulator: Simulator, service: httpx2.Client) -> None:
    path = start_build(service, simulator)
    simulator.inject(Fault("error", status=403, code="AccessDeniedException"))
    assert service.get(path).status_code == 502


def add_build(simulator: Simulator, *schedule: str) -> str:
    """Add a build with ten seconds in each of these statuses, and return its path in the service."""
    arn = simulator.add_execution("image", [(status, 10) for status in schedule])
    return f"/builds/{arn}"


def test_stream_sends_each_change_and_ends_with_build(simulator: Simulator, service: httpx2.Client) -> None:
    schedule = ["PENDING", "BUILDING", "TESTING", "AVAILABLE"]
    received = []
    with open_stream(service, add_build(simulator, *schedule)) as response:
        for status in statuses(response):
            received.append(status)
            simulator.advance(10)
    assert received == schedule


def test_stream_sends_lost_if_build_cannot_be_observed(simulator: Simulator, service: httpx2.Client) -> None:
    with open_stream(service, add_build(simulator, "BUILDING")) as response:
        received = events(response)
        next(received)
        simulator.inject(Fault("error", status=403, code="AccessDeniedException"))
        [(name, text)] = received
    assert name == "lost"
    assert "last seen BUILDING" in str(text)


def test_disconnect_from_stream_stops_polling(simulator: Simulator, service: httpx2.Client) -> None:
    with open_stream(service, add_build(simulator, "BUILDING")) as response:
        received = statuses(response)  # referenced, since the stream closes when the iterator is collected
        assert next(received) == "BUILDING"
        polls = simulator.call_count("GetImage")
        # Nothing changes, so nothing is sent by which the service could notice the disconnect.
        wait_until(lambda: simulator.call_count("GetImage") >= polls + 3)
    wait_until(polling_has_stopped(simulator))


def test_disconnect_from_stream_keeps_other_streams(simulator: Simulator, service: httpx2.Client) -> None:
    path = add_build(simulator, "BUILDING", "TESTING", "AVAILABLE")
    with open_stream(service, path) as kept:
        received = statuses(kept)
        assert next(received) == "BUILDING"
        with open_stream(service, path) as closed:
            assert closed.status_code == 200
        simulator.advance(10)
        assert next(received) == "TESTING"
        simulator.advance(10)
        assert list(received) == ["AVAILABLE"]
    wait_until(polling_has_stopped(simulator))
