"""What the simulator does by itself: in the order of simulated time, each as of its time."""

from __future__ import annotations

import math
import threading

import pytest

from aioimagebuilder.testing import BuildScript
from aioimagebuilder.testing.imagebuilder.agenda import Agenda
from aioimagebuilder.testing.simulation.clock import SimulatedClock
from simulator.support import get_status


class Recorder:
    """An agenda on a stopped clock, and the (name, time) of what it performed."""

    def __init__(self):
        self.clock = SimulatedClock(scale=0, start=1000.0)
        self.changed = threading.Event()
        self.agenda = Agenda(self.clock, self.changed)
        self.performed = []

    def schedule(self, at, name):
        self.agenda.schedule(at, lambda: self.performed.append((name, self.agenda.now())))


@pytest.fixture
def recorder():
    return Recorder()


def test_actions_are_performed_in_order_as_of_their_times(recorder):
    for at, name in [
        (1030, "c"),
        (1010, "a"),
        (1030, "d"),
        (1020, "b"),
        (9999, "later"),
        (math.inf, "never"),
    ]:
        recorder.schedule(at, name)
    assert recorder.agenda.next_due == 1010
    recorder.clock.advance(50)
    recorder.agenda.perform_due()
    assert recorder.performed == [("a", 1010), ("b", 1020), ("c", 1030), ("d", 1030)]
    assert recorder.agenda.now() == 1050
    assert recorder.agenda.next_due == 9999


def test_action_schedules_another_that_is_due_before_others(recorder):
    recorder.agenda.schedule(1010, lambda: recorder.schedule(1020, "inserted"))
    recorder.schedule(1030, "last")
    recorder.clock.advance(50)
    recorder.agenda.perform_due()
    assert recorder.performed == [("inserted", 1020), ("last", 1030)]


def test_action_does_not_perform_others_within_itself(recorder):
    recorder.agenda.schedule(1010, recorder.agenda.perform_due)
    recorder.schedule(1020, "next")
    recorder.clock.advance(50)
    recorder.agenda.perform_due()
    assert recorder.performed == [("next", 1020)]


def test_failing_action_does_not_stop_time(recorder):
    def fail():
        raise RuntimeError("broken")

    recorder.agenda.schedule(1010, fail)
    recorder.schedule(1020, "next")
    recorder.clock.advance(50)
    with pytest.raises(RuntimeError, match="broken"):
        recorder.agenda.perform_due()
    assert recorder.agenda.now() == 1050
    recorder.agenda.perform_due()
    assert recorder.performed == [("next", 1020)]


def test_earlier_action_sets_changed(recorder):
    recorder.schedule(2000, "first")
    assert recorder.changed.is_set()
    recorder.changed.clear()
    recorder.schedule(3000, "later")
    assert not recorder.changed.is_set()
    recorder.schedule(1500, "earlier")
    assert recorder.changed.is_set()


def test_log_of_deleted_image_is_kept(simulator, client, logs):
    arn = simulator.start_build(simulator.create_pipeline())
    simulator.advance(3600)
    client.delete_image(imageBuildVersionArn=arn)
    events = logs.filter_log_events(logGroupName="/aws/imagebuilder/demo")["events"]
    assert f"Image transitioned to AVAILABLE state for Image ARN: {arn}" in [
        each["message"] for each in events
    ]


def test_immediate_cancellation_is_logged(simulator, client, logs):
    simulator.script(BuildScript(cancelling=0))
    arn = simulator.start_build(simulator.create_pipeline())
    logs.describe_log_groups()
    client.cancel_image_creation(imageBuildVersionArn=arn)
    assert get_status(client, arn) == "CANCELLED"
    events = logs.filter_log_events(logGroupName="/aws/imagebuilder/demo")["events"]
    assert events[-1]["message"] == f"Image transitioned to CANCELLED state for Image ARN: {arn}"
