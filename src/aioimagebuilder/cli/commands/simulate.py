"""``simulate``: EC2 Image Builder as a server on this machine, with a few pipelines to try."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Final

from ...testing import BuildScript, Simulator, StepScript
from ...testing.scripts import Json
from ...testing.stopping import stop_signals
from ..exit_codes import ExitCode
from ..options import variable

__all__ = ["simulate"]

_SCRIPTS: Final = {
    "demo": BuildScript(),
    "broken": BuildScript.failing_component("No package nginx-1.99 available."),
    "flaky": BuildScript(steps={"ApplyBuildComponents": StepScript(failed_attempts=1, max_attempts=3)}),
    "gated": BuildScript(),
}
_GATE: Final = """\
name: release
schemaVersion: 1.0
steps:
  - name: ApproveRelease
    action: WaitForAction
    timeoutSeconds: 43200
"""


def simulate(*, port: int, time_scale: float, rate_limit: float | None, pipelines: Sequence[str]) -> ExitCode:
    """Serve until SIGINT or SIGTERM, and get the exit code: 1 if the port is taken."""
    simulator = Simulator(time_scale=time_scale, rate_limit=rate_limit, port=port)
    wait_for_stop = stop_signals()
    try:
        simulator.start()
    except OSError as error:
        sys.stderr.write(f"Error: cannot listen on port {port}: {error.strerror or error}\n")
        return ExitCode.FAILED
    try:
        release: Json = simulator.create_workflow("release", _GATE, type="TEST")
        for name, script in _SCRIPTS.items():
            workflows = [{"workflowArn": release}] if name == "gated" else None
            simulator.create_pipeline(name, workflows=workflows)
            simulator.script(script, recipe=name, default=True)
        for name in pipelines:
            simulator.create_pipeline(name)
        for line in _told(simulator, time_scale):
            sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
        wait_for_stop()
    finally:
        simulator.stop()
    return ExitCode.SUCCEEDED


def _told(simulator: Simulator, time_scale: float) -> Iterator[str]:
    arguments, scale = simulator.client_arguments, f"{time_scale:g}"
    yield f"EC2 Image Builder is simulated at {simulator.endpoint_url}, {scale} times as fast."
    yield "In another terminal:"
    yield ""
    yield f"  export AWS_ENDPOINT_URL={arguments['endpoint_url']}"
    yield f"  export AWS_DEFAULT_REGION={arguments['region_name']}"
    yield f"  export AWS_ACCESS_KEY_ID={arguments['aws_access_key_id']}"
    yield f"  export AWS_SECRET_ACCESS_KEY={arguments['aws_secret_access_key']}"
    yield f"  export {variable('min-delay')}=0.5s {variable('max-delay')}=1s {variable('time-scale')}={scale}"
    yield ""
    yield "  aioimagebuilder build demo      # succeeds"
    yield "  aioimagebuilder build broken    # fails in a component: exit code 1"
    yield "  aioimagebuilder build flaky     # succeeds with the second attempt of a step"
    yield "  aioimagebuilder build gated     # waits for a person: aioimagebuilder pending, approve"
    yield ""
    yield "Stop it with Ctrl-C."
