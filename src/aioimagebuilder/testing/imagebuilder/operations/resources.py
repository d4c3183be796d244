"""Operations that create, get, list, update, delete and tag resources, driven by the table of kinds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import yaml  # type: ignore[import-untyped]

from ...simulation.clock import format_time
from ...simulation.identifiers import make_arn, parse_arn, slugify, strip_build
from ...simulation.state_history import Members
from ..errors import ServiceError, not_found
from ..models import ImageBuilderBackend, Resource
from ..validation import project
from .lists import page_rows
from .lookup import (
    find_image,
    find_resource,
    get_resource,
    list_pipeline_images,
    list_resources,
    owner_of,
)
from .references import check_references, read_content
from .resource_kinds import COMPONENT, KINDS, Kind

Handler = Callable[[ImageBuilderBackend, Members], Members]
"""(backend, request) to the response members other than requestId and clientToken."""

_MAX_TAGS = 50
_NOT_STORED = frozenset({"clientToken", "dryRun", "semanticVersion"})


def require_own(backend: ImageBuilderBackend, arn: str) -> str:
    """Return the ARN of an image or resource of the account, with the version that ``x`` stands for.

    Raises:
        ServiceError: It does not exist, or Amazon manages it (ForbiddenException).
    """
    found = (find_image(backend, arn) or get_resource(backend, arn)).arn
    if parse_arn(found)["account"] != backend.account_id:
        raise ServiceError("ForbiddenException", f"The resource {found} does not belong to your account.")
    return found


def make_latest_references(arn: str) -> Members:
    """Return the wildcard ARNs that always refer to the latest version."""
    found = parse_arn(arn)
    prefix = arn.partition("/" + found["version"])[0]
    major, minor, patch = found["version"].split(".")
    return {
        "latestVersionArn": f"{prefix}/x.x.x",
        "latestMajorVersionArn": f"{prefix}/{major}.x.x",
        "latestMinorVersionArn": f"{prefix}/{major}.{minor}.x",
        "latestPatchVersionArn": f"{prefix}/{major}.{minor}.{patch}",
    }


def _create(kind: Kind, backend: ImageBuilderBackend, request: Members) -> Members:
    references = check_references(backend, request)
    extras = kind.extras(backend, request)
    arn = _choose_arn(backend, kind, request)
    if arn in backend.resources:
        raise ServiceError("ResourceAlreadyExistsException", f"The resource '{arn}' already exists.")
    if request.get("dryRun"):
        raise ServiceError("DryRunOperationException", "The dry run operation was successful.")
    stored = {name: value for name, value in request.items() if name not in _NOT_STORED}
    record = {"tags": {}, **stored, "dateCreated": format_time(backend.now()), **extras, "arn": arn}
    if kind.is_versioned:
        record |= {"version": parse_arn(arn)["version"], "owner": backend.account_id}
    else:
        record.setdefault("dateUpdated", record["dateCreated"])
    backend.resources[arn] = Resource(kind=kind.noun, record=record, references=references)
    response: Members = {kind.arn_member: arn}
    if kind.is_versioned:
        response["latestVersionReferences"] = make_latest_references(arn)
    return response


def _choose_arn(backend: ImageBuilderBackend, kind: Kind, request: Members) -> str:
    arn_type = f"workflow/{request['type'].lower()}" if kind.noun == "Workflow" else kind.arn_type
    arn = make_arn(backend.region_name, backend.account_id, arn_type, slugify(request["name"]))
    if kind.is_versioned:
        arn = f"{arn}/{_resolve_version(backend, arn, request['semanticVersion'])}"
    if not kind.has_builds:
        return arn
    newest = find_resource(backend, arn)
    return f"{arn}/{int(parse_arn(newest.arn)['build']) + 1 if newest else 1}"


def _resolve_version(backend: ImageBuilderBackend, arn: str, wanted: str) -> str:
    """Return the version of a new resource; ``1.0.x`` becomes the next matching version."""
    if "x" not in wanted:
        return wanted
    latest = find_resource(backend, f"{arn}/{wanted}")
    if latest is None:
        return wanted.replace("x", "0")
    numbers = latest.record["version"].split(".")
    position = wanted.split(".").index("x") if wanted.count("x") == 1 else 2
    numbers[position] = str(int(numbers[position]) + 1)
    return ".".join(numbers)


def _get(kind: Kind, backend: ImageBuilderBackend, request: Members) -> Members:
    resource = get_resource(backend, request[kind.arn_member])
    if resource.kind != kind.noun:
        raise not_found(request[kind.arn_member])
    response: Members = {kind.member: project(kind.noun, _describe(backend, resource))}
    if kind.is_versioned:
        response["latestVersionReferences"] = make_latest_references(resource.arn)
    return response


def _list(kind: Kind, backend: ImageBuilderBackend, request: Members) -> Members:
    owner = request.get("owner", "Self")
    rows = [each for each in list_resources(backend, owner).values() if each.kind == kind.noun]
    if kind.has_builds:
        rows = list({strip_build(each.arn): each for each in rows}.values())

    def format_row(resource: Resource) -> Members:
        row = project(f"{kind.noun}{kind.row_suffix}", _describe(backend, resource))
        return {**row, "arn": strip_build(resource.arn)} if kind.has_builds else row

    return page_rows(backend, request, kind.list_member, rows, format_row)


def _list_builds(kind: Kind, backend: ImageBuilderBackend, request: Members) -> Members:
    wanted = request.get(f"{kind.member}VersionArn", "")
    rows = [each for each in list_resources(backend, owner_of(wanted)).values() if each.kind == kind.noun]
    if wanted:
        rows = [each for each in rows if strip_build(each.arn) == wanted]
    shape = f"{kind.noun}Summary"
    return backend.page(request, f"{kind.member}SummaryList", rows, lambda each: project(shape, each.record))


def _update(kind: Kind, backend: ImageBuilderBackend, request: Members) -> Members:
    resource = get_resource(backend, request[kind.arn_member])
    stored = {name: value for name, value in request.items() if name not in (*_NOT_STORED, kind.arn_member)}
    references = check_references(backend, stored)
    fixed = {name: resource.record[name] for name in ("arn", "name", "tags", "dateCreated")}
    updated = {"dateUpdated": format_time(backend.now())}
    resource.record = {**stored, **updated, **kind.extras(backend, {**fixed, **request}), **fixed}
    resource.references = references
    return {kind.arn_member: resource.arn}


def _delete(kind: Kind, backend: ImageBuilderBackend, request: Members) -> Members:
    arn = request[kind.arn_member]
    resource = backend.resources.get(arn)
    if resource is None or resource.kind != kind.noun:
        raise not_found(arn)
    users = sorted(each.arn for each in backend.resources.values() if arn in each.references)
    if users:
        raise ServiceError(
            "ResourceDependencyException",
            f"The resource ARN '{arn}' has other resources depended on it: {', '.join(users)}",
        )
    del backend.resources[arn]
    backend.policies.pop(arn, None)
    return {kind.arn_member: arn}


def _describe(backend: ImageBuilderBackend, resource: Resource) -> Members:
    """Return the record of a resource; for a pipeline also its last run."""
    if resource.kind != "ImagePipeline":
        return resource.record
    images = list_pipeline_images(backend, resource.arn)
    if not images:
        return resource.record
    last = images[-1]
    return {
        **resource.record,
        "dateLastRun": last.static["dateCreated"],
        "lastRunStatus": last.status(backend.now()),
    }


def _get_tags(backend: ImageBuilderBackend, arn: str) -> dict[str, str]:
    image = find_image(backend, arn)
    record = image.static if image else get_resource(backend, arn).record
    return dict(record.get("tags", {}))


def _set_tags(backend: ImageBuilderBackend, arn: str, tags: Mapping[str, str]) -> Members:
    if len(tags) > _MAX_TAGS:
        text = f"The resource {arn} would have {len(tags)} tags; at most {_MAX_TAGS} are allowed."
        raise ServiceError("InvalidParameterException", text)
    image = backend.images.get(arn)
    if image is not None:
        image.set_tags(tags)
    else:
        backend.resources[arn].record["tags"] = dict(tags)
    return {}


def _list_tags(backend: ImageBuilderBackend, request: Members) -> Members:
    return {"tags": _get_tags(backend, request["resourceArn"])}


def _tag(backend: ImageBuilderBackend, request: Members) -> Members:
    arn = require_own(backend, request["resourceArn"])
    return _set_tags(backend, arn, {**_get_tags(backend, arn), **request["tags"]})


def _untag(backend: ImageBuilderBackend, request: Members) -> Members:
    arn, removed = require_own(backend, request["resourceArn"]), request["tagKeys"]
    kept = {name: tag for name, tag in _get_tags(backend, arn).items() if name not in removed}
    return _set_tags(backend, arn, kept)


def _import_component(backend: ImageBuilderBackend, request: Members) -> Members:
    """Create a component from a script; its document has a single step, which runs the script."""
    component = {name: value for name, value in request.items() if name not in ("format", "uri")}
    script = read_content(backend, request, "data", "uri", missing="exit 0")
    action = "ExecutePowerShell" if request["platform"] == "Windows" else "ExecuteBash"
    step = {"name": "RunScript", "action": action, "inputs": {"commands": [script]}}
    phase = {"name": request["type"].lower(), "steps": [step]}
    document = {"name": request["name"], "schemaVersion": 1.0, "phases": [phase]}
    component["data"] = yaml.safe_dump(document, sort_keys=False)
    response = _create(COMPONENT, backend, component)
    return {"componentBuildVersionArn": response["componentBuildVersionArn"]}


def _make_handlers() -> dict[str, Handler]:
    found: dict[str, Handler] = {
        "ImportComponent": _import_component,
        "ListTagsForResource": _list_tags,
        "TagResource": _tag,
        "UntagResource": _untag,
    }
    for kind in KINDS:
        found |= {
            f"Create{kind.noun}": partial(_create, kind),
            f"Get{kind.noun}": partial(_get, kind),
            f"Delete{kind.noun}": partial(_delete, kind),
            kind.list_operation: partial(_list, kind),
        }
        if kind.has_builds:
            found[f"List{kind.noun}BuildVersions"] = partial(_list_builds, kind)
        if not kind.is_versioned:
            found[f"Update{kind.noun}"] = partial(_update, kind)
    return found


HANDLERS: Mapping[str, Handler] = _make_handlers()
"""Handlers by operation."""
