"""The history of an execution: which reads are news, stale, final, or from before a retry."""

import math

import pytest

from aioimagebuilder import (
    ClientException,
    ForbiddenException,
    Image,
    InvalidParameterValueException,
    InvalidRequestException,
    ResourceNotFoundException,
    ServiceException,
    WorkflowExecution,
    WorkflowStepExecution,
)
from aioimagebuilder.models.identifiers import Identifier
from aioimagebuilder.polling.history import RERUN_GRACE_PERIOD, Announcement, History, Reruns
from aioimagebuilder.polling.schedule import Cadence
from support.scripted_service import image_arn

CADENCE = Cadence(5, 30)


def _workflow(status: str, done: int | None = None) -> WorkflowExecution:
    members = {"workflowExecutionId": "wf-1", "status": status}
    return WorkflowExecution.parse(members if done is None else {**members, "totalStepsSucceeded": done})


def _seen(*states: WorkflowExecution, at: float = 100.0) -> History:
    history = History(started=50.0)
    for state in states:
        history.record(state, at)
    return history


def test_only_a_change_that_is_not_stale_is_news():
    history = History(started=0.0)
    assert history.record(_workflow("RUNNING", 1), 1.0)
    assert not history.record(_workflow("RUNNING", 1), 2.0)
    assert history.record(_workflow("RUNNING", 2), 3.0)
    assert not history.record(_workflow("PENDING"), 4.0)
    assert (history.seen, history.seen_at) == (_workflow("RUNNING", 2), 4.0)


def test_successful_read_clears_the_error():
    history = _seen()
    history.error = ServiceException("x")
    history.record(_workflow("RUNNING"), 101.0)
    assert history.error is None


@pytest.mark.parametrize(
    ("before", "now", "is_contradicted"),
    [
        (_workflow("RUNNING", 3), _workflow("FAILED", 2), True),
        (_workflow("RUNNING", 3), _workflow("FAILED", 3), False),
        (_workflow("RUNNING", 3), _workflow("FAILED", 4), False),
        (_workflow("RUNNING", 3), _workflow("FAILED"), False),
        (_workflow("RUNNING"), _workflow("FAILED", 2), False),
        # Not terminal, so nothing to confirm.
        (_workflow("RUNNING", 3), _workflow("RUNNING", 2), False),
        (WorkflowStepExecution(name="x"), _workflow("FAILED", 2), False),
        (WorkflowStepExecution(name="x"), WorkflowStepExecution.parse({"status": "FAILED"}), False),
        (None, _workflow("FAILED", 2), False),
        (None, _workflow("RUNNING", 2), False),
    ],
)
def test_end_with_fewer_finished_steps_is_contradicted(before, now, is_contradicted):
    history = History(started=0.0, seen=before)
    assert history.is_contradicted_by(now) is is_contradicted


@pytest.mark.parametrize(
    "error",
    [ResourceNotFoundException, InvalidRequestException, InvalidParameterValueException, ClientException],
)
def test_unread_id_has_a_grace_period(error):
    history = History(started=50.0)
    assert not history.is_final(error("x"), 59.9, 10.0)
    assert history.is_final(error("x"), 60.0, 10.0)
    assert _seen(_workflow("RUNNING"), at=51.0).is_final(error("x"), 52.0, 10.0)


def test_failed_read_is_recorded():
    history = History(started=50.0)
    error = ServiceException("x")
    history.record_failure(error, 60.0, is_throttle=False)
    history.record_failure(error, 61.0, is_throttle=True)
    assert (history.error, history.failed_at, history.throttles) == (error, 61.0, 1)


def test_expected_rerun_makes_an_earlier_state_news():
    history = _seen(_workflow("FAILED", 3), at=100.0)
    history.expect_rerun()
    assert history.is_unread
    history.error = ServiceException("x")
    history.withhold(_workflow("FAILED", 3), 110.0)
    assert not history.is_unread
    assert (history.seen, history.withheld, history.seen_at) == (None, _workflow("FAILED", 3), 110.0)
    assert history.error is None
    assert history.record(_workflow("PENDING"), 120.0)
    assert history.withheld is None


def test_stale_read_after_an_unknown_status_is_not_news():
    history = _seen(_workflow("RUNNING", 2), _workflow("FROBNICATING"))
    assert not history.record(_workflow("PENDING"), 101.0)
    assert history.seen == _workflow("FROBNICATING")


def test_forbidden_error_has_no_grace_period():
    assert History(started=50.0).is_final(ForbiddenException("x"), 50.0, 10.0)


def test_state_is_outdated_after_the_time_of_two_polls():
    history = _seen(_workflow("RUNNING"), at=100.0)
    assert not history.is_outdated(160.0, CADENCE)
    assert history.is_outdated(160.1, CADENCE)


IMAGE = Identifier.parse(image_arn())


def _image(status: str, **state: object) -> Image:
    return Image.parse({"arn": IMAGE.value, "state": {"status": status, **state}})


def _failed(workflow_execution_id: str, status: str = "FAILED") -> Image:
    return _image(status, reason="no", failureContext={"workflowExecutionId": workflow_execution_id})


@pytest.mark.parametrize("before", [None, _failed("wf-1"), _image("TESTING")])
def test_same_end_precedes_the_rerun_for_the_grace_period(before):
    reruns = Reruns()
    reruns.expect(IMAGE, before, 1000.0)
    assert reruns.precedes(IMAGE, _failed("wf-1"), 1001.0)
    assert not reruns.precedes(IMAGE, _image("TESTING"), 1002.0)
    assert reruns.precedes(IMAGE, _failed("wf-1"), 1003.0)
    assert not reruns.precedes(IMAGE, _failed("wf-2"), 1004.0)
    assert not reruns.precedes(IMAGE, _failed("wf-1", "CANCELLED"), 1005.0)
    assert not reruns.precedes(IMAGE, _failed("wf-1"), 1000.0 + RERUN_GRACE_PERIOD)


@pytest.mark.parametrize("status", ["AVAILABLE", "DEPRECATED", "DISABLED", "DELETED", "FROBNICATING"])
def test_terminal_state_that_cannot_be_retried_is_new_at_once(status):
    reruns = Reruns()
    reruns.expect(IMAGE, None, 0.0)
    assert not reruns.precedes(IMAGE, _image(status), 0.0)


def test_end_without_an_expected_rerun_is_new():
    reruns = Reruns()
    assert not reruns.precedes(IMAGE, _failed("wf-1"), 0.0)
    reruns.expect(Identifier.parse(image_arn(2)), None, 0.0)
    assert not reruns.precedes(IMAGE, _failed("wf-1"), 0.0)


@pytest.mark.parametrize(
    ("seen", "status", "has_reached"),
    [
        (None, "BUILDING", False),
        ("BUILDING", "BUILDING", True),
        ("TESTING", "BUILDING", True),
        ("BUILDING", "TESTING", False),
        ("TESTING", "AVAILABLE", False),
        ("TESTING", "FROBNICATING", False),
        ("FROBNICATING", "FROBNICATING", True),
        ("FROBNICATING", "BUILDING", False),
    ],
)
def test_status_is_reached_by_itself_and_those_that_follow(seen, status, has_reached):
    history = History(started=0.0)
    if seen is not None:
        history.record(Image.parse({"arn": image_arn(), "state": {"status": seen}}), 1.0)
    assert history.has_reached(status) == has_reached


def test_announcement_is_read_twice_after_a_read_in_flight():
    announcement = Announcement("TESTING", received_at=10.0)
    assert announcement.next_read(9.9, 11.0, 5.0) == 11.0
    assert announcement.next_read(11.0, 11.5, 5.0) == 13.5
    assert announcement.next_read(13.5, 14.0, 5.0) == math.inf


def test_announcement_is_read_again_within_a_short_cadence():
    assert Announcement(None, received_at=10.0).next_read(10.0, 10.5, 0.1) == 10.6
