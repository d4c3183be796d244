"""``simulate``: serves a simulated EC2 Image Builder with example pipelines."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Final

import click

from ...testing import BuildScript, ServiceError, Simulator, StepScript
from ...testing.scripts import Json
from ...testing.stopping import stop_signals
from ..exit_codes import ExitCode
from ..options import environment_variable

_SCRIPTS: Final = {
    "demo": BuildScript(),
    "broken": BuildScript.failing_component("No package nginx-1.99 available."),
    "flaky": BuildScript(steps={"ApplyBuildComponents": StepScript(failed_attempts=1, max_attempts=3)}),
    "approval": BuildScript(),
}
_WAITING_STEP_WORKFLOW: Final = """\
name: release
schemaVersion: 1.0
steps:
  - name: ApproveRelease
    action: WaitForAction
    timeoutSeconds: 43200
"""


def simulate(*, port: int, time_scale: float, rate_limit: float | None, pipelines: Sequence[str]) -> ExitCode:
    """Serve until SIGINT or SIGTERM and return the exit code: 4 if the port is taken."""
    simulator = Simulator(time_scale=time_scale, rate_limit=rate_limit, port=port)
    wait_for_stop = stop_signals()
    try:
        simulator.start()
    except OSError as error:
        sys.stderr.write(f"Error: cannot listen on port {port}: {error.strerror or error}\n")
        return ExitCode.NOT_OBSERVED
    try:
        release: Json = simulator.create_workflow("release", _WAITING_STEP_WORKFLOW, type="TEST")
        for name, script in _SCRIPTS.items():
            workflows = [{"workflowArn": release}] if name == "approval" else None
            simulator.create_pipeline(name, workflows=workflows)
            simulator.script(script, recipe=name, default=True)
        for name in pipelines:
            _create_pipeline(simulator, name)
        for line in _instructions(simulator, time_scale):
            sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
        wait_for_stop()
    finally:
        simulator.stop()
    return ExitCode.SUCCEEDED


def _create_pipeline(simulator: Simulator, name: str) -> None:
    try:
        simulator.create_pipeline(name)
    except ServiceError as error:
        raise click.BadParameter(error.message, param_hint=f"'--pipeline {name}'") from None


def _instructions(simulator: Simulator, time_scale: float) -> Iterator[str]:
    arguments, scale = simulator.client_arguments, f"{time_scale:g}"
    yield f"Simulating EC2 Image Builder at {simulator.endpoint_url} ({scale} times real time)."
    yield "In another terminal, run:"
    yield ""
    yield f"  export AWS_ENDPOINT_URL={arguments['endpoint_url']}"
    yield f"  export AWS_DEFAULT_REGION={arguments['region_name']}"
    yield f"  export AWS_ACCESS_KEY_ID={arguments['aws_access_key_id']}"
    yield f"  export AWS_SECRET_ACCESS_KEY={arguments['aws_secret_access_key']}"
    yield f"  export {environment_variable('min-delay')}=0.5s {environment_variable('max-delay')}=1s"
    yield f"  export {environment_variable('time-scale')}={scale}"
    yield ""
    yield "  aioimagebuilder build demo      # succeeds"
    yield "  aioimagebuilder build broken    # fails in a component (exit code 1)"
    yield "  aioimagebuilder build flaky     # succeeds after a step is retried"
    yield "  aioimagebuilder build approval  # has a waiting step (see aioimagebuilder pending and approve)"
    yield ""
    yield f"{simulator.endpoint_url}/_simulator/ lists the routes that control it."
    yield "Press Ctrl-C to stop."
