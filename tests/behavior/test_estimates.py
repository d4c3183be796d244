"""Estimates on virtual time: from the last images of the pipeline, and without any effect on waits."""

import math
import random
from datetime import UTC, datetime, timedelta
from functools import partial

import anyio
import pytest

from aioimagebuilder import ImageBuilder
from aioimagebuilder.polling import build_observer
from support.scripted_service import ScriptedService, image_arn, throttle, workflow_id

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE = 60.0
HALF_AN_HOUR = 1800.0
PIPELINE = "arn:aws:imagebuilder:us-east-1:123456789012:image-pipeline/demo"
BUILD = "arn:aws:imagebuilder:us-east-1:123456789012:workflow/build/build/1.0.0/1"
TEST = "arn:aws:imagebuilder:us-east-1:123456789012:workflow/test/test/1.0.0/1"
HISTORY_CALLS = ("list_image_pipeline_images", "list_workflow_executions")


@pytest.fixture(autouse=True)
def _service_clock(monkeypatch):
    monkeypatch.setattr(build_observer, "utc_now", lambda: EPOCH + timedelta(seconds=anyio.current_time()))


def _time(seconds):
    return (EPOCH + timedelta(seconds=seconds)).isoformat()


class _Pipeline(ScriptedService):
    """A service with earlier images of a pipeline, of which each took these minutes, and one that runs."""

    def __init__(self, *minutes, status="AVAILABLE"):
        super().__init__()
        self.rows = []
        self.actions["list_image_pipeline_images"] = lambda _, __: {"imageSummaryList": self.rows}
        for number, each in enumerate(minutes, 100):
            started, seconds = -86400.0 * (number - 99), each * MINUTE
            arn = image_arn(number)
            self.rows.append({"arn": arn, "state": {"status": status}, "dateCreated": _time(started)})
            self._workflow(2 * number, arn, "BUILD", BUILD, started, started + 0.6 * seconds)
            self._workflow(2 * number + 1, arn, "TEST", TEST, started + 0.6 * seconds, started + seconds)

    def _workflow(self, number, arn, kind, workflow, start, end):
        times = {"startTime": _time(start), "endTime": _time(end)}
        members = {"imageBuildVersionArn": arn, "workflowBuildVersionArn": workflow, "type": kind}
        self.workflow((0.0, "COMPLETED"), number=number, **members, **times)

    def running(self, seconds=HALF_AN_HOUR):
        return self.image(
            (0.0, "BUILDING"),
            (0.6 * seconds, "TESTING"),
            (seconds, "AVAILABLE"),
            dateCreated=_time(0),
            sourcePipelineArn=PIPELINE,
        )

    def history_calls(self):
        return [call.operation for call in self.calls if call.operation in HISTORY_CALLS]


async def _watch(service, identifier, **options):
    """Return the progress of each state that a watch yields, with its time."""
    async with ImageBuilder(client=service) as ib:
        return [
            (anyio.current_time(), each.progress)
            async for each in ib.watch(identifier, timeout=None, **{"estimate": True, **options})
        ]


def _minutes(moment):
    return (moment - EPOCH).total_seconds() / MINUTE


def test_watch_shows_when_an_image_is_expected_to_end(run):
    service = _Pipeline(28, 29, 30, 31, 32)
    seen = run(partial(_watch, service, service.running()))
    estimates = [progress.estimate for _, progress in seen if progress.estimate is not None]
    first = estimates[0]
    assert first.usual.total_seconds() == pytest.approx(HALF_AN_HOUR, rel=0.02)
    assert _minutes(first.expected_end) == pytest.approx(30, rel=0.05)
    assert 15 < _minutes(first.earliest) < _minutes(first.expected_end) < _minutes(first.latest) < 50
    assert first.longer_than < 0.1
    assert seen[-1][1].expected_end is None
    assert service.history_calls() == [HISTORY_CALLS[0], *[HISTORY_CALLS[1]] * 5]


def test_estimate_is_corrected_when_a_stage_ends(run):
    """The stage BUILDING took 27 rather than 18 of 30 minutes, so 12 remain of it."""
    service = _Pipeline(28, 29, 30, 31, 32)
    seen = run(partial(_watch, service, service.running(45 * MINUTE)))
    at, progress = next(each for each in seen if each[1].stage == "TESTING")
    assert 27 <= at / MINUTE <= 28
    assert _minutes(progress.expected_end) == pytest.approx(27 + 12, abs=1.5)
    before = next(progress for _, progress in seen if progress.expected_end is not None)
    assert progress.expected_end - before.expected_end > timedelta(minutes=7)


@pytest.mark.parametrize("minutes", [(), (30,)], ids=["none", "one"])
def test_estimate_is_absent_with_fewer_than_two_builds(run, minutes):
    service = _Pipeline(*minutes)
    seen = run(partial(_watch, service, service.running()))
    assert all(progress.estimate is None for _, progress in seen)


@pytest.mark.parametrize("status", ["FAILED", "CANCELLED", "DELETED", "BUILDING"])
def test_images_that_are_not_available_are_not_history(run, status):
    service = _Pipeline(28, 29, 30, status=status)
    seen = run(partial(_watch, service, service.running()))
    assert all(progress.estimate is None for _, progress in seen)
    assert service.history_calls() == ["list_image_pipeline_images"]


def test_only_the_five_newest_images_are_read(run):
    service = _Pipeline(30, 30, 30, 30, 30, 300, 300, 300)
    random.Random(1).shuffle(service.rows)
    seen = run(partial(_watch, service, service.running()))
    first = next(progress.estimate for _, progress in seen if progress.estimate is not None)
    assert first.usual.total_seconds() == pytest.approx(HALF_AN_HOUR, rel=0.02)
    assert len(service.history_calls()) == 6


def test_workflow_execution_is_estimated_by_at_most_six_calls(run):
    """Its pipeline is not known at first: GetImage names it."""
    service = _Pipeline(28, 29, 30, 31, 32)
    arn = service.running()
    members = {"imageBuildVersionArn": arn, "workflowBuildVersionArn": BUILD, "type": "BUILD"}
    wf = service.workflow((0.0, "RUNNING"), (0.6 * HALF_AN_HOUR, "COMPLETED"), startTime=_time(0), **members)
    seen = run(partial(_watch, service, wf))
    first = next(progress for _, progress in seen if progress.estimate is not None)
    assert _minutes(first.expected_end) == pytest.approx(18, rel=0.05)
    assert service.count("get_image") + len(service.history_calls()) == 6


def test_execution_far_beyond_its_history_says_so(run):
    service = _Pipeline(28, 29, 30, 31, 32)

    async def main():
        async with ImageBuilder(client=service) as ib:
            with pytest.raises(TimeoutError) as caught:
                await ib.wait(service.running(90000), timeout=7200, estimate=True)
        return caught.value.execution.progress

    progress = run(main)
    assert progress.estimate.longer_than > 0.95
    assert progress.expected_end is None


def test_history_of_a_pipeline_is_read_once(run):
    service = _Pipeline(28, 29, 30, 31, 32)
    first = service.running()
    second = service.image(
        (0.0, "BUILDING"),
        (HALF_AN_HOUR, "AVAILABLE"),
        number=2,
        dateCreated=_time(0),
        sourcePipelineArn=PIPELINE,
    )

    async def main():
        async with ImageBuilder(client=service) as ib:
            await ib.wait_all([first, second], timeout=None, estimate=True)

    run(main)
    assert service.history_calls().count("list_image_pipeline_images") == 1


def test_nothing_is_read_without_estimates(run):
    service = _Pipeline(28, 29, 30, 31, 32)
    seen = run(partial(_watch, service, service.running(), estimate=False))
    assert service.history_calls() == []
    assert all(progress.estimate is None for _, progress in seen)


@pytest.mark.parametrize("fault", ["throttled", "hanging", "malformed"])
def test_history_that_cannot_be_read_changes_no_wait(run, fault):
    def script():
        service = _Pipeline(28, 29, 30, 31, 32)
        if fault == "throttled":
            service.faults["list_image_pipeline_images"] = lambda _: throttle()
        elif fault == "malformed":
            service.actions["list_image_pipeline_images"] = lambda _, __: {"imageSummaryList": 42}
        else:
            service.actions["list_image_pipeline_images"] = lambda _, __: {}
            respond = service.__getattr__("list_image_pipeline_images")

            async def hang(**params):
                await respond(**params)
                await anyio.sleep(math.inf)

            service.list_image_pipeline_images = hang
        return service

    polls, ends = [], []
    for estimate in (False, True):
        service = script()
        random.seed(1)
        seen = run(partial(_watch, service, service.running(), estimate=estimate))
        polls.append([call.time for call in service.calls if call.operation == "get_image"])
        ends.append(seen[-1][0])
    assert polls[0] == polls[1]
    assert ends[0] == ends[1]


def test_step_and_lifecycle_have_no_estimate(run):
    service = _Pipeline(28, 29, 30, 31, 32)
    lifecycle = service.lifecycle((0.0, "IN_PROGRESS"), (60.0, "SUCCESS"))
    step = service.step((0.0, "RUNNING"), (60.0, "COMPLETED"), workflowExecutionId=workflow_id(1))
    for each in (lifecycle, step):
        seen = run(partial(_watch, service, each))
        assert all(progress.estimate is None for _, progress in seen)
    assert service.history_calls() == []
