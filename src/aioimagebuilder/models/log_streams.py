"""The log groups and streams of EC2 Image Builder in CloudWatch Logs, and their lines.

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

_GROUP: Final = "/aws/imagebuilder/"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line of a log.

    Attributes:
        timestamp: When it was written, in UTC.
        message: The text. Untrusted: it can contain anything that a component prints, even control
            characters.
    """

    timestamp: datetime
    message: str

    def __repr__(self) -> str:
        return redact(f"LogLine(timestamp={self.timestamp!r}, message={self.message!r})")


@dataclass(frozen=True, slots=True)
class LogStream:
    """The names of a log stream of CloudWatch Logs and of its group."""

    group: str
    name: str

    def __str__(self) -> str:
        return f"{self.group} {self.name}"


def image_log_stream(image: Image) -> LogStream | None:
    """Return the log stream of a build; ``None`` if the image lacks the ARN.

    The group keeps the case of the image's name, while the ARN is in lower case. So the name is used.
    """
    arn = (image.arn or "").split("/")
    if len(arn) < 4:  # noqa: PLR2004 - image/name/x.y.z/build
        return None
    configured = image.logging_configuration and image.logging_configuration.log_group_name
    return LogStream(configured or f"{_GROUP}{image.name or arn[-3]}", "/".join(arn[-2:]))


def pipeline_log_group(arn: str, pipeline: Mapping[str, object]) -> str:
    """Return the log group of a pipeline.

    Args:
        arn: The ARN of the pipeline.
        pipeline: The pipeline as returned by GetImagePipeline.
    """
    configuration = pipeline.get("loggingConfiguration")
    if isinstance(configuration, Mapping):
        group = cast("Mapping[str, object]", configuration).get("pipelineLogGroupName")
        if isinstance(group, str) and group:
            return group
    name = pipeline.get("name")
    return f"{_GROUP}pipeline/{name if isinstance(name, str) and name else arn.rpartition('/')[2]}"


def pipeline_log_stream(group: str, day: date) -> LogStream:
    """Return the log stream of a pipeline for one day, in UTC."""
    return LogStream(group, f"{day:%Y/%m/%d}")


def milliseconds(time: datetime) -> int:
    """Return `time` in milliseconds since the epoch, rounded up, as CloudWatch Logs expects it."""
    return -((_EPOCH - time.astimezone(UTC)) // timedelta(milliseconds=1))


def time_of(timestamp: int) -> datetime:
    """Return the time in UTC of a timestamp of CloudWatch Logs.

    Raises:
        OverflowError: The timestamp is outside the range of `datetime`.
    """
    return _EPOCH + timedelta(milliseconds=timestamp)
