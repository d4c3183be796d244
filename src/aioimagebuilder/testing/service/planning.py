"""From resources to a build plan: which workflows run, with which steps, and where the output goes."""

from __future__ import annotations

from collections.abc import Sequence

from ..simulation.catalogue import DEFAULT_WORKFLOWS, MANAGED_VERSION
from ..simulation.documents import component_phases, parse_workflow, plan_steps
from ..simulation.identifiers import make_arn
from ..simulation.plan import BuildPlan, PlannedWorkflow
from ..simulation.state_history import Members
from .resources import existing
from .state import RegionState, Resource

_PHASES = {
    "BUILD": frozenset({"build", "validate"}),
    "TEST": frozenset({"test"}),
    "DISTRIBUTION": frozenset[str](),
}


def plan_build(
    state: RegionState, *, image_arn: str, recipe: Resource, request: Members, infrastructure: Resource
) -> BuildPlan:
    """Get the plan of a build of this recipe.

    Args:
        state: Where the resources are.
        image_arn: The new image build version.
        recipe: An image or container recipe.
        request: The members of CreateImage, or of the pipeline.
        infrastructure: The infrastructure configuration.
    """
    container = recipe.kind == "ContainerRecipe"
    tests = request.get("imageTestsConfiguration", {}).get("imageTestsEnabled", True)
    configured = request.get("workflows") or default_workflows(state, container=container, tests=tests)
    components = [existing(state, each["componentArn"]) for each in recipe.record.get("components", ())]
    builder = {
        "platform": recipe.record.get("platform", "Linux"),
        "imageType": "Docker" if container else "AMI",
        "imageArn": image_arn,
        "collectImageMetadata": request.get("enhancedImageMetadataEnabled", True),
        "collectImageScanFindings": request.get("imageScanningConfiguration", {}).get(
            "imageScanningEnabled", False
        ),
    }
    return BuildPlan(
        image_arn=image_arn,
        image_name=recipe.record["name"],
        account_id=state.account_id,
        regions=regions(state, request),
        workflows=tuple(planned_workflow(state, each, builder, components) for each in configured),
        components=tuple(each.arn for each in components),
        container=container,
        repository=recipe.record.get("targetRepository", {}).get("repositoryName", "repository"),
        parent_image=recipe.record.get("parentImage"),
        s3_logs=_s3_logs(infrastructure, recipe.record["name"], image_arn),
    )


def default_workflows(state: RegionState, *, container: bool, tests: bool = True) -> list[Members]:
    """Get the workflow configurations of a build that names none."""
    return [
        {"workflowArn": make_arn(state.region, "aws", "workflow", *name, MANAGED_VERSION, 1)}
        for name in DEFAULT_WORKFLOWS[container]
        if tests or name[0] != "test"
    ]


def planned_workflow(
    state: RegionState, configured: Members, builder: Members, components: Sequence[Resource]
) -> PlannedWorkflow:
    """Get the workflow that this workflow configuration names, ready to run."""
    workflow = existing(state, configured["workflowArn"])
    values = {each["name"]: _single(each["value"]) for each in configured.get("parameters", ())}
    phases = _PHASES[workflow.record["type"]]
    runs = any(
        phases & component_phases(each.record.get("data", "phases: [{name: build}]")) for each in components
    )
    document = parse_workflow(workflow.record.get("data", "steps: [{name: RunCommand, action: RunCommand}]"))
    return PlannedWorkflow(
        name=workflow.record["name"],
        type=workflow.record["type"],
        arn=workflow.arn,
        steps=plan_steps(document, builder=builder, parameters=values, runs_components=runs),
        parallel_group=configured.get("parallelGroup"),
        continues_on_failure=configured.get("onFailure") == "CONTINUE",
    )


def regions(state: RegionState, request: Members) -> tuple[str, ...]:
    """Where the output goes, the home region first."""
    arn = request.get("distributionConfigurationArn")
    if arn is None:
        return (state.region,)
    others = [each for each in existing(state, arn).record["regions"] if each != state.region]
    return (state.region, *dict.fromkeys(others))


def _single(values: list[str]) -> str | list[str]:
    return values[0] if len(values) == 1 else values


def _s3_logs(infrastructure: Resource, name: str, image_arn: str) -> str | None:
    logs = infrastructure.record.get("logging", {}).get("s3Logs")
    if not logs or "s3BucketName" not in logs:
        return None
    _, version, build = image_arn.rsplit("/", 2)
    prefix = [logs["s3BucketName"], *filter(None, [logs.get("s3KeyPrefix")])]
    return "/".join([*prefix, name, version, build])
