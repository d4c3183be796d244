"""The kinds of resources as one table: their names in operations, ARNs and answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..simulation.clock import stamp
from ..simulation.documents import DocumentError, component_phases, parse_workflow
from ..simulation.state_history import Members
from .errors import invalid
from .state import RegionState

Extras = Callable[[RegionState, Members], Members]
"""(state, request) to the members that the service adds."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of resource.

    Args:
        noun: Its name in ``Create…``, ``Get…``, ``Delete…``.
        arn_type: Its name in ARNs.
        arn_member: The member that holds its ARN in requests and answers.
        get_member: The member of Get's answer that holds it.
        get_shape: The shape of that member.
        list_operation: The operation that lists it.
        list_member: The member of the list's answer.
        list_shape: The shape of one row.
        versioned: It has a version.
        built: It has build numbers, so that creating it again makes the next build.
        extras: Members that the service adds.
        builds: (operation, member, row shape, request member) of the list of its builds.
        updated: It has an Update operation.
    """

    noun: str
    arn_type: str
    arn_member: str
    get_member: str
    get_shape: str
    list_operation: str
    list_member: str
    list_shape: str
    versioned: bool = False
    built: bool = False
    extras: Extras
    builds: tuple[str, str, str, str] | None = None
    updated: bool = False


def _component(state: RegionState, request: Members) -> Members:
    if ("data" in request) == ("uri" in request):
        raise invalid("Specify either the data or the uri property, but not both.")
    phases = component_phases(request.get("data", ""))
    return {
        "type": "TEST" if phases == {"test"} else "BUILD",
        "encrypted": True,
        "state": {"status": "ACTIVE"},
        "status": "ACTIVE",
        **_owned(state, request),
    }


def _workflow(state: RegionState, request: Members) -> Members:
    if ("data" in request) == ("uri" in request):
        raise invalid("Specify either the data or the uri property, but not both.")
    try:
        document = parse_workflow(request["data"]) if "data" in request else None
    except DocumentError as error:
        raise invalid(f"The workflow document is not valid: {error}.") from error
    parameters = [_parameter(each) for each in document.parameters] if document else []
    return {**({"parameters": parameters} if parameters else {}), **_owned(state, request)}


def _parameter(parameter: Mapping[str, Any]) -> Members:
    default = parameter.get("default")
    shown: Members = {"name": parameter["name"], "type": parameter["type"]}
    if default is not None:
        shown["defaultValue"] = [
            str(each).lower() for each in (default if isinstance(default, list) else [default])
        ]
    return shown


def _image_recipe(state: RegionState, request: Members) -> Members:
    return {"type": "AMI", "platform": _platform(request), **_owned(state, request)}


def _container_recipe(state: RegionState, request: Members) -> Members:
    image = request.get("instanceConfiguration", {}).get("image")
    return {
        "platform": request.get("platformOverride", "Linux"),
        "encrypted": True,
        **({"instanceImage": image} if image else {}),
        **_owned(state, request),
    }


def _infrastructure(state: RegionState, request: Members) -> Members:
    return {"terminateInstanceOnFailure": request.get("terminateInstanceOnFailure", True), **_dated(state)}


def _distribution(state: RegionState, request: Members) -> Members:
    regions = [each["region"] for each in request["distributions"]]
    return {"timeoutMinutes": 720, "regions": regions, **_dated(state)}


def _pipeline(state: RegionState, request: Members) -> Members:
    if ("imageRecipeArn" in request) == ("containerRecipeArn" in request):
        raise invalid("Specify either an image recipe or a container recipe, but not both.")
    if "workflows" in request and "executionRole" not in request:
        raise invalid("You must provide an executionRole when you specify workflows.")
    recipe = state.resources.get(request.get("imageRecipeArn") or request["containerRecipeArn"])
    return {
        "status": request.get("status", "ENABLED"),
        "enhancedImageMetadataEnabled": request.get("enhancedImageMetadataEnabled", True),
        "platform": recipe.record["platform"] if recipe else "Linux",
        "consecutiveFailures": 0,
        **_dated(state),
    }


def _lifecycle_policy(state: RegionState, request: Members) -> Members:
    now = round(state.now(), 3)
    return {"status": request.get("status", "ENABLED"), "dateCreated": now, "dateUpdated": now}


def _owned(state: RegionState, request: Members) -> Members:
    return {
        "version": request["semanticVersion"],
        "owner": state.account_id,
        "dateCreated": stamp(state.now()),
    }


def _dated(state: RegionState) -> Members:
    return {"dateCreated": stamp(state.now()), "dateUpdated": stamp(state.now())}


def _platform(request: Members) -> str:
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
        versioned=True,
        built=True,
        extras=_component,
        builds=(
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
        versioned=True,
        built=True,
        extras=_workflow,
        builds=("ListWorkflowBuildVersions", "workflowSummaryList", "WorkflowSummary", "workflowVersionArn"),
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
        versioned=True,
        extras=_image_recipe,
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
        versioned=True,
        extras=_container_recipe,
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
        extras=_infrastructure,
        updated=True,
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
        extras=_distribution,
        updated=True,
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
        extras=_pipeline,
        updated=True,
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
        extras=_lifecycle_policy,
        updated=True,
    ),
)
"""Every kind of resource."""

KIND_OF_NOUN: Mapping[str, Kind] = {kind.noun: kind for kind in KINDS}


def references_of(request: Members) -> Iterator[tuple[str, str]]:
    """(member, ARN) of every resource that this request refers to."""
    for member in (
        "imageRecipeArn",
        "containerRecipeArn",
        "infrastructureConfigurationArn",
        "distributionConfigurationArn",
    ):
        if member in request:
            yield member, request[member]
    for member, inner in (("components", "componentArn"), ("workflows", "workflowArn")):
        for each in request.get(member, ()):
            yield member, each[inner]
