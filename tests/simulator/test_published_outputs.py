"""Parameters in moto's Parameter Store, and what lifecycle executions do to AMIs in moto's EC2."""

from __future__ import annotations

import boto3
import pytest
from moto import mock_aws
from moto.ec2.models import ec2_backends
from moto.ssm.models import ssm_backends

from aioimagebuilder.testing import control, register
from simulator.outputs import (
    ACCOUNT,
    FAILING,
    NAME,
    OTHER_ACCOUNT,
    PIPELINE,
    SLOW,
    distribute,
    list_amis,
    list_own_images,
    make_distribution,
)
from simulator.support import raises_error

pytestmark = pytest.mark.usefixtures("no_default_amis")


# ---------------------------------------------------------------------- Parameter Store


def test_parameter_is_written_when_image_is_available(simulator, client, start, connect):
    parameters = [{"parameterName": "/web/ami", "dataType": "aws:ec2:image"}]
    arn = start(
        make_distribution(parameters=parameters),
        make_distribution("eu-west-1", parameters=[{"parameterName": "web.ami"}]),
        script=SLOW,
    )
    ssm = connect("ssm")
    simulator.advance(1500)
    with raises_error("ParameterNotFound"):
        ssm.get_parameter(Name="/web/ami")
    simulator.advance(7200)
    home, copy = list_amis(client, arn)
    parameter = ssm.get_parameter(Name="/web/ami")["Parameter"]
    assert (parameter["Value"], parameter["DataType"]) == (home["image"], "aws:ec2:image")
    parameter = connect("ssm", "eu-west-1").get_parameter(Name="web.ami")["Parameter"]
    assert (parameter["Value"], parameter["DataType"]) == (copy["image"], "text")


def test_newest_image_is_last_version_of_parameter(simulator, client, start, connect):
    slow = start(make_distribution(parameters=[{"parameterName": "/web/ami"}]), script=SLOW)
    fast = simulator.start_build(PIPELINE)
    simulator.advance(86400)
    history = connect("ssm").get_parameter_history(Name="/web/ami")["Parameters"]
    expected = [list_amis(client, arn)[0]["image"] for arn in (fast, slow)]
    assert [each["Value"] for each in history] == expected


def test_failed_image_writes_no_parameter(simulator, client, start, connect):
    start(
        make_distribution(parameters=[{"parameterName": "/web/ami"}]),
        script=FAILING,
    )
    simulator.advance(3600)
    with raises_error("ParameterNotFound"):
        connect("ssm").get_parameter(Name="/web/ami")


def test_parameter_belongs_to_its_account(simulator, client, start):
    parameters = [{"parameterName": "/web/ami", "amiAccountId": OTHER_ACCOUNT}]
    arn = start(make_distribution(parameters=parameters, targetAccountIds=[OTHER_ACCOUNT]))
    simulator.advance(3600)
    simulator.control.write_due_outputs()
    assert ssm_backends[ACCOUNT]["us-east-1"].get_parameter("/web/ami") is None
    parameter = ssm_backends[OTHER_ACCOUNT]["us-east-1"].get_parameter("/web/ami")
    assert parameter.value == list_amis(client, arn)[1]["image"]


@pytest.mark.parametrize(
    ("parameter", "member"),
    [
        ({"parameterName": "aws-ami"}, "parameterName"),
        ({"parameterName": "/aws/ami"}, "parameterName"),
        ({"parameterName": "ssm.ami"}, "parameterName"),
        ({"parameterName": "/web/ami", "amiAccountId": OTHER_ACCOUNT}, "amiAccountId"),
    ],
)
def test_invalid_parameter_is_refused(client, start, parameter, member):
    start()
    match = rf"'distributions\[0\]\.ssmParameterConfigurations\[0\]\.{member}' is not valid"
    with pytest.raises(client.exceptions.InvalidParameterValueException, match=match):
        distribute(client, make_distribution(parameters=[parameter]))


# ---------------------------------------------------------------------- lifecycle


def update_state(simulator, client, arn, status, **members):
    included = {"amis": True, **({"snapshots": True} if members.pop("snapshots", False) else {})}
    identifier = client.start_resource_state_update(
        resourceArn=arn,
        state={"status": status},
        executionRole="role",
        includeResources=included,
        **members,
    )["lifecycleExecutionId"]
    simulator.advance(60)
    return client.list_lifecycle_execution_resources(lifecycleExecutionId=identifier, parentResourceId=arn)[
        "resources"
    ]


@pytest.mark.parametrize("snapshots", [False, True])
def test_deletion_deregisters_amis(simulator, client, start, ec2, snapshots):
    arn = start()
    simulator.advance(3600)
    [image] = list_own_images(ec2)
    [resource] = update_state(simulator, client, arn, "DELETED", snapshots=snapshots)
    assert list_own_images(ec2) == []
    left = ec2.describe_snapshots(Filters=[{"Name": "tag:Ec2ImageBuilderArn", "Values": [arn]}])["Snapshots"]
    snapshot = image["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]
    assert [each["SnapshotId"] for each in left] == ([] if snapshots else [snapshot])
    assert [each["snapshotId"] for each in resource.get("snapshots", ())] == ([snapshot] if snapshots else [])


def test_deletion_spares_excluded_region(simulator, client, start, ec2, connect):
    targets = {"targetAccountIds": [OTHER_ACCOUNT]}
    arn = start(
        make_distribution(), make_distribution("eu-west-1"), make_distribution("eu-west-2", **targets)
    )
    simulator.advance(3600)
    rules = {"amis": {"regions": ["us-east-1"]}}
    resources = update_state(simulator, client, arn, "DELETED", exclusionRules=rules)
    assert [each["accountId"] for each in resources] == [ACCOUNT, ACCOUNT, OTHER_ACCOUNT]
    assert len(list_own_images(ec2)) == 1
    assert list_own_images(connect("ec2", "eu-west-1")) == []
    assert resources[2]["resourceId"] not in ec2_backends[OTHER_ACCOUNT]["eu-west-2"].amis


def test_states_of_ami_follow_lifecycle(simulator, client, start, ec2):
    arn = start()
    simulator.advance(3600)
    ami = list_amis(client, arn)[0]["image"]

    def get_state():
        [image] = ec2.describe_images(ImageIds=[ami])["Images"]
        return image["State"], "DeprecationTime" in image

    assert get_state() == ("available", False)
    update_state(simulator, client, arn, "DEPRECATED")
    assert get_state() == ("available", True)
    update_state(simulator, client, arn, "DISABLED")
    assert get_state() == ("disabled", True)
    update_state(simulator, client, arn, "AVAILABLE")
    assert get_state() == ("available", False)


def test_update_changes_ami_when_it_succeeds(simulator, client, start, ec2):
    arn = start()
    simulator.advance(3600)
    arguments = {
        "resourceArn": arn,
        "state": {"status": "DELETED"},
        "executionRole": "role",
        "includeResources": {"amis": True},
    }
    first = client.start_resource_state_update(**arguments)["lifecycleExecutionId"]
    assert len(list_own_images(ec2)) == 1
    client.cancel_lifecycle_execution(lifecycleExecutionId=first)
    simulator.advance(60)
    assert len(list_own_images(ec2)) == 1
    client.start_resource_state_update(**arguments)
    simulator.advance(60)
    assert list_own_images(ec2) == []


def test_update_without_resources_leaves_ami(simulator, client, start, ec2):
    arn = start()
    simulator.advance(3600)
    client.start_resource_state_update(resourceArn=arn, state={"status": "DISABLED"})
    assert [image["State"] for image in list_own_images(ec2)] == ["available"]


def create_policy(client, status):
    return client.create_lifecycle_policy(
        name="all",
        executionRole="role",
        resourceType="AMI_IMAGE",
        status=status,
        policyDetails=[
            {
                "action": {"type": "DELETE", "includeResources": {"amis": True}},
                "filter": {"type": "AGE", "value": 1, "unit": "DAYS"},
            }
        ],
        resourceSelection={"recipes": [{"name": "demo", "semanticVersion": "1.x.x"}]},
    )["lifecyclePolicyArn"]


@pytest.mark.parametrize(("status", "count"), [("SUCCESS", 0), ("FAILED", 1)])
def test_lifecycle_policy_deletes_amis(simulator, client, start, ec2, status, count):
    start()
    simulator.advance(2 * 86400)
    simulator.run_lifecycle_policy(create_policy(client, "DISABLED"), status=status)
    simulator.advance(60)
    assert len(list_own_images(ec2)) == count


def test_daily_policy_deletes_amis(simulator, client, start, ec2):
    start()
    create_policy(client, "ENABLED")
    simulator.advance(86300)
    assert len(list_own_images(ec2)) == 1
    simulator.advance(86400 + 300)
    assert list_own_images(ec2) == []


# ---------------------------------------------------------------------- mock_aws, and reset


def test_outputs_exist_under_mock_aws(monkeypatch):
    register()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        simulator = control()
        simulator.set_time_scale(0)
        client = boto3.client("imagebuilder", region_name="us-east-1")
        pipeline = simulator.create_pipeline()
        distribute(client, make_distribution(name=NAME, parameters=[{"parameterName": "/web/ami"}]))
        arn = simulator.start_build(pipeline)
        ec2 = boto3.client("ec2", region_name="us-east-1")
        assert list_own_images(ec2) == []
        simulator.advance(3600)
        ssm = boto3.client("ssm", region_name="us-east-1")
        ami = list_amis(client, arn)[0]
        assert ssm.get_parameter(Name="/web/ami")["Parameter"]["Value"] == ami["image"]
        assert [image["Name"] for image in list_own_images(ec2)] == [ami["name"]]
        tagging = boto3.client("resourcegroupstaggingapi", region_name="us-east-1")
        [found, _] = tagging.get_resources(TagFilters=[{"Key": "CreatedBy"}])["ResourceTagMappingList"]
        assert found["ResourceARN"].endswith(ami["image"])


def test_reset_discards_outputs(simulator, start, ec2):
    start()
    simulator.advance(3600)
    simulator.reset()
    assert list_own_images(ec2) == []
