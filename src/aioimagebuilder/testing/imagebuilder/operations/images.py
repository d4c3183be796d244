"""Operations on images: start, import, distribute, read, list, cancel, retry and delete."""

from __future__ import annotations

from collections.abc import Mapping

from ...scripts import BuildScript
from ...simulation.clock import format_time
from ...simulation.identifiers import make_arn, slugify, strip_build
from ...simulation.images import Image
from ...simulation.inventory import OS_VERSIONS
from ...simulation.plan import BuildPlan, PlannedWorkflow
from ...simulation.state_history import Members
from ...simulation.timeline import TERMINAL_STATUSES
from ..build_logs import write_image_lines, write_pipeline_line
from ..errors import ServiceError, in_use, invalid, not_found
from ..models import ImageBuilderBackend, Resource
from ..outputs import find_ami
from ..transitions import add_image
from ..validation import check_value, project
from .lists import page_rows
from .lookup import find_image, get_image, get_resource, list_images, list_pipeline_images, owner_of
from .planning import plan_build, plan_distributions, plan_workflow
from .references import check_build, check_references
from .resource_kinds import DEFAULT_TESTS
from .resources import Handler, make_latest_references

_COPIED = (
    "executionRole",
    "workflows",
    "imageScanningConfiguration",
    "loggingConfiguration",
    "osVersion",
    "tags",
)
_IMPORT_SECONDS = 420.0


def _start_pipeline(backend: ImageBuilderBackend, request: Members) -> Members:
    pipeline = get_resource(backend, request["imagePipelineArn"])
    return {"imageBuildVersionArn": start_pipeline(backend, pipeline, {}, request.get("tags", {})).arn}


def start_pipeline(
    backend: ImageBuilderBackend, pipeline: Resource, members: Members, tags: Mapping[str, str] | None = None
) -> Image:
    """Start a build of a pipeline, with members and tags of its own."""
    settings = {**pipeline.record, "tags": {**pipeline.record.get("imageTags", {}), **(tags or {})}}
    logging = pipeline.record.get("loggingConfiguration", {})
    settings["loggingConfiguration"] = (
        {"logGroupName": logging["imageLogGroupName"]} if "imageLogGroupName" in logging else None
    )
    source = {"sourcePipelineArn": pipeline.arn, "sourcePipelineName": pipeline.record["name"], **members}
    image = _start_build(backend, settings, source)
    if "schedule" in pipeline.record:
        pipeline.built_from = find_dependencies(backend, pipeline)
    write_pipeline_line(backend, pipeline, f"Pipeline started a build of the image: {image.arn}")
    return image


def find_dependencies(backend: ImageBuilderBackend, pipeline: Resource) -> frozenset[str]:
    """Return the ARNs of the newest components and parent that a pipeline's recipe refers to."""
    recipe = pipeline.record.get("imageRecipeArn") or pipeline.record["containerRecipeArn"]
    record = get_resource(backend, recipe).record
    components = {get_resource(backend, each["componentArn"]).arn for each in record.get("components", ())}
    image = find_image(backend, record["parentImage"])
    parent = image.arn if image else record["parentImage"]
    return frozenset({parent, *components})


def _create_image(backend: ImageBuilderBackend, request: Members) -> Members:
    check_build(request)
    check_references(backend, request)
    image = _start_build(backend, request, {})
    return {"imageBuildVersionArn": image.arn, "latestVersionReferences": make_latest_references(image.arn)}


def _start_build(backend: ImageBuilderBackend, request: Members, source: Members) -> Image:
    recipe = get_resource(backend, request.get("imageRecipeArn") or request["containerRecipeArn"])
    infrastructure = get_resource(backend, request["infrastructureConfigurationArn"])
    parts = [recipe, infrastructure]
    if "distributionConfigurationArn" in request:
        parts.append(get_resource(backend, request["distributionConfigurationArn"]))
    platform, parent = recipe.record["platform"], find_image(backend, recipe.record["parentImage"])
    arn = make_next_arn(backend, recipe.record["name"], recipe.record["version"])
    plan = plan_build(backend, image_arn=arn, recipe=recipe, request=request, infrastructure=infrastructure)
    static = {
        "platform": platform,
        "enhancedImageMetadataEnabled": request.get("enhancedImageMetadataEnabled", True),
        "imageTestsConfiguration": {**DEFAULT_TESTS, **request.get("imageTestsConfiguration", {})},
        "osVersion": (parent.static if parent else {}).get("osVersion", OS_VERSIONS[platform]),
        "buildType": "USER_INITIATED",
        **source,
        **{f"{each.kind[0].lower()}{each.kind[1:]}": project(each.kind, each.record) for each in parts},
    }
    return _add_image(backend, plan, request, static)


def _import_vm_image(backend: ImageBuilderBackend, request: Members) -> Members:
    # The model accepts any string as the name here, but not in the response of GetImage.
    check_value("ResourceName", request["name"], "name")
    static = {"platform": request["platform"], "buildType": "IMPORT"}
    return {"imageArn": _import(backend, request, static, creating=_IMPORT_SECONDS).arn}


def _import_disk_image(backend: ImageBuilderBackend, request: Members) -> Members:
    check_references(backend, request)
    infrastructure = get_resource(backend, request["infrastructureConfigurationArn"])
    workflow = _plan_managed_workflow(backend, "build/import-disk-image")
    static = {
        "platform": "Windows",
        "buildType": "IMPORT_ISO",
        "infrastructureConfiguration": project("InfrastructureConfiguration", infrastructure.record),
    }
    return {"imageBuildVersionArn": _import(backend, request, static, workflows=(workflow,)).arn}


def _import(
    backend: ImageBuilderBackend,
    request: Members,
    static: Members,
    *,
    workflows: tuple[PlannedWorkflow, ...] = (),
    creating: float | None = None,
) -> Image:
    plan = BuildPlan(
        image_arn=make_next_arn(backend, request["name"], request["semanticVersion"]),
        image_name=request["name"],
        account_id=backend.account_id,
        regions=(backend.region_name,),
        workflows=workflows,
        created_at=backend.now(),
        description=request.get("description"),
        has_distribution_stage=False,
        creating=creating,
    )
    return _add_image(backend, plan, request, {"imageSource": "IMPORTED", **static})


def _distribute_image(backend: ImageBuilderBackend, request: Members) -> Members:
    source = request["sourceImage"]
    static = {"platform": "Linux", "buildType": "USER_INITIATED"}
    if source.startswith("arn:"):
        view = get_image(backend, source, status="AVAILABLE").view(backend.now())
        amis = view.get("outputResources", {}).get("amis", ())
        if view["state"]["status"] != "AVAILABLE" or not amis:
            raise invalid(f"The source image {source} has no AMI in region {backend.region_name}.")
        name, version = view["name"], view["version"].partition("/")[0]
        ami = {"accountId": backend.account_id, **amis[0]}
        static["platform"] = view["platform"]
    else:
        ami = find_ami(backend, source)
        name, version = ami["image"], "1.0.0"
    distributions = plan_distributions(backend, request)
    plan = BuildPlan(
        image_arn=make_next_arn(backend, name, version),
        image_name=name,
        account_id=backend.account_id,
        regions=tuple(distributions),
        distributions=distributions,
        workflows=(_plan_managed_workflow(backend, "distribution/distribute-image"),),
        created_at=backend.now(),
        source_ami=ami,
    )
    return {"imageBuildVersionArn": _add_image(backend, plan, request, static).arn}


def _plan_managed_workflow(backend: ImageBuilderBackend, path: str) -> PlannedWorkflow:
    arn = make_arn(backend.region_name, "aws", "workflow", path, "x.x.x")
    return plan_workflow(backend, {"workflowArn": arn}, {"platform": "Windows"}, ())


def make_next_arn(backend: ImageBuilderBackend, name: str, version: str) -> str:
    """Return the ARN of the next build of a version of an image."""
    arn = make_arn(backend.region_name, backend.account_id, "image", slugify(name), version)
    backend.image_names[arn] = backend.image_names.get(arn, 0) + 1
    return f"{arn}/{backend.image_names[arn]}"


def _add_image(backend: ImageBuilderBackend, plan: BuildPlan, request: Members, static: Members) -> Image:
    _, version, build = plan.image_arn.rsplit("/", 2)
    now = backend.now()
    members = {
        "arn": plan.image_arn,
        "name": plan.image_name,
        "version": f"{version}/{build}",
        "dateCreated": format_time(now),
        "imageSource": "CUSTOM",
        "tags": {},
        **({"type": "DOCKER"} if plan.is_container else {"type": "AMI", "outputResources": {"amis": []}}),
        **static,
        **{member: request[member] for member in _COPIED if request.get(member)},
    }
    image = Image.build(plan, _take_script(backend, plan.image_name), members, now)
    add_image(backend, image)
    return image


def _take_script(backend: ImageBuilderBackend, name: str) -> BuildScript:
    script = backend.shared.scripts.take(name)
    backend.shared.extra_statuses |= script.statuses()
    return script


def _get_image(backend: ImageBuilderBackend, request: Members) -> Members:
    image = get_image(backend, request["imageBuildVersionArn"])
    return {"image": image.view(backend.now()), "latestVersionReferences": make_latest_references(image.arn)}


def _summarize(backend: ImageBuilderBackend, image: Image) -> Members:
    return {"owner": _get_owner(backend, image), **project("ImageSummary", image.view(backend.now()))}


def _get_owner(backend: ImageBuilderBackend, image: Image) -> str:
    return backend.account_id if owner_of(image.arn) == "Self" else "Amazon"


def _list_image_summaries(backend: ImageBuilderBackend, request: Members, images: list[Image]) -> Members:
    return page_rows(backend, request, "imageSummaryList", images, lambda image: _summarize(backend, image))


def _list_build_versions(backend: ImageBuilderBackend, request: Members) -> Members:
    wanted = request.get("imageVersionArn", "")
    images = [*list_images(backend, owner_of(wanted)).values()]
    if wanted:
        images = [each for each in images if strip_build(each.arn) == wanted]
    return _list_image_summaries(backend, request, images)


def _list_pipeline_images(backend: ImageBuilderBackend, request: Members) -> Members:
    pipeline = get_resource(backend, request["imagePipelineArn"])
    return _list_image_summaries(backend, request, list_pipeline_images(backend, pipeline.arn))


def _list_images(backend: ImageBuilderBackend, request: Members) -> Members:
    images = list_images(backend, request.get("owner", "Self"))
    newest = {strip_build(arn): image for arn, image in images.items()}

    def format_row(item: tuple[str, Image]) -> Members:
        arn, image = item
        owner, version = _get_owner(backend, image), arn.rpartition("/")[2]
        row = {**image.static, "arn": arn, "owner": owner, "version": version}
        return project("ImageVersion", row)

    return page_rows(backend, request, "imageVersionList", list(newest.items()), format_row)


def _cancel(backend: ImageBuilderBackend, request: Members) -> Members:
    image = get_image(backend, request["imageBuildVersionArn"])
    status = image.status(backend.now())
    if status in TERMINAL_STATUSES:
        # Not ResourceInUseException, which means "retry later": a terminal image can never be cancelled.
        raise invalid(f"The image {image.arn} is in the terminal state {status} and cannot be cancelled.")
    if image.plan is None:
        raise invalid(f"The image {image.arn} has a fixed schedule and cannot be cancelled.")
    if image.latest_run.cancelled_at is not None:
        raise in_use(f"The image {image.arn} is already being cancelled.")
    image.cancel(backend.now())
    add_image(backend, image)
    return {"imageBuildVersionArn": image.arn}


def _retry(backend: ImageBuilderBackend, request: Members) -> Members:
    image = get_image(backend, request["imageBuildVersionArn"])
    status = image.status(backend.now())
    problem = f"The image {image.arn} is in the state {status};"
    if status not in TERMINAL_STATUSES:
        raise in_use(f"{problem} retry it when it is FAILED or CANCELLED.")
    if status not in ("FAILED", "CANCELLED"):
        raise invalid(f"{problem} only FAILED or CANCELLED can be retried.")
    if image.static["type"] != "AMI":
        raise invalid("Retry is only supported for AMI-based images.")
    stopped_stage = image.latest_run.timeline.stopped_stage
    if image.plan is None or stopped_stage not in ("TEST", "DISTRIBUTION"):
        raise invalid(f"The image {image.arn} did not stop in its test or distribution phase.")
    if image.latest_run.start > backend.now():
        raise in_use(f"The image {image.arn} is already being retried.")
    image.retry(backend.now(), _take_script(backend, image.static["name"]))
    add_image(backend, image)
    return {"imageBuildVersionArn": image.arn}


def _delete_image(backend: ImageBuilderBackend, request: Members) -> Members:
    image = backend.images.get(request["imageBuildVersionArn"])
    if image is None:
        raise not_found(request["imageBuildVersionArn"])
    if not image.is_finished(backend.now()):
        raise ServiceError(
            "ResourceDependencyException",
            f"The image {image.arn} is still being built; cancel the build before you delete it.",
        )
    write_image_lines(backend, image, backend.now())
    for row in image.rows():
        backend.workflows.pop(row.identifier, None)
        for step in row.children:
            backend.steps.pop(step.identifier, None)
            backend.step_owners.pop(step.identifier, None)
    del backend.images[image.arn]
    backend.policies.pop(image.arn, None)
    return {"imageBuildVersionArn": image.arn}


HANDLERS: Mapping[str, Handler] = {
    "StartImagePipelineExecution": _start_pipeline,
    "CreateImage": _create_image,
    "ImportVmImage": _import_vm_image,
    "ImportDiskImage": _import_disk_image,
    "DistributeImage": _distribute_image,
    "GetImage": _get_image,
    "ListImages": _list_images,
    "ListImageBuildVersions": _list_build_versions,
    "ListImagePipelineImages": _list_pipeline_images,
    "CancelImageCreation": _cancel,
    "RetryImage": _retry,
    "DeleteImage": _delete_image,
}
"""Handlers by operation."""
