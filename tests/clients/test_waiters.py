"""The waiters that ``aioimagebuilder waiters install`` installs, with boto3 and the AWS CLI as processes.

The boto3 of this environment has AWS's own waiter, and the botocore inside of its AWS CLI has none.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from aioimagebuilder.models.kinds import KINDS
from aioimagebuilder.testing import Fault
from clients.conftest import Run

WAIT = """\
import sys
import boto3
from botocore.exceptions import WaiterError

name, parameter, value = sys.argv[1:]
waiter = boto3.client("imagebuilder").get_waiter(name)
try:
    waiter.wait(**{parameter: value}, WaiterConfig={"Delay": 1, "MaxAttempts": 4})
except WaiterError as error:
    sys.exit(str(error))
"""
DESCRIBE = """\
import json
import boto3

client = boto3.client("imagebuilder")
print(json.dumps([client.waiter_names, vars(client.get_waiter("image_available").config)]))
"""
WAITERS = {
    "workflow_execution_completed": ("workflow_execution", "workflowExecutionId"),
    "workflow_step_execution_completed": ("workflow_step_execution", "stepExecutionId"),
    "lifecycle_execution_succeeded": ("lifecycle_execution", "lifecycleExecutionId"),
}
ENDS = [
    (name, str(status), outcome in {"succeeded", "skipped"})
    for name, row in zip(WAITERS, list(KINDS.values())[1:], strict=True)
    for status, outcome in row.outcomes.items()
]


@dataclass(frozen=True)
class Home:
    """A home folder in which commands run."""

    folder: Path
    run_client: Run

    def run(self, *command: str, **environment: str) -> CompletedProcess[str]:
        variables = {"HOME": str(self.folder), **environment}
        words = [f"{name}={value}" for name, value in variables.items()]
        return self.run_client(["env", *words, *command], self.folder)

    def waiters(self, command: str) -> CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "aioimagebuilder", "waiters", command],
            env=os.environ | {"HOME": str(self.folder)},
            capture_output=True,
            text=True,
            check=True,
        )

    def boto3(self, program: str, *arguments: str) -> CompletedProcess[str]:
        return self.run("python", "-c", program, *arguments)

    def aws(self, name: str, parameter: str, value: str, **environment: str) -> CompletedProcess[str]:
        option = "--" + "".join(f"-{char.lower()}" if char.isupper() else char for char in parameter)
        return self.run("aws", "imagebuilder", "wait", name.replace("_", "-"), option, value, **environment)

    @property
    def data_path(self) -> str:
        return str(self.folder / ".aws" / "aioimagebuilder")


@pytest.fixture
def home(run: Run, tmp_path: Path) -> Home:
    return Home(tmp_path, run)


@pytest.fixture
def installed(home: Home) -> Home:
    home.waiters("install")
    return home


def test_install_leaves_the_waiter_of_aws_in_boto3_as_it_is(home):
    names, before = json.loads(home.boto3(DESCRIBE).stdout)
    assert names == ["image_available"]
    home.waiters("install")
    names, after = json.loads(home.boto3(DESCRIBE).stdout)
    assert (names, after) == (["image_available", *sorted(WAITERS)], before)
    home.waiters("uninstall")
    assert json.loads(home.boto3(DESCRIBE).stdout) == [["image_available"], before]
    assert list(home.folder.iterdir()) == []


@pytest.mark.parametrize(("name", "status", "succeeds"), ENDS)
def test_boto3_ends_with_every_terminal_status(installed, simulator, name, status, succeeds):
    kind, parameter = WAITERS[name]
    result = installed.boto3(WAIT, name, parameter, simulator.add_execution(kind, [(status, None)]))
    assert (result.returncode == 0) is succeeds, result
    assert succeeds or f'we matched expected path: "{status}"' in result.stderr


@pytest.mark.parametrize(("name", "status", "succeeds"), ENDS)
def test_aws_cli_ends_with_every_terminal_status(installed, simulator, name, status, succeeds):
    kind, parameter = WAITERS[name]
    identifier = simulator.add_execution(kind, [(status, None)])
    result = installed.aws(name, parameter, identifier, AWS_DATA_PATH=installed.data_path)
    assert (result.returncode, result.stdout) == (0 if succeeds else 255, ""), result
    assert succeeds or f'we matched expected path: "{status}"' in result.stderr


def test_command_that_install_prints_for_an_older_cli_works(home, simulator):
    [command] = [
        line for line in home.waiters("install").stdout.splitlines() if line.startswith("  AWS_DATA_PATH=")
    ]
    identifier = simulator.add_execution("workflow_execution", [("COMPLETED", None)])
    result = home.run("bash", "-c", command.replace("wf-...", identifier))
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_older_cli_without_the_data_path_has_no_waiters(installed):
    result = installed.aws("workflow_execution_completed", "workflowExecutionId", "wf-1")
    assert result.returncode != 0
    assert "nvalid choice" in result.stderr


# boto3 itself retries an error of the server three times, and not the service's throttle.
@pytest.mark.parametrize(("kind", "times"), [("throttle", 2), ("error", 4)])
def test_boto3_polls_again_after_a_fault_that_passes(installed, simulator, kind, times):
    identifier = simulator.add_execution("workflow_execution", [("COMPLETED", None)])
    simulator.inject(Fault(kind, times=times))
    name, (_, parameter) = next(iter(WAITERS.items()))
    before = simulator.call_count()
    result = installed.boto3(WAIT, name, parameter, identifier)
    assert (result.returncode, result.stderr) == (0, "")
    assert simulator.call_count() - before == times + 1


def test_boto3_polls_a_failed_step_with_attempts_left_again(installed, simulator):
    members = {"attemptNumber": 1, "maxAttempts": 2}
    step = simulator.add_execution("workflow_step_execution", [("FAILED", None)], **members)
    result = installed.boto3(WAIT, "workflow_step_execution_completed", "stepExecutionId", step)
    assert "Max attempts exceeded" in result.stderr


def test_boto3_reports_an_execution_that_still_runs(installed, simulator):
    identifier = simulator.add_execution("workflow_execution", [("RUNNING", None)])
    result = installed.boto3(WAIT, "workflow_execution_completed", "workflowExecutionId", identifier)
    assert result.stderr == "Waiter WorkflowExecutionCompleted failed: Max attempts exceeded\n"
