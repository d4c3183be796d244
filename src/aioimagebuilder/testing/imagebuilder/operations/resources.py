"""Operations that create, get, list, update, delete and tag resources, driven by the table of kinds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial

from ...simulation.identifiers import make_arn, parse_arn, slugify, strip_build
from ...simulation.state_history import Members
from ..errors import ServiceError, not_found
from ..models import ImageBuilderBackend, Resource
from ..validation import project
from .lookup import find_resource, get_resource, list_resources, owner_of
from .references import check_references
from .resource_kinds import KINDS, Kind

Handler = Callable[[ImageBuilderBackend, Members], Members]
"""(backend, request) to the response members other than requestId and clientToken."""

_NOT_STORED = frozenset({"clientToken", "dryRun", "semanticVersion"})


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


def matches_filters(record: Members, filters: Iterable[Members]) -> bool:
    """Return whether a row passes the filters of a list request."""
    return all(_matches(record.get(each.get("name", "")), each.get("values", ())) for each in filters)


def filter_rows(response: Members, member: str, filters: Iterable[Members]) -> Members:
    """Return a page without the rows that the filters reject; it may be empty although more pages follow."""
    rows = [row for row in response[member] if matches_filters(row, filters)]
    return {**response, member: rows}


def _matches(value: object, wanted: Iterable[str]) -> bool:
    values = value if isinstance(value, list) else [value]
    return any(str(each) in wanted for each in values)


def _create(kind: Kind, backend: ImageBuilderBackend, request: Members) -> Members:
    references = check_references(backend, request)
    extras = kind.extras(backend, request)
    if kind.is_versioned:
        extras["version"] = _resolve_version(backend, kind, request)
    arn = _choose_arn(backend, kind, request, extras)
    if arn in backend.resources:
        raise ServiceError("ResourceAlreadyExistsException", f"The resource '{arn}' already exists.")
    if request.get("dryRun"):
        raise ServiceError("DryRunOperationException", "The dry run operation was successful.")
    stored = {name: value for name, value in request.items() if name not in _NOT_STORED}
    record = {"tags": {}, **stored, **extras, "arn": arn}
    backend.resources[arn] = Resource(kind=kind.noun, record=record, references=references)
    response: Members = {kind.arn_member: arn}
    if kind.is_versioned:
        response["latestVersionReferences"] = make_latest_references(arn)
    return response


def _resolve_version(backend: ImageBuilderBackend, kind: Kind, request: Members) -> str:
    """Return the version of a new resource; ``1.0.x`` becomes the next matching version."""
    wanted = str(request["semanticVersion"])
    if "x" not in wanted:
        return wanted
    arn = make_arn(backend.region_name, backend.account_id, kind.arn_type, slugify(request["name"]), wanted)
    latest = find_resource(backend, arn)
    numbers = latest.record["version"].split(".") if latest else wanted.replace("x", "0").split(".")
    if latest:
        position = wanted.split(".").index("x") if wanted.count("x") == 1 else 2
        numbers[position] = str(int(numbers[position]) + 1)
    return ".".join(numbers)


def _choose_arn(backend: ImageBuilderBackend, kind: Kind, request: Members, extras: Members) -> str:
    arn_type = f"workflow/{request['type'].lower()}" if kind.noun == "Workflow" else kind.arn_type
    path: list[object] = [arn_type, slugify(request["name"])]
    if kind.is_versioned:
        path.append(extras["version"])
    arn = make_arn(backend.region_name, backend.account_id, *path)
    if not kind.has_builds:
        return arn
    newest = find_resource(backend, arn)
    return f"{arn}/{int(parse_arn(newest.arn)['build']) + 1 if newest else 1}"


def _get(kind: Kind, backend: ImageBuilderBackend, request: Members) -> Members:
    resource = get_resource(backend, request[kind.arn_member])
    if resource.kind != kind.noun:
        raise not_found(request[kind.arn_member])
    response: Members = {kind.get_member: project(kind.get_shape, _describe(backend, resource))}
    if kind.is_versioned:
        response["latestVersionReferences"] = make_latest_references(resource.arn)
    return response


def _list(kind: Kind, backend: ImageBuilderBackend, request: Members) -> Members:
    owner = request.get("owner", "Self")
    rows = [each for each in list_resources(backend, owner).values() if each.kind == kind.noun]
    if kind.has_builds:
        rows = list({strip_build(each.arn): each for each in rows}.values())

    def format_row(resource: Resource) -> Members:
        row = project(kind.list_shape, _describe(backend, resource))
        return {**row, "arn": strip_build(resource.arn)} if kind.has_builds else row

    return filter_rows(
        backend.page(request, kind.list_member, rows, format_row),
        kind.list_member,
        request.get("filters", ()),
    )


def _list_builds(
    kind: Kind, build_list: tuple[str, str, str, str], backend: ImageBuilderBackend, request: Members
) -> Members:
    _, member, shape, version_member = build_list
    wanted = request.get(version_member, "")
    rows = [each for each in list_resources(backend, owner_of(wanted)).values() if each.kind == kind.noun]
    if wanted:
        rows = [each for each in rows if strip_build(each.arn) == wanted]
    return backend.page(request, member, rows, lambda each: project(shape, each.record))


def _update(kind: Kind, backend: ImageBuilderBackend, request: Members) -> Members:
    resource = get_resource(backend, request[kind.arn_member])
    stored = {name: value for name, value in request.items() if name not in (*_NOT_STORED, kind.arn_member)}
    resource.references = check_references(backend, stored)
    fixed = {name: resource.record[name] for name in ("arn", "name", "tags", "dateCreated")}
    resource.record = {**stored, **kind.extras(backend, {**fixed, **request}), **fixed}
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
    return {kind.arn_member: arn}


def _describe(backend: ImageBuilderBackend, resource: Resource) -> Members:
    """Return the record of a resource; for a pipeline also its last run."""
    if resource.kind != "ImagePipeline":
        return resource.record
    images = [
        each for each in backend.images.values() if each.static.get("sourcePipelineArn") == resource.arn
    ]
    if not images:
        return resource.record
    last = images[-1]
    return {
        **resource.record,
        "dateLastRun": last.static["dateCreated"],
        "lastRunStatus": last.status(backend.now()),
    }


def _get_tags(backend: ImageBuilderBackend, arn: str) -> dict[str, str]:
    image = backend.images.get(arn)
    record = image.static if image else get_resource(backend, arn).record
    return dict(record.get("tags", {}))


def _set_tags(backend: ImageBuilderBackend, arn: str, tags: Mapping[str, str]) -> Members:
    if owner_of(arn) == "Amazon":
        raise ServiceError("ForbiddenException", f"The resource {arn} belongs to Amazon.")
    image = backend.images.get(arn)
    if image is not None:
        image.set_tags(tags)
    else:
        get_resource(backend, arn).record["tags"] = dict(tags)
    return {}


def _list_tags(backend: ImageBuilderBackend, request: Members) -> Members:
    return {"tags": _get_tags(backend, request["resourceArn"])}


def _tag(backend: ImageBuilderBackend, request: Members) -> Members:
    arn = request["resourceArn"]
    return _set_tags(backend, arn, {**_get_tags(backend, arn), **request["tags"]})


def _untag(backend: ImageBuilderBackend, request: Members) -> Members:
    arn, removed = request["resourceArn"], request["tagKeys"]
    kept = {name: tag for name, tag in _get_tags(backend, arn).items() if name not in removed}
    return _set_tags(backend, arn, kept)


def _make_handlers() -> dict[str, Handler]:
    found: dict[str, Handler] = {
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
        if kind.build_list:
            found[kind.build_list[0]] = partial(_list_builds, kind, kind.build_list)
        if kind.has_update:
            found[f"Update{kind.noun}"] = partial(_update, kind)
    return found


HANDLERS: Mapping[str, Handler] = _make_handlers()
"""Handlers by operation."""
