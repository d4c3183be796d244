"""Fixtures: a simulator with a stopped clock, and an Airflow connection to it.

`.ci/test_airflow` installs Airflow, creates its database in a temporary folder, and runs these tests. This
folder is not named `airflow`, since a package of that name would hide Airflow's own.
"""

from __future__ import annotations

import json

import pytest

from aioimagebuilder.testing import Simulator


@pytest.fixture
def simulator(imagebuilder_simulator: Simulator) -> Simulator:
    imagebuilder_simulator.set_time_scale(0)
    return imagebuilder_simulator


@pytest.fixture
def connection(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the id of a connection to the simulator, which is set in the environment."""
    arguments = simulator.client_arguments
    content = {
        "conn_type": "aws",
        "login": arguments["aws_access_key_id"],
        "password": arguments["aws_secret_access_key"],
        "extra": {"endpoint_url": arguments["endpoint_url"], "region_name": arguments["region_name"]},
    }
    monkeypatch.setenv("AIRFLOW_CONN_IMAGES", json.dumps(content))
    return "images"


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Return the only backend of Airflow's triggerer."""
    return "asyncio"
