"""The logs of builds and pipelines, line by line, as they are written."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Final, cast

import anyio

from .aws.backoff import TRANSIENT_ERRORS
from .aws.call import Answer
from .aws.cloudwatch import CloudWatchLogs, LogsClosedError
from .errors import (
    InvalidParameterException,
    MalformedResponseError,
    ResourceNotFoundException,
    ThrottledError,
)
from .models.executions import Image
from .models.identifiers import ExecutionKind, ResourceKind
from .models.log_streams import LogLine, LogStream, image_log_stream, pipeline_log_group, pipeline_log_stream
from .polling.schedule import Cadence, Seconds, delay_before_poll, seconds
from .waiting.waiters import Watch
from .waiting.waits import Waits

__all__ = ["LogReader", "Logs", "follow_build", "read_days"]

# CloudWatch Logs shows a line some seconds after it was written: a log is drained when so many reads in a
# row, with a rest before each, brought nothing.
_QUIET_READS: Final = 3
_DAY: Final = timedelta(days=1)


class LogReader:
    """Reads one stream from its head on, each line once and in order, whether the stream is there yet or not.

    Attributes:
        is_drained: whether the last read met the present end of the stream.
    """

    def __init__(self, cloudwatch: CloudWatchLogs, stream: LogStream, since: datetime | None = None) -> None:
        self.is_drained: bool = False
        self._cloudwatch = cloudwatch
        self._stream = stream
        self._start = since
        self._token: str | None = None
        # Where it stands, should the token expire: the time of the last line, and how many lines have it.
        self._last: datetime | None = since
        self._lines_at_last = 0
        self._to_skip = 0

    async def read(self) -> tuple[LogLine, ...]:
        """Get the lines that follow; none at the end of the stream, and where there is no stream (yet).

        Raises:
            OperationError: they could not be read. The next read goes on where this one did not.
        """
        try:
            try:
                return await self._read()
            except InvalidParameterException:
                if self._token is None:
                    raise
                # A token expires after 24 hours (the model), and a build may rest for days at a gate.
                self._token, self._start, self._to_skip = None, self._last, self._lines_at_last
                return await self._read()
        except ResourceNotFoundException:
            self.is_drained = True
            return ()

    async def _read(self) -> tuple[LogLine, ...]:
        page = await self._cloudwatch.page(self._stream, token=self._token, start=self._start)
        self.is_drained = page.forward is None or page.forward == self._token
        self._token = page.forward
        skipped, self._to_skip = self._to_skip, max(0, self._to_skip - len(page.lines))
        lines = page.lines[skipped:]
        for line in lines:
            self._lines_at_last = self._lines_at_last + 1 if line.timestamp == self._last else 1
            self._last = line.timestamp
        return lines


async def _read_all(reader: LogReader) -> AsyncGenerator[LogLine]:
    while not reader.is_drained:
        for line in await reader.read():
            yield line


async def follow_build(
    watch: Watch[Image], open_reader: Callable[[Image], LogReader], cadence: Cadence
) -> AsyncGenerator[LogLine]:
    """Get the lines of a build's log until the build has ended and the log is drained.

    Args:
        watch: the states of the image.
        open_reader: opens the log of the image that it is given.
        cadence: how often the log is read while it brings nothing.
    """
    async with watch:
        image = await anext(watch)
        reader, is_over, quiet = open_reader(image), image.is_terminal, 0
        while True:
            try:
                # After the build only a throttle passes: what else is wrong then would go on for ever.
                lines = await _read(reader, passing=ThrottledError if is_over else TRANSIENT_ERRORS)
            except LogsClosedError:
                # The watch was closed, too, and tells it with all that was learned.
                await _until_over(watch)
                raise
            for line in lines or ():
                yield line
            if lines is not None and not reader.is_drained:
                continue
            quiet = quiet + 1 if lines == () else 0
            if is_over and quiet > _QUIET_READS:
                return
            with anyio.move_on_after(_delay(quiet, cadence)):
                if is_over:
                    await anyio.sleep_forever()
                await _until_over(watch)
                is_over, quiet = True, 0


async def read_days(
    open_reader: Callable[[date], LogReader],
    day: date,
    today: Callable[[], date],
    cadence: Cadence | None,
) -> AsyncGenerator[LogLine]:
    """Get the lines of a log that has a stream for each day.

    Args:
        open_reader: opens the log of a day.
        day: the first day.
        today: tells the present day.
        cadence: how often the log is read while it brings nothing; ``None`` ends with what there is now.
    """
    while day <= today():
        reader, is_over, quiet = open_reader(day), False, 0
        while True:
            if not is_over and day < today():
                is_over, quiet = True, 0
            lines = await _read(reader, passing=TRANSIENT_ERRORS if cadence else ())
            for line in lines or ():
                yield line
            if lines is not None and not reader.is_drained:
                continue
            quiet = quiet + 1 if lines == () else 0
            if cadence is None or (is_over and quiet > _QUIET_READS):
                break
            await anyio.sleep(_delay(quiet, cadence))
        day += _DAY


async def _read(
    reader: LogReader, *, passing: type[Exception] | tuple[type[Exception], ...]
) -> tuple[LogLine, ...] | None:
    """Get the lines that follow; ``None`` where they cannot be read just now, for a reason that passes."""
    try:
        return await reader.read()
    except passing:
        return None


async def _until_over(watch: Watch[Image]) -> None:
    async for image in watch:
        if image.is_terminal:
            return


def _delay(quiet: int, cadence: Cadence) -> float:
    return delay_before_poll(max(1, quiet), cadence, random.random)


class Logs(Waits):
    """The operations and the waits, and the logs of what they are about."""

    def logs(
        self,
        arn: str,
        *,
        follow: bool = False,
        since: datetime | None = None,
        min_delay: Seconds = 2,
        max_delay: Seconds = 15,
    ) -> AsyncIterator[LogLine]:
        """Get the lines of a build's or a pipeline's log in CloudWatch Logs, each once and in order.

        A log that is not there (yet) has no lines. Following a build ends after the build has ended and no
        more lines come; following a pipeline goes on from day to day, until you leave it. Throttles of
        CloudWatch slow it down, and lose nothing.

        The group is that of the logging configuration, otherwise ``/aws/imagebuilder/<image name>`` with the
        stream ``<x.y.z>/<build>``, or ``/aws/imagebuilder/pipeline/<name>`` with a stream a day (user guide,
        "Monitor Image Builder events and logs with Amazon CloudWatch Logs").

        Args:
            arn: an image build version, or a pipeline.
            follow: go on with what will be written, rather than end with what there is now.
            since: no line before this time; the whole log of a build, and today's of a pipeline, if ``None``.
            min_delay: the least seconds between two reads of a log that brings nothing new.
            max_delay: the most seconds between them; the delay grows up to it.

        Raises:
            OperationError: while iterating: the log could not be read (`AccessError`: may not be read).
            ObservationError: while following: the build could not be observed.
            ValueError: an ARN of the wrong shape, kind or region, a time without a zone, a delay that is
                none; or a client that was made with ``client=`` and without ``logs_client=``.
        """
        identifier = self._identify(arn, ExecutionKind.IMAGE, ResourceKind.IMAGE_PIPELINE)
        cadence = Cadence(seconds(min_delay, "min_delay"), seconds(max_delay, "max_delay"))
        if since is not None and since.tzinfo is None:
            raise ValueError("since needs a time zone: use datetime.now(UTC), or .astimezone().")
        cloudwatch = self._cloudwatch
        cloudwatch.check()
        if identifier.kind is ResourceKind.IMAGE_PIPELINE:
            return self._pipeline_log(arn, since, cadence if follow else None)
        if not follow:
            return self._build_log(arn, since)
        watch = cast("Watch[Image]", self.watch(arn))
        return follow_build(watch, lambda image: _reader(cloudwatch, image, since), cadence)

    async def _build_log(self, arn: str, since: datetime | None) -> AsyncGenerator[LogLine]:
        image = await self.get_image(arn)
        async for line in _read_all(_reader(self._cloudwatch, image, since)):
            yield line

    async def _pipeline_log(
        self, arn: str, since: datetime | None, cadence: Cadence | None
    ) -> AsyncGenerator[LogLine]:
        pipeline = await self._caller.call("GetImagePipeline", {"imagePipelineArn": arn}, _pipeline)
        group = pipeline_log_group(arn, pipeline)
        first = _today() if since is None else since.astimezone(UTC).date()

        def open_reader(day: date) -> LogReader:
            return LogReader(self._cloudwatch, pipeline_log_stream(group, day), since)

        async for line in read_days(open_reader, first, _today, cadence):
            yield line


def _reader(cloudwatch: CloudWatchLogs, image: Image, since: datetime | None) -> LogReader:
    stream = image_log_stream(image)
    if stream is None:
        detail = f"{image.id} is no build version of an image, and so has no log."
        raise MalformedResponseError.made("GetImage", detail)
    return LogReader(cloudwatch, stream, since)


def _pipeline(answer: Answer) -> Mapping[str, object]:
    pipeline = answer.get("imagePipeline")
    if not isinstance(pipeline, Mapping):
        raise TypeError("the answer names no pipeline")
    return cast("Mapping[str, object]", pipeline)


def _today() -> date:
    return datetime.now(UTC).date()
