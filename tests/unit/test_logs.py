"""Following a log, against a scripted CloudWatch Logs on virtual time."""

from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta

import anyio
import pytest

from aioimagebuilder import LogLine, ResourceNotFoundException, ServerError
from aioimagebuilder.aws.cloudwatch import LogPage
from aioimagebuilder.logs import LogReader, follow_daily_log
from aioimagebuilder.models.log_streams import LogStream
from aioimagebuilder.polling.schedule import Cadence
from support.virtual_time import run_virtually

EVENING = datetime(2026, 9, 9, 23, 59, 0, tzinfo=UTC)
CADENCE = Cadence(2, 15)


@pytest.fixture(params=["asyncio", "trio"])
def run(request: pytest.FixtureRequest) -> Callable[[Callable[[], Awaitable[object]]], object]:
    return lambda main: run_virtually(request.param, main)


class ScriptedCloudWatch:
    """Returns lines with a lag, in pages of up to two lines, some of which are empty."""

    def __init__(self, *lines: tuple[float, str], lag: float = 5.0) -> None:
        self.lag = lag
        self.lines = [LogLine(EVENING + timedelta(seconds=at), text) for at, text in lines]
        self.failures: list[Exception] = []
        self.calls = 0

    def now(self) -> datetime:
        return EVENING + timedelta(seconds=anyio.current_time() - self.started)

    def start(self) -> None:
        self.started = anyio.current_time()

    async def page(
        self, stream: LogStream, *, token: str | None = None, start: datetime | None = None
    ) -> LogPage:
        await anyio.sleep(0.1)
        self.calls += 1
        if self.failures:
            raise self.failures.pop()
        visible_until = self.now() - timedelta(seconds=self.lag)
        lines = [
            line
            for line in self.lines
            if line.timestamp <= visible_until and f"{line.timestamp:%Y/%m/%d}" == stream.name
        ]
        if not lines:
            raise ResourceNotFoundException.create("GetLogEvents", "no such stream.")
        position, _, is_after_empty = (token or "0//").partition("/")
        first = int(position)
        if self.calls % 3 == 0 and not is_after_empty and first < len(lines):
            return LogPage((), f"{first}/empty", None)
        page = tuple(lines[first : first + 2])
        if not page:
            return LogPage((), token, None)
        return LogPage(page, f"{first + len(page)}/", None)


async def follow(service: ScriptedCloudWatch, day: date, seconds: float) -> list[str]:
    service.start()
    texts: list[str] = []
    with anyio.move_on_after(seconds):
        async for line in follow_daily_log(
            lambda each: LogReader(service, LogStream("group", f"{each:%Y/%m/%d}")),
            day,
            lambda: service.now().date(),
            CADENCE,
        ):
            texts.append(line.message)
    return texts


def test_following_continues_past_midnight_with_late_lines(run):
    lines = [
        (0, "a"),
        (10, "b"),
        (50, "c"),
        (59.9, "last of the day"),
        (60, "midnight"),
        (75, "d"),
        (400, "e"),
    ]
    service = ScriptedCloudWatch(*lines)
    assert run(lambda: follow(service, EVENING.date(), 600)) == [text for _, text in lines]


def test_silent_log_costs_few_calls(run):
    service = ScriptedCloudWatch((0, "a"), (30_000, "b"))
    assert run(lambda: follow(service, EVENING.date(), 40_000)) == ["a", "b"]
    assert service.calls < 40_000 / 5


def test_failed_reads_of_a_log_lose_no_lines(run):
    lines = [(at, str(at)) for at in range(0, 50, 5)]
    service = ScriptedCloudWatch(*lines)
    service.failures = [ServerError.create("GetLogEvents", "not now.") for _ in range(5)]
    assert run(lambda: follow(service, EVENING.date(), 120)) == [text for _, text in lines]


def test_reading_without_following_ends_with_today(run):
    service = ScriptedCloudWatch((-86_400, "yesterday"), (-10, "today"), (5, "later"))

    async def main() -> list[str]:
        service.start()
        open_reader = lambda each: LogReader(service, LogStream("group", f"{each:%Y/%m/%d}"))  # noqa: E731
        first = EVENING.date() - timedelta(days=3)
        lines = follow_daily_log(open_reader, first, lambda: service.now().date(), None)
        return [line.message async for line in lines]

    assert run(main) == ["yesterday", "today"]
