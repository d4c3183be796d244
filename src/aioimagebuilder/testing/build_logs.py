"""Build logs in moto's CloudWatch Logs, laid out as the service does.

Group ``/aws/imagebuilder/<image name>`` (or the image's own), stream ``<x.y.z>/<build>``; pipelines write to
``/aws/imagebuilder/pipeline/<name>``, stream ``YYYY/MM/DD``. State is lazy, so lines are written when
somebody looks: the server does it before every CloudWatch Logs request; under ``mock_aws`` a hook of botocore
does it before every CloudWatch Logs call of a session made after `register`.
"""

from __future__ import annotations

from datetime import UTC, datetime

from moto.logs.models import logs_backends

from .controller import Control
from .service.state import RegionState
from .simulation.images import Image


def flush(control: Control) -> None:
    """Write every line that is due by now."""
    with control.lock:
        for state in control.states.values():
            now = state.now()
            for image in state.images.values():
                _flush_image(state, image, now)
            due = [line for line in state.pipeline_log if line[0] <= now]
            state.pipeline_log = [line for line in state.pipeline_log if line[0] > now]
            for at, group, text in due:
                stream = datetime.fromtimestamp(at, UTC).strftime("%Y/%m/%d")
                _write(state, group, stream, [(at, text)])


def log_group(image: Image) -> str:
    """Get the group of the image's build log."""
    own = image.static.get("loggingConfiguration", {}).get("logGroupName")
    return str(own or f"/aws/imagebuilder/{image.static['name']}")


def _flush_image(state: RegionState, image: Image, now: float) -> None:
    lines = [line for line in image.lines() if line[0] <= now]
    fresh = lines[image.lines_written :]
    if fresh:
        image.lines_written = len(lines)
        _write(state, log_group(image), str(image.static["version"]), fresh)


def _write(state: RegionState, group: str, stream: str, lines: list[tuple[float, str]]) -> None:
    backend = logs_backends[state.account_id][state.region]
    backend.ensure_log_group(group)
    backend.ensure_log_stream(group, stream)
    events = [{"timestamp": int(at * 1000), "message": text} for at, text in lines]
    backend.groups[group].put_log_events(stream, events)
