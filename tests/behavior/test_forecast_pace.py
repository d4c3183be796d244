"""Polls by forecast on virtual time: what is learned from builds that have ended, and what is not."""

import itertools
import logging
import math
import random
from datetime import UTC, datetime, timedelta
from functools import partial

import anyio
import pytest

from aioimagebuilder import CompletedBuild, ImageBuilder, MemoryBuildHistory
from aioimagebuilder.polling import build_observer
from support.scripted_service import ScriptedService, image_arn

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE = 60.0
HALF_AN_HOUR = 1800.0
PIPELINE = "arn:aws:imagebuilder:us-east-1:123456789012:image-pipeline/demo"
WORKFLOW = "arn:aws:imagebuilder:us-east-1:123456789012:workflow/build/demo/1.0.0/1"


@pytest.fixture(autouse=True)
def _service_clock(monkeypatch):
    monkeypatch.setattr(build_observer, "utc_now", lambda: EPOCH + timedelta(seconds=anyio.current_time()))


def _time(seconds):
    return (EPOCH + timedelta(seconds=seconds)).isoformat()


def _image(service, minutes=30.0, number=1, started=0.0, end="AVAILABLE", **members):
    """Script an image that starts at `started`, is TESTING from three fifths of its time, and then ends."""
    seconds = minutes * MINUTE
    return service.image(
        (started, "BUILDING"),
        (started + 0.6 * seconds, "TESTING"),
        (started + seconds, end),
        number=number,
        dateCreated=_time(started),
        **{"sourcePipelineArn": PIPELINE, **members},
    )


class _History(MemoryBuildHistory):
    """A store with some builds, of which each has a stage TESTING from three fifths of its time."""

    def __init__(self, *minutes, pipeline=PIPELINE):
        super().__init__()
        self.added = []
        self._builds[pipeline] = tuple(_build(each, number) for number, each in enumerate(minutes, 100))

    async def add(self, pipeline_arn, build):
        self.added.append((pipeline_arn, build))
        await super().add(pipeline_arn, build)


def _build(minutes, number, succeeded=True):
    seconds = minutes * MINUTE
    stages = {"TESTING": 0.6 * seconds}
    return CompletedBuild(
        id=image_arn(number), subject="image", succeeded=succeeded, duration=seconds, stages=stages
    )


async def _wait(service, identifier, history=None, pace="forecast", **options):
    """Wait, and return how many calls that took, and how late it returned."""
    async with ImageBuilder(client=service, pace=pace, history=history) as ib:
        before = len(service.calls)
        await ib.wait(identifier, timeout=None, check=False, **options)
        return len(service.calls) - before


def _gaps(service):
    times = service.times
    return [after - before for before, after in itertools.pairwise(times)]


def test_known_build_is_polled_when_its_end_is_likely(run):
    service = ScriptedService()
    image = _image(service)
    calls = run(lambda: _wait(service, image, _History(28, 29, 30, 31, 32)))
    assert calls < 40
    assert 60 < max(_gaps(service)) < 121
    assert service.times[-1] - 30 * MINUTE < 30
    assert all(
        gap < 40 for gap, time in zip(_gaps(service), service.times, strict=False) if time > 29 * MINUTE
    )


def test_max_delay_that_is_given_bounds_the_delay(run):
    service = ScriptedService()
    image = _image(service)
    run(lambda: _wait(service, image, _History(28, 29, 30, 31, 32), max_delay=45))
    assert max(_gaps(service)) == pytest.approx(45, abs=0.1)


@pytest.mark.parametrize(
    ("minutes", "pipeline"),
    [((), PIPELINE), ((30,), PIPELINE), ((30, 30, 30), PIPELINE + "-2")],
    ids=["none", "one build", "another pipeline"],
)
def test_build_of_unknown_duration_is_polled_by_smithy(run, minutes, pipeline):
    times = {}
    for pace in ("smithy", "forecast"):
        service = ScriptedService()
        image = _image(service)
        random.seed(1)
        history = _History(*minutes, pipeline=pipeline)
        run(partial(_wait, service, image, history, pace))
        times[pace] = service.times
    assert times["forecast"] == times["smithy"]


def test_failed_builds_say_nothing_about_others(run):
    history = _History()
    history._builds[PIPELINE] = tuple(_build(5, number, succeeded=False) for number in range(5))
    service = ScriptedService()
    image = _image(service)
    run(lambda: _wait(service, image, history))
    assert max(_gaps(service)) < 31


def test_client_learns_from_the_builds_that_it_has_seen_end(run):
    async def main():
        service = ScriptedService()
        calls = []
        async with ImageBuilder(client=service, pace="forecast") as ib:
            for number in range(1, 6):
                image = _image(service, number=number, started=service.now)
                before = len(service.calls)
                await ib.wait(image, timeout=None)
                calls.append(len(service.calls) - before)
        return calls

    calls = run(main)
    assert min(calls[:2]) > 90
    assert max(calls[3:]) < 60


@pytest.mark.parametrize("minutes", [10, 90])
def test_history_that_is_wrong_is_not_followed(run, minutes):
    """The stage TESTING begins much sooner or later than usual."""
    service = ScriptedService()
    image = _image(service)
    calls = run(lambda: _wait(service, image, _History(*[minutes] * 5)))
    assert calls < 120
    late = [gap for gap, time in zip(_gaps(service), service.times, strict=False) if time > 21 * MINUTE]
    assert max(late) < 31


def test_build_far_beyond_its_history_is_polled_by_smithy(run):
    service = ScriptedService()
    image = service.image(
        (0.0, "BUILDING"), (6000.0, "AVAILABLE"), dateCreated=_time(0), sourcePipelineArn=PIPELINE
    )
    run(lambda: _wait(service, image, _History(28, 29, 30, 31, 32)))
    late = [gap for gap, time in zip(_gaps(service), service.times, strict=False) if time > 3600]
    assert max(late) < 31


def test_build_that_began_long_ago_is_not_forecast_from_now(run):
    """The wait begins after 25 of usually 30 minutes."""

    async def main():
        service = ScriptedService()
        await anyio.sleep(25 * MINUTE)
        image = service.image(
            (0.0, "TESTING"), (5 * MINUTE, "AVAILABLE"), dateCreated=_time(0), sourcePipelineArn=PIPELINE
        )
        await _wait(service, image, _History(28, 29, 30, 31, 32))
        return max(_gaps(service))

    assert run(main) < 60


def test_stage_that_some_builds_skip_is_not_waited_for(run):
    """One of the earlier builds had no stage TESTING, nor has this one."""
    history = _History(28, 29, 30, 31)
    without = CompletedBuild(id=image_arn(9), subject="image", succeeded=True, duration=HALF_AN_HOUR)
    history._builds[PIPELINE] += (without,)
    service = ScriptedService()
    image = service.image(
        (0.0, "BUILDING"), (HALF_AN_HOUR, "AVAILABLE"), dateCreated=_time(0), sourcePipelineArn=PIPELINE
    )
    run(lambda: _wait(service, image, history))
    assert service.times[-1] - HALF_AN_HOUR < 30


def test_steps_of_a_workflow_execution_are_its_stages(run):
    """Of usually 30 minutes, the last step takes 3: it is polled when that step can have ended."""
    builds = tuple(
        CompletedBuild(
            id=f"wf-{number}",
            subject=WORKFLOW,
            succeeded=True,
            duration=minutes * MINUTE,
            stages={"1 steps": (minutes - 3) * MINUTE},
        )
        for number, minutes in enumerate((20, 30, 40, 50))
    )
    history = _History()
    history._builds[image_arn(1).rsplit("/", 2)[0]] = builds
    service = ScriptedService()
    members = {
        "workflowBuildVersionArn": WORKFLOW,
        "imageBuildVersionArn": image_arn(1),
        "startTime": _time(0),
    }
    wf = service.workflow((0.0, "RUNNING"), **members)
    states = [(0.0, "RUNNING", 0), (27 * MINUTE, "RUNNING", 1), (30 * MINUTE, "COMPLETED", 2)]
    service.scripts[wf].states = [
        (at, {"workflowExecutionId": wf, "status": status, "totalStepsSucceeded": steps, **members})
        for at, status, steps in states
    ]
    run(lambda: _wait(service, wf, history))
    seen = next(time for time in service.times if time >= 27 * MINUTE)
    gaps = [gap for gap, time in zip(_gaps(service), service.times, strict=False) if time >= seen]
    assert gaps[0] > 40
    assert service.times[-1] - 30 * MINUTE < 30


@pytest.mark.parametrize("end", ["AVAILABLE", "FAILED", "CANCELLED"])
def test_ended_build_is_stored_before_the_client_is_closed(run, end):
    service, history = ScriptedService(), _History()
    image = _image(service, end=end)
    run(lambda: _wait(service, image, history))
    [(pipeline, build)] = history.added
    assert (pipeline, build.id, build.subject) == (PIPELINE, image, "image")
    assert build.succeeded == (end == "AVAILABLE")
    assert build.duration == pytest.approx(30 * MINUTE, abs=31)
    assert build.stages["TESTING"] == pytest.approx(18 * MINUTE, abs=31)


def test_build_that_had_ended_is_not_stored(run):
    service, history = ScriptedService(), _History()
    image = service.image((0.0, "AVAILABLE"), dateCreated=_time(0), sourcePipelineArn=PIPELINE)
    run(lambda: _wait(service, image, history))
    assert history.added == []


def test_nothing_is_stored_by_smithy(run):
    service, history = ScriptedService(), _History()
    image = _image(service)
    run(lambda: _wait(service, image, history, "smithy"))
    assert history.added == []


class _BrokenHistory:
    async def load(self, pipeline_arn):
        raise OSError("the disk is full")

    async def add(self, pipeline_arn, build):
        raise OSError("the disk is full")


class _HangingHistory:
    async def load(self, pipeline_arn):
        await anyio.sleep(math.inf)

    async def add(self, pipeline_arn, build):
        await anyio.sleep(math.inf)


@pytest.mark.parametrize("history", [_BrokenHistory(), _HangingHistory()], ids=["broken", "hanging"])
def test_history_that_fails_changes_no_wait(run, history, caplog):
    async def main(pace):
        service = ScriptedService()
        image = _image(service)
        random.seed(1)
        async with ImageBuilder(client=service, pace=pace, history=history) as ib:
            found = await ib.wait(image, timeout=None)
            ended = anyio.current_time()
        return found.status, service.times, ended, anyio.current_time() - ended

    caplog.set_level(logging.WARNING)
    *forecast, to_close = run(lambda: main("forecast"))
    *smithy, _ = run(lambda: main("smithy"))
    assert forecast == smithy
    assert to_close <= 2
    logged = "_BrokenHistory failed" in caplog.text
    assert logged == isinstance(history, _BrokenHistory)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"pace": "fast"}, ValueError, "pace must be 'smithy' or 'forecast', not 'fast'"),
        (
            {"history": object()},
            TypeError,
            "history must have the methods load and add, which object has not",
        ),
    ],
)
def test_invalid_arguments_are_named(arguments, error, message):
    with pytest.raises(error, match=message):
        ImageBuilder(client=ScriptedService(), **arguments)
