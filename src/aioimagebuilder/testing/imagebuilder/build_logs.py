"""Build logs in moto's CloudWatch Logs, in the service's layout.

Images log to the group ``/aws/imagebuilder/<image name>`` or the group configured for the image, in the
stream ``<x.y.z>/<build>``; pipelines log to ``/aws/imagebuilder/pipeline/<name>``, in the stream
``YYYY/MM/DD``. The lines of an image are written at its transitions and before every CloudWatch Logs call.
"""

from __future__ import annotations

from datetime import UTC, datetime

from moto.logs.models import logs_backends

from ..simulation.images import Image
from .models import ImageBuilderBackend, Resource


def write_image_lines(backend: ImageBuilderBackend, image: Image, now: float) -> None:
    """Write the lines of an image that are due at a time."""
    lines = [line for line in image.log_lines() if line[0] <= now]
    new = lines[image.lines_written :]
    if new:
        image.lines_written = len(lines)
        _write(backend, get_log_group(image), str(image.static["version"]), new)


def write_pipeline_line(backend: ImageBuilderBackend, pipeline: Resource, text: str) -> None:
    """Write a line to the log of a pipeline."""
    now = backend.now()
    configured = pipeline.record.get("loggingConfiguration", {}).get("pipelineLogGroupName")
    group = configured or f"/aws/imagebuilder/pipeline/{pipeline.record['name']}"
    _write(backend, group, datetime.fromtimestamp(now, UTC).strftime("%Y/%m/%d"), [(now, text)])


def get_log_group(image: Image) -> str:
    """Return the log group of an image."""
    configured = image.static.get("loggingConfiguration", {}).get("logGroupName")
    return str(configured or f"/aws/imagebuilder/{image.static['name']}")


def _write(backend: ImageBuilderBackend, group: str, stream: str, lines: list[tuple[float, str]]) -> None:
    logs = logs_backends[backend.account_id][backend.region_name]
    logs.ensure_log_group(group)
    logs.ensure_log_stream(group, stream)
    events = [{"timestamp": int(at * 1000), "message": text} for at, text in lines]
    logs.groups[group].put_log_events(stream, events)
