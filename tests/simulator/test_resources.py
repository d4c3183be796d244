"""Resources of every kind: create, get, list, update, delete, versions, tokens, tags, pages."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from simulator.support import refused

BASE = "arn:aws:imagebuilder:us-east-1:123456789012"
COMPONENT = {"platform": "Linux", "data": "name: x\nphases:\n  - name: build\n"}


def component(client, name="thing", version="1.0.0", **members):
    answer = client.create_component(name=name, semanticVersion=version, **{**COMPONENT, **members})
    return answer["componentBuildVersionArn"]


def recipe(client, name="thing", version="1.0.0", parts=None, **members):
    answer = client.create_image_recipe(
        name=name,
        semanticVersion=version,
        components=[{"componentArn": arn} for arn in parts or [component(client, name)]],
        parentImage="arn:aws:imagebuilder:us-east-1:aws:image/amazon-linux-2023-x86/x.x.x",
        **members,
    )
    return answer["imageRecipeArn"]


def test_names_are_normalised_in_arns_alone(client):
    arn = component(client, "My Big_Thing")
    assert arn == f"{BASE}:component/my-big-thing/1.0.0/1"
    assert client.get_component(componentBuildVersionArn=arn)["component"]["name"] == "My Big_Thing"


def test_what_has_builds_counts_them_and_what_has_none_is_refused(client):
    assert [component(client)[-2:] for _ in range(3)] == ["/1", "/2", "/3"]
    parts = [component(client)]
    recipe(client, parts=parts)
    with refused("ResourceAlreadyExistsException", 400):
        recipe(client, parts=parts)


def test_x_in_a_version_is_the_newest(client):
    for version in ("1.0.0", "1.2.0", "1.10.0", "2.0.0"):
        component(client, version=version)
    for pattern, version in (("x.x.x", "2.0.0"), ("1.x.x", "1.10.0"), ("1.2.x", "1.2.0")):
        arn = f"{BASE}:component/thing/{pattern}"
        got = client.get_component(componentBuildVersionArn=arn)["component"]
        assert got["version"] == version
    with refused("ResourceNotFoundException", 404):
        client.get_component(componentBuildVersionArn=f"{BASE}:component/thing/3.x.x")


def test_a_recipe_version_with_x_is_the_next_one(client):
    parts = [component(client)]
    arns = [recipe(client, version=version, parts=parts) for version in ("1.0.x", "1.0.x", "1.x.0")]
    assert [arn.rpartition("/")[2] for arn in arns] == ["1.0.0", "1.0.1", "1.1.0"]


def test_amazons_own_are_there(client):
    amazon = "arn:aws:imagebuilder:us-east-1:aws"
    got = client.get_workflow(workflowBuildVersionArn=f"{amazon}:workflow/build/build-image/x.x.x")[
        "workflow"
    ]
    assert (got["owner"], got["type"]) == ("Amazon", "BUILD")
    assert "LaunchBuildInstance" in got["data"]
    got = client.get_component(componentBuildVersionArn=f"{amazon}:component/update-linux/x.x.x")["component"]
    assert got["arn"] == f"{amazon}:component/update-linux/1.0.2/1"
    recipe(client, parts=[f"{amazon}:component/update-linux/x.x.x"])
    listed = client.list_workflows(owner="Amazon")["workflowVersionList"]
    assert "test-image" in [each["name"] for each in listed]
    with refused("ResourceNotFoundException", 404):
        client.get_workflow(workflowBuildVersionArn=f"{amazon}:workflow/build/nothing/x.x.x")


def test_lists_show_versions_and_builds(client):
    component(client)
    component(client)
    component(client, version="1.1.0")
    versions = client.list_components()["componentVersionList"]
    assert [each["arn"] for each in versions] == [f"{BASE}:component/thing/{v}" for v in ("1.0.0", "1.1.0")]
    builds = client.list_component_build_versions(componentVersionArn=f"{BASE}:component/thing/1.0.0")
    assert [each["arn"][-2:] for each in builds["componentSummaryList"]] == ["/1", "/2"]
    assert len(client.list_component_build_versions()["componentSummaryList"]) == 3
    client.create_workflow(
        name="own", semanticVersion="1.0.0", type="TEST", data="steps: [{name: Check, action: RunCommand}]"
    )
    [own] = client.list_workflow_build_versions()["workflowSummaryList"]
    assert own["arn"] == f"{BASE}:workflow/test/own/1.0.0/1"


def test_a_resource_in_use_cannot_be_deleted(client):
    part = component(client)
    arn = recipe(client, parts=[part])
    with refused("ResourceDependencyException", 400):
        client.delete_component(componentBuildVersionArn=part)
    client.delete_image_recipe(imageRecipeArn=arn)
    assert client.delete_component(componentBuildVersionArn=part)["componentBuildVersionArn"] == part
    with refused("ResourceNotFoundException", 404):
        client.delete_component(componentBuildVersionArn=part)


def test_a_reference_to_nothing_is_refused(client):
    with pytest.raises(ClientError, match=r"components.*does not exist"):
        recipe(client, parts=[f"{BASE}:component/nothing/1.0.0/1"])


def test_a_dry_run_makes_nothing(client):
    with refused("DryRunOperationException", 412):
        component(client, dryRun=True)
    assert client.list_components()["componentVersionList"] == []


@pytest.mark.parametrize("members", [{"uri": "s3://bucket/key"}, {"data": "steps: ["}, {"data": "no: steps"}])
def test_a_workflow_document_must_be_one(client, members):
    given = {"data": "steps: [{name: Check, action: RunCommand}]", **members}
    with refused("InvalidRequestException", 400):
        client.create_workflow(name="own", semanticVersion="1.0.0", type="TEST", **given)


def test_a_pipeline_needs_one_recipe_and_a_role_for_workflows(client, simulator):
    simulator.create_pipeline()
    infrastructure = f"{BASE}:infrastructure-configuration/demo-infrastructure"
    with refused("InvalidRequestException"):
        client.create_image_pipeline(name="two", infrastructureConfigurationArn=infrastructure)
    with refused("InvalidRequestException"):
        client.create_image_pipeline(
            name="two",
            imageRecipeArn=f"{BASE}:image-recipe/demo/1.0.0",
            infrastructureConfigurationArn=infrastructure,
            workflows=[{"workflowArn": "arn:aws:imagebuilder:us-east-1:aws:workflow/test/test-image/x.x.x"}],
        )


def test_what_can_be_updated(client, simulator):
    pipeline = simulator.create_pipeline()
    got = client.get_image_pipeline(imagePipelineArn=pipeline)["imagePipeline"]
    client.update_image_pipeline(
        imagePipelineArn=pipeline,
        imageRecipeArn=got["imageRecipeArn"],
        infrastructureConfigurationArn=got["infrastructureConfigurationArn"],
        status="DISABLED",
    )
    changed = client.get_image_pipeline(imagePipelineArn=pipeline)["imagePipeline"]
    assert (changed["status"], changed["name"], changed["dateCreated"]) == (
        "DISABLED",
        "demo",
        got["dateCreated"],
    )
    assert "distributionConfigurationArn" not in changed


def test_the_same_token_gives_the_same_answer(client, simulator):
    pipeline = simulator.create_pipeline()
    first, again = (
        client.start_image_pipeline_execution(imagePipelineArn=pipeline, clientToken="deploy-42")
        for _ in range(2)
    )
    assert first["imageBuildVersionArn"] == again["imageBuildVersionArn"]
    assert first["clientToken"] == "deploy-42"
    other = simulator.create_pipeline("other")
    with refused("IdempotentParameterMismatchException", 400):
        client.start_image_pipeline_execution(imagePipelineArn=other, clientToken="deploy-42")
    fresh = client.start_image_pipeline_execution(imagePipelineArn=pipeline)
    assert fresh["imageBuildVersionArn"] != first["imageBuildVersionArn"]


def test_tags_come_and_go(client, simulator, built):
    pipeline = client.list_image_pipelines()["imagePipelineList"][0]["arn"]
    for arn in (pipeline, built):
        client.tag_resource(resourceArn=arn, tags={"a": "1", "b": "2"})
        client.untag_resource(resourceArn=arn, tagKeys=["a"])
        assert client.list_tags_for_resource(resourceArn=arn)["tags"] == {"b": "2"}
    assert client.get_image(imageBuildVersionArn=built)["image"]["tags"] == {"b": "2"}


def test_pages_hold_25_and_follow_their_token(client, simulator):
    pipeline = simulator.create_pipeline()
    arns = [simulator.start_build(pipeline) for _ in range(60)]
    pages = list(client.get_paginator("list_image_build_versions").paginate())
    assert [len(page["imageSummaryList"]) for page in pages] == [25, 25, 10]
    assert [row["arn"] for page in pages for row in page["imageSummaryList"]] == arns
    assert len(client.list_image_build_versions(maxResults=7)["imageSummaryList"]) == 7


def test_a_token_belongs_to_its_list(client, simulator):
    pipeline = simulator.create_pipeline()
    for _ in range(3):
        simulator.start_build(pipeline)
    token = client.list_image_build_versions(maxResults=1)["nextToken"]
    for wrong in (token + "x", "nonsense", "bnVsbA=="):
        with refused("InvalidPaginationTokenException", 400):
            client.list_image_build_versions(nextToken=wrong)
    with refused("InvalidPaginationTokenException", 400):
        client.list_image_pipeline_images(imagePipelineArn=pipeline, nextToken=token)


def test_a_filtered_page_can_be_empty_and_still_have_a_next_one(client, simulator):
    for name in ("red", "blue"):
        simulator.start_build(simulator.create_pipeline(name))
    wanted = [{"name": "name", "values": ["blue"]}]
    first = client.list_image_build_versions(maxResults=1, filters=wanted)
    assert first["imageSummaryList"] == []
    second = client.list_image_build_versions(maxResults=1, filters=wanted, nextToken=first["nextToken"])
    assert [row["name"] for row in second["imageSummaryList"]] == ["blue"]


def test_accounts_are_worlds_of_their_own(client, simulator, monkeypatch):
    component(client)
    monkeypatch.setenv("MOTO_ACCOUNT_ID", "999999999999")
    assert client.list_components()["componentVersionList"] == []
    assert component(client).startswith("arn:aws:imagebuilder:us-east-1:999999999999:")
