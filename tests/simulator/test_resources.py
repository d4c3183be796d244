"""Resources: create, get, list, update and delete, with versions, client tokens, tags and pages."""

from __future__ import annotations

import base64

import pytest
import yaml
from botocore.exceptions import ClientError

from simulator.support import COMPONENT_DOCUMENT, WORKFLOW_DOCUMENT, raises_error

BASE = "arn:aws:imagebuilder:us-east-1:123456789012"
COMPONENT = {"platform": "Linux", "data": COMPONENT_DOCUMENT}


def create_component(client, name="thing", version="1.0.0", **members):
    response = client.create_component(name=name, semanticVersion=version, **{**COMPONENT, **members})
    return response["componentBuildVersionArn"]


def create_recipe(client, name="thing", version="1.0.0", parts=None, **members):
    response = client.create_image_recipe(
        name=name,
        semanticVersion=version,
        components=[{"componentArn": arn} for arn in parts or [create_component(client, name)]],
        parentImage="arn:aws:imagebuilder:us-east-1:aws:image/amazon-linux-2023-x86/x.x.x",
        **members,
    )
    return response["imageRecipeArn"]


def test_names_are_normalized_only_in_arns(client):
    arn = create_component(client, "My Big_Thing")
    assert arn == f"{BASE}:component/my-big-thing/1.0.0/1"
    assert client.get_component(componentBuildVersionArn=arn)["component"]["name"] == "My Big_Thing"


def test_only_kinds_with_builds_can_be_created_again(client):
    assert [create_component(client)[-2:] for _ in range(3)] == ["/1", "/2", "/3"]
    parts = [create_component(client)]
    create_recipe(client, parts=parts)
    with raises_error("ResourceAlreadyExistsException", 400):
        create_recipe(client, parts=parts)


def test_wildcard_version_resolves_to_newest(client):
    for version in ("1.0.0", "1.2.0", "1.10.0", "2.0.0"):
        create_component(client, version=version)
    for pattern, version in (("x.x.x", "2.0.0"), ("1.x.x", "1.10.0"), ("1.2.x", "1.2.0")):
        arn = f"{BASE}:component/thing/{pattern}"
        component = client.get_component(componentBuildVersionArn=arn)["component"]
        assert component["version"] == version
    with raises_error("ResourceNotFoundException", 404):
        client.get_component(componentBuildVersionArn=f"{BASE}:component/thing/3.x.x")


def test_wildcard_recipe_version_becomes_next_version(client):
    parts = [create_component(client)]
    arns = [create_recipe(client, version=version, parts=parts) for version in ("1.0.x", "1.0.x", "1.x.0")]
    assert [arn.rpartition("/")[2] for arn in arns] == ["1.0.0", "1.0.1", "1.1.0"]


def test_lists_show_versions_and_builds(client):
    create_component(client)
    create_component(client)
    create_component(client, version="1.1.0")
    versions = client.list_components()["componentVersionList"]
    assert [each["arn"] for each in versions] == [f"{BASE}:component/thing/{v}" for v in ("1.0.0", "1.1.0")]
    builds = client.list_component_build_versions(componentVersionArn=f"{BASE}:component/thing/1.0.0")
    assert [each["arn"][-2:] for each in builds["componentSummaryList"]] == ["/1", "/2"]
    assert len(client.list_component_build_versions()["componentSummaryList"]) == 3
    client.create_workflow(name="own", semanticVersion="1.0.0", type="TEST", data=WORKFLOW_DOCUMENT)
    [own] = client.list_workflow_build_versions()["workflowSummaryList"]
    assert own["arn"] == f"{BASE}:workflow/test/own/1.0.0/1"


def test_resource_in_use_cannot_be_deleted(client):
    part = create_component(client)
    arn = create_recipe(client, parts=[part])
    with raises_error("ResourceDependencyException", 400):
        client.delete_component(componentBuildVersionArn=part)
    client.delete_image_recipe(imageRecipeArn=arn)
    assert client.delete_component(componentBuildVersionArn=part)["componentBuildVersionArn"] == part
    with raises_error("ResourceNotFoundException", 404):
        client.delete_component(componentBuildVersionArn=part)


def test_missing_reference_is_rejected(client):
    with pytest.raises(ClientError, match=r"components.*does not exist"):
        create_recipe(client, parts=[f"{BASE}:component/nothing/1.0.0/1"])


def test_dry_run_creates_nothing(client):
    with raises_error("DryRunOperationException", 412):
        create_component(client, dryRun=True)
    assert client.list_components()["componentVersionList"] == []


def test_pipeline_requires_recipe_and_execution_role(client, simulator):
    simulator.create_pipeline()
    infrastructure = f"{BASE}:infrastructure-configuration/demo-infrastructure"
    with raises_error("InvalidRequestException"):
        client.create_image_pipeline(name="two", infrastructureConfigurationArn=infrastructure)
    with raises_error("InvalidRequestException"):
        client.create_image_pipeline(
            name="two",
            imageRecipeArn=f"{BASE}:image-recipe/demo/1.0.0",
            infrastructureConfigurationArn=infrastructure,
            workflows=[{"workflowArn": "arn:aws:imagebuilder:us-east-1:aws:workflow/test/test-image/x.x.x"}],
        )


def test_pipeline_update_replaces_settings(client, simulator):
    pipeline = simulator.create_pipeline()
    before = client.get_image_pipeline(imagePipelineArn=pipeline)["imagePipeline"]
    client.update_image_pipeline(
        imagePipelineArn=pipeline,
        imageRecipeArn=before["imageRecipeArn"],
        infrastructureConfigurationArn=before["infrastructureConfigurationArn"],
        status="DISABLED",
    )
    changed = client.get_image_pipeline(imagePipelineArn=pipeline)["imagePipeline"]
    assert (changed["status"], changed["name"], changed["dateCreated"]) == (
        "DISABLED",
        "demo",
        before["dateCreated"],
    )
    assert "distributionConfigurationArn" not in changed


def test_same_client_token_returns_same_response(client, simulator):
    pipeline = simulator.create_pipeline()
    first, again = (
        client.start_image_pipeline_execution(imagePipelineArn=pipeline, clientToken="deploy-42")
        for _ in range(2)
    )
    assert first["imageBuildVersionArn"] == again["imageBuildVersionArn"]
    assert first["clientToken"] == "deploy-42"
    other = simulator.create_pipeline("other")
    with raises_error("IdempotentParameterMismatchException", 400):
        client.start_image_pipeline_execution(imagePipelineArn=other, clientToken="deploy-42")
    fresh = client.start_image_pipeline_execution(imagePipelineArn=pipeline)
    assert fresh["imageBuildVersionArn"] != first["imageBuildVersionArn"]


def test_imported_component_runs_script_in_one_step(client):
    for platform, kind, action in (
        ("Linux", "BUILD", "ExecuteBash"),
        ("Windows", "TEST", "ExecutePowerShell"),
    ):
        arn = client.import_component(
            name=f"script-{platform}",
            semanticVersion="1.0.0",
            type=kind,
            format="SHELL",
            platform=platform,
            data="echo one\necho two\n",
        )["componentBuildVersionArn"]
        component = client.get_component(componentBuildVersionArn=arn)["component"]
        assert (component["type"], component["platform"]) == (kind, platform)
        [phase] = yaml.safe_load(component["data"])["phases"]
        [step] = phase["steps"]
        assert (phase["name"], step["action"]) == (kind.lower(), action)
        assert step["inputs"]["commands"] == ["echo one\necho two\n"]


def test_component_import_requires_data_or_uri(client):
    request = {"name": "script", "semanticVersion": "1.0.0", "type": "TEST", "platform": "Linux"}
    arn = client.import_component(**request, format="SHELL", uri="s3://bucket/key")[
        "componentBuildVersionArn"
    ]
    assert client.get_component(componentBuildVersionArn=arn)["component"]["type"] == "TEST"
    for members in ({}, {"uri": "s3://bucket/key", "data": "echo"}):
        with raises_error("InvalidParameterCombinationException", 400):
            client.import_component(**request, format="SHELL", **members)


def test_workflow_has_parameters_of_its_document(client):
    parameters = [
        {"name": "topic", "type": "string", "default": "My Topic", "description": "Where to ask."},
        {"name": "ask", "type": "boolean", "default": False},
    ]
    document = yaml.safe_dump({**yaml.safe_load(WORKFLOW_DOCUMENT), "parameters": parameters})
    arn = client.create_workflow(name="own", semanticVersion="1.0.0", type="TEST", data=document)[
        "workflowBuildVersionArn"
    ]
    topic = {"name": "topic", "type": "string", "defaultValue": ["My Topic"], "description": "Where to ask."}
    assert client.get_workflow(workflowBuildVersionArn=arn)["workflow"]["parameters"] == [
        topic,
        {"name": "ask", "type": "boolean", "defaultValue": ["false"]},
    ]


def test_marketplace_component_has_data_and_artifacts(client):
    bought = "arn:aws:imagebuilder:us-east-1:aws-marketplace:component/bought/1.0.0/1"
    data = client.get_marketplace_resource(resourceType="COMPONENT_DATA", resourceArn=bought)
    assert data["resourceArn"] == bought
    assert b"name: bought" in base64.b64decode(data["data"])
    artifact = {"resourceType": "COMPONENT_ARTIFACT", "resourceArn": bought}
    found = client.get_marketplace_resource(**artifact, resourceLocation="s3://bucket/some/key")
    assert found["url"].startswith("https://bucket.s3.us-east-1.amazonaws.com/some/key?")
    with raises_error("InvalidRequestException", 400):
        client.get_marketplace_resource(**artifact)
    with raises_error("InvalidRequestException", 400):
        client.get_marketplace_resource(resourceType="COMPONENT_DATA", resourceArn=create_component(client))


def test_every_kind_of_resource_has_tags(client, simulator):
    simulator.start_build(simulator.create_pipeline())
    recipe = create_recipe(client, tags={"a": "0", "b": "2"})
    assert client.list_image_recipes()["imageRecipeSummaryList"][-1]["tags"] == {"a": "0", "b": "2"}
    assert client.get_image_recipe(imageRecipeArn=recipe)["imageRecipe"]["tags"] == {"a": "0", "b": "2"}
    workflow = simulator.create_workflow("own", WORKFLOW_DOCUMENT)
    for arn in (
        recipe,
        workflow,
        f"{BASE}:component/thing/1.0.0/1",
        f"{BASE}:image/demo/1.0.0/1",
        f"{BASE}:image-pipeline/demo",
        f"{BASE}:infrastructure-configuration/demo-infrastructure",
    ):
        client.tag_resource(resourceArn=arn, tags={"a": "1", "c": "3"})
        client.untag_resource(resourceArn=arn, tagKeys=["b", "c", "unknown"])
        assert client.list_tags_for_resource(resourceArn=arn)["tags"] == {"a": "1"}


def test_tags_are_limited(client):
    arn = create_component(client, tags={"first": "1"})
    client.tag_resource(resourceArn=arn, tags={f"key-{number}": "" for number in range(49)})
    with raises_error("InvalidParameterException", 400, "51 tags"):
        client.tag_resource(resourceArn=arn, tags={"one": "more"})
    client.tag_resource(resourceArn=arn, tags={"first": "changed"})
    with raises_error("InvalidParameterException", 400):
        client.tag_resource(resourceArn=arn, tags={"aws:mine": "1"})
    with raises_error("InvalidRequestException", 400):
        create_component(client, tags={"aws:mine": "1"})
    assert len(client.list_tags_for_resource(resourceArn=arn)["tags"]) == 50


def test_tags_require_own_resource(client):
    unknown = f"{BASE}:component/nothing/1.0.0/1"
    managed = "arn:aws:imagebuilder:us-east-1:aws:workflow/build/build-image/1.0.3/1"
    for arn, code, status in (
        (unknown, "ResourceNotFoundException", 404),
        (f"{BASE}:image/nothing/1.0.0/1", "ResourceNotFoundException", 404),
        (managed, "ForbiddenException", 403),
    ):
        with raises_error(code, status):
            client.tag_resource(resourceArn=arn, tags={"a": "1"})
        with raises_error(code, status):
            client.untag_resource(resourceArn=arn, tagKeys=["a"])
    assert client.list_tags_for_resource(resourceArn=managed)["tags"] == {}
    with raises_error("ResourceNotFoundException", 404):
        client.list_tags_for_resource(resourceArn=unknown)


def test_tags_can_be_added_and_removed(client, simulator, built):
    pipeline = client.list_image_pipelines()["imagePipelineList"][0]["arn"]
    for arn in (pipeline, built):
        client.tag_resource(resourceArn=arn, tags={"a": "1", "b": "2"})
        client.untag_resource(resourceArn=arn, tagKeys=["a"])
        assert client.list_tags_for_resource(resourceArn=arn)["tags"] == {"b": "2"}
    assert client.get_image(imageBuildVersionArn=built)["image"]["tags"] == {"b": "2"}


def test_paginator_returns_pages_of_25_rows(client, simulator):
    pipeline = simulator.create_pipeline()
    arns = [simulator.start_build(pipeline) for _ in range(60)]
    pages = list(client.get_paginator("list_image_build_versions").paginate())
    assert [len(page["imageSummaryList"]) for page in pages] == [25, 25, 10]
    assert [row["arn"] for page in pages for row in page["imageSummaryList"]] == arns
    assert len(client.list_image_build_versions(maxResults=7)["imageSummaryList"]) == 7


def test_invalid_pagination_token_is_rejected(client, simulator):
    pipeline = simulator.create_pipeline()
    for _ in range(3):
        simulator.start_build(pipeline)
    token = client.list_image_build_versions(maxResults=1)["nextToken"]
    for invalid in (token + "x", "nonsense", "bnVsbA=="):
        with raises_error("InvalidPaginationTokenException", 400):
            client.list_image_build_versions(nextToken=invalid)
    with raises_error("InvalidPaginationTokenException", 400):
        client.list_image_pipeline_images(imagePipelineArn=pipeline, nextToken=token)


def test_filtered_page_can_be_empty_before_last_page(client, simulator):
    for name in ("red", "blue"):
        simulator.start_build(simulator.create_pipeline(name))
    wanted = [{"name": "name", "values": ["blue"]}]
    first = client.list_image_build_versions(maxResults=1, filters=wanted)
    assert first["imageSummaryList"] == []
    second = client.list_image_build_versions(maxResults=1, filters=wanted, nextToken=first["nextToken"])
    assert [row["name"] for row in second["imageSummaryList"]] == ["blue"]


def test_accounts_are_isolated(client, simulator, monkeypatch):
    create_component(client)
    monkeypatch.setenv("MOTO_ACCOUNT_ID", "999999999999")
    assert client.list_components()["componentVersionList"] == []
    assert create_component(client).startswith("arn:aws:imagebuilder:us-east-1:999999999999:")
