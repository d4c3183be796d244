"""The AMIs of images: their names and copies, and what exists in moto's EC2."""

from __future__ import annotations

import json

import pytest
from moto.ec2.models import ec2_backends

from aioimagebuilder.testing import BuildScript
from simulator.outputs import (
    ACCOUNT,
    CONFIGURATION,
    FAILING,
    NAME,
    OTHER_ACCOUNT,
    PIPELINE,
    SLOW,
    distribute,
    get_build_date,
    get_tags,
    list_amis,
    list_own_images,
    make_distribution,
)
from simulator.support import get_status, get_steps, list_executions, raises_error

pytestmark = pytest.mark.usefixtures("no_default_amis")


TEST_ONLY = {"workflowArn": "arn:aws:imagebuilder:us-east-1:aws:workflow/test/test-image/x.x.x"}


# ---------------------------------------------------------------------- names, regions and accounts


def test_names_resolve_variables_by_region(simulator, client, start):
    first = start(
        make_distribution(name=NAME, description="Web server"),
        make_distribution("eu-west-1", name="{{imagebuilder:buildVersion}} of {{imagebuilder:buildDate}}"),
        make_distribution("eu-west-2"),
    )
    simulator.advance(3600)
    date = get_build_date(client, first)
    amis = list_amis(client, first)
    assert [(ami["region"], ami["name"], ami.get("description")) for ami in amis] == [
        ("us-east-1", f"web {date}", "Web server"),
        ("eu-west-1", f"1 of {date}", None),
        ("eu-west-2", f"demo {date}", None),
    ]
    second = simulator.start_build(PIPELINE)
    simulator.advance(3600)
    assert list_amis(client, second)[1]["name"].startswith("2 of ")


def test_recipe_describes_only_ami_of_build_region(simulator, client, start):
    start()
    base = f"arn:aws:imagebuilder:us-east-1:{ACCOUNT}"
    distribute(client, make_distribution(), make_distribution("eu-west-1"))
    recipe = client.create_image_recipe(
        name="described",
        description="From the recipe",
        semanticVersion="1.0.0",
        parentImage="ami-12345678",
        components=[{"componentArn": f"{base}:component/demo-component/1.0.0/1"}],
    )["imageRecipeArn"]
    arn = client.create_image(
        imageRecipeArn=recipe,
        infrastructureConfigurationArn=f"{base}:infrastructure-configuration/demo-infrastructure",
        distributionConfigurationArn=CONFIGURATION,
    )["imageBuildVersionArn"]
    simulator.advance(3600)
    assert [ami.get("description") for ami in list_amis(client, arn)] == ["From the recipe", None]


def test_target_accounts_get_their_own_copies(simulator, client, start, ec2):
    targets = {"targetAccountIds": [OTHER_ACCOUNT, "222233334444"]}
    arn = start(make_distribution(**targets), make_distribution("eu-west-1", **targets))
    simulator.advance(3600)
    amis = list_amis(client, arn)
    assert [(ami["region"], ami["accountId"]) for ami in amis] == [
        ("us-east-1", ACCOUNT),
        ("us-east-1", OTHER_ACCOUNT),
        ("us-east-1", "222233334444"),
        ("eu-west-1", OTHER_ACCOUNT),
        ("eu-west-1", "222233334444"),
    ]
    assert len({ami["image"] for ami in amis}) == 5
    assert [image["ImageId"] for image in list_own_images(ec2)] == [amis[0]["image"]]
    for ami in amis:
        found = ec2_backends[ami["accountId"]][ami["region"]].amis[ami["image"]]
        assert (found.owner_id, found.name) == (ami["accountId"], ami["name"])


@pytest.mark.parametrize(
    ("settings", "member"),
    [
        ({"name": "web server"}, "name"),
        ({"name": "web {{imagebuilder:buildVersion}}"}, "name"),
        ({"name": "web {{date}}"}, "name"),
        ({"name": "web {{imagebuilder:buildDate}} {{imagebuilder:other}}"}, "name"),
        ({"name": "web {{ imagebuilder:buildDate }} {{ user }}"}, "name"),
        ({"launchPermission": {"userGroups": ["some"]}}, "launchPermission.userGroups"),
    ],
)
def test_invalid_ami_settings_are_refused(client, start, settings, member):
    start()
    distributions = [make_distribution("eu-west-1"), make_distribution(**settings)]
    parameter = rf"'distributions\[1\]\.amiDistributionConfiguration\.{member}' is not valid"
    for call in (
        lambda: distribute(client, *distributions),
        lambda: client.create_distribution_configuration(name="new", distributions=distributions),
    ):
        with pytest.raises(client.exceptions.InvalidParameterValueException, match=parameter):
            call()


# ---------------------------------------------------------------------- AMIs in EC2


def test_ami_exists_from_end_of_step(simulator, client, start, ec2):
    arn = start(script=SLOW)
    simulator.advance(1000)
    assert list_own_images(ec2) == []
    simulator.advance(500)
    [execution] = list_executions(client, arn)
    step = get_steps(client, execution["workflowExecutionId"])["CreateOutputAMI"]
    assert (get_status(client, arn), step["status"]) == ("BUILDING", "COMPLETED")
    [image] = list_own_images(ec2)
    assert image["ImageId"] == json.loads(step["outputs"])["imageId"]
    assert image["CreationDate"][:19] == step["endTime"][:19]


def test_ami_is_described_as_configured(simulator, client, start, ec2, connect):
    permission = {"userIds": [OTHER_ACCOUNT], "userGroups": ["all"]}
    tags = {"Version": "v{{imagebuilder:buildVersion}}", "Team": "web"}
    arn = start(
        make_distribution(
            name=NAME,
            description="Web server",
            amiTags=tags,
            launchPermission=permission,
        )
    )
    simulator.advance(3600)
    [ami] = list_amis(client, arn)
    [image] = ec2.describe_images(ImageIds=[ami["image"]])["Images"]
    assert (image["Name"], image["Description"], image["Public"]) == (ami["name"], "Web server", True)
    expected = {"Version": "v1", "Team": "web", "CreatedBy": "EC2 Image Builder", "Ec2ImageBuilderArn": arn}
    assert get_tags(image) == expected
    described = ec2.describe_tags(Filters=[{"Name": "resource-id", "Values": [ami["image"]]}])
    assert get_tags(described) == expected
    by_tag = ec2.describe_images(Filters=[{"Name": "tag:Ec2ImageBuilderArn", "Values": [arn]}])["Images"]
    assert [each["ImageId"] for each in by_tag] == [ami["image"]]
    granted = ec2.describe_image_attribute(ImageId=ami["image"], Attribute="launchPermission")
    assert granted["LaunchPermissions"] == [{"UserId": OTHER_ACCOUNT}, {"Group": "all"}]
    snapshot_id = image["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]
    [snapshot] = ec2.describe_snapshots(SnapshotIds=[snapshot_id])["Snapshots"]
    assert get_tags(snapshot) == expected
    tagging = connect("resourcegroupstaggingapi")
    found = tagging.get_resources(TagFilters=[{"Key": "Team", "Values": ["web"]}])["ResourceTagMappingList"]
    assert [each["ResourceARN"].rpartition("/")[2] for each in found] == [ami["image"], snapshot_id]


def test_copies_exist_when_image_is_available(simulator, client, start, ec2, connect):
    start(
        make_distribution(),
        make_distribution("eu-west-1", amiTags={"Region": "eu"}),
        script=BuildScript(distributing=1000),
    )
    simulator.advance(1000)
    copies = connect("ec2", "eu-west-1")
    assert (len(list_own_images(ec2)), list_own_images(copies)) == (1, [])
    simulator.advance(1000)
    [copy] = list_own_images(copies)
    assert get_tags(copy)["Region"] == "eu"


def test_distribution_encrypts_only_copies(simulator, client, start, ec2, connect):
    key = {"kmsKeyId": "alias/images"}
    start(make_distribution(**key), make_distribution("eu-west-1", **key))
    simulator.advance(3600)
    assert find_snapshot(ec2)["Encrypted"] is False
    snapshot = find_snapshot(connect("ec2", "eu-west-1"))
    assert (snapshot["Encrypted"], snapshot["KmsKeyId"]) == (True, "alias/images")


def find_snapshot(ec2):
    [image] = list_own_images(ec2)
    snapshot_id = image["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]
    return ec2.describe_snapshots(SnapshotIds=[snapshot_id])["Snapshots"][0]


def test_failed_test_leaves_ami(simulator, client, start, ec2):
    arn = start(make_distribution(), make_distribution("eu-west-1"), script=FAILING)
    simulator.advance(3600)
    assert get_status(client, arn) == "FAILED"
    assert [image["ImageId"] for image in list_own_images(ec2)] == [list_amis(client, arn)[0]["image"]]


@pytest.mark.parametrize(("seconds", "count"), [(1000, 0), (1500, 1)])
def test_cancelled_build_leaves_what_it_created(simulator, client, start, ec2, seconds, count):
    arn = start(script=SLOW)
    simulator.advance(seconds)
    client.cancel_image_creation(imageBuildVersionArn=arn)
    simulator.advance(7200)
    assert get_status(client, arn) == "CANCELLED"
    assert len(list_own_images(ec2)) == len(list_amis(client, arn)) == count


def test_retried_build_keeps_its_ami(simulator, client, start, ec2):
    arn = start(make_distribution(name=NAME), script=FAILING)
    simulator.advance(3600)
    [before] = list_own_images(ec2)
    ec2.create_tags(Resources=[before["ImageId"]], Tags=[{"Key": "mine", "Value": "1"}])
    client.retry_image(imageBuildVersionArn=arn)
    simulator.advance(3600)
    assert get_status(client, arn) == "AVAILABLE"
    [after] = list_own_images(ec2)
    assert (after["Name"], get_tags(after)["mine"]) == (before["Name"], "1")


def test_deregistered_ami_stays_deregistered(simulator, client, start, ec2):
    arn = start(script=SLOW)
    simulator.advance(1500)
    [image] = list_own_images(ec2)
    ec2.deregister_image(ImageId=image["ImageId"])
    simulator.advance(3600)
    assert get_status(client, arn) == "AVAILABLE"
    assert list_own_images(ec2) == []


def test_deleted_image_leaves_ami(simulator, client, start, ec2):
    arn = start()
    simulator.advance(3600)
    client.delete_image(imageBuildVersionArn=arn)
    assert len(list_own_images(ec2)) == 1


def test_build_without_image_step_creates_ami(simulator, client, start, ec2):
    document = "schemaVersion: 1.0\nsteps: [{name: Approve, action: WaitForAction, timeoutSeconds: 60}]"
    workflow = simulator.create_workflow("approve", document)
    arn = start(
        make_distribution(name=NAME),
        script=BuildScript(waiting_timeout_status="COMPLETED"),
        workflows=[{"workflowArn": workflow}, TEST_ONLY],
    )
    simulator.advance(3600)
    assert get_status(client, arn) == "AVAILABLE"
    [ami] = list_amis(client, arn)
    [image] = list_own_images(ec2)
    assert (image["ImageId"], image["Name"]) == (ami["image"], ami["name"])


def test_container_build_creates_no_ami(simulator, client, start, ec2):
    start(container=True)
    simulator.advance(3600)
    assert list_own_images(ec2) == []


def test_imports_create_amis(simulator, client, start, ec2):
    start()
    vm = client.import_vm_image(
        name="My VM",
        description="Imported",
        semanticVersion="2.0.0",
        platform="Windows",
        vmImportTaskId="import-ami-1",
    )["imageArn"]
    disk = client.import_disk_image(
        name="My disk",
        semanticVersion="1.0.0",
        platform="Windows",
        osVersion="Microsoft Windows 11",
        infrastructureConfigurationArn=CONFIGURATION.replace("distribution", "infrastructure"),
        uri="s3://bucket/windows.iso",
    )["imageBuildVersionArn"]
    simulator.advance(9000)
    for arn, name in ((vm, "My VM"), (disk, "My disk")):
        [ami] = list_amis(client, arn)
        assert ami["name"] == f"{name} {get_build_date(client, arn)}"
        [image] = ec2.describe_images(ImageIds=[ami["image"]])["Images"]
        assert (image["Name"], image["Platform"]) == (ami["name"], "windows")
        assert get_tags(image)["Ec2ImageBuilderArn"] == arn
    assert list_amis(client, vm)[0]["description"] == "Imported"


# ---------------------------------------------------------------------- DistributeImage


def distribute_image(client, source):
    return client.distribute_image(
        sourceImage=source, distributionConfigurationArn=CONFIGURATION, executionRole="role"
    )["imageBuildVersionArn"]


def test_distributed_image_has_copies_of_source(simulator, client, start, ec2, connect):
    source = start()
    simulator.advance(3600)
    distribute(client, make_distribution("eu-west-1", name=NAME))
    arn = distribute_image(client, source)
    simulator.advance(3600)
    original, copy = list_amis(client, arn)
    assert original == list_amis(client, source)[0]
    assert copy["name"] == f"web {get_build_date(client, arn)}"
    assert get_tags(list_own_images(ec2)[0])["Ec2ImageBuilderArn"] == source
    [image] = list_own_images(connect("ec2", "eu-west-1"))
    assert (image["ImageId"], image["Name"]) == (copy["image"], copy["name"])
    assert get_tags(image)["Ec2ImageBuilderArn"] == arn
    [execution] = list_executions(client, arn)
    step = get_steps(client, execution["workflowExecutionId"])["DistributeImage"]
    distributed = json.loads(step["outputs"])["distributedImages"]
    assert [(each["region"], each["amiId"], each["status"]) for each in distributed] == [
        ("us-east-1", original["image"], "Completed"),
        ("eu-west-1", copy["image"], "Completed"),
    ]


def test_distribution_of_version_takes_newest_available(simulator, client, start):
    available = start()
    simulator.advance(3600)
    simulator.script(FAILING)
    simulator.start_build(PIPELINE)
    simulator.advance(3600)
    arn = distribute_image(client, available.rpartition("/")[0])
    simulator.advance(3600)
    assert list_amis(client, arn)[0] == list_amis(client, available)[0]


@pytest.mark.parametrize("source", ["ami-0123456789abcdef0", "ssm:/web/ami"])
def test_distribution_accepts_ami_and_parameter(simulator, client, start, connect, source):
    start()
    connect("ssm").put_parameter(Name="/web/ami", Value="ami-0123456789abcdef0", Type="String")
    arn = distribute_image(client, source)
    assert arn.endswith(":image/ami-0123456789abcdef0/1.0.0/1")
    simulator.advance(3600)
    assert list_amis(client, arn)[0]["image"] == "ami-0123456789abcdef0"


@pytest.mark.parametrize("source", ["ssm:/no/parameter", "ssm:/web/ami:9", "ssm:/web/text", "web server"])
def test_distribution_of_no_ami_is_refused(client, start, connect, source):
    start()
    for name, value in (("/web/ami", "ami-0123456789abcdef0"), ("/web/text", "text")):
        connect("ssm").put_parameter(Name=name, Value=value, Type="String")
    with raises_error("InvalidParameterValueException", 400):
        distribute_image(client, source)


def test_distribution_of_failed_image_is_refused(simulator, client, start):
    arn = start(script=FAILING)
    simulator.advance(3600)
    with raises_error("InvalidRequestException", 400):
        distribute_image(client, arn)
