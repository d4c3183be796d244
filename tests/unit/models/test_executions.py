"""The parsing of responses, also of malformed ones, and the order of states."""

import dataclasses
import json
import pickle
from datetime import UTC, datetime, timedelta, timezone

import botocore.session
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aioimagebuilder import (
    Image,
    ImageStatus,
    LifecycleExecution,
    LifecycleExecutionResource,
    OpenEnum,
    Outcome,
    WorkflowExecution,
    WorkflowExecutionStatus,
    WorkflowStepExecution,
)
from aioimagebuilder.models.executions import EXECUTION_CLASSES
from aioimagebuilder.models.kinds import KINDS
from aioimagebuilder.models.parsing import Structure, parse_time, wire_name

MODEL = botocore.session.get_session().get_service_model("imagebuilder")
SECOND = datetime(2026, 9, 9, 19, 12, 23, tzinfo=UTC)


def _wire_names(cls: type[Structure]) -> set[str]:
    return {wire_name(each.name) for each in dataclasses.fields(cls) if each.name != "raw"}


@pytest.mark.parametrize(
    ("cls", "operation"),
    [(WorkflowExecution, "GetWorkflowExecution"), (WorkflowStepExecution, "GetWorkflowStepExecution")],
)
def test_every_member_of_the_response_has_a_field(cls, operation):
    missing = set(MODEL.operation_model(operation).output_shape.members) - _wire_names(cls)
    assert missing == set()


@pytest.mark.parametrize(
    ("cls", "shape"),
    [
        (LifecycleExecution, "LifecycleExecution"),
        (LifecycleExecutionResource, "LifecycleExecutionResource"),
        (WorkflowExecution, "WorkflowExecutionMetadata"),
        (WorkflowStepExecution, "WorkflowStepMetadata"),
        (WorkflowStepExecution, "WorkflowStepExecution"),
    ],
)
def test_every_member_of_the_structure_has_a_field(cls, shape):
    assert set(MODEL.shape_for(shape).members) - _wire_names(cls) == set()


@pytest.mark.parametrize("cls", OpenEnum.__subclasses__())
def test_every_enum_has_the_values_of_the_model(cls):
    assert set(MODEL.shape_for(cls.__name__).enum) <= set(cls.__members__)


def test_workflow_execution_is_parsed_completely():
    found = WorkflowExecution.parse(
        {
            "requestId": "r-1",
            "workflowBuildVersionArn": "arn:workflow",
            "workflowExecutionId": "wf-1",
            "imageBuildVersionArn": "arn:image",
            "type": "BUILD",
            "status": "RUNNING",
            "message": "",
            "totalStepCount": 7,
            "totalStepsSucceeded": 2,
            "totalStepsFailed": 0,
            "totalStepsSkipped": 1,
            "startTime": "2026-09-09T19:12:23.000Z",
            "parallelGroup": "g",
            "retried": True,
            "newerThanTheLibrary": {"a": 1},
        }
    )
    assert (found.id, found.status, found.outcome) == ("wf-1", WorkflowExecutionStatus.RUNNING, None)
    assert str(found.progress) == "BUILD 3/7 steps"
    assert found.start_time == SECOND
    assert (found.end_time, found.retried, found.message) == (None, True, "")
    assert found.raw == {"newerThanTheLibrary": {"a": 1}}


def test_image_is_parsed_with_its_failure_and_outputs():
    found = Image.parse(
        {
            "arn": "arn:image",
            "state": {
                "status": "FAILED",
                "reason": "why",
                "failureContext": {
                    "imageStatus": "DISTRIBUTING",
                    "distributionFailure": {
                        "errorMessage": "some",
                        "regionFailures": [{"region": "eu-west-1", "status": "TIMED_OUT"}],
                    },
                },
            },
            "outputResources": {
                "amis": [{"region": "us-east-1", "image": "ami-1"}],
                "containers": [{"region": "us-east-1", "imageUris": ["a:1", "a:latest"]}],
            },
            "scanState": {"status": "COLLECTING"},
            "buildType": "IMPORT_ISO",
            "loggingConfiguration": {"logGroupName": "/x"},
            "imageRecipe": {"name": "r"},
        }
    )
    assert (found.id, found.status, found.reason, found.outcome) == (
        "arn:image",
        ImageStatus.FAILED,
        "why",
        Outcome.FAILED,
    )
    failure = found.state.failure_context.distribution_failure
    assert [(each.region, each.status) for each in failure.region_failures] == [("eu-west-1", "TIMED_OUT")]
    assert [ami.image for ami in found.amis] == ["ami-1"]
    assert found.image_uris == ("a:1", "a:latest")
    assert str(found.scan_state.status) == "COLLECTING"
    assert found.raw == {"imageRecipe": {"name": "r"}}


@pytest.mark.parametrize(
    ("value", "time"),
    [
        ("2026-09-09T19:12:23Z", SECOND),
        ("2026-09-09T19:12:23.175Z", SECOND.replace(microsecond=175000)),
        ("2026-09-09T19:12:23.099935Z", SECOND.replace(microsecond=99935)),
        ("2026-09-09T19:12:23.175123456Z", SECOND.replace(microsecond=175123)),
        ("2026-09-09T21:12:23+02:00", SECOND),
        ("2026-09-09T19:12:23", SECOND),
        (SECOND.timestamp(), SECOND),
        (int(SECOND.timestamp()), SECOND),
        (SECOND.astimezone(timezone(timedelta(hours=-7))), SECOND),
        ("Sep 9, 2026 7:12:23 PM", SECOND),
        ("Sep 9, 2026, 7:12:23\u202fPM", SECOND),
        ("Feb 24, 2021 12:31:54 AM", datetime(2021, 2, 24, 0, 31, 54, tzinfo=UTC)),
        ("Feb 24, 2021 12:31:54 PM", datetime(2021, 2, 24, 12, 31, 54, tzinfo=UTC)),
    ],
)
def test_time_in_any_wire_format_is_parsed_as_utc(value, time):
    found = parse_time(value)
    assert found == time
    assert found.tzinfo is UTC


@pytest.mark.parametrize(
    "value", ["", "soon", "32.13.2026", 1e300, 6.77e16, -1e15, 10**400, float("nan"), True, [], None, b"2026"]
)
def test_malformed_time_is_kept_in_raw(value):
    found = WorkflowExecution.parse({"workflowExecutionId": "wf-1", "startTime": value})
    assert found.start_time is None
    if value is None:
        assert found.raw == {}
    else:
        assert list(found.raw) == ["startTime"]


def test_member_of_the_wrong_type_is_kept_in_raw():
    found = Image.parse(
        {
            "arn": "arn:image",
            "name": 5,
            "state": {"status": ["FAILED"], "reason": "why"},
            "outputResources": {"amis": [{"image": "ami-1"}, "no ami"]},
        }
    )
    assert (found.id, found.name, found.status, found.reason) == ("arn:image", None, None, "why")
    assert found.raw == {"name": 5}
    assert found.state.raw == {"status": ["FAILED"]}
    assert found.output_resources.raw == {"amis": [{"image": "ami-1"}, "no ami"]}
    assert found.amis == ()


@pytest.mark.parametrize("amis", [5, "ami-1", {"image": "ami-1"}, True])
def test_malformed_list_is_kept_in_raw(amis):
    found = Image.parse({"arn": "arn:image", "outputResources": {"amis": amis}})
    assert found.amis == ()
    assert found.output_resources.raw == {"amis": amis}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize("cls", list(EXECUTION_CLASSES.values()))
@given(data=st.data())
def test_any_response_is_parsed_without_loss(cls, data):
    names = sorted(_wire_names(cls))
    members = data.draw(st.dictionaries(st.sampled_from(names) | st.text(), JSON, max_size=8))
    found = cls.parse(members)
    for name, value in members.items():
        if value is not None:
            is_parsed = name in names and getattr(found, _field(cls, name)) is not None
            assert is_parsed != (name in found.raw)
    assert isinstance(repr(found), str)
    assert isinstance(str(found.progress), str)
    hash(found)


def _field(cls: type[Structure], name: str) -> str:
    return next(each.name for each in dataclasses.fields(cls) if wire_name(each.name) == name)


def test_unknown_status_is_kept_verbatim():
    known, unknown = WorkflowExecutionStatus("FAILED"), WorkflowExecutionStatus("FROBNICATED")
    assert known.is_known
    assert not unknown.is_known
    assert unknown == "FROBNICATED" == str(unknown)
    assert unknown == WorkflowExecutionStatus("FROBNICATED")
    assert hash(unknown) == hash(WorkflowExecutionStatus("FROBNICATED"))
    assert pickle.loads(pickle.dumps(unknown)) == unknown
    assert json.dumps(unknown) == '"FROBNICATED"'
    assert "FROBNICATED" not in WorkflowExecutionStatus.__members__
    with pytest.raises(ValueError, match="is not a valid"):
        WorkflowExecutionStatus(5)


def test_executions_are_immutable_values():
    one = WorkflowExecution(workflow_execution_id="wf-1", request_id="a", raw={"x": 1})
    other = WorkflowExecution(workflow_execution_id="wf-1", request_id="b")
    assert one == other
    assert hash(one) == hash(other)
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.status = None  # type: ignore[misc]
    assert repr(one) == "WorkflowExecution(workflow_execution_id='wf-1', request_id='a')"


@pytest.mark.parametrize(
    ("ranks", "make"),
    [
        (KINDS[Image.kind].ranks, lambda status: Image.parse({"arn": "a", "state": {"status": status}})),
        (
            KINDS[WorkflowExecution.kind].ranks,
            lambda status: WorkflowExecution.parse({"workflowExecutionId": "wf", "status": status}),
        ),
        (
            KINDS[LifecycleExecution.kind].ranks,
            lambda status: LifecycleExecution.parse(
                {"lifecycleExecutionId": "lce", "state": {"status": status}}
            ),
        ),
    ],
)
def test_execution_with_an_earlier_status_is_older(ranks, make):
    for before in ranks:
        for now in ranks:
            assert make(now).is_older_than(make(before)) == (ranks[now] < ranks[before])
        assert make(before).is_older_than(make("FAILED"))
        assert not make("FAILED").is_older_than(make(before))
        # An unknown status is never stale, and makes no other status stale.
        assert not make("NEW").is_older_than(make(before))
        assert not make(before).is_older_than(make("NEW"))


def test_execution_with_fewer_steps_or_attempts_is_older():
    def workflow(done: int) -> WorkflowExecution:
        return WorkflowExecution.parse({"status": "RUNNING", "totalStepsSucceeded": done})

    def step(attempt: int, status: str) -> WorkflowStepExecution:
        return WorkflowStepExecution.parse({"status": status, "attemptNumber": attempt, "maxAttempts": 3})

    assert workflow(1).is_older_than(workflow(2))
    assert not workflow(2).is_older_than(workflow(2))
    assert step(1, "RUNNING").is_older_than(step(2, "PENDING"))
    assert not step(2, "RUNNING").is_older_than(step(1, "FAILED"))
