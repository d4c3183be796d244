"""Operations that create, get, list, update, delete and tag resources, driven by the table of kinds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial

from ...simulation.catalogue import MANAGED_COMPONENT_VERSION, MANAGED_VERSION, MANAGED_WORKFLOWS
from ...simulation.clock import format_time
from ...simulation.identifiers import make_arn, matches_version, parse_arn, slugify, strip_build, version_key
from ...simulation.state_history import Members
from ..errors import ServiceError, invalid, not_found
from ..models import ImageBuilderBackend, Resource
from ..validation import project
from .resource_kinds import KIND_BY_NOUN, KINDS, Kind, find_references

Handler = Callable[[ImageBuilderBackend, Members], Members]
"""(backend, request) to the response members other than requestId and clientToken."""

_MANAGED_CREATED_AT = 1_577_836_800.0
_NOT_STORED = frozenset({"clientToken", "dryRun", "semanticVersion"})


def find_resource(backend: ImageBuilderBackend, arn: str) -> Resource | None:
    """Return the resource that an ARN names, or ``None``; ``x`` in a version stands for the newest."""
    exact = backend.resources.get(arn)
    if exact is not None:
        return exact
    try:
        wanted = parse_arn(arn)
    except ValueError:
        return None
    if wanted["account"] == "aws":
        return _find_managed(backend, wanted)
    if not wanted["version"]:
        return None
    prefix = arn.partition("/" + wanted["version"])[0] + "/"
    found = [
        resource
        for resource in backend.resources.values()
        if resource.arn.startswith(prefix) and _matches_version(wanted, resource.arn)
    ]
    return max(found, key=lambda resource: _version_key(resource.arn), default=None)


def get_resource(backend: ImageBuilderBackend, arn: str) -> Resource:
    """Return the resource that an ARN names, as `find_resource` does.

    Raises:
        ServiceError: The resource does not exist (ResourceNotFoundException).
    """
    resource = find_resource(backend, arn)
    if resource is None:
        raise not_found(arn)
    return resource


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


def _matches_version(wanted: Mapping[str, str], arn: str) -> bool:
    found = parse_arn(arn)
    is_same_build = wanted["build"] in ("", "x", found["build"])
    return is_same_build and matches_version(wanted["version"], found["version"])


def _version_key(arn: str) -> tuple[int, ...]:
    found = parse_arn(arn)
    return (*version_key(found["version"]), int(found["build"] or 0))


def _find_managed(backend: ImageBuilderBackend, wanted: Mapping[str, str]) -> Resource | None:
    kind, _, workflow_type = wanted["type"].partition("/")
    if kind not in ("component", "workflow"):
        return None
    data = MANAGED_WORKFLOWS.get((workflow_type, wanted["name"]))
    if kind == "workflow" and data is None:
        return None
    newest = MANAGED_VERSION if kind == "workflow" else MANAGED_COMPONENT_VERSION
    version = newest if "x" in (wanted["version"] or "x") else wanted["version"]
    arn = make_arn(backend.region_name, "aws", wanted["type"], wanted["name"], version, wanted["build"] or 1)
    record: Members = {
        "arn": arn,
        "name": wanted["name"],
        "version": version,
        "owner": "Amazon",
        "dateCreated": format_time(_MANAGED_CREATED_AT),
    }
    if kind == "workflow":
        record |= {"type": workflow_type.upper(), "data": data}
    else:
        phase = "test" if "test" in wanted["name"] else "build"
        platform = "Windows" if "windows" in wanted["name"] else "Linux"
        record |= {"type": phase.upper(), "platform": platform, "data": f"phases:\n  - name: {phase}\n"}
    return Resource(kind=KIND_BY_NOUN[kind.capitalize()].noun, record=record)


def _create(kind: Kind, backend: ImageBuilderBackend, request: Members) -> Members:
    references = _check_references(backend, request)
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


def _check_references(backend: ImageBuilderBackend, request: Members) -> frozenset[str]:
    found = set()
    for member, arn in find_references(request):
        resource = find_resource(backend, arn)
        if resource is None:
            raise invalid(f"The value supplied for parameter '{member}' is not valid. {arn} does not exist.")
        found.add(resource.arn)
    return frozenset(found)


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
    if request.get("owner", "Self") == "Self":
        rows = [each for each in backend.resources.values() if each.kind == kind.noun]
    elif request["owner"] == "Amazon" and kind.noun == "Workflow":
        rows = [
            get_resource(backend, make_arn(backend.region_name, "aws", "workflow", *name, MANAGED_VERSION, 1))
            for name in MANAGED_WORKFLOWS
        ]
    else:
        rows = []
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
    rows = [each for each in backend.resources.values() if each.kind == kind.noun]
    if version_member in request:
        rows = [each for each in rows if strip_build(each.arn) == request[version_member]]
    return backend.page(request, member, rows, lambda each: project(shape, each.record))


def _update(kind: Kind, backend: ImageBuilderBackend, request: Members) -> Members:
    resource = get_resource(backend, request[kind.arn_member])
    stored = {name: value for name, value in request.items() if name not in (*_NOT_STORED, kind.arn_member)}
    resource.references = _check_references(backend, stored)
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
