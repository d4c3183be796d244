"""Fixtures: one simulator for all tests, with a stopped clock, and clients without retries."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config

from aioimagebuilder.testing import BuildScript, Simulator
from simulator.outputs import distribute

NO_RETRIES = Config(retries={"total_max_attempts": 1})


@pytest.fixture(scope="session")
def running_simulator() -> Iterator[Simulator]:
    with Simulator(time_scale=0) as simulator:
        yield simulator


@pytest.fixture(scope="session")
def session_client(running_simulator: Simulator) -> Iterator[Any]:
    client = boto3.client("imagebuilder", config=NO_RETRIES, **running_simulator.client_arguments)
    yield client
    client.close()


@pytest.fixture(scope="session")
def session_logs(running_simulator: Simulator) -> Iterator[Any]:
    client = boto3.client("logs", config=NO_RETRIES, **running_simulator.client_arguments)
    yield client
    client.close()


@pytest.fixture
def simulator(running_simulator: Simulator) -> Simulator:
    running_simulator.reset()
    return running_simulator


@pytest.fixture
def client(simulator: Simulator, session_client: Any) -> Any:
    return session_client


@pytest.fixture
def logs(simulator: Simulator, session_logs: Any) -> Any:
    return session_logs


@pytest.fixture
def built(simulator: Simulator, client: Any) -> str:
    """Build an image and return its ARN once it is AVAILABLE."""
    response = client.start_image_pipeline_execution(imagePipelineArn=simulator.create_pipeline())
    simulator.advance(3600)
    return str(response["imageBuildVersionArn"])


@pytest.fixture
def no_default_amis(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep moto from registering hundreds of AMIs in each region."""
    monkeypatch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")


@pytest.fixture
def connect(simulator: Simulator) -> Iterator[Callable[..., Any]]:
    """Return a function that creates a client of a service in a region."""
    with contextlib.ExitStack() as stack:

        def create(service: str, region: str = "us-east-1") -> Any:
            arguments = {**simulator.client_arguments, "region_name": region}
            created: Any = boto3.client(service, config=NO_RETRIES, **arguments)
            return stack.enter_context(contextlib.closing(created))

        yield create


@pytest.fixture
def ec2(connect: Callable[..., Any]) -> Any:
    return connect("ec2")


@pytest.fixture
def start(simulator: Simulator, client: Any) -> Callable[..., str]:
    """Return a function that starts a build with distributions."""

    def start_build(*distributions: Any, script: BuildScript | None = None, **arguments: Any) -> str:
        pipeline = simulator.create_pipeline(**arguments)
        if distributions:
            distribute(client, *distributions)
        if script is not None:
            simulator.script(script)
        return simulator.start_build(pipeline)

    return start_build
