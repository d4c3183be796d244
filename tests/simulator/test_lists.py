"""Options of list operations: filters, owners, and one row for each name."""

from __future__ import annotations

import pytest
from botocore import xform_name

from aioimagebuilder.testing.imagebuilder.validation import operation, service_model
from simulator.support import COMPONENT_DOCUMENT, WORKFLOW_DOCUMENT, raises_error
from simulator.test_resources import BASE, create_component, create_recipe

FILTERED = [
    name
    for name in service_model().operation_names
    if {"filter", "filters"} & operation(name).input_shape.members.keys()
]
FINDINGS = ("imageBuildVersionArn", "imagePipelineArn", "vulnerabilityId")
VALID_FILTERS = [
    *(
        ("ListComponents", name)
        for name in ("description", "name", "platform", "productCodes", "status", "type", "version")
    ),
    ("ListComponents", "supportedOsVersion"),
    *(("ListContainerRecipes", name) for name in ("containerType", "name", "parentImage", "platform")),
    *(("ListImageRecipes", name) for name in ("name", "parentImage", "platform")),
    ("ListDistributionConfigurations", "name"),
    ("ListInfrastructureConfigurations", "name"),
    *(("ListImages", name) for name in ("name", "osVersion", "platform", "type", "version")),
    *(("ListImageBuildVersions", name) for name in ("name", "osVersion", "platform", "type", "version")),
    *(("ListImagePipelineImages", name) for name in ("name", "version")),
    *(("ListImagePipelines", name) for name in ("description", "name", "status", "imageRecipeArn")),
    ("ListImagePipelines", "distributionConfigurationArn"),
    ("ListImagePipelines", "infrastructureConfigurationArn"),
    *(("ListLifecyclePolicies", name) for name in ("name", "resourceType", "status")),
    *(("ListWorkflows", name) for name in ("name", "version", "description", "type")),
    *(("ListImageScanFindings", name) for name in (*FINDINGS, "severity")),
    *(("ListImageScanFindingAggregations", name) for name in FINDINGS),
]


def call_filtered(client, name, wanted):
    members = operation(name).input_shape.members
    request = {"filter": wanted} if "filter" in members else {"filters": [wanted]}
    if "imagePipelineArn" in members:
        request["imagePipelineArn"] = f"{BASE}:image-pipeline/demo"
    return getattr(client, xform_name(name))(**request)


def list_names(response, member):
    return [row["name"] for row in response[member]]


@pytest.mark.parametrize("name", FILTERED)
@pytest.mark.parametrize("unknown", ["color", "Name"])
def test_unknown_filter_is_refused(client, simulator, name, unknown):
    simulator.create_pipeline()
    with raises_error("InvalidRequestException", 400, f"'{unknown}' is not valid"):
        call_filtered(client, name, {"name": unknown, "values": ["x"]})


@pytest.mark.parametrize(("name", "valid"), VALID_FILTERS)
def test_documented_filter_is_accepted(client, simulator, name, valid):
    simulator.start_build(simulator.create_pipeline())
    response = call_filtered(client, name, {"name": valid, "values": ["no such value"]})
    assert [value for value in response.values() if isinstance(value, list)] == [[]]


def test_every_list_with_filters_is_tested():
    assert {name for name, _ in VALID_FILTERS} == set(FILTERED)


def test_filters_select_rows(client, simulator):
    create_component(client, "one", description="first", supportedOsVersions=["Amazon Linux 2"])
    create_component(client, "two", "2.0.0", supportedOsVersions=["Amazon Linux 2023", "Ubuntu 24"])
    create_component(client, "three", data=COMPONENT_DOCUMENT.replace("build", "test"))
    for wanted, values, found in (
        ("supportedOsVersion", ["Amazon Linux 2"], ["one"]),
        ("supportedOsVersion", ["Ubuntu 24", "Amazon Linux 2"], ["one", "two"]),
        ("supportedOsVersion", ["Amazon"], []),
        ("description", ["first"], ["one"]),
        ("description", ["None"], []),
        ("type", ["TEST"], ["three"]),
        ("version", ["2.0.0"], ["two"]),
        ("status", ["ACTIVE"], ["one", "two", "three"]),
    ):
        response = client.list_components(filters=[{"name": wanted, "values": values}])
        assert list_names(response, "componentVersionList") == found, (wanted, values)
    both = [{"name": "platform", "values": ["Linux"]}, {"name": "name", "values": ["two", "three"]}]
    assert list_names(client.list_components(filters=both), "componentVersionList") == ["two", "three"]


def test_images_are_filtered_by_version_and_os(client, simulator):
    for version in ("1.0.0", "2.0.0"):
        simulator.start_build(simulator.create_pipeline(f"demo-{version[0]}", version=version))
    wanted = [{"name": "version", "values": ["2.0.0"]}]
    assert list_names(client.list_images(filters=wanted), "imageVersionList") == ["demo-2"]
    assert list_names(client.list_image_build_versions(filters=wanted), "imageSummaryList") == ["demo-2"]
    wanted = [{"name": "osVersion", "values": ["Amazon Linux 2023"]}]
    assert list_names(client.list_images(filters=wanted), "imageVersionList") == ["demo-1", "demo-2"]
    imported = {"platform": "Linux", "osVersion": "Ubuntu 24", "vmImportTaskId": "import-ami-1"}
    client.import_vm_image(name="machine", semanticVersion="1.0.0", **imported)
    wanted = [{"name": "osVersion", "values": ["Ubuntu 24"]}]
    assert list_names(client.list_images(filters=wanted), "imageVersionList") == ["machine"]


def test_by_name_returns_one_row_for_each_name(client, simulator):
    for version in ("1.10.0", "1.2.0"):
        create_component(client, "part", version, description=version)
        recipe = create_recipe(client, "demo", version)
        infrastructure = f"{BASE}:infrastructure-configuration/infra"
        if version == "1.10.0":
            client.create_infrastructure_configuration(name="infra", instanceProfileName="p")
        client.create_image(imageRecipeArn=recipe, infrastructureConfigurationArn=infrastructure)
        for kind in ("BUILD", "TEST"):
            simulator.create_workflow("flow", WORKFLOW_DOCUMENT, type=kind, version=version)
    assert len(client.list_images()["imageVersionList"]) == 2
    [image] = client.list_images(byName=True)["imageVersionList"]
    assert (image["arn"], image["name"]) == (f"{BASE}:image/demo/x.x.x", "demo")
    components = client.list_components(byName=True)["componentVersionList"]
    assert {row["name"]: row.get("description") for row in components} == {"part": "1.10.0", "demo": None}
    workflows = client.list_workflows(byName=True)["workflowVersionList"]
    assert sorted(row["arn"] for row in workflows) == [
        f"{BASE}:workflow/build/flow/x.x.x",
        f"{BASE}:workflow/test/flow/x.x.x",
    ]


@pytest.mark.parametrize("name", ["list_images", "list_components", "list_workflows"])
def test_by_name_refuses_version_filter(client, name):
    with raises_error("InvalidRequestException", 400, "can't combine"):
        getattr(client, name)(byName=True, filters=[{"name": "version", "values": ["1.0.0"]}])


@pytest.mark.parametrize(
    ("name", "refused"),
    [
        ("ListWorkflows", {"Shared", "ThirdParty"}),
        ("ListContainerRecipes", {"ThirdParty", "AWSMarketplace"}),
        ("ListImageRecipes", set()),
        ("ListComponents", set()),
        ("ListImages", set()),
    ],
)
def test_owner_is_checked(client, simulator, name, refused):
    simulator.start_build(simulator.create_pipeline())
    for owner in service_model().shape_for("Ownership").enum:
        if owner in refused:
            with raises_error("InvalidRequestException", 400, f"owner '{owner}' is not valid"):
                getattr(client, xform_name(name))(owner=owner)
        else:
            response = getattr(client, xform_name(name))(owner=owner)
            [rows] = [value for value in response.values() if isinstance(value, list)]
            assert all((row["owner"] == "123456789012") == (owner == "Self") for row in rows)


def test_own_deprecated_images_are_always_listed(client, built):
    client.start_resource_state_update(resourceArn=built, state={"status": "DEPRECATED"})
    for options in ({}, {"includeDeprecated": True}, {"includeDeprecated": False}):
        assert list_names(client.list_images(**options), "imageVersionList") == ["demo"]
