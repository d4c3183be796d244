"""The logs of builds and pipelines in CloudWatch Logs, line by line, as they are written."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Final, cast

import anyio

from .aws.backoff import TRANSIENT_ERRORS
from .aws.call import Caller, Response
from .aws.cloudwatch import CloudWatchLogs, LogsClosedError
from .aws.reads import get
from .errors import (
    InvalidParameterException,
    MalformedResponseError,
    ResourceNotFoundException,
    ThrottledError,
)
from .models.executions import Image
from .models.identifiers import Identifier, ResourceKind
from .models.log_streams import LogLine, LogStream, image_log_stream, pipeline_log_group, pipeline_log_stream
from .polling.schedule import Cadence, smithy_delay
from .waiting.waiters import Watch

# CloudWatch Logs shows a line some seconds after it was written. A log is complete when so many consecutive
# reads, with a delay before each, returned nothing.
_EMPTY_READS: Final = 3
_DAY: Final = timedelta(days=1)


class LogReader:
    """Reads a stream from its start, each line once and in order, whether the stream exists yet or not.

    Attributes:
        is_at_end: Whether the last read reached the present end of the stream.
    """

    def __init__(self, cloudwatch: CloudWatchLogs, stream: LogStream, since: datetime | None = None) -> None:
        self.is_at_end: bool = False
        self._cloudwatch = cloudwatch
        self._stream = stream
        self._start = since
        self._token: str | None = None
        # The position, in case the token expires: the time of the last line, and the number of lines with
        # that time.
        self._last: datetime | None = since
        self._lines_at_last = 0
        self._to_skip = 0

    async def read(self) -> tuple[LogLine, ...]:
        """Return the next lines; none at the end of the stream, or if there is no stream (yet).

        Raises:
            OperationError: They could not be read. The next call continues at the same position.
        """
        try:
            try:
                return await self._read()
            except InvalidParameterException:
                if self._token is None:
                    raise
                # A token expires after 24 hours (CloudWatch Logs' model), and a step may wait for days.
                self._token, self._start, self._to_skip = None, self._last, self._lines_at_last
                return await self._read()
        except ResourceNotFoundException:
            self.is_at_end = True
            return ()

    async def _read(self) -> tuple[LogLine, ...]:
        page = await self._cloudwatch.page(self._stream, token=self._token, start=self._start)
        self.is_at_end = page.forward is None or page.forward == self._token
        self._token = page.forward
        skipped, self._to_skip = self._to_skip, max(0, self._to_skip - len(page.lines))
        lines = page.lines[skipped:]
        for line in lines:
            self._lines_at_last = self._lines_at_last + 1 if line.timestamp == self._last else 1
            self._last = line.timestamp
        return lines


def check_log_arguments(cloudwatch: CloudWatchLogs, since: datetime | None) -> None:
    """Check the arguments of `ImageBuilder.logs`.

    Raises:
        TypeError: `since` is not a datetime.
        ValueError: `since` has no time zone, or there is no client of CloudWatch Logs.
    """
    if since is not None and not isinstance(since, datetime):
        raise TypeError(f"since must be a datetime, not {type(since).__name__}.")
    if since is not None and since.tzinfo is None:
        raise ValueError("since needs a time zone: use datetime.now(UTC), or .astimezone().")
    cloudwatch.check()


def read_log(
    caller: Caller,
    cloudwatch: CloudWatchLogs,
    identifier: Identifier,
    since: datetime | None,
    cadence: Cadence | None,
) -> AsyncGenerator[LogLine]:
    """Return the lines of a build's log, or of a pipeline's, which is followed if there is a cadence."""
    if identifier.kind is ResourceKind.IMAGE_PIPELINE:
        return pipeline_log(caller, cloudwatch, identifier.value, since, cadence)
    return read_build_log(caller, cloudwatch, identifier.value, since)


async def read_build_log(
    caller: Caller, cloudwatch: CloudWatchLogs, arn: str, since: datetime | None
) -> AsyncGenerator[LogLine]:
    """Yield the present lines of a build's log, none from before `since`."""
    image = cast("Image", await get(caller, Image.kind, arn))
    reader = _open_build_log(cloudwatch, image, since)
    while not reader.is_at_end:
        for line in await reader.read():
            yield line


async def follow_build_log(
    watch: Watch[Image], cloudwatch: CloudWatchLogs, since: datetime | None, cadence: Cadence
) -> AsyncGenerator[LogLine]:
    """Yield the lines of a build's log until the build has ended and the log is complete.

    Args:
        watch: The states of the image.
        cloudwatch: Reads the log.
        since: Yield no line from before this time.
        cadence: How often a log is read that returns nothing.
    """
    async with watch:
        image = await anext(watch)
        reader, has_ended, empty_reads = _open_build_log(cloudwatch, image, since), image.is_terminal, 0
        while True:
            try:
                # After the build, only throttles are waited out: any other error would never end.
                lines = await _read(reader, ignored=ThrottledError if has_ended else TRANSIENT_ERRORS)
            except LogsClosedError:
                # The watch was closed as well, and raises an exception with everything that was learned.
                await _until_ended(watch)
                raise
            for line in lines or ():
                yield line
            if lines is not None and not reader.is_at_end:
                continue
            empty_reads = empty_reads + 1 if lines == () else 0
            if has_ended and empty_reads > _EMPTY_READS:
                return
            with anyio.move_on_after(_delay(empty_reads, cadence)):
                if has_ended:
                    await anyio.sleep_forever()
                await _until_ended(watch)
                has_ended, empty_reads = True, 0


async def pipeline_log(
    caller: Caller, cloudwatch: CloudWatchLogs, arn: str, since: datetime | None, cadence: Cadence | None
) -> AsyncGenerator[LogLine]:
    """Yield the lines of a pipeline's log, which has a stream for each day.

    Args:
        caller: Calls Image Builder.
        cloudwatch: Reads the log.
        arn: The pipeline.
        since: Yield no line from before this time; today's lines if ``None``.
        cadence: How often a log is read that returns nothing; ``None`` ends with the present lines.
    """
    pipeline = await caller.call("GetImagePipeline", {"imagePipelineArn": arn}, _parse_pipeline)
    group = pipeline_log_group(arn, pipeline)
    first = _today() if since is None else since.astimezone(UTC).date()

    def open_day(day: date) -> LogReader:
        return LogReader(cloudwatch, pipeline_log_stream(group, day), since)

    async for line in follow_daily_log(open_day, first, _today, cadence):
        yield line


async def follow_daily_log(
    open_day: Callable[[date], LogReader], day: date, today: Callable[[], date], cadence: Cadence | None
) -> AsyncGenerator[LogLine]:
    """Yield the lines of a log that has a stream for each day.

    Args:
        open_day: Opens the log of a day.
        day: The first day.
        today: Returns the current day.
        cadence: How often a log is read that returns nothing; ``None`` ends with the present lines.
    """
    while day <= today():
        reader, is_over, empty_reads = open_day(day), False, 0
        while True:
            if not is_over and day < today():
                is_over, empty_reads = True, 0
            lines = await _read(reader, ignored=TRANSIENT_ERRORS if cadence else ())
            for line in lines or ():
                yield line
            if lines is not None and not reader.is_at_end:
                continue
            empty_reads = empty_reads + 1 if lines == () else 0
            if cadence is None or (is_over and empty_reads > _EMPTY_READS):
                break
            await anyio.sleep(_delay(empty_reads, cadence))
        day += _DAY


async def _read(
    reader: LogReader, *, ignored: type[Exception] | tuple[type[Exception], ...]
) -> tuple[LogLine, ...] | None:
    """Return the next lines; ``None`` if one of the ignored errors occurs."""
    try:
        return await reader.read()
    except ignored:
        return None


async def _until_ended(watch: Watch[Image]) -> None:
    async for image in watch:
        if image.is_terminal:
            return


def _delay(empty_reads: int, cadence: Cadence) -> float:
    return smithy_delay(max(1, empty_reads), cadence, random.random).seconds


def _open_build_log(cloudwatch: CloudWatchLogs, image: Image, since: datetime | None) -> LogReader:
    stream = image_log_stream(image)
    if stream is None:
        detail = f"{image.id} is not a build version of an image, and so has no log."
        raise MalformedResponseError.create("GetImage", detail)
    return LogReader(cloudwatch, stream, since)


def _parse_pipeline(response: Response) -> Mapping[str, object]:
    pipeline = response.get("imagePipeline")
    if not isinstance(pipeline, Mapping):
        raise TypeError("the response contains no pipeline")
    return cast("Mapping[str, object]", pipeline)


def _today() -> date:
    return datetime.now(UTC).date()
