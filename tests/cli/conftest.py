"""Fixtures for the command line as a process, against a simulator in the test process."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from aioimagebuilder.testing import Simulator
from cli.support import FAST, WAITING_STEP_WORKFLOW, Cli


@pytest.fixture(scope="session")
def running_simulator() -> Iterator[Simulator]:
    with Simulator(time_scale=0) as simulator:
        yield simulator


@pytest.fixture
def simulator(running_simulator: Simulator) -> Simulator:
    """An empty simulator with a fast clock."""
    running_simulator.reset()
    running_simulator.set_time_scale(FAST)
    return running_simulator


@pytest.fixture
def cli(running_simulator: Simulator, tmp_path: Path) -> Iterator[Cli]:
    """A runner of the command line, which kills leftover processes after the test."""
    arguments = running_simulator.client_arguments
    excluded = (
        "AWS_",
        "AIOIMAGEBUILDER_",
        "GITHUB_",
        "NO_COLOR",
        "FORCE_COLOR",
        "COLUMNS",
        "LINES",
        "PYTHONIO",
    )
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(excluded)}
    environment = inherited | {
        "AWS_ENDPOINT_URL": arguments["endpoint_url"],
        "AWS_DEFAULT_REGION": arguments["region_name"],
        "AWS_ACCESS_KEY_ID": arguments["aws_access_key_id"],
        "AWS_SECRET_ACCESS_KEY": arguments["aws_secret_access_key"],
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "NO_PROXY": "127.0.0.1",
        "PYTHONUTF8": "1",
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "AIOIMAGEBUILDER_MIN_DELAY": "50ms",
        "AIOIMAGEBUILDER_MAX_DELAY": "100ms",
        "AIOIMAGEBUILDER_TIME_SCALE": f"{FAST:g}",
    }
    runner = Cli(environment, [])
    yield runner
    for process in runner.processes:
        with process:
            process.kill()


@pytest.fixture
def default_interrupts() -> Iterator[None]:
    """Processes that handle SIGINT, which background jobs of a shell ignore."""
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, previous)


@pytest.fixture
def waiting_build(simulator: Simulator) -> str:
    """The ARN of a build with a waiting step."""
    simulator.set_time_scale(0)
    release = simulator.create_workflow("release", WAITING_STEP_WORKFLOW, type="TEST")
    arn = simulator.start_build(simulator.create_pipeline("approval", workflows=[{"workflowArn": release}]))
    simulator.advance(30)
    return arn


@pytest.fixture
def running_build(simulator: Simulator) -> str:
    """The ARN of a build of a pipeline that has made three images."""
    simulator.set_time_scale(0)
    pipeline = simulator.create_pipeline("demo")
    for _ in range(3):
        simulator.start_build(pipeline)
        simulator.advance(7200)
    arn = simulator.start_build(pipeline)
    simulator.advance(30)
    return arn
