"""Lifecycle executions: state updates of single images, and runs of policies."""

from __future__ import annotations

import datetime as dt
import json

import pytest

from simulator.support import refused, status_of

INCLUDED = {"executionRole": "role", "includeResources": {"amis": True}}
DELETION = {"executionRole": "role", "includeResources": {"amis": True, "snapshots": True}}


def update(client, arn, status, **members):
    return client.start_resource_state_update(resourceArn=arn, state={"status": status}, **members)


def execution(client, identifier):
    return client.get_lifecycle_execution(lifecycleExecutionId=identifier)["lifecycleExecution"]


def test_without_resources_the_change_is_immediate(client, built):
    answer = update(client, built, "DEPRECATED")
    assert answer["resourceArn"] == built
    assert "lifecycleExecutionId" not in answer
    assert status_of(client, built) == "DEPRECATED"
    update(client, built, "AVAILABLE")
    assert status_of(client, built) == "AVAILABLE"


def test_with_resources_an_execution_does_it(simulator, client, built):
    identifier = update(client, built, "DISABLED", **INCLUDED)["lifecycleExecutionId"]
    running = execution(client, identifier)
    assert running["state"] == {"status": "IN_PROGRESS"}
    assert "endTime" not in running
    assert "lifecyclePolicyArn" not in running
    assert running["resourcesImpactedSummary"] == {"hasImpactedResources": True}
    assert running["startTime"].tzinfo is not None
    assert status_of(client, built) == "AVAILABLE"
    assert client.get_image(imageBuildVersionArn=built)["image"]["lifecycleExecutionId"] == identifier
    simulator.advance(20)
    assert execution(client, identifier)["state"] == {"status": "SUCCESS"}
    assert status_of(client, built) == "DISABLED"


def test_times_are_seconds_with_a_fraction_on_the_wire(simulator, client, built):
    identifier = update(client, built, "DISABLED", **INCLUDED)["lifecycleExecutionId"]
    state = simulator.control.perform(
        "GetLifecycleExecution",
        {"lifecycleExecutionId": identifier},
        account_id="123456789012",
        region="us-east-1",
    )
    assert isinstance(json.loads(json.dumps(state))["lifecycleExecution"]["startTime"], float)


def test_a_deletion_tells_its_resources_and_snapshots(simulator, client, built):
    identifier = update(client, built, "DELETED", **DELETION)["lifecycleExecutionId"]
    simulator.advance(20)
    assert status_of(client, built) == "DELETED"
    answer = client.list_lifecycle_execution_resources(lifecycleExecutionId=identifier)
    assert answer["lifecycleExecutionState"] == {"status": "SUCCESS"}
    [image] = answer["resources"]
    assert (image["resourceId"], image["action"]) == (built, {"name": "DELETE"})
    [ami] = client.list_lifecycle_execution_resources(
        lifecycleExecutionId=identifier, parentResourceId=built
    )["resources"]
    assert ami["resourceId"].startswith("ami-")
    assert ami["state"] == {"status": "SUCCESS"}
    [snapshot] = ami["snapshots"]
    assert snapshot["snapshotId"].startswith("snap-")
    assert snapshot["state"] == {"status": "SUCCESS"}


def test_excluded_resources_are_skipped_and_keep_the_image(simulator, client, built):
    rules = {"amis": {"regions": ["us-east-1"]}}
    identifier = update(client, built, "DELETED", exclusionRules=rules, **DELETION)["lifecycleExecutionId"]
    simulator.advance(20)
    [ami] = client.list_lifecycle_execution_resources(
        lifecycleExecutionId=identifier, parentResourceId=built
    )["resources"]
    assert ami["state"] == {"status": "SKIPPED"}
    assert status_of(client, built) == "AVAILABLE"


def test_a_date_ahead_keeps_the_execution_in_progress(simulator, client, built):
    when = dt.datetime.fromtimestamp(simulator.now() + 2 * 86400, dt.UTC)
    identifier = update(client, built, "DEPRECATED", updateAt=when)["lifecycleExecutionId"]
    simulator.advance(86400)
    running = execution(client, identifier)
    assert running["state"] == {"status": "IN_PROGRESS"}
    assert running["resourcesImpactedSummary"] == {"hasImpactedResources": False}
    assert client.list_lifecycle_execution_resources(lifecycleExecutionId=identifier)["resources"] == []
    image = client.get_image(imageBuildVersionArn=built)["image"]
    assert abs(image["deprecationTime"] - when) < dt.timedelta(seconds=1)
    simulator.advance(86401)
    assert execution(client, identifier)["state"] == {"status": "SUCCESS"}
    assert status_of(client, built) == "DEPRECATED"


def test_a_second_one_is_refused_while_one_runs(simulator, client, built):
    update(client, built, "DISABLED", **INCLUDED)
    with refused("ResourceInUseException", 400):
        update(client, built, "DISABLED", **INCLUDED)
    simulator.advance(20)
    assert update(client, built, "AVAILABLE", **INCLUDED)["lifecycleExecutionId"]


def test_a_cancel_goes_by_cancelling(simulator, client, built):
    identifier = update(client, built, "DELETED", **DELETION)["lifecycleExecutionId"]
    answer = client.cancel_lifecycle_execution(lifecycleExecutionId=identifier)
    assert answer["lifecycleExecutionId"] == identifier
    assert execution(client, identifier)["state"]["status"] == "CANCELLING"
    with refused("ResourceInUseException", 400):
        client.cancel_lifecycle_execution(lifecycleExecutionId=identifier)
    simulator.advance(60)
    assert execution(client, identifier)["state"]["status"] == "CANCELLED"
    assert status_of(client, built) == "AVAILABLE"
    [image] = client.list_lifecycle_execution_resources(lifecycleExecutionId=identifier)["resources"]
    assert image["state"]["status"] == "SKIPPED"
    with refused("InvalidRequestException", 400):
        client.cancel_lifecycle_execution(lifecycleExecutionId=identifier)


@pytest.mark.parametrize(
    ("status", "members"),
    [
        ("DELETED", {}),
        ("DISABLED", {"includeResources": {"amis": True}}),
        ("DISABLED", {"executionRole": "role"}),
        ("DISABLED", DELETION),
        ("DISABLED", {"updateAt": dt.datetime(2100, 1, 1, tzinfo=dt.UTC)}),
        ("DEPRECATED", {"updateAt": dt.datetime(2000, 1, 1, tzinfo=dt.UTC)}),
    ],
)
def test_what_an_update_may_not_ask(client, built, status, members):
    with refused("InvalidRequestException", 400):
        update(client, built, status, **members)


def test_which_images_can_be_updated(simulator, client):
    running = simulator.start_build(simulator.create_pipeline())
    with refused("ResourceInUseException", 400):
        update(client, running, "DEPRECATED")
    failed = simulator.add_execution("image", [("FAILED", None)])
    with refused("InvalidRequestException", 400):
        update(client, failed, "DEPRECATED")
    assert update(client, failed, "DELETED", **INCLUDED)["lifecycleExecutionId"]
    with refused("InvalidRequestException", 400):
        client.start_resource_state_update(resourceArn=failed, state={})


def policy(client, **members):
    details = {
        "action": {"type": "DELETE", "includeResources": {"amis": True, "snapshots": True}},
        "filter": {"type": "COUNT", "value": 2},
    }
    answer = client.create_lifecycle_policy(
        name="Old ones",
        executionRole="role",
        resourceType="AMI_IMAGE",
        policyDetails=[{**details, **members}],
        resourceSelection={"recipes": [{"name": "demo", "semanticVersion": "1.x.x"}]},
    )
    return answer["lifecyclePolicyArn"]


@pytest.fixture
def four_images(simulator):
    pipeline = simulator.create_pipeline()
    arns = []
    for _ in range(4):
        arns.append(simulator.start_build(pipeline))
        simulator.advance(86400)
    return arns


def test_a_policy_keeps_the_newest(simulator, client, four_images):
    arn = policy(client)
    identifier = simulator.run_lifecycle_policy(arn)
    assert execution(client, identifier)["lifecyclePolicyArn"] == arn
    simulator.advance(60)
    assert [status_of(client, each) for each in four_images] == [
        "DELETED",
        "DELETED",
        "AVAILABLE",
        "AVAILABLE",
    ]
    resources = client.list_lifecycle_execution_resources(lifecycleExecutionId=identifier)["resources"]
    assert [each["resourceId"] for each in resources] == four_images[:2]
    for resource in (arn, four_images[0]):
        [run] = client.list_lifecycle_executions(resourceArn=resource)["lifecycleExecutions"]
        assert run["lifecycleExecutionId"] == identifier
    assert client.get_lifecycle_policy(lifecyclePolicyArn=arn)["lifecyclePolicy"]["dateLastRun"]
    with refused("ResourceNotFoundException", 404):
        client.list_lifecycle_executions(resourceArn=arn + "x")


def test_a_policy_goes_by_age(simulator, client, four_images):
    rule = {"type": "AGE", "value": 2, "unit": "DAYS", "retainAtLeast": 2}
    simulator.run_lifecycle_policy(policy(client, filter=rule, action={"type": "DEPRECATE"}))
    simulator.advance(60)
    shown = [status_of(client, each) for each in four_images]
    assert shown == ["DEPRECATED", "DEPRECATED", "AVAILABLE", "AVAILABLE"]


def test_a_policy_runs_once_at_a_time_and_can_fail(simulator, client, four_images):
    arn = policy(client)
    identifier = simulator.run_lifecycle_policy(arn, seconds=60, status="FAILED", reason="no permission")
    with pytest.raises(Exception, match="ResourceInUseException"):
        simulator.run_lifecycle_policy(arn)
    simulator.advance(61)
    assert execution(client, identifier)["state"] == {"status": "FAILED", "reason": "no permission"}
    assert {status_of(client, each) for each in four_images} == {"AVAILABLE"}
    assert simulator.run_lifecycle_policy(arn) != identifier


def test_a_policy_with_nothing_to_do_says_so(simulator, client):
    identifier = simulator.run_lifecycle_policy(policy(client))
    assert execution(client, identifier)["resourcesImpactedSummary"] == {"hasImpactedResources": False}
