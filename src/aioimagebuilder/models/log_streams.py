"""Where EC2 Image Builder writes its logs in CloudWatch Logs, and what a line of them is. No I/O.

Source: the user guide, "Monitor Image Builder events and logs with Amazon CloudWatch Logs", and the model's
``ImageLoggingConfiguration`` and ``PipelineLoggingConfiguration``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final, cast

from .executions import Image
from .redaction import redact

__all__ = [
    "LogLine",
    "LogStream",
    "image_log_stream",
    "milliseconds",
    "pipeline_log_group",
    "pipeline_log_stream",
    "time_of",
]

_GROUP: Final = "/aws/imagebuilder/"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line of a log.

    Attributes:
        timestamp: when it was written, in UTC.
        message: what it says. Untrusted text: it can hold what a component prints, control characters too.
    """

    timestamp: datetime
    message: str

    def __repr__(self) -> str:
        return redact(f"LogLine(timestamp={self.timestamp!r}, message={self.message!r})")


@dataclass(frozen=True, slots=True)
class LogStream:
    """A log stream of CloudWatch Logs, by the names of its group and its own."""

    group: str
    name: str

    def __str__(self) -> str:
        return f"{self.group} {self.name}"


def image_log_stream(image: Image) -> LogStream | None:
    """Get the stream of a build's log; ``None`` for an image that says too little of itself.

    The group keeps the case of the image's name, while the ARN is lower-cased: so the name counts.
    """
    arn = (image.arn or "").split("/")
    if len(arn) < 4:  # noqa: PLR2004 - image/name/x.y.z/build
        return None
    configured = image.logging_configuration and image.logging_configuration.log_group_name
    return LogStream(configured or f"{_GROUP}{image.name or arn[-3]}", "/".join(arn[-2:]))


def pipeline_log_group(arn: str, pipeline: Mapping[str, object]) -> str:
    """Get the group of a pipeline's log.

    Args:
        arn: the pipeline.
        pipeline: what GetImagePipeline says of it.
    """
    configuration = pipeline.get("loggingConfiguration")
    if isinstance(configuration, Mapping):
        group = cast("Mapping[str, object]", configuration).get("pipelineLogGroupName")
        if isinstance(group, str) and group:
            return group
    name = pipeline.get("name")
    return f"{_GROUP}pipeline/{name if isinstance(name, str) and name else arn.rpartition('/')[2]}"


def pipeline_log_stream(group: str, day: date) -> LogStream:
    """Get the stream of a pipeline's log of one day, in UTC."""
    return LogStream(group, f"{day:%Y/%m/%d}")


def milliseconds(time: datetime) -> int:
    """Get `time` as CloudWatch Logs counts it: whole milliseconds since the epoch, rounded up."""
    return -((_EPOCH - time.astimezone(UTC)) // timedelta(milliseconds=1))


def time_of(timestamp: int) -> datetime:
    """Get the time, in UTC, of a timestamp of CloudWatch Logs.

    Raises:
        OverflowError: it is out of the calendar.
    """
    return _EPOCH + timedelta(milliseconds=timestamp)
