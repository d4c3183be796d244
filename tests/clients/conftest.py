"""Fixtures: a simulator with a stopped clock, and the clients that `.ci/test_clients` installs."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from aioimagebuilder.testing import Simulator

Run = Callable[[Sequence[str], Path], subprocess.CompletedProcess[str]]
"""Runs a command in a folder, with the clients on its PATH and the simulator as their endpoint."""


@pytest.fixture(scope="session")
def clients() -> Path:
    """Return the folder with the clients: a Python environment, and Node.js packages if there is npm."""
    if "CLIENTS" not in os.environ:
        pytest.skip("needs the AWS CLI and other clients: run .ci/test_clients, which installs them")
    return Path(os.environ["CLIENTS"])


@pytest.fixture(scope="module")
def simulator(clients: Path) -> Iterator[Simulator]:
    with Simulator(time_scale=0) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def run(clients: Path, simulator: Simulator) -> Run:
    arguments = simulator.client_arguments
    environment = {
        "PATH": os.pathsep.join([str(clients / "venv" / "bin"), os.environ["PATH"]]),
        "HOME": str(clients),
        "NODE_NO_WARNINGS": "1",
        "AWS_ENDPOINT_URL": arguments["endpoint_url"],
        "AWS_REGION": arguments["region_name"],
        "AWS_DEFAULT_REGION": arguments["region_name"],
        "AWS_ACCESS_KEY_ID": arguments["aws_access_key_id"],
        "AWS_SECRET_ACCESS_KEY": arguments["aws_secret_access_key"],
    }

    def run(command: Sequence[str], folder: Path) -> subprocess.CompletedProcess[str]:
        if command[0] == "node":
            if not (clients / "node_modules").exists():
                pytest.skip("the AWS SDK for JavaScript is not tested: it needs node and npm")
            (folder / "node_modules").symlink_to(clients / "node_modules")
        return subprocess.run(
            command, env=environment, cwd=folder, capture_output=True, text=True, timeout=120, check=False
        )

    return run
