"""Lifecycle executions: state updates of single images, and policy runs."""

from __future__ import annotations

import datetime as dt
import json

import pytest

from simulator.support import get_status, raises_error

INCLUDED = {"executionRole": "role", "includeResources": {"amis": True}}
DELETION = {"executionRole": "role", "includeResources": {"amis": True, "snapshots": True}}


def start_update(client, arn, status, **members):
    return client.start_resource_state_update(resourceArn=arn, state={"status": status}, **members)


def get_execution(client, identifier):
    return client.get_lifecycle_execution(lifecycleExecutionId=identifier)["lifecycleExecution"]


def test_update_without_resources_is_immediate(client, built):
    response = start_update(client, built, "DEPRECATED")
    assert response["resourceArn"] == built
    assert "lifecycleExecutionId" not in response
    assert get_status(client, built) == "DEPRECATED"
    start_update(client, built, "AVAILABLE")
    assert get_status(client, built) == "AVAILABLE"


def test_update_with_resources_starts_execution(simulator, client, built):
    identifier = start_update(client, built, "DISABLED", **INCLUDED)["lifecycleExecutionId"]
    running = get_execution(client, identifier)
    assert running["state"] == {"status": "IN_PROGRESS"}
    assert "endTime" not in running
    assert "lifecyclePolicyArn" not in running
    assert running["resourcesImpactedSummary"] == {"hasImpactedResources": True}
    assert running["startTime"].tzinfo is not None
    assert get_status(client, built) == "AVAILABLE"
    assert client.get_image(imageBuildVersionArn=built)["image"]["lifecycleExecutionId"] == identifier
    simulator.advance(20)
    assert get_execution(client, identifier)["state"] == {"status": "SUCCESS"}
    assert get_status(client, built) == "DISABLED"


def test_lifecycle_times_are_epoch_seconds_with_fraction(simulator, client, built):
    identifier = start_update(client, built, "DISABLED", **INCLUDED)["lifecycleExecutionId"]
    state = simulator.control.perform(
        "GetLifecycleExecution",
        {"lifecycleExecutionId": identifier},
        account_id="123456789012",
        region="us-east-1",
    )
    assert isinstance(json.loads(json.dumps(state))["lifecycleExecution"]["startTime"], float)


def test_deletion_lists_resources_and_snapshots(simulator, client, built):
    identifier = start_update(client, built, "DELETED", **DELETION)["lifecycleExecutionId"]
    simulator.advance(20)
    assert get_status(client, built) == "DELETED"
    response = client.list_lifecycle_execution_resources(lifecycleExecutionId=identifier)
    assert response["lifecycleExecutionState"] == {"status": "SUCCESS"}
    [image] = response["resources"]
    assert (image["resourceId"], image["action"]) == (built, {"name": "DELETE"})
    [ami] = client.list_lifecycle_execution_resources(
        lifecycleExecutionId=identifier, parentResourceId=built
    )["resources"]
    assert ami["resourceId"].startswith("ami-")
    assert ami["state"] == {"status": "SUCCESS"}
    [snapshot] = ami["snapshots"]
    assert snapshot["snapshotId"].startswith("snap-")
    assert snapshot["state"] == {"status": "SUCCESS"}


def test_excluded_resource_is_skipped_and_keeps_image(simulator, client, built):
    rules = {"amis": {"regions": ["us-east-1"]}}
    response = start_update(client, built, "DELETED", exclusionRules=rules, **DELETION)
    identifier = response["lifecycleExecutionId"]
    simulator.advance(20)
    [ami] = client.list_lifecycle_execution_resources(
        lifecycleExecutionId=identifier, parentResourceId=built
    )["resources"]
    assert ami["state"] == {"status": "SKIPPED"}
    assert get_status(client, built) == "AVAILABLE"


def test_future_update_stays_in_progress_until_date(simulator, client, built):
    when = dt.datetime.fromtimestamp(simulator.now() + 2 * 86400, dt.UTC)
    identifier = start_update(client, built, "DEPRECATED", updateAt=when)["lifecycleExecutionId"]
    simulator.advance(86400)
    running = get_execution(client, identifier)
    assert running["state"] == {"status": "IN_PROGRESS"}
    assert running["resourcesImpactedSummary"] == {"hasImpactedResources": False}
    assert client.list_lifecycle_execution_resources(lifecycleExecutionId=identifier)["resources"] == []
    image = client.get_image(imageBuildVersionArn=built)["image"]
    assert abs(image["deprecationTime"] - when) < dt.timedelta(seconds=1)
    simulator.advance(86401)
    assert get_execution(client, identifier)["state"] == {"status": "SUCCESS"}
    assert get_status(client, built) == "DEPRECATED"


def test_second_update_is_rejected_while_one_runs(simulator, client, built):
    start_update(client, built, "DISABLED", **INCLUDED)
    with raises_error("ResourceInUseException", 400):
        start_update(client, built, "DISABLED", **INCLUDED)
    simulator.advance(20)
    assert start_update(client, built, "AVAILABLE", **INCLUDED)["lifecycleExecutionId"]


def get_lifecycle_members(client, arn):
    image = client.get_image(imageBuildVersionArn=arn)["image"]
    names = ("deprecationTime", "lifecycleExecutionId")
    return {name: image[name] for name in names if name in image} | {"status": image["state"]["status"]}


def test_cancelled_execution_leaves_image_as_before(simulator, client, built):
    first = start_update(client, built, "DISABLED", **INCLUDED)["lifecycleExecutionId"]
    simulator.advance(20)
    start_update(client, built, "AVAILABLE")
    before = get_lifecycle_members(client, built)
    assert before == {"lifecycleExecutionId": first, "status": "AVAILABLE"}
    at = dt.datetime.fromtimestamp(simulator.now() + 1000, dt.UTC)
    scheduled = start_update(client, built, "DEPRECATED", updateAt=at)["lifecycleExecutionId"]
    changed = get_lifecycle_members(client, built)
    assert (changed["lifecycleExecutionId"], "deprecationTime" in changed) == (scheduled, True)
    client.cancel_lifecycle_execution(lifecycleExecutionId=scheduled)
    assert get_lifecycle_members(client, built) == before
    simulator.advance(2000)
    assert get_lifecycle_members(client, built) == before


def test_cancelled_execution_passes_through_cancelling(simulator, client, built):
    identifier = start_update(client, built, "DELETED", **DELETION)["lifecycleExecutionId"]
    response = client.cancel_lifecycle_execution(lifecycleExecutionId=identifier)
    assert response["lifecycleExecutionId"] == identifier
    assert get_execution(client, identifier)["state"]["status"] == "CANCELLING"
    with raises_error("ResourceInUseException", 400):
        client.cancel_lifecycle_execution(lifecycleExecutionId=identifier)
    simulator.advance(60)
    assert get_execution(client, identifier)["state"]["status"] == "CANCELLED"
    assert get_status(client, built) == "AVAILABLE"
    [image] = client.list_lifecycle_execution_resources(lifecycleExecutionId=identifier)["resources"]
    assert image["state"]["status"] == "SKIPPED"
    with raises_error("InvalidRequestException", 400):
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
def test_invalid_update_is_rejected(client, built, status, members):
    with raises_error("InvalidRequestException", 400):
        start_update(client, built, status, **members)


def test_update_depends_on_image_status(simulator, client):
    running = simulator.start_build(simulator.create_pipeline())
    with raises_error("ResourceInUseException", 400):
        start_update(client, running, "DEPRECATED")
    failed = simulator.add_execution("image", [("FAILED", None)])
    with raises_error("InvalidRequestException", 400):
        start_update(client, failed, "DEPRECATED")
    assert start_update(client, failed, "DELETED", **INCLUDED)["lifecycleExecutionId"]
    with raises_error("InvalidRequestException", 400):
        client.start_resource_state_update(resourceArn=failed, state={})


def create_policy(client, **members):
    details = {
        "action": {"type": "DELETE", "includeResources": {"amis": True, "snapshots": True}},
        "filter": {"type": "COUNT", "value": 2},
    }
    response = client.create_lifecycle_policy(
        name="Old ones",
        executionRole="role",
        resourceType="AMI_IMAGE",
        policyDetails=[{**details, **members}],
        resourceSelection={"recipes": [{"name": "demo", "semanticVersion": "1.x.x"}]},
    )
    return response["lifecyclePolicyArn"]


@pytest.fixture
def four_images(simulator):
    pipeline = simulator.create_pipeline()
    arns = []
    for _ in range(4):
        arns.append(simulator.start_build(pipeline))
        simulator.advance(86400)
    return arns


def test_count_policy_keeps_newest_images(simulator, client, four_images):
    arn = create_policy(client)
    identifier = simulator.run_lifecycle_policy(arn)
    assert get_execution(client, identifier)["lifecyclePolicyArn"] == arn
    simulator.advance(60)
    assert [get_status(client, each) for each in four_images] == [
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
    with raises_error("ResourceNotFoundException", 404):
        client.list_lifecycle_executions(resourceArn=arn + "x")


def test_age_policy_deprecates_old_images(simulator, client, four_images):
    rule = {"type": "AGE", "value": 2, "unit": "DAYS", "retainAtLeast": 2}
    simulator.run_lifecycle_policy(create_policy(client, filter=rule, action={"type": "DEPRECATE"}))
    simulator.advance(60)
    statuses = [get_status(client, each) for each in four_images]
    assert statuses == ["DEPRECATED", "DEPRECATED", "AVAILABLE", "AVAILABLE"]


@pytest.mark.parametrize(
    ("action", "status"), [("DEPRECATE", "DEPRECATED"), ("DISABLE", "DISABLED"), ("DELETE", "DELETED")]
)
def test_policy_changes_an_image_once(simulator, client, four_images, action, status):
    """Each day's deprecation of the same AMI would otherwise put off the time of it for ever."""
    arn = create_policy(client, action={"type": action, "includeResources": {"amis": True}})
    simulator.advance(3 * 86400 + 60)
    runs = client.list_lifecycle_executions(resourceArn=arn)["lifecycleExecutions"]
    impacted = [run["resourcesImpactedSummary"]["hasImpactedResources"] for run in runs]
    assert impacted == [True, False, False]
    assert [get_status(client, each) for each in four_images] == [status, status, "AVAILABLE", "AVAILABLE"]


def test_policy_does_not_return_an_image_to_an_earlier_status(simulator, client, four_images):
    start_update(client, four_images[0], "DISABLED")
    arn = create_policy(client, action={"type": "DEPRECATE"})
    simulator.run_lifecycle_policy(arn)
    simulator.advance(60)
    assert [get_status(client, each) for each in four_images[:2]] == ["DISABLED", "DEPRECATED"]


def test_updated_policy_keeps_the_time_of_its_last_run(simulator, client, four_images):
    arn = create_policy(client)
    simulator.run_lifecycle_policy(arn)
    policy = client.get_lifecycle_policy(lifecyclePolicyArn=arn)["lifecyclePolicy"]
    members = ("executionRole", "resourceType", "policyDetails", "resourceSelection")
    client.update_lifecycle_policy(lifecyclePolicyArn=arn, **{name: policy[name] for name in members})
    updated = client.get_lifecycle_policy(lifecyclePolicyArn=arn)["lifecyclePolicy"]
    assert updated["dateLastRun"] == policy["dateLastRun"]


def test_policy_skips_amis_of_excluded_regions(simulator, client, four_images):
    rules = {"amis": {"isPublic": False, "regions": ["us-east-1"]}}
    identifier = simulator.run_lifecycle_policy(create_policy(client, exclusionRules=rules))
    simulator.advance(60)
    resources = client.list_lifecycle_execution_resources(
        lifecycleExecutionId=identifier, parentResourceId=four_images[0]
    )["resources"]
    assert [each["state"]["status"] for each in resources] == ["SKIPPED"]
    assert get_status(client, four_images[0]) == "AVAILABLE"


def test_policy_rejects_second_run_and_can_fail(simulator, client, four_images):
    arn = create_policy(client)
    identifier = simulator.run_lifecycle_policy(arn, seconds=60, status="FAILED", reason="no permission")
    with pytest.raises(Exception, match="ResourceInUseException"):
        simulator.run_lifecycle_policy(arn)
    simulator.advance(61)
    assert get_execution(client, identifier)["state"] == {"status": "FAILED", "reason": "no permission"}
    assert {get_status(client, each) for each in four_images} == {"AVAILABLE"}
    assert simulator.run_lifecycle_policy(arn) != identifier


def test_policy_without_matches_has_no_impacted_resources(simulator, client):
    identifier = simulator.run_lifecycle_policy(create_policy(client))
    assert get_execution(client, identifier)["resourcesImpactedSummary"] == {"hasImpactedResources": False}
