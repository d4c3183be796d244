"""What requests refer to: parent images, and components and workflows with their parameters."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from simulator.support import COMPONENT_DOCUMENT, raises_error

BASE = "arn:aws:imagebuilder:us-east-1:123456789012"
AMAZON = "arn:aws:imagebuilder:us-east-1:aws"
PARENT = f"{AMAZON}:image/amazon-linux-2023-x86/x.x.x"

COMPONENT = COMPONENT_DOCUMENT + "parameters: [Path: {type: string}, Key: {type: string, default: k}]\n"
WORKFLOW = """\
schemaVersion: 1.0
parameters:
  - {name: topic}
  - {name: count, type: integer, default: 3}
  - {name: approval, type: boolean, default: false}
  - {name: names, type: stringList, default: [a, b]}
steps: [{name: Check, action: RunCommand}]
"""


def create_recipe(client, name="web", **members):
    return client.create_image_recipe(
        name=name, semanticVersion="1.0.0", **{"parentImage": PARENT, **members}
    )["imageRecipeArn"]


def create_container_recipe(client, parent, **members):
    return client.create_container_recipe(
        name="box",
        semanticVersion="1.0.0",
        containerType="DOCKER",
        parentImage=parent,
        targetRepository={"service": "ECR", "repositoryName": "box"},
        dockerfileTemplateData="FROM scratch",
        **members,
    )["containerRecipeArn"]


# ---------------------------------------------------------------------- parents


@pytest.mark.parametrize(
    ("parent", "platform"),
    [
        (PARENT, "Linux"),
        (f"{AMAZON}:image/amazon-linux-2023-arm64/2026.1.x", "Linux"),
        (f"{AMAZON}:image/windows-server-2016-english-full-base-x86/xxxx.x.x", "Windows"),
        (f"{AMAZON}:image/windows-server-2016-english-full-base-x86/2019.12.17/1", "Windows"),
        (f"{AMAZON}:image/macos-sequoia-arm64/x.x.x", "macOS"),
        ("ami-12345678", "Linux"),
        ("ami-1234567890abcdef0", "Linux"),
        ("ssm:/aws/service/ami-windows-latest/Windows_Server-2022-English-Full-Base", "Windows"),
        ("ssm:arn:aws:ssm:us-east-1:123456789012:parameter/golden", "Linux"),
        ("prod-abcdefghijklm", "Linux"),
        (f"{BASE}:image/demo/x.x.x", "Linux"),
        (f"{BASE}:image/demo/1.0.0/1", "Linux"),
    ],
)
def test_existing_parent_is_accepted(client, built, parent, platform):
    arn = create_recipe(client, parentImage=parent)
    recipe = client.get_image_recipe(imageRecipeArn=arn)["imageRecipe"]
    assert (recipe["parentImage"], recipe["platform"]) == (parent, platform)


@pytest.mark.parametrize(
    "parent",
    [
        f"{AMAZON}:image/amazon-linux-2024-x86/x.x.x",
        f"{AMAZON}:image/amazon-linux-2023-x86/1999.x.x",
        f"{AMAZON}:image/amazon-linux-2023-x86/2026.1.15/2",
        f"{AMAZON}:image/amazon-linux-2023-x86",
        f"{AMAZON}:component/update-linux/x.x.x",
        "arn:aws:imagebuilder:eu-west-1:aws:image/amazon-linux-2023-x86/x.x.x",
        f"{BASE}:image/nothing/x.x.x",
        f"{BASE}:image/demo/2.x.x",
        f"{BASE}:image/demo/1.0.0/2",
        f"{BASE}:image-recipe/demo/1.0.0",
        "amazon-linux-2023",
        "ami-xyz",
        "ami-",
        "ssm:",
    ],
)
def test_parent_that_does_not_exist_is_refused(client, built, parent):
    for create in (
        lambda: create_recipe(client, parentImage=parent),
        lambda: create_recipe(client, parentImage=parent, dryRun=True),
    ):
        with pytest.raises(ClientError, match=f"parameter 'parentImage' is not valid.*{parent}") as caught:
            create()
        assert caught.value.response["Error"]["Code"] == "InvalidParameterValueException"


@pytest.mark.parametrize(
    "parent", [f"{BASE}:image/demo/1.0.0/1", f"{AMAZON}:image/ubuntu-server-24-lts-x86/x.x.x"]
)
def test_build_from_existing_parent_ends(client, simulator, built, parent):
    infrastructure = f"{BASE}:infrastructure-configuration/demo-infrastructure"
    arn = client.create_image(
        imageRecipeArn=create_recipe(client, parentImage=parent),
        infrastructureConfigurationArn=infrastructure,
    )["imageBuildVersionArn"]
    simulator.advance(3600)
    assert client.get_image(imageBuildVersionArn=arn)["image"]["state"]["status"] == "AVAILABLE"


@pytest.mark.parametrize(
    ("parent", "members"),
    [
        ("amazonlinux:latest", {}),
        (f"{AMAZON}:image/amazon-linux-x86-latest/x.x.x", {}),
        ("public.ecr.aws/amazonlinux/amazonlinux:2023", {"platformOverride": "Linux"}),
        ("123456789012.dkr.ecr.us-east-1.amazonaws.com/a@sha256:" + "0" * 64, {"platformOverride": "Linux"}),
        ("alpine", {"instanceConfiguration": {"image": "ami-12345678"}}),
    ],
)
def test_container_parent_is_accepted(client, parent, members):
    arn = create_container_recipe(client, parent, **members)
    assert client.get_container_recipe(containerRecipeArn=arn)["containerRecipe"]["parentImage"] == parent


@pytest.mark.parametrize(
    ("parent", "members", "why"),
    [
        (f"{AMAZON}:image/nothing/x.x.x", {}, "'parentImage' is not valid.*does not exist"),
        ("not an image", {}, "'parentImage' is not valid.*'not an image'"),
        ("public.ecr.aws/amazonlinux/amazonlinux:2023", {}, "specify a platform override"),
        ("123456789012.dkr.ecr.us-east-1.amazonaws.com/a", {}, "specify a platform override"),
        (
            "alpine",
            {"instanceConfiguration": {"image": "alpine"}},
            "'instanceConfiguration.image' is not valid",
        ),
    ],
)
def test_invalid_container_parent_is_refused(client, parent, members, why):
    with pytest.raises(ClientError, match=why) as caught:
        create_container_recipe(client, parent, **members)
    assert caught.value.response["Error"]["Code"] == "InvalidParameterValueException"


def test_platform_of_container_parent_is_used(client):
    arn = create_container_recipe(client, f"{AMAZON}:image/windows-server-2019-x86-core-ltsc2019-amd64/x.x.x")
    assert client.get_container_recipe(containerRecipeArn=arn)["containerRecipe"]["platform"] == "Windows"


def test_source_of_distribution_must_be_an_image(client, built):
    for source in ("golden", f"{BASE}:image/nothing/1.0.0/1"):
        with pytest.raises(ClientError):
            client.distribute_image(
                sourceImage=source,
                distributionConfigurationArn=f"{BASE}:distribution-configuration/demo-distribution",
                executionRole="role",
            )


# ---------------------------------------------------------------------- components and workflows


def create_component(client):
    return client.create_component(name="part", semanticVersion="1.0.0", platform="Linux", data=COMPONENT)[
        "componentBuildVersionArn"
    ]


def values(**parameters):
    return [{"name": name, "value": value} for name, value in parameters.items()]


@pytest.mark.parametrize(
    ("parameters", "why"),
    [
        ({"Path": ["/"], "Pat": ["/"]}, "not defined in the provided component: Pat"),
        ({}, "no default value and must be provided: Path"),
        ({"Key": ["k"]}, "no default value and must be provided: Path"),
        ({"Path": ["/", "/tmp"]}, "value of their type: Path"),
        ({"Path": []}, "value of their type: Path"),
    ],
)
@pytest.mark.parametrize("version", ["1.0.0/1", "x.x.x"])
def test_invalid_component_parameters_are_refused(client, parameters, why, version):
    create_component(client)
    given = {"parameters": values(**parameters)} if parameters else {}
    components = [{"componentArn": f"{AMAZON}:component/update-linux/x.x.x"}]
    components.append({"componentArn": f"{BASE}:component/part/{version}", **given})
    for create in (
        lambda: create_recipe(client, components=components),
        lambda: create_container_recipe(client, "alpine", components=components),
    ):
        with pytest.raises(ClientError, match=rf"parameter 'components\[1\]\.parameters'.*{why}") as caught:
            create()
        assert caught.value.response["Error"]["Code"] == "InvalidParameterCombinationException"


def test_valid_component_parameters_are_kept(client):
    component = {"componentArn": create_component(client), "parameters": values(Path=["line\nline"])}
    arn = create_recipe(client, components=[component])
    assert client.get_image_recipe(imageRecipeArn=arn)["imageRecipe"]["components"] == [component]


def test_component_of_other_kind_or_unknown_version_is_refused(client):
    create_component(client)
    for arn in (
        f"{BASE}:component/part/2.x.x",
        f"{BASE}:component/part/1.0.0/2",
        f"{BASE}:component/other/x.x.x",
    ):
        with raises_error("InvalidRequestException", 400):
            create_recipe(client, components=[{"componentArn": arn}])


def test_component_is_in_a_recipe_once(client):
    components = [{"componentArn": f"{AMAZON}:component/update-linux/{v}"} for v in ("x.x.x", "1.0.2/1")]
    with pytest.raises(ClientError, match=r"components\[1\].*more than once"):
        create_recipe(client, components=components)


@pytest.mark.parametrize(
    ("parameters", "why"),
    [
        ({"topic": ["t"], "topics": ["t"]}, "not defined in the provided workflow: topics"),
        ({"count": ["3"]}, "no default value and must be provided: topic"),
        ({"topic": ["t"], "count": ["three"]}, "value of their type: count"),
        ({"topic": ["t"], "count": ["1", "2"]}, "value of their type: count"),
        ({"topic": ["t"], "approval": ["yes"]}, "value of their type: approval"),
    ],
)
def test_invalid_workflow_parameters_are_refused(client, simulator, parameters, why):
    pipeline = simulator.create_pipeline()
    workflow = {"workflowArn": simulator.create_workflow("own", WORKFLOW, type="TEST")}
    settings = {
        "imageRecipeArn": f"{BASE}:image-recipe/demo/1.0.0",
        "infrastructureConfigurationArn": f"{BASE}:infrastructure-configuration/demo-infrastructure",
        "workflows": [{**workflow, "parameters": values(**parameters)}],
        "executionRole": "role",
    }
    for call in (
        lambda: client.create_image(**settings),
        lambda: client.create_image_pipeline(name="two", **settings),
        lambda: client.update_image_pipeline(imagePipelineArn=pipeline, **settings),
    ):
        with pytest.raises(ClientError, match=rf"parameter 'workflows\[0\]\.parameters'.*{why}") as caught:
            call()
        assert caught.value.response["Error"]["Code"] == "InvalidParameterCombinationException"
    settings["workflows"][0]["parameters"] = values(topic=["t"], approval=["true"], names=["x", "y", "z"])
    client.create_image(**settings)


def test_unknown_workflow_is_refused(client, simulator):
    simulator.create_pipeline()
    with raises_error("InvalidRequestException", 400):
        client.create_image(
            imageRecipeArn=f"{BASE}:image-recipe/demo/1.0.0",
            infrastructureConfigurationArn=f"{BASE}:infrastructure-configuration/demo-infrastructure",
            workflows=[{"workflowArn": f"{AMAZON}:workflow/build/build-images/x.x.x"}],
            executionRole="role",
        )
