"""Fixtures: one simulator for all tests, with a stopped clock, and clients without retries."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config

from aioimagebuilder.testing import Simulator

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
