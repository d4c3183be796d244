"""Which of the executions that are due is polled first, and which builds a history keeps."""

import math

import pytest

from aioimagebuilder import CompletedBuild, MemoryBuildHistory
from aioimagebuilder.models.identifiers import Identifier
from aioimagebuilder.polling.build_history import with_build
from aioimagebuilder.polling.pace import ForecastPace
from aioimagebuilder.polling.schedule import Cadence, Delay
from aioimagebuilder.polling.subscriptions import Subscription, Target, UpdateQueue
from support.scripted_service import workflow_id

CADENCE = Cadence(5, 30, 120)


class _Delays:
    """A pace whose delays are given."""

    def __init__(self, delays):
        self.delays = delays

    def delay(self, target, siblings, now):
        seconds = self.delays[target]
        return Delay(seconds, seconds, seconds)

    def most_urgent(self, targets, now):
        return None


class _NothingExpected:
    def expectation(self, target, now):
        return None


def _targets(count):
    targets = [Target(Identifier.parse(workflow_id(number)), 0.0) for number in range(count)]
    for target in targets:
        queue = UpdateQueue(wants_changes=False)
        target.subscriptions[Subscription(target, CADENCE, math.inf, queue, 0.0)] = None
    return targets


def _polled_at(*reads):
    """Return targets that were read at a time, and were to be polled again after a delay."""
    targets = _targets(len(reads))
    delays = {target: delay for target, (_, delay) in zip(targets, reads, strict=True)}
    pace = ForecastPace(_NothingExpected(), _Delays(delays))
    for target, (read_at, _) in zip(targets, reads, strict=True):
        target.history.seen_at = read_at
        pace.delay(target, [target], read_at)
    return pace, targets


def test_execution_most_overdue_for_its_delay_is_first():
    pace, targets = _polled_at((0, 60), (50, 10), (60, 30))
    assert pace.most_urgent(targets, 100.0) is targets[1]


def test_execution_that_was_never_read_is_first():
    pace, targets = _polled_at((0, 5), (-math.inf, 30))
    assert pace.most_urgent(targets, 20.0) is targets[1]


def test_execution_not_polled_for_two_delays_is_first():
    pace, targets = _polled_at((200, 5), (0, 120))
    assert pace.most_urgent(targets, 239.9) is targets[0]
    assert pace.most_urgent(targets, 240.0) is targets[1]


def test_nothing_due_has_no_most_urgent():
    pace, _ = _polled_at()
    assert pace.most_urgent([], 0.0) is None


def _build(number, *, succeeded=True, subject="image", duration=60.0):
    return CompletedBuild(id=str(number), subject=subject, succeeded=succeeded, duration=duration)


def test_history_keeps_the_newest_ten_of_each_kind():
    builds = ()
    for number in range(12):
        builds = with_build(builds, _build(number))
    for number in range(12, 40):
        builds = with_build(builds, _build(number, succeeded=False))
    builds = with_build(builds, _build(40, subject="wf"))
    assert [each.id for each in builds if each.succeeded] == [*map(str, range(2, 12)), "40"]
    assert [each.id for each in builds if not each.succeeded] == [*map(str, range(30, 40))]


def test_build_replaces_one_with_its_id():
    builds = with_build(with_build((), _build(1)), _build(1, duration=120.0))
    assert [each.duration for each in builds] == [120.0]


@pytest.mark.parametrize("seconds", [-1.0, math.nan, math.inf])
def test_time_that_is_not_finite_is_refused(seconds):
    with pytest.raises(ValueError, match="must be finite and at least 0"):
        _build(1, duration=seconds)
    with pytest.raises(ValueError, match="must be finite and at least 0"):
        CompletedBuild(id="1", subject="image", succeeded=True, duration=1.0, stages={"BUILDING": seconds})


@pytest.mark.anyio
async def test_memory_history_returns_what_was_added():
    history = MemoryBuildHistory()
    assert await history.load("a") == ()
    await history.add("a", _build(1))
    await history.add("b", _build(2))
    assert [each.id for each in await history.load("a")] == ["1"]
