"""Running the command line as a process, and building states for the renderers."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from aioimagebuilder import Image, WorkflowExecution, WorkflowStepExecution
from aioimagebuilder.cli.build_state import BuildState, WorkflowState

PAGE = (Path(__file__).parents[2] / "docs" / "command-line.md").read_text(encoding="utf-8")

# At this time scale, a build of ten minutes takes a third of a second.
FAST = 2000.0

BEGIN = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)

WAITING_STEP_WORKFLOW = """\
name: release
schemaVersion: 1.0
steps:
  - name: ApproveRelease
    action: WaitForAction
    timeoutSeconds: 43200
"""


@dataclass(frozen=True)
class Result:
    """The result of a process."""

    code: int
    stdout: str
    stderr: str


@dataclass(frozen=True)
class Cli:
    """Runs the command line in an environment that reaches only the simulator."""

    environment: dict[str, str]
    processes: list[subprocess.Popen[str]]

    def start(
        self, *arguments: object, stdin: str | None = None, **environment: str | None
    ) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "aioimagebuilder", *map(str, arguments)],
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env={name: each for name, each in (self.environment | environment).items() if each is not None},
        )
        self.processes.append(process)
        return process

    def shell(self, redirections: str, *arguments: object, **environment: str | None) -> Result:
        """Run the command line in a shell, with redirections of its standard streams."""
        process = subprocess.Popen(
            [
                "sh",
                "-c",
                f'"$0" -m aioimagebuilder "$@" {redirections}',
                sys.executable,
                *map(str, arguments),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env={name: each for name, each in (self.environment | environment).items() if each is not None},
        )
        self.processes.append(process)
        return finish(process)

    def __call__(self, *arguments: object, stdin: str | None = None, **environment: str | None) -> Result:
        return finish(self.start(*arguments, stdin=stdin, **environment), stdin=stdin)


def finish(process: subprocess.Popen[str], *, stdin: str | None = None, timeout: float = 40) -> Result:
    """Wait for a process to exit, and fail if it printed a traceback."""
    stdout, stderr = process.communicate(stdin, timeout=timeout)
    assert "Traceback" not in stderr, stderr
    return Result(process.returncode, stdout, stderr)


def wait_until(condition: Callable[[], bool], timeout: float = 20) -> None:
    """Wait until the condition holds, or fail at the timeout."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "the condition did not hold in time"
        time.sleep(0.01)


def at(minutes: float) -> str:
    return (BEGIN + timedelta(minutes=minutes)).isoformat()


def step(name: str, status: str, start: float | None, end: float | None, **members: object):
    """A step that ran between these minutes."""
    times = {"startTime": start, "endTime": end}
    members |= {key: at(value) for key, value in times.items() if value is not None}
    identifiers = {"stepExecutionId": f"step-{name}", "workflowExecutionId": "wf-1"}
    return WorkflowStepExecution.parse({"name": name, "status": status, **identifiers, **members})


def build(*steps: WorkflowStepExecution, status: str = "BUILDING", workflow: str = "RUNNING") -> BuildState:
    """A build with one workflow, of 40 minutes if it has ended."""
    image = {"arn": "arn:1", "name": "web", "version": "1.0.0/1", "state": {"status": status}}
    members = {"workflowExecutionId": "wf-1", "type": "BUILD", "startTime": at(0), "status": workflow}
    if workflow != "RUNNING":
        members["endTime"] = at(40)
    execution = WorkflowExecution.parse(members)
    return BuildState(Image.parse({**image, "dateCreated": at(0)}), (WorkflowState(execution, steps),))
