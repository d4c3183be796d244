"""The table of resource kinds, with their names in operations, ARNs and responses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ...simulation.clock import format_time
from ...simulation.component_documents import parse_component
from ...simulation.document_loading import DocumentError
from ...simulation.documents import parse_workflow
from ...simulation.state_history import Members
from ..errors import invalid, invalid_value
from ..models import ImageBuilderBackend
from .references import check_container_parent, check_parent, read_content

Extras = Callable[[ImageBuilderBackend, Members], Members]
"""(backend, request) to the members that the service adds to a new resource."""

_DESCRIBED = ("name", "type", "description")


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of resource.

    Args:
        noun: Its name in the operations ``Create…``, ``Get…`` and ``Delete…``.
        arn_type: Its type in ARNs.
        arn_member: The member with its ARN in requests and responses.
        get_member: The member with the resource in the response of Get.
        get_shape: The shape of that member.
        list_operation: The operation that lists the resources.
        list_member: The member with the rows in the response of that operation.
        list_shape: The shape of a row.
        is_versioned: Whether it has a version.
        has_builds: Whether it has build numbers; creating it again then creates the next build.
        extras: The members that the service adds to a new resource.
        build_list: (operation, member, row shape, request member) of the list of its builds.
        has_update: Whether it has an Update operation.
    """

    noun: str
    arn_type: str
    arn_member: str
    get_member: str
    get_shape: str
    list_operation: str
    list_member: str
    list_shape: str
    is_versioned: bool = False
    has_builds: bool = False
    extras: Extras
    build_list: tuple[str, str, str, str] | None = None
    has_update: bool = False


def _component_extras(backend: ImageBuilderBackend, request: Members) -> Members:
    data = read_content(backend, request, "data", "uri")
    try:
        document = parse_component(data, request["platform"])
    except DocumentError as error:
        raise invalid_value("data" if "data" in request else "uri", str(error)) from error
    parameters = [
        _describe_parameter({**each, "name": name, "type": str(each["type"]).capitalize()})
        for name, each in document.parameters.items()
    ]
    return {
        "type": "TEST" if document.phases == {"test"} else "BUILD",
        "data": data,
        "parameters": parameters,
        "encrypted": True,
        "state": {"status": "ACTIVE"},
        "status": "ACTIVE",
        **_version_members(backend, request),
    }


def _workflow_extras(backend: ImageBuilderBackend, request: Members) -> Members:
    data = read_content(backend, request, "data", "uri")
    try:
        document = parse_workflow(data, request["type"])
    except DocumentError as error:
        raise invalid_value("data" if "data" in request else "uri", str(error)) from error
    parameters = [_describe_parameter({"type": "string", **each}) for each in document.parameters]
    return {"data": data, "parameters": parameters, **_version_members(backend, request)}


def _describe_parameter(parameter: Mapping[str, Any]) -> Members:
    described: Members = {name: parameter[name] for name in _DESCRIBED if parameter.get(name)}
    if "default" in parameter:
        default = parameter["default"]
        values = default if isinstance(default, list) else [default]
        described["defaultValue"] = [
            str(each).lower() if isinstance(each, bool) else str(each) for each in values
        ]
    return described


def _image_recipe_extras(backend: ImageBuilderBackend, request: Members) -> Members:
    parent = check_parent(backend, "parentImage", request["parentImage"])
    platform = parent.get("platform", _detect_platform(request))
    return {"type": "AMI", "platform": platform, **_version_members(backend, request)}


def _container_recipe_extras(backend: ImageBuilderBackend, request: Members) -> Members:
    parent = check_container_parent(backend, request)
    image = request.get("instanceConfiguration", {}).get("image")
    if image:
        check_parent(backend, "instanceConfiguration.image", image)
    template = read_content(backend, request, "dockerfileTemplateData", "dockerfileTemplateUri")
    return {
        "platform": request.get("platformOverride") or parent.get("platform", "Linux"),
        "encrypted": True,
        "dockerfileTemplateData": template,
        **({"instanceImage": image} if image else {}),
        **_version_members(backend, request),
    }


def _infrastructure_extras(backend: ImageBuilderBackend, request: Members) -> Members:
    return {"terminateInstanceOnFailure": request.get("terminateInstanceOnFailure", True), **_dates(backend)}


def _distribution_extras(backend: ImageBuilderBackend, request: Members) -> Members:
    regions = [each["region"] for each in request["distributions"]]
    return {"timeoutMinutes": 720, "regions": regions, **_dates(backend)}


def _pipeline_extras(backend: ImageBuilderBackend, request: Members) -> Members:
    if ("imageRecipeArn" in request) == ("containerRecipeArn" in request):
        raise invalid("Specify either an image recipe or a container recipe, but not both.")
    if "workflows" in request and "executionRole" not in request:
        raise invalid("You must provide an executionRole when you specify workflows.")
    recipe = backend.resources.get(request.get("imageRecipeArn") or request["containerRecipeArn"])
    return {
        "status": request.get("status", "ENABLED"),
        "enhancedImageMetadataEnabled": request.get("enhancedImageMetadataEnabled", True),
        "platform": recipe.record["platform"] if recipe else "Linux",
        "consecutiveFailures": 0,
        **_dates(backend),
    }


def _lifecycle_policy_extras(backend: ImageBuilderBackend, request: Members) -> Members:
    now = round(backend.now(), 3)
    return {"status": request.get("status", "ENABLED"), "dateCreated": now, "dateUpdated": now}


def _version_members(backend: ImageBuilderBackend, request: Members) -> Members:
    created = format_time(backend.now())
    return {"version": request["semanticVersion"], "owner": backend.account_id, "dateCreated": created}


def _dates(backend: ImageBuilderBackend) -> Members:
    return {"dateCreated": format_time(backend.now()), "dateUpdated": format_time(backend.now())}


def _detect_platform(request: Members) -> str:
    return "Windows" if "windows" in str(request["parentImage"]).lower() else "Linux"


KINDS: tuple[Kind, ...] = (
    Kind(
        noun="Component",
        arn_type="component",
        arn_member="componentBuildVersionArn",
        get_member="component",
        get_shape="Component",
        list_operation="ListComponents",
        list_member="componentVersionList",
        list_shape="ComponentVersion",
        is_versioned=True,
        has_builds=True,
        extras=_component_extras,
        build_list=(
            "ListComponentBuildVersions",
            "componentSummaryList",
            "ComponentSummary",
            "componentVersionArn",
        ),
    ),
    Kind(
        noun="Workflow",
        arn_type="workflow",
        arn_member="workflowBuildVersionArn",
        get_member="workflow",
        get_shape="Workflow",
        list_operation="ListWorkflows",
        list_member="workflowVersionList",
        list_shape="WorkflowVersion",
        is_versioned=True,
        has_builds=True,
        extras=_workflow_extras,
        build_list=(
            "ListWorkflowBuildVersions",
            "workflowSummaryList",
            "WorkflowSummary",
            "workflowVersionArn",
        ),
    ),
    Kind(
        noun="ImageRecipe",
        arn_type="image-recipe",
        arn_member="imageRecipeArn",
        get_member="imageRecipe",
        get_shape="ImageRecipe",
        list_operation="ListImageRecipes",
        list_member="imageRecipeSummaryList",
        list_shape="ImageRecipeSummary",
        is_versioned=True,
        extras=_image_recipe_extras,
    ),
    Kind(
        noun="ContainerRecipe",
        arn_type="container-recipe",
        arn_member="containerRecipeArn",
        get_member="containerRecipe",
        get_shape="ContainerRecipe",
        list_operation="ListContainerRecipes",
        list_member="containerRecipeSummaryList",
        list_shape="ContainerRecipeSummary",
        is_versioned=True,
        extras=_container_recipe_extras,
    ),
    Kind(
        noun="InfrastructureConfiguration",
        arn_type="infrastructure-configuration",
        arn_member="infrastructureConfigurationArn",
        get_member="infrastructureConfiguration",
        get_shape="InfrastructureConfiguration",
        list_operation="ListInfrastructureConfigurations",
        list_member="infrastructureConfigurationSummaryList",
        list_shape="InfrastructureConfigurationSummary",
        extras=_infrastructure_extras,
        has_update=True,
    ),
    Kind(
        noun="DistributionConfiguration",
        arn_type="distribution-configuration",
        arn_member="distributionConfigurationArn",
        get_member="distributionConfiguration",
        get_shape="DistributionConfiguration",
        list_operation="ListDistributionConfigurations",
        list_member="distributionConfigurationSummaryList",
        list_shape="DistributionConfigurationSummary",
        extras=_distribution_extras,
        has_update=True,
    ),
    Kind(
        noun="ImagePipeline",
        arn_type="image-pipeline",
        arn_member="imagePipelineArn",
        get_member="imagePipeline",
        get_shape="ImagePipeline",
        list_operation="ListImagePipelines",
        list_member="imagePipelineList",
        list_shape="ImagePipeline",
        extras=_pipeline_extras,
        has_update=True,
    ),
    Kind(
        noun="LifecyclePolicy",
        arn_type="lifecycle-policy",
        arn_member="lifecyclePolicyArn",
        get_member="lifecyclePolicy",
        get_shape="LifecyclePolicy",
        list_operation="ListLifecyclePolicies",
        list_member="lifecyclePolicySummaryList",
        list_shape="LifecyclePolicySummary",
        extras=_lifecycle_policy_extras,
        has_update=True,
    ),
)
"""Every kind of resource."""
