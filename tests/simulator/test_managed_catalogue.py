"""The managed catalogue: the same in Get, in lists and in recipes."""

from __future__ import annotations

import pytest

from aioimagebuilder.testing.imagebuilder.models import ImageBuilderBackend, SharedState
from aioimagebuilder.testing.simulation.clock import SimulatedClock
from aioimagebuilder.testing.simulation.component_documents import parse_component
from aioimagebuilder.testing.simulation.documents import parse_workflow
from simulator.support import raises_error

AMAZON = "arn:aws:imagebuilder:us-east-1:aws"
BACKEND = ImageBuilderBackend("us-east-1", "123456789012", SharedState(clock=SimulatedClock(scale=0)))
KINDS = {
    "component": (
        "list_components",
        "componentVersionList",
        "list_component_build_versions",
        "componentSummaryList",
    ),
    "workflow": (
        "list_workflows",
        "workflowVersionList",
        "list_workflow_build_versions",
        "workflowSummaryList",
    ),
    "image": ("list_images", "imageVersionList", "list_image_build_versions", "imageSummaryList"),
}


def list_managed(client, kind):
    operation, member, *_ = KINDS[kind]
    pages = client.get_paginator(operation).paginate(owner="Amazon")
    return [row for page in pages for row in page[member]]


@pytest.mark.parametrize("kind", KINDS)
def test_managed_resources_are_the_same_in_get_and_lists(client, kind):
    _, _, list_builds, member = KINDS[kind]
    rows = list_managed(client, kind)
    assert len(rows) == len({row["arn"] for row in rows}) > 20
    for row in rows:
        assert row["owner"] == "Amazon"
        found = getattr(client, f"get_{kind}")(**{f"{kind}BuildVersionArn": f"{row['arn']}/1"})[kind]
        shared = row.keys() & found.keys() - {"arn", "version"}
        assert {name: row[name] for name in shared} == {name: found[name] for name in shared}
        [build] = getattr(client, list_builds)(**{f"{kind}VersionArn": row["arn"]})[member]
        assert (build["arn"], build["owner"]) == (found["arn"], "Amazon")
        assert build["arn"] == f"{row['arn']}/1"


def test_managed_documents_are_valid():
    for resource in BACKEND.managed_resources.values():
        record = resource.record
        if resource.kind == "Component":
            assert parse_component(record["data"], record["platform"]).phases == {record["type"].lower()}
        else:
            parse_workflow(record["data"], record["type"])


def test_every_managed_component_and_image_can_be_in_a_recipe(client):
    images = {row["arn"].rpartition("/")[0] for row in list_managed(client, "image")}
    components = {row["arn"].rpartition("/")[0] for row in list_managed(client, "component")}
    for number, image in enumerate(sorted(images)):
        client.create_image_recipe(
            name=f"recipe-{number}", semanticVersion="1.0.0", parentImage=f"{image}/x.x.x"
        )
    client.create_image_recipe(
        name="all",
        semanticVersion="1.0.0",
        parentImage="ami-12345678",
        components=[{"componentArn": f"{arn}/x.x.x"} for arn in sorted(components)],
    )


def test_wildcard_names_newest_managed_version(client):
    found = client.get_component(componentBuildVersionArn=f"{AMAZON}:component/update-linux/x.x.x")[
        "component"
    ]
    assert found["arn"] == f"{AMAZON}:component/update-linux/1.0.2/1"
    found = client.get_workflow(workflowBuildVersionArn=f"{AMAZON}:workflow/build/build-image/1.x.x")[
        "workflow"
    ]
    assert found["arn"] == f"{AMAZON}:workflow/build/build-image/1.0.3/1"
    assert "LaunchBuildInstance" in found["data"]
    image = client.get_image(imageBuildVersionArn=f"{AMAZON}:image/amazon-linux-2023-x86/x.x.x")["image"]
    assert image["arn"] == f"{AMAZON}:image/amazon-linux-2023-x86/2026.1.15/1"
    assert image["state"]["status"] == "AVAILABLE"
    assert image["outputResources"]["amis"][0]["image"].startswith("ami-")


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("component", "component/nothing/x.x.x"),
        ("component", "component/update-linux/9.x.x"),
        ("component", "component/update-linux/1.0.2/2"),
        ("workflow", "workflow/build/nothing/x.x.x"),
        ("workflow", "workflow/test/build-image/x.x.x"),
        ("image", "image/nothing/x.x.x"),
        ("image", "image/amazon-linux-2023-x86/1999.1.1/1"),
    ],
)
def test_what_is_not_in_the_catalogue_is_not_found(client, kind, path):
    with raises_error("ResourceNotFoundException", 404):
        getattr(client, f"get_{kind}")(**{f"{kind}BuildVersionArn": f"{AMAZON}:{path}"})


def test_catalogue_is_of_its_region(client):
    arn = "arn:aws:imagebuilder:eu-west-1:aws:image/amazon-linux-2023-x86/x.x.x"
    with raises_error("ResourceNotFoundException", 404):
        client.get_image(imageBuildVersionArn=arn)


def test_own_lists_have_nothing_managed(client):
    for operation, member, list_builds, builds in KINDS.values():
        assert getattr(client, operation)()[member] == []
        assert getattr(client, list_builds)()[builds] == []
        if operation != "list_workflows":
            assert getattr(client, operation)(owner="ThirdParty")[member] == []


def test_managed_image_can_be_distributed_but_not_changed(client, simulator):
    simulator.create_pipeline()
    arn = f"{AMAZON}:image/ubuntu-server-24-lts-x86/2026.1.15/1"
    client.distribute_image(
        sourceImage=arn,
        distributionConfigurationArn="arn:aws:imagebuilder:us-east-1:123456789012:distribution-configuration/demo-distribution",
        executionRole="role",
    )
    with raises_error("ForbiddenException", 403):
        client.tag_resource(resourceArn=f"{AMAZON}:component/update-linux/1.0.2/1", tags={"a": "b"})
    with raises_error("ForbiddenException", 403):
        client.start_resource_state_update(resourceArn=arn, state={"status": "DEPRECATED"})
    for refused in (client.cancel_image_creation, client.retry_image):
        with raises_error("InvalidRequestException", 400):
            refused(imageBuildVersionArn=arn)
    with raises_error("ResourceNotFoundException", 404):
        client.delete_image(imageBuildVersionArn=arn)
