"""The conclusions of a diagnosis from evidence."""

import json
from datetime import UTC

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aioimagebuilder import (
    CauseKind,
    Image,
    LifecycleExecution,
    LifecycleExecutionResource,
    LogLine,
    WorkflowExecution,
    WorkflowStepExecution,
)
from aioimagebuilder.diagnosis.conclusion import conclude
from aioimagebuilder.diagnosis.evidence import Evidence
from aioimagebuilder.diagnosis.failures import candidate_workflows
from aioimagebuilder.models.parsing import Structure, wire_name
from support.evidence import (
    APPLY,
    COMMAND_FAILED,
    COMPONENT,
    DISTRIBUTION,
    LEGACY,
    STEP_FAILED,
    TRANSITION,
    UUID,
    diagnosis_of,
    image,
    step,
    workflow,
)


def test_first_failed_workflow_is_the_cause():
    found = diagnosis_of(image(), workflow(2, message="later"), workflow(1, message="first"))
    assert found.cause.message == "first"
    assert [each.message for each in found.also] == ["later"]


def test_retried_workflow_is_ignored():
    found = diagnosis_of(image(), workflow(1, retried=True, message="old"), workflow(2, message="new"))
    assert (found.cause.message, found.also) == ("new", ())


def test_rollback_in_progress_is_a_failure():
    found = diagnosis_of(image("BUILDING"), workflow(1, "ROLLBACK_IN_PROGRESS", message="lost"))
    assert found.cause.message == "lost"


def test_workflow_named_in_the_reason_is_the_cause():
    reason = f"Workflow Execution ID: 'wf-{UUID}2' failed with reason: Document {COMPONENT} failed!"
    found = diagnosis_of(image(reason=reason), workflow(1), workflow(2))
    assert found.cause.place.workflow_execution_id == f"wf-{UUID}2"
    assert found.cause.message == f"Document {COMPONENT} failed!"
    # The same if nothing but the image can be read.
    image_only = diagnosis_of(image(reason=reason))
    assert (image_only.cause.kind, image_only.cause.component.arn) == (CauseKind.COMPONENT, COMPONENT)
    assert image_only.cause.message == f"Document {COMPONENT} failed!"
    assert image_only.cause.place.workflow_execution_id == f"wf-{UUID}2"


def test_last_failed_step_is_the_cause():
    steps = (step(1, message="went on"), step(2, "COMPLETED"), step(3, message="aborted"), step(4, "PENDING"))
    assert diagnosis_of(image(), workflow(1), *steps).cause.message == "aborted"


def test_step_in_the_failure_context_is_the_cause():
    context = {"workflowExecutionId": f"wf-{UUID}1", "stepExecutionId": f"step-{UUID}1"}
    steps = (step(1, message="named"), step(2, message="not named"))
    found = diagnosis_of(image(failureContext=context), workflow(1), *steps)
    assert found.cause.message == "named"


@pytest.mark.parametrize(
    "cancelled", [workflow(2, "CANCELLED"), step(7, "CANCELLED", of=2)], ids=["workflow", "step"]
)
def test_cancelled_execution_names_the_failed_workflow(cancelled):
    found = diagnosis_of(cancelled, image(), workflow(1, message="the cause"), workflow(2, "CANCELLED"))
    assert found.cause.message == "the cause"


def test_cancelled_image_has_no_cause():
    found = diagnosis_of(image("CANCELLED"), workflow(1, message="unrelated"), workflow(2, "CANCELLED"))
    assert found.cause is None
    assert [each.message for each in found.also] == ["unrelated"]
    assert "is CANCELLED [" in str(found)


@pytest.mark.parametrize(
    ("members", "kind"),
    [
        ({"status": "TIMED_OUT"}, CauseKind.TIMEOUT),
        ({"message": "Step Step1 timed out"}, CauseKind.TIMEOUT),
        ({"message": "curl: (28) connection timed out"}, CauseKind.STEP),
        (
            {
                "timeoutSeconds": 60,
                "startTime": "2026-09-09T19:00:00.000Z",
                "endTime": "2026-09-09T19:01:00.010Z",
            },
            CauseKind.TIMEOUT,
        ),
        ({"action": "ExecuteComponents"}, CauseKind.COMPONENT),
        ({"action": "WaitForAction"}, CauseKind.STOPPED),
        ({"action": "WaitForAction", "message": "Step Step1 timed out"}, CauseKind.TIMEOUT),
        ({}, CauseKind.STEP),
    ],
)
def test_failed_step_determines_the_kind_of_cause(members, kind):
    assert diagnosis_of(image(), workflow(1), step(1, **members)).cause.kind is kind


IDS = st.sampled_from([f"wf-{UUID}{number}" for number in (1, 2)])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | IDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)
STATUSES = st.sampled_from(["FAILED", "CANCELLED", "COMPLETED", "AVAILABLE", "TIMED_OUT", "RUNNING", "NEW"])
TIMES = st.sampled_from(["2026-09-09T19:00:00.000Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "?"])
PHRASES = [
    f"Document {COMPONENT} failed!",
    f"wf-{UUID}1 ",
    '{"a":1}',
    f"Document {COMPONENT}",
    "Phase build",
    "Step One",
    "ExecuteBash: STARTED EXECUTION",
    "ExecuteBash: FINISHED EXECUTION",
    "Executor: FINISHED EXECUTION OF ALL DOCUMENTS",
    "Stderr: Error: bad\n+ exit 1\n",
    "Stderr: At x.ps1:1 char:1",
    "Stdout: FATAL",
    "ExitCode 1",
    "ExitCode 3010",
    "ExitCode " + "9" * 5000,
    "[ ERROR ] bad",
    APPLY,
    COMMAND_FAILED,
    STEP_FAILED,
    TRANSITION.format("INTEGRATING"),
    DISTRIBUTION,
    f"{LEGACY} with status = 'TimedOut' in state = 'BUILDING' and failure message = '",
    "User: arn:aws:sts::1:assumed-role/R/s is not authorized to perform: sts:AssumeRole on resource: x",
    "is not authorized with an explicit deny in a service control policy",
]
TEXTS = st.text(max_size=40) | st.sampled_from(PHRASES) | st.lists(st.sampled_from(PHRASES)).map("\n".join)


def members(cls: type[Structure], **fixed: st.SearchStrategy) -> st.SearchStrategy:
    """Return a strategy for responses in which any member may be missing or malformed."""
    names = [wire_name(name) for name in cls.__dataclass_fields__ if name != "raw"]
    own = {
        "status": STATUSES,
        "startTime": TIMES,
        "endTime": TIMES,
        "message": TEXTS,
        "outputs": TEXTS,
    } | fixed
    optional = {name: own.get(name, VALUES) | VALUES for name in names if name not in fixed}
    return st.fixed_dictionaries(fixed, optional=optional).map(cls.parse)


CONTEXTS = st.fixed_dictionaries(
    {},
    optional={
        "workflowExecutionId": IDS,
        "imageStatus": STATUSES,
        "failedStep": TEXTS,
        "componentFailure": st.dictionaries(st.sampled_from(["componentArn", "stepName"]), TEXTS),
        "distributionFailure": st.fixed_dictionaries(
            {"regionFailures": st.lists(st.dictionaries(st.sampled_from(["region", "errorMessage"]), TEXTS))}
        ),
    },
)
STATES = st.fixed_dictionaries(
    {"status": STATUSES}, optional={"reason": TEXTS, "failureContext": CONTEXTS | VALUES}
)
IMAGES = members(Image, state=STATES | VALUES)
WORKFLOWS = members(WorkflowExecution, workflowExecutionId=IDS)
STEPS = members(WorkflowStepExecution, stepExecutionId=st.just(f"step-{UUID}1"), workflowExecutionId=IDS)
LINES = st.lists(st.builds(LogLine, st.datetimes(timezones=st.just(UTC)), TEXTS), max_size=8)
ROWS = st.fixed_dictionaries(
    {"resourceId": st.sampled_from(["a", "b"])},
    optional={
        "state": STATES | VALUES,
        "snapshots": st.lists(st.fixed_dictionaries({}, optional={"snapshotId": TEXTS, "state": STATES})),
    },
).map(LifecycleExecutionResource.parse)


@given(
    st.one_of(
        IMAGES,
        WORKFLOWS,
        STEPS,
        members(LifecycleExecution, lifecycleExecutionId=st.just("lce-1"), state=STATES),
    ),
    st.none() | IMAGES,
    st.lists(WORKFLOWS, max_size=3),
    st.lists(STEPS, max_size=3),
    st.lists(members(LifecycleExecutionResource) | ROWS, max_size=2),
    st.dictionaries(st.sampled_from(["a", "b"]), st.lists(ROWS, max_size=2).map(tuple)),
    LINES,
)
def test_any_evidence_yields_a_diagnosis(subject, of_image, workflows, steps, resources, children, lines):
    evidence = Evidence(
        subject=subject,
        image=of_image,
        workflows=tuple(workflows),
        steps=tuple(steps),
        resources=tuple(resources),
        children=children,
        lines=tuple(lines),
    )
    assert len(candidate_workflows(evidence)) <= 3
    diagnosis = conclude(evidence, log_lines=3)
    assert json.loads(json.dumps(diagnosis.as_dict())) == diagnosis.as_dict()
    assert diagnosis.report().replace("\n", "").isprintable()
    assert "\n" not in str(diagnosis)
