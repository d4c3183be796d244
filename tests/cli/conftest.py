"""The command line as a process, on a simulator that runs in this one."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from aioimagebuilder.testing import Simulator
from cli.support import FAST, GATED_WORKFLOW, Cli


@pytest.fixture(scope="session")
def running_simulator() -> Iterator[Simulator]:
    with Simulator(time_scale=0) as simulator:
        yield simulator


@pytest.fixture
def simulator(running_simulator: Simulator) -> Simulator:
    """A simulator that is empty, and whose clock runs fast."""
    running_simulator.reset()
    running_simulator.set_time_scale(FAST)
    return running_simulator


@pytest.fixture
def cli(running_simulator: Simulator) -> Iterator[Cli]:
    """Runs the command line; what still runs at the end of the test is killed."""
    arguments = running_simulator.client_arguments
    dropped = (
        "AWS_",
        "AIOIMAGEBUILDER_",
        "GITHUB_",
        "NO_COLOR",
        "FORCE_COLOR",
        "COLUMNS",
        "LINES",
        "PYTHONIO",
    )
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    environment = inherited | {
        "AWS_ENDPOINT_URL": arguments["endpoint_url"],
        "AWS_DEFAULT_REGION": arguments["region_name"],
        "AWS_ACCESS_KEY_ID": arguments["aws_access_key_id"],
        "AWS_SECRET_ACCESS_KEY": arguments["aws_secret_access_key"],
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "NO_PROXY": "127.0.0.1",
        "PYTHONUTF8": "1",
        "AIOIMAGEBUILDER_MIN_DELAY": "50ms",
        "AIOIMAGEBUILDER_MAX_DELAY": "100ms",
        "AIOIMAGEBUILDER_TIME_SCALE": f"{FAST:g}",
    }
    made = Cli(environment, [])
    yield made
    for process in made.processes:
        with process:
            process.kill()


@pytest.fixture
def heeded_interrupts() -> Iterator[None]:
    """Processes that heed SIGINT, even where the tests run in the background of a shell and ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def gated_build(simulator: Simulator) -> str:
    """The ARN of a build that waits for a person from its first second on."""
    simulator.set_time_scale(0)
    release = simulator.create_workflow("release", GATED_WORKFLOW, type="TEST")
    arn = simulator.start_build(simulator.create_pipeline("gated", workflows=[{"workflowArn": release}]))
    simulator.advance(30)
    return arn
