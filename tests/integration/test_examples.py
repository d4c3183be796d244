"""The examples, run as their docstrings say, against the simulator."""

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

# A build of minutes takes less than a second of these.
FAST = 2000
POLL = 0.05


@pytest.fixture(scope="module")
def running_simulator() -> Iterator[Simulator]:
    with Simulator(time_scale=0) as simulator:
        yield simulator


@pytest.fixture
def simulator(running_simulator: Simulator) -> Simulator:
    """A simulator that is empty, and whose clock stands still."""
    running_simulator.reset()
    return running_simulator


@pytest.fixture(scope="module")
def environment(running_simulator: Simulator) -> dict[str, str]:
    """What points any AWS program at the simulator, and at nothing else."""
    arguments = running_simulator.client_arguments
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return inherited | {
        "AWS_ENDPOINT_URL_IMAGEBUILDER": arguments["endpoint_url"],
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
    """Start an example; what still runs at the end of the test is killed."""
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


def ended(process: subprocess.Popen[str], timeout: float = 30) -> tuple[int, str, str]:
    """Wait for the exit code, stdout and stderr of a process."""
    stdout, stderr = process.communicate(timeout=timeout)
    assert "Traceback" not in stderr
    return process.returncode, stdout, stderr


def eventually(condition: Callable[[], bool], timeout: float = 15) -> None:
    """Wait until it holds, and fail if it never does."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.01)


# ---------------------------------------------------------------------- deploy


def test_deploy_prints_the_ami_alone_on_stdout(simulator: Simulator, start: Start) -> None:
    simulator.set_time_scale(FAST)
    code, stdout, stderr = ended(start("deploy.py", simulator.create_pipeline("web"), "--poll", POLL))
    assert code == 0
    assert re.fullmatch(f"{AMI}\n", stdout)
    assert stderr == "Building arn:aws:imagebuilder:us-east-1:123456789012:image/web/1.0.0/1\n"


def test_deploy_prints_the_uris_of_a_container_image(simulator: Simulator, start: Start) -> None:
    simulator.set_time_scale(FAST)
    pipeline = simulator.create_pipeline("web", container=True)
    code, stdout, _ = ended(start("deploy.py", pipeline, "--poll", POLL))
    assert code == 0
    uri = r"123456789012\.dkr\.ecr\.us-east-1\.amazonaws\.com/web-repository:\S+\n"
    assert re.fullmatch(f"({uri})+", stdout)


@pytest.mark.parametrize(
    ("script", "exit_code", "told"),
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
def test_deploy_tells_how_a_build_ended_by_its_exit_code(
    simulator: Simulator, start: Start, script: BuildScript, exit_code: int, told: str
) -> None:
    simulator.script(script)
    simulator.set_time_scale(FAST)
    code, stdout, stderr = ended(start("deploy.py", simulator.create_pipeline(), "--poll", POLL))
    assert (code, stdout) == (exit_code, "")
    assert told in stderr


@pytest.mark.parametrize("operation", ["GetImage", "StartImagePipelineExecution"])
def test_deploy_exits_with_4_when_aws_does_not_let_it_in(
    simulator: Simulator, start: Start, operation: str
) -> None:
    simulator.inject(Fault("error", operation=operation, status=403, code="AccessDeniedException"))
    code, stdout, stderr = ended(start("deploy.py", simulator.create_pipeline()))
    assert (code, stdout) == (4, "")
    assert "AccessDeniedException" in stderr


def test_deploy_exits_with_124_at_its_timeout(simulator: Simulator, start: Start) -> None:
    code, stdout, stderr = ended(start("deploy.py", simulator.create_pipeline(), "--timeout", 0.2))
    assert (code, stdout) == (124, "")
    assert "is still PENDING, and continues at AWS" in stderr


def test_deploy_cancels_at_its_timeout_if_told_to(simulator: Simulator, start: Start) -> None:
    simulator.set_time_scale(FAST)
    gate = StepScript(gate=True, timeout_seconds=259200)
    simulator.script(BuildScript(steps={"RunSanitizeScript": gate}))
    arguments = ("--cancel", "--timeout", 2, "--poll", POLL)
    code, stdout, stderr = ended(start("deploy.py", simulator.create_pipeline(), *arguments))
    assert (code, stdout) == (124, "")
    assert "it was cancelled at the deadline" in stderr
    assert stderr.count("step RunSanitizeScript") == 1
    assert "waits for a person" in stderr


def test_deploy_exits_with_2_for_what_is_no_pipeline(start: Start) -> None:
    code, stdout, stderr = ended(start("deploy.py", UNKNOWN))
    assert (code, stdout) == (2, "")
    assert "usage:" in stderr


def test_deploy_run_again_with_its_token_joins_its_own_build(simulator: Simulator, start: Start) -> None:
    simulator.set_time_scale(FAST)
    arguments = [simulator.create_pipeline(), "--poll", POLL, "--client-token", "job-42"]
    first, second = start("deploy.py", *arguments), start("deploy.py", *arguments)
    made = ended(first)
    assert made[0] == 0
    assert ended(second) == made


@pytest.fixture
def heeded_interrupts() -> Iterator[None]:
    """Processes that heed SIGINT, even where the tests run in the background of a shell and ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeded_interrupts")
@pytest.mark.parametrize("name", ["deploy.py", "gather_executions.py"])
def test_ctrl_c_ends_a_script_with_130_at_once_and_cancels_nothing(
    simulator: Simulator, start: Start, name: str
) -> None:
    process = start(name, simulator.create_pipeline(), "--poll", 60)
    eventually(lambda: simulator.call_count("GetImage") == 1)
    process.send_signal(signal.SIGINT)
    code, _, stderr = ended(process, timeout=10)  # long before the next poll
    assert code == 130
    assert "goes on at AWS" in stderr
    assert simulator.call_count("CancelImageCreation") == 0


# ---------------------------------------------------------------------- gather_executions


def rows(stdout: str) -> dict[str, tuple[str, ...]]:
    """The table that was printed: execution to outcome, status and reason."""
    head, *lines = stdout.splitlines()
    assert head.split() == ["OUTCOME", "STATUS", "EXECUTION", "REASON"]
    cells = [re.split(r"\s{2,}", line, maxsplit=3) for line in lines]
    return {execution: (outcome, status, *reason) for outcome, status, execution, *reason in cells}


def test_gather_prints_a_row_for_each_and_exits_with_0(simulator: Simulator, start: Start) -> None:
    simulator.set_time_scale(FAST)
    workflow = simulator.add_execution("workflow_execution", [("RUNNING", 60), ("COMPLETED", None)])
    skipped = simulator.add_execution("workflow_execution", [("PENDING", 60), ("SKIPPED", None)])
    pipelines = [simulator.create_pipeline(name) for name in ("red", "blue")]
    process = start("gather_executions.py", "--poll", POLL, *pipelines, workflow, skipped)
    code, stdout, stderr = ended(process)
    images = re.findall(r"^Building (\S+)$", stderr, re.MULTILINE)
    assert code == 0
    assert [image.split("/")[1] for image in images] == ["red", "blue"]
    assert rows(stdout) == {
        **dict.fromkeys(images, ("succeeded", "AVAILABLE")),
        workflow: ("succeeded", "COMPLETED"),
        skipped: ("skipped", "SKIPPED"),
    }


def test_gather_tells_failed_timed_out_unknown_and_refused_apart_and_exits_with_1(
    simulator: Simulator, start: Start
) -> None:
    failed = simulator.add_execution("workflow_execution", [("FAILED", None)], message="no such package")
    running = simulator.add_execution("workflow_execution", [("RUNNING", None)])
    lost = simulator.add_execution("workflow_execution", [("RUNNING", None)])
    simulator.inject(Fault("error", identifier=lost, status=403, code="AccessDeniedException"))
    refused = "arn:aws:imagebuilder:us-east-1:123456789012:image-pipeline/unknown"
    names = [failed, running, lost, refused]
    code, stdout, _ = ended(start("gather_executions.py", "--timeout", 0.5, *names))
    assert code == 1
    table = rows(stdout)
    assert {name: cells[:2] for name, cells in table.items()} == {
        failed: ("failed", "FAILED"),
        running: ("timed out", "RUNNING"),
        lost: ("unknown", "-"),
        refused: ("no start", "-"),
    }
    assert table[failed][2] == "no such package"
    assert "AccessDeniedException" in table[lost][2]
    assert "ResourceNotFoundException" in table[refused][2]


# ---------------------------------------------------------------------- web_service


@pytest.fixture(scope="module")
def service(environment: dict[str, str]) -> Iterator[httpx2.Client]:
    """A client of the service, which runs in a process of its own."""
    command = [sys.executable, "-m", "uvicorn", "--app-dir", str(EXAMPLES), "--port", "0", "--no-access-log"]
    with subprocess.Popen(
        [*command, "web_service:app"],
        stderr=subprocess.PIPE,
        text=True,
        env=environment | {"POLL_SECONDS": str(POLL)},
    ) as process:
        try:
            assert process.stderr is not None
            said = ""
            while (address := re.search(r"running on (http://\S+)", said)) is None:
                line = process.stderr.readline()
                assert line, said
                said += line
            with httpx2.Client(base_url=address[1], timeout=10) as client:
                yield client
            process.terminate()
            _, stderr = process.communicate(timeout=10)
            assert "Application shutdown complete" in stderr
            assert "Traceback" not in stderr
        finally:
            process.kill()


def ordered(service: httpx2.Client, simulator: Simulator) -> str:
    """Order a build, and get the path where the service tells of it."""
    answer = service.post("/builds", json={"pipeline_arn": simulator.create_pipeline()})
    assert answer.status_code == 202
    return answer.headers["Location"]


def listening(service: httpx2.Client, path: str) -> AbstractContextManager[httpx2.Response]:
    return service.stream("GET", f"{path}/events")


def events(response: httpx2.Response) -> Iterator[tuple[str, object]]:
    """The server-sent events of a response: name and data."""
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


def silent(simulator: Simulator) -> Callable[[], bool]:
    """Whether nobody has called for far longer than there is between two polls."""
    return lambda: time.time() - simulator.calls[-1].at > 5 * (6 * POLL)


def test_the_service_starts_a_build_and_says_where_to_ask(
    simulator: Simulator, service: httpx2.Client
) -> None:
    answer = service.post("/builds", json={"pipeline_arn": simulator.create_pipeline()})
    assert answer.status_code == 202
    location = answer.headers["Location"]
    assert location == f"/builds/{answer.json()['arn']}"

    young = service.get(location).json()
    assert (young["status"], young["outcome"], young["amis"]) == ("PENDING", None, {})
    simulator.advance(3600)
    done = service.get(location).json()
    assert (done["status"], done["outcome"]) == ("AVAILABLE", "succeeded")
    assert re.fullmatch(AMI, done["amis"]["us-east-1"])


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
)
@pytest.mark.usefixtures("simulator")
def test_the_service_refuses_what_is_not_there(
    service: httpx2.Client, method: str, path: str, body: object, status: int
) -> None:
    answer = service.request(method, path, json=body)
    assert answer.status_code == status
    assert answer.json()["detail"]


def test_the_service_answers_502_where_aws_refuses_it(simulator: Simulator, service: httpx2.Client) -> None:
    path = ordered(service, simulator)
    simulator.inject(Fault("error", status=403, code="AccessDeniedException"))
    assert service.get(path).status_code == 502


def watched_image(simulator: Simulator, *schedule: str) -> str:
    """Get the path of a build that goes through these statuses, ten seconds in each."""
    arn = simulator.add_execution("image", [(status, 10) for status in schedule])
    return f"/builds/{arn}"


def test_the_stream_tells_each_change_and_ends_with_the_build(
    simulator: Simulator, service: httpx2.Client
) -> None:
    course = ["PENDING", "BUILDING", "TESTING", "AVAILABLE"]
    seen = []
    with listening(service, watched_image(simulator, *course)) as response:
        for status in statuses(response):
            seen.append(status)
            simulator.advance(10)
    assert seen == course


def test_the_stream_tells_that_the_build_was_lost_from_sight(
    simulator: Simulator, service: httpx2.Client
) -> None:
    with listening(service, watched_image(simulator, "BUILDING")) as response:
        told = events(response)
        next(told)
        simulator.inject(Fault("error", status=403, code="AccessDeniedException"))
        [(name, text)] = told
    assert name == "lost"
    assert "last seen BUILDING" in str(text)


def test_a_dropped_stream_stops_the_polling(simulator: Simulator, service: httpx2.Client) -> None:
    with listening(service, watched_image(simulator, "BUILDING")) as response:
        told = statuses(response)  # kept: the end of the iterator would be the end of the stream
        assert next(told) == "BUILDING"
        polls = simulator.call_count("GetImage")
        # It polls on, though nothing changes, and so nothing is sent that could show the drop.
        eventually(lambda: simulator.call_count("GetImage") >= polls + 3)
    eventually(silent(simulator))


def test_a_dropped_stream_leaves_the_other_listeners_alone(
    simulator: Simulator, service: httpx2.Client
) -> None:
    path = watched_image(simulator, "BUILDING", "TESTING", "AVAILABLE")
    with listening(service, path) as kept:
        told = statuses(kept)
        assert next(told) == "BUILDING"
        with listening(service, path) as dropped:
            assert dropped.status_code == 200
        simulator.advance(10)
        assert next(told) == "TESTING"
        simulator.advance(10)
        assert list(told) == ["AVAILABLE"]
    eventually(silent(simulator))
