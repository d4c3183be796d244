"""Scripts and faults as JSON, and parsing of workflow and component documents."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from aioimagebuilder.testing import (
    BuildScript,
    ComponentFailure,
    Fault,
    ScanFinding,
    ScanScript,
    StepScript,
    WorkflowScript,
)
from aioimagebuilder.testing.simulation.documents import (
    parse_workflow,
    plan_steps,
    resolve,
)


@pytest.mark.parametrize(
    "script",
    [
        BuildScript(),
        BuildScript.failing_component(),
        BuildScript.failing_step("A", "b", pace=0.5),
        BuildScript.waiting("A"),
        BuildScript(
            steps={"A": StepScript(component_failure=ComponentFailure(error="x"), log_lines=("a", "b"))},
            workflows={"TEST": WorkflowScript(status="SKIPPED")},
            failed_regions={"eu-west-1": "no"},
            scan=ScanScript(findings=(ScanFinding(vulnerability_id="CVE-2025-1"),), reason="done"),
            packages={"bash": "5.2"},
        ),
    ],
)
def test_script_round_trips_through_json(script):
    assert BuildScript(**json.loads(json.dumps(asdict(script)))) == script


def test_fault_round_trips_through_json():
    fault = Fault("missing_rows", identifiers=("a", "b"), times=2)
    assert Fault(**json.loads(json.dumps(asdict(fault)))) == fault


def test_unknown_fault_kind_is_rejected():
    with pytest.raises(ValueError, match="one of: delay, error"):
        Fault("unknown")


DOCUMENT = """
name: wait
schemaVersion: 1.0
description: Waits for approval
parameters:
  - {name: approval, type: boolean, default: false}
  - {name: topic, type: string}
steps:
  - name: Approve
    action: WaitForAction
    onFailure: Continue
    timeoutSeconds: 600
    if: {booleanEquals: true, value: "$.parameters.approval"}
    inputs: {snsTopicArn.$: "$.parameters.topic"}
  - name: Later
    action: RunCommand
    if: {stringEquals: x, value: "$.stepOutputs.Approve.reason"}
  - name: Never
    action: RunCommand
    if:
      and:
        - {stringEquals: Linux, value: "$.imagebuilder.platform"}
        - not: {stringEquals: Linux, value: "$.imagebuilder.platform"}
  - name: Either
    action: WaitForSSMAgent
    if:
      or:
        - {stringEquals: Windows, value: "$.imagebuilder.platform"}
        - {numberEquals: 3, value: 3}
"""


def plan(**parameters):
    document = parse_workflow(DOCUMENT)
    planned = plan_steps(
        document, builder={"platform": "Linux"}, parameters=parameters, runs_components=False
    )
    return {step.name: step for step in planned}


def test_conditions_select_skipped_steps():
    assert {name: step.is_skipped for name, step in plan().items()} == {
        "Approve": True,
        "Later": False,
        "Never": True,
        "Either": False,
    }
    assert not plan(approval="true")["Approve"].is_skipped


def test_steps_use_document_values():
    approve = plan(topic="arn:topic")["Approve"]
    assert (approve.on_failure, approve.timeout_seconds) == ("Continue", 600)
    assert approve.inputs == {"snsTopicArn": "arn:topic"}
    assert plan()["Later"].on_failure == "Abort"


def test_unresolved_references_are_kept():
    assert resolve({"a.$": "$.stepOutputs.X.y", "b": 1}, {"stepOutputs": {}}) == {
        "a.$": "$.stepOutputs.X.y",
        "b": 1,
    }
