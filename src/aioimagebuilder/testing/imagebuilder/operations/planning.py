"""Creation of build plans from resources."""

from __future__ import annotations

from collections.abc import Sequence

from ...simulation.catalogue import DEFAULT_WORKFLOWS, MANAGED_VERSION
from ...simulation.component_documents import parse_component
from ...simulation.documents import parse_workflow, plan_steps
from ...simulation.identifiers import make_arn
from ...simulation.plan import BuildPlan, PlannedWorkflow
from ...simulation.state_history import Members
from ..models import ImageBuilderBackend, Resource
from .lookup import get_resource

_PHASES = {
    "BUILD": frozenset({"build", "validate"}),
    "TEST": frozenset({"test"}),
    "DISTRIBUTION": frozenset[str](),
}


def plan_build(
    backend: ImageBuilderBackend,
    *,
    image_arn: str,
    recipe: Resource,
    request: Members,
    infrastructure: Resource,
) -> BuildPlan:
    """Return the plan of a build.

    Args:
        backend: The backend of the account and region.
        image_arn: ARN of the new image build version.
        recipe: The image or container recipe.
        request: Members of CreateImage or of the pipeline.
        infrastructure: The infrastructure configuration.
    """
    is_container = recipe.kind == "ContainerRecipe"
    has_tests = request.get("imageTestsConfiguration", {}).get("imageTestsEnabled", True)
    default = [
        {"workflowArn": make_arn(backend.region_name, "aws", "workflow", *name, MANAGED_VERSION, 1)}
        for name in DEFAULT_WORKFLOWS[is_container]
        if has_tests or name[0] != "test"
    ]
    configurations = request.get("workflows") or default
    components = [get_resource(backend, each["componentArn"]) for each in recipe.record.get("components", ())]
    builder = {
        "platform": recipe.record.get("platform", "Linux"),
        "imageType": "Docker" if is_container else "AMI",
        "imageArn": image_arn,
        "collectImageMetadata": request.get("enhancedImageMetadataEnabled", True),
        "collectImageScanFindings": request.get("imageScanningConfiguration", {}).get(
            "imageScanningEnabled", False
        ),
    }
    distributions = plan_distributions(backend, request)
    return BuildPlan(
        image_arn=image_arn,
        image_name=recipe.record["name"],
        account_id=backend.account_id,
        regions=tuple(distributions),
        workflows=tuple(plan_workflow(backend, each, builder, components) for each in configurations),
        components=tuple(each.arn for each in components),
        is_container=is_container,
        repository=recipe.record.get("targetRepository", {}).get("repositoryName", "repository"),
        distributions=distributions,
        created_at=backend.now(),
        description=recipe.record.get("description"),
        is_scanned=builder["collectImageScanFindings"],
        s3_logs=_s3_log_prefix(infrastructure, recipe.record["name"], image_arn),
    )


def plan_workflow(
    backend: ImageBuilderBackend, configuration: Members, builder: Members, components: Sequence[Resource]
) -> PlannedWorkflow:
    """Return the planned workflow of a workflow configuration."""
    workflow = get_resource(backend, configuration["workflowArn"])
    parameters = {each["name"]: _unwrap_single(each["value"]) for each in configuration.get("parameters", ())}
    phases = _PHASES[workflow.record["type"]]
    runs_components = any(
        phases & parse_component(each.record["data"], each.record["platform"]).phases for each in components
    )
    document = parse_workflow(workflow.record["data"])
    return PlannedWorkflow(
        name=workflow.record["name"],
        type=workflow.record["type"],
        arn=workflow.arn,
        steps=plan_steps(document, builder=builder, parameters=parameters, runs_components=runs_components),
        parallel_group=configuration.get("parallelGroup"),
        continues_on_failure=configuration.get("onFailure") == "CONTINUE",
    )


def plan_distributions(backend: ImageBuilderBackend, request: Members) -> dict[str, Members]:
    """Return the AMI settings and ``ssmParameterConfigurations`` by region, the home region first."""
    arn = request.get("distributionConfigurationArn")
    regions: dict[str, Members] = {backend.region_name: {}}
    for each in get_resource(backend, arn).record["distributions"] if arn else ():
        regions.setdefault(each["region"], {}).update(each, **each.get("amiDistributionConfiguration", {}))
    return regions


def _unwrap_single(values: list[str]) -> str | list[str]:
    return values[0] if len(values) == 1 else values


def _s3_log_prefix(infrastructure: Resource, name: str, image_arn: str) -> str | None:
    logs = infrastructure.record.get("logging", {}).get("s3Logs")
    if not logs or "s3BucketName" not in logs:
        return None
    _, version, build = image_arn.rsplit("/", 2)
    prefix = [logs["s3BucketName"], *filter(None, [logs.get("s3KeyPrefix")])]
    return "/".join([*prefix, name, version, build])
