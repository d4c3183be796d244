"""The AWS CLI builds an image on the simulator."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from aioimagebuilder.testing import Simulator

Aws = Callable[..., Any]


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator(time_scale=0) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def environment(simulator: Simulator) -> dict[str, str]:
    """The environment variables with region and credentials; the endpoint is an argument of each command."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    arguments = simulator.client_arguments
    return inherited | {
        "AWS_DEFAULT_REGION": arguments["region_name"],
        "AWS_ACCESS_KEY_ID": arguments["aws_access_key_id"],
        "AWS_SECRET_ACCESS_KEY": arguments["aws_secret_access_key"],
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_PAGER": "",
        "NO_PROXY": "127.0.0.1",
    }


@pytest.fixture(scope="module")
def aws(aws_cli: Path, simulator: Simulator, environment: dict[str, str]) -> Aws:
    """Run a command of ``aws imagebuilder``, and return its parsed output."""

    def aws(command: str, *arguments: str) -> Any:
        completed = subprocess.run(
            [aws_cli, "--endpoint-url", simulator.endpoint_url, "imagebuilder", command, *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert completed.returncode == 0, completed.stderr
        return json.loads(completed.stdout)

    return aws


def test_aws_cli_completes_build(simulator: Simulator, aws: Aws) -> None:
    pipeline = simulator.create_pipeline("cli")
    started = aws("start-image-pipeline-execution", "--image-pipeline-arn", pipeline)
    arn = started["imageBuildVersionArn"]

    def get_image() -> Any:
        return aws("get-image", "--image-build-version-arn", arn)["image"]

    assert get_image()["state"] == {"status": "PENDING"}
    simulator.advance(120)
    assert get_image()["state"] == {"status": "BUILDING"}

    listed = aws("list-workflow-executions", "--image-build-version-arn", arn)
    [build] = listed["workflowExecutions"]
    assert (listed["imageBuildVersionArn"], build["type"], build["status"]) == (arn, "BUILD", "RUNNING")

    simulator.advance(3600)
    assert get_image()["state"] == {"status": "AVAILABLE"}
    identifier = build["workflowExecutionId"]
    build = aws("get-workflow-execution", "--workflow-execution-id", identifier)
    assert (build["imageBuildVersionArn"], build["status"]) == (arn, "COMPLETED")

    # There are two pages, which the CLI joins.
    listed = aws("list-workflow-step-executions", "--workflow-execution-id", identifier, "--page-size", "4")
    assert len(listed["steps"]) == build["totalStepCount"] > 4
    assert {step["status"] for step in listed["steps"]} == {"COMPLETED", "SKIPPED"}
