"""Build logs in moto's CloudWatch Logs, in the service's layout.

Images log to the group ``/aws/imagebuilder/<image name>`` or the group configured for the image, in the
stream ``<x.y.z>/<build>``; pipelines log to ``/aws/imagebuilder/pipeline/<name>``, in the stream
``YYYY/MM/DD``. Lines are written lazily: by the server before every CloudWatch Logs request, and under
``mock_aws`` by a botocore handler before every CloudWatch Logs call of a session created after `register`.
"""

from __future__ import annotations

from datetime import UTC, datetime

from moto.logs.models import logs_backends

from ..simulation.images import Image
from .controller import Control
from .models import ImageBuilderBackend


def write_due_lines(control: Control) -> None:
    """Write every log line that is due."""
    with control.lock:
        for backend in control.backends.values():
            now = backend.now()
            for image in backend.images.values():
                _write_image_lines(backend, image, now)
            due = [line for line in backend.pipeline_log if line[0] <= now]
            backend.pipeline_log = [line for line in backend.pipeline_log if line[0] > now]
            for at, group, text in due:
                stream = datetime.fromtimestamp(at, UTC).strftime("%Y/%m/%d")
                _write(backend, group, stream, [(at, text)])


def get_log_group(image: Image) -> str:
    """Return the log group of an image."""
    configured = image.static.get("loggingConfiguration", {}).get("logGroupName")
    return str(configured or f"/aws/imagebuilder/{image.static['name']}")


def _write_image_lines(backend: ImageBuilderBackend, image: Image, now: float) -> None:
    lines = [line for line in image.log_lines() if line[0] <= now]
    new = lines[image.lines_written :]
    if new:
        image.lines_written = len(lines)
        _write(backend, get_log_group(image), str(image.static["version"]), new)


def _write(backend: ImageBuilderBackend, group: str, stream: str, lines: list[tuple[float, str]]) -> None:
    logs = logs_backends[backend.account_id][backend.region_name]
    logs.ensure_log_group(group)
    logs.ensure_log_stream(group, stream)
    events = [{"timestamp": int(at * 1000), "message": text} for at, text in lines]
    logs.groups[group].put_log_events(stream, events)
