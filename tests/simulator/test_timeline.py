"""The computation of timelines from plans, scripts and interventions."""

from __future__ import annotations

import json
import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aioimagebuilder.testing.scripts import BuildScript, ComponentFailure, StepScript, WorkflowScript
from aioimagebuilder.testing.simulation.catalogue import ACTIONS, MANAGED_WORKFLOWS
from aioimagebuilder.testing.simulation.documents import parse_workflow, plan_steps
from aioimagebuilder.testing.simulation.plan import BuildPlan, PlannedWorkflow
from aioimagebuilder.testing.simulation.runs import Run, StepAction
from aioimagebuilder.testing.simulation.timeline import compute
from simulator.support import WORKFLOW_DOCUMENT

ARN = "arn:aws:imagebuilder:us-east-1:123456789012:image/demo/1.0.0/1"
COMPONENT = "arn:aws:imagebuilder:us-east-1:123456789012:component/demo/1.0.0/1"


def workflow(name="build-image", workflow_type="BUILD", *, data=None, components=True, **members):
    document = parse_workflow(data or MANAGED_WORKFLOWS[workflow_type.lower(), name])
    builder = {"platform": "Linux", "collectImageMetadata": True, "collectImageScanFindings": False}
    return PlannedWorkflow(
        name=name,
        type=workflow_type,
        arn=f"arn:aws:imagebuilder:us-east-1:aws:workflow/{workflow_type.lower()}/{name}/1.0.3/1",
        steps=plan_steps(document, builder=builder, parameters={}, runs_components=components),
        **members,
    )


BUILD, TEST = workflow(), workflow("test-image", "TEST", components=False)


def plan(*workflows, **members):
    defaults = {"account_id": "123456789012", "regions": ("us-east-1",), "components": (COMPONENT,)}
    return BuildPlan(
        image_arn=ARN, image_name="Demo", workflows=workflows or (BUILD, TEST), **{**defaults, **members}
    )


def run(script=None, *workflows, actions=None, cancelled_at=None, number=0, first_stage=None, **members):
    found = Run(
        plan=plan(*workflows, **members),
        script=script or BuildScript(),
        start=0.0,
        number=number,
        first_stage=first_stage,
        actions=actions or {},
        cancelled_at=cancelled_at,
    )
    compute(found)
    return found.timeline


def statuses(timeline):
    return [state["status"] for state in timeline.image.states]


def last(row):
    return row.history.states[-1]


def find_step(timeline, name):
    rows = [row for each in timeline.workflows for row in each.children]
    return next(row for row in rows if last(row)["name"] == name)


def test_default_build_takes_ten_minutes_over_all_stages():
    timeline = run()
    assert statuses(timeline) == ["PENDING", "CREATING", "BUILDING", "TESTING", "DISTRIBUTING", "AVAILABLE"]
    assert 500 < timeline.image.end < 800
    assert [last(row)["status"] for row in timeline.workflows] == ["COMPLETED", "COMPLETED"]
    assert [last(row)["totalStepCount"] for row in timeline.workflows] == [7, 4]
    assert timeline.stopped_stage is None


def test_workflow_starts_pending_with_its_step_count():
    build, test = run().workflows
    assert test.history.start > build.history.end
    first = build.history.states[0]
    assert (first["status"], first["totalStepCount"], first["totalStepsSucceeded"]) == ("PENDING", 7, 0)
    assert {each.history.states[0]["status"] for each in build.children} == {"PENDING"}


def test_default_steps_have_real_names_and_skips():
    timeline = run(None, workflow(components=False), TEST)
    shown = [(last(row)["name"], last(row)["status"]) for row in timeline.workflows[0].children]
    assert shown == [
        ("LaunchBuildInstance", "COMPLETED"),
        ("ApplyBuildComponents", "SKIPPED"),
        ("InventoryCollection", "COMPLETED"),
        ("RunSanitizeScript", "COMPLETED"),
        ("RunSysPrepScript", "SKIPPED"),
        ("CreateOutputAMI", "COMPLETED"),
        ("TerminateBuildInstance", "COMPLETED"),
    ]
    counts = last(timeline.workflows[0])
    assert (counts["totalStepsSucceeded"], counts["totalStepsSkipped"]) == (5, 2)
    skipped = last(find_step(timeline, "RunSysPrepScript"))
    assert skipped["inputs"] == '{"instanceId.$": "$.stepOutputs.LaunchBuildInstance.instanceId"}'
    assert skipped["startTime"] == skipped["endTime"]


def test_step_outputs_are_inputs_of_later_steps():
    timeline = run()
    instance = json.loads(last(find_step(timeline, "LaunchBuildInstance"))["outputs"])["instanceId"]
    assert json.loads(last(find_step(timeline, "CreateOutputAMI"))["inputs"]) == {"instanceId": instance}
    ami = json.loads(last(find_step(timeline, "CreateOutputAMI"))["outputs"])["imageId"]
    assert timeline.image.states[-1]["outputResources"]["amis"][0]["image"] == ami


def test_abort_rolls_back_and_leaves_later_steps_pending():
    timeline = run(BuildScript.failing_step("RunSanitizeScript", "no space left"))
    build = timeline.workflows[0]
    assert [state["status"] for state in build.history.states][-2:] == [
        "ROLLBACK_IN_PROGRESS",
        "ROLLBACK_COMPLETED",
    ]
    rollbacks = {last(row)["name"]: last(row).get("rollbackStatus") for row in build.children}
    assert rollbacks["LaunchBuildInstance"] == "COMPLETED"
    assert rollbacks["RunSanitizeScript"] == "SKIPPED"
    assert rollbacks["CreateOutputAMI"] is None
    inventory = find_step(timeline, "InventoryCollection").history
    launch = find_step(timeline, "LaunchBuildInstance").history
    assert inventory.end <= launch.end
    assert last(find_step(timeline, "CreateOutputAMI"))["status"] == "PENDING"
    assert last(build)["message"] == "no space left"
    assert last(build)["totalStepsFailed"] == 1
    assert statuses(timeline)[-1] == "FAILED"
    assert timeline.image.states[-1]["reason"].endswith("failed with reason: no space left")
    assert timeline.stopped_stage == "BUILD"


def test_workflow_without_rollback_ends_failed():
    timeline = run(BuildScript.failing_step("RunSanitizeScript", rollback=False))
    assert last(timeline.workflows[0])["status"] == "FAILED"
    assert "rollbackStatus" not in last(find_step(timeline, "LaunchBuildInstance"))
    one = BuildScript.failing_step("RunSanitizeScript", workflows={"BUILD": WorkflowScript(rollback=False)})
    assert last(run(one).workflows[0])["status"] == "FAILED"


def test_continue_on_failure_does_not_fail_workflow():
    timeline = run(
        BuildScript(steps={"RunSanitizeScript": StepScript(status="FAILED", on_failure="Continue")})
    )
    build = last(timeline.workflows[0])
    assert (build["status"], build["totalStepsFailed"], build["totalStepsSucceeded"]) == ("COMPLETED", 1, 5)
    assert statuses(timeline)[-1] == "AVAILABLE"


def test_component_failure_is_reported_as_in_the_service():
    timeline = run(BuildScript.failing_component("exit status 7"), s3_logs="bucket/prefix")
    build, failed = last(timeline.workflows[0]), last(find_step(timeline, "ApplyBuildComponents"))
    assert "message" not in build
    assert "message" not in failed
    outputs = json.loads(failed["outputs"])
    assert outputs["error"] == "exit status 7"
    assert outputs["logUrl"] == "s3://bucket/prefix/ApplyBuildComponents"
    state = timeline.image.states[-1]
    identifier = timeline.workflows[0].identifier
    assert state["reason"] == (
        f"Workflow Execution ID: '{identifier}' failed with reason: Document {COMPONENT} failed!"
    )
    assert state["failureContext"] == {
        "imageStatus": "BUILDING",
        "workflowExecutionId": identifier,
        "workflowArn": BUILD.arn,
        "stepExecutionId": failed["stepExecutionId"],
        "failedStep": "ApplyBuildComponents",
        "componentFailure": {
            "componentArn": COMPONENT,
            "phaseName": "build",
            "stepName": "InstallPackages",
            "action": "ExecuteBash",
            "errorMessage": "exit status 7",
        },
    }
    assert "Stderr: exit status 7" in [text for _, text in timeline.log_lines]


def test_early_failure_has_only_a_reason():
    reason = "None of the provided Instance Types are available in the current region."
    timeline = run(BuildScript(early_failure=reason))
    assert statuses(timeline) == ["PENDING", "FAILED"]
    assert timeline.image.states[-1] == {"status": "FAILED", "reason": reason}
    assert timeline.workflows == []


def test_script_hides_failure_context_and_sets_reason():
    script = BuildScript.failing_step("RunSanitizeScript", failure_context=False, reason="because")
    assert run(script).image.states[-1] == {"status": "FAILED", "reason": "because"}


def test_tolerated_test_failure_leaves_image_available():
    tolerated = workflow("test-image", "TEST", components=False, continues_on_failure=True)
    timeline = run(BuildScript.failing_step("LaunchTestInstance"), BUILD, tolerated)
    assert last(timeline.workflows[1])["status"] == "ROLLBACK_COMPLETED"
    assert statuses(timeline)[-1] == "AVAILABLE"


def test_failed_test_fails_image_and_keeps_ami():
    timeline = run(BuildScript.failing_step("LaunchTestInstance"))
    assert statuses(timeline)[-2:] == ["TESTING", "FAILED"]
    assert timeline.image.states[-1]["outputResources"]["amis"]
    assert timeline.image.states[-1]["failureContext"]["imageStatus"] == "TESTING"
    assert timeline.stopped_stage == "TEST"


def test_distribution_can_fail_in_some_regions():
    script = BuildScript(failed_regions={"eu-west-1": "no permission"})
    timeline = run(script, regions=("us-east-1", "eu-west-1", "eu-west-2"))
    state = timeline.image.states[-1]
    assert state["status"] == "FAILED"
    failure = state["failureContext"]["distributionFailure"]
    assert [each["region"] for each in failure["regionFailures"]] == ["eu-west-1"]
    assert [each["region"] for each in state["outputResources"]["amis"]] == ["us-east-1", "eu-west-2"]


def test_distribution_workflow_has_its_own_execution():
    distribution = workflow("distribute-image", "DISTRIBUTION")
    timeline = run(None, BUILD, TEST, distribution)
    assert [last(row)["type"] for row in timeline.workflows] == ["BUILD", "TEST", "DISTRIBUTION"]
    script = BuildScript.failing_step("DistributeImage", failed_regions={"eu-west-1": "no permission"})
    failed = run(script, BUILD, TEST, distribution, regions=("us-east-1", "eu-west-1"))
    context = failed.image.states[-1]["failureContext"]
    assert context["failedStep"] == "DistributeImage"
    assert context["distributionFailure"]["errorMessage"] == "no permission"


def test_test_workflows_run_serially_or_five_in_parallel():
    alone = [workflow(f"test-image-{number}", "TEST", data=WORKFLOW_DOCUMENT) for number in range(3)]
    rows = run(None, BUILD, *alone).workflows[1:]
    assert all(later.history.start >= earlier.history.end for earlier, later in pairwise(rows))
    group = [
        workflow(f"test-image-{number}", "TEST", data=WORKFLOW_DOCUMENT, parallel_group="g")
        for number in range(7)
    ]
    rows = run(None, BUILD, *group).workflows[1:]
    starts = [row.history.start for row in rows]
    assert len(set(starts[:5])) == 1
    assert starts[5] == starts[6] == rows[0].history.end
    assert {last(row)["parallelGroup"] for row in rows} == {"g"}


def test_parallel_group_starts_no_tests_after_failure():
    group = [
        workflow(f"test-{number}", "TEST", data=WORKFLOW_DOCUMENT, parallel_group="g") for number in range(6)
    ]
    timeline = run(BuildScript(steps={"test-0/Check": StepScript(status="FAILED")}), BUILD, *group)
    assert len(timeline.workflows) == 1 + 5
    assert statuses(timeline)[-1] == "FAILED"


def test_skipped_workflow_never_runs():
    timeline = run(BuildScript(workflows={"test-image": WorkflowScript(status="SKIPPED")}))
    test = timeline.workflows[1]
    assert [state["status"] for state in test.history.states] == ["SKIPPED"]
    assert test.history.start == test.history.end
    assert statuses(timeline)[-1] == "AVAILABLE"


def test_any_string_can_be_a_status():
    script = BuildScript(
        steps={"LaunchBuildInstance": StepScript(running_status="STEP_RUNS", status="STEP_ENDED")},
        workflows={"BUILD": WorkflowScript(running_status="WORKFLOW_RUNS", status="WORKFLOW_ENDED")},
        renamed_statuses={"TESTING": "CHECKING"},
        status="IMAGE_ENDED",
    )
    timeline = run(script)
    expected = ["PENDING", "CREATING", "BUILDING", "CHECKING", "DISTRIBUTING", "IMAGE_ENDED"]
    assert statuses(timeline) == expected
    assert [state["status"] for state in timeline.workflows[0].history.states][-1] == "WORKFLOW_ENDED"
    assert last(find_step(timeline, "LaunchBuildInstance"))["status"] == "STEP_ENDED"
    assert {"STEP_RUNS", "STEP_ENDED", "WORKFLOW_RUNS", "CHECKING", "IMAGE_ENDED"} <= script.statuses()


def test_integrating_is_shown_only_if_scripted():
    timeline = run(BuildScript(integrating=30))
    assert statuses(timeline)[-3:] == ["DISTRIBUTING", "INTEGRATING", "AVAILABLE"]


def test_failed_attempts_precede_the_final_attempt():
    timeline = run(BuildScript(steps={"RunSanitizeScript": StepScript(failed_attempts=2, max_attempts=3)}))
    states = find_step(timeline, "RunSanitizeScript").history.states
    shown = [(state["status"], state["attemptNumber"]) for state in states]
    assert shown == [
        ("PENDING", 1),
        ("RUNNING", 1),
        ("FAILED", 1),
        ("FAILED", 2),
        ("RUNNING", 2),
        ("FAILED", 2),
        ("FAILED", 3),
        ("RUNNING", 3),
        ("COMPLETED", 3),
    ]
    assert {state["maxAttempts"] for state in states} == {3}


def test_step_exceeding_its_timeout_fails():
    timeline = run(BuildScript(steps={"RunSanitizeScript": StepScript(duration=9e6, timeout_seconds=60)}))
    failed = last(find_step(timeline, "RunSanitizeScript"))
    assert (failed["status"], failed["message"]) == ("FAILED", "Step RunSanitizeScript timed out")


def test_step_can_run_forever():
    timeline = run(BuildScript(steps={"RunSanitizeScript": StepScript(never_ends=True)}))
    assert timeline.image.at(1e12)["status"] == "BUILDING"
    assert timeline.workflows[0].history.at(1e12)["status"] == "RUNNING"
    assert all(at < math.inf for at, _ in timeline.log_lines)


WAITING = BuildScript.waiting("RunSanitizeScript")


def find_waiting_step(timeline):
    [(identifier, span)] = timeline.waiting_steps.items()
    return identifier, span


def test_waiting_step_fails_after_three_days():
    timeline = run(BuildScript(), workflow(data=WORKFLOW_DOCUMENT.replace("RunCommand", "WaitForAction")))
    identifier, (start, end) = find_waiting_step(timeline)
    assert end - start == 3 * 24 * 3600
    failed = last(find_step(timeline, "Check"))
    assert (failed["stepExecutionId"], failed["message"]) == (identifier, "Step Check timed out")
    assert failed["timeoutSeconds"] == ACTIONS["WaitForAction"].timeout


@pytest.mark.parametrize("status", ["RUNNING", "WAITING"])
def test_waiting_step_has_scripted_status(status):
    timeline = run(BuildScript.waiting("RunSanitizeScript", waiting_status=status))
    _, (start, _) = find_waiting_step(timeline)
    assert find_step(timeline, "RunSanitizeScript").history.at(start)["status"] == status
    assert timeline.image.at(start)["status"] == "BUILDING"
    assert timeline.workflows[0].history.at(start)["status"] == "RUNNING"


@pytest.mark.parametrize(
    ("action", "status", "image"), [("RESUME", "COMPLETED", "AVAILABLE"), ("STOP", "FAILED", "FAILED")]
)
def test_action_ends_waiting_step(action, status, image):
    identifier, (start, _) = find_waiting_step(run(WAITING))
    sent = StepAction(at=start + 10, action=action, reason="reviewed")
    timeline = run(WAITING, actions={identifier: sent})
    finished = last(find_step(timeline, "RunSanitizeScript"))
    assert finished["status"] == status
    assert finished["action"] == "WaitForAction"
    assert json.loads(finished["outputs"]) == {"action": action, "reason": "reviewed"}
    assert statuses(timeline)[-1] == image
    if action == "STOP":
        assert timeline.image.states[-1]["reason"].endswith("reviewed")


def test_cancel_stops_only_running_executions():
    at = find_step(run(), "CreateOutputAMI").history.start
    when = run().workflows[0].history.end - 1
    timeline = run(cancelled_at=when - BuildScript().cancelling)
    assert timeline.image.states[-1]["status"] == "CANCELLED"
    assert timeline.image.end == when > at
    assert last(timeline.workflows[0])["status"] == "CANCELLED"
    assert last(find_step(timeline, "TerminateBuildInstance"))["status"] == "CANCELLED"
    assert last(find_step(timeline, "LaunchBuildInstance"))["status"] == "COMPLETED"
    assert timeline.image.states[-1]["outputResources"]["amis"]
    assert len(timeline.workflows) == 1
    assert timeline.stopped_stage == "BUILD"


def test_late_cancel_changes_nothing():
    done = run()
    timeline = run(cancelled_at=done.image.end - 1)
    assert timeline.image.states == done.image.states


@given(st.floats(min_value=0, max_value=900), st.floats(min_value=0, max_value=900))
def test_cancel_does_not_change_the_past(cancelled_at, earlier):
    original, cancelled = run(), run(cancelled_at=cancelled_at)
    when = min(earlier, cancelled_at)
    assert cancelled.image.at(when) == original.image.at(when)
    for row in cancelled.workflows:
        same = next(each for each in original.workflows if each.identifier == row.identifier)
        assert row.history.at(when) == same.history.at(when)


@given(
    st.dictionaries(
        st.sampled_from(
            ["LaunchBuildInstance", "RunSanitizeScript", "CreateOutputAMI", "ApplyTestComponents"]
        ),
        st.builds(
            StepScript,
            status=st.sampled_from([None, "FAILED", "SKIPPED", "COMPLETED", "TIMED_OUT", "NEW_STATUS"]),
            on_failure=st.sampled_from([None, "Abort", "Continue"]),
            duration=st.sampled_from([None, 0.0, 5.0, 1e6]),
            failed_attempts=st.integers(0, 3),
            is_waiting_step=st.booleans(),
        ),
    ),
    st.booleans(),
    st.one_of(st.none(), st.floats(0, 1000)),
)
def test_times_are_ordered_and_counts_within_total(steps, rollback, cancelled_at):
    script = BuildScript(steps=steps, rollback=rollback)
    timeline = run(script, cancelled_at=cancelled_at)
    rows = [*timeline.workflows, *(step for row in timeline.workflows for step in row.children)]
    for history in [timeline.image, *(row.history for row in rows)]:
        assert history.times == sorted(history.times)
    for row in timeline.workflows:
        for state in row.history.states:
            counted = sum(state[f"totalSteps{each}"] for each in ("Succeeded", "Failed", "Skipped"))
            assert counted <= state["totalStepCount"]
    assert timeline.log_lines == sorted(timeline.log_lines, key=lambda line: line[0])


def test_recomputed_timeline_has_same_ids():
    assert [row.identifier for row in run().workflows] == [row.identifier for row in run().workflows]


def test_retry_has_new_ids():
    again = run(number=1, first_stage="TEST")
    assert {row.identifier for row in again.workflows}.isdisjoint(row.identifier for row in run().workflows)
    assert statuses(again) == ["TESTING", "DISTRIBUTING", "AVAILABLE"]


def test_pace_scales_all_durations():
    assert run(BuildScript(pace=0.01)).image.end < 40


def test_log_lines_are_spread_over_build_stage():
    timeline = run(BuildScript(log_lines=10))
    times = [at for at, text in timeline.log_lines if text.startswith("Stdout: line")]
    assert len(times) == 10
    assert timeline.workflows[0].history.start - 10 < times[0] < times[-1] < timeline.workflows[0].history.end


def test_component_failure_can_name_other_component():
    other = COMPONENT.replace("demo", "other")
    failure = ComponentFailure(component_arn=other, phase="validate")
    script = BuildScript(
        steps={"ApplyBuildComponents": StepScript(status="FAILED", component_failure=failure)}
    )
    context = run(script).image.states[-1]["failureContext"]["componentFailure"]
    assert (context["componentArn"], context["phaseName"]) == (other, "validate")
