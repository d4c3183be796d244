"""Create, get, list, update and delete every kind of resource: one set of handlers over the table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial

from ..simulation.catalogue import MANAGED_COMPONENT_VERSION, MANAGED_VERSION, MANAGED_WORKFLOWS
from ..simulation.clock import stamp
from ..simulation.identifiers import make_arn, normalised, parts, version_key, version_matches, without_build
from ..simulation.state_history import Members
from .errors import ServiceError, invalid, not_found
from .resource_kinds import KIND_OF_NOUN, KINDS, Kind, references_of
from .state import RegionState, Resource
from .validation import project

Handler = Callable[[RegionState, Members], Members]
"""(state, request) to the answer, without requestId and clientToken."""

_MANAGED_BIRTH = 1_577_836_800.0
_NOT_KEPT = frozenset({"clientToken", "dryRun", "semanticVersion"})


def find(state: RegionState, arn: str) -> Resource | None:
    """Get the resource that this ARN names; ``x`` in a version stands for the newest."""
    exact = state.resources.get(arn)
    if exact is not None:
        return exact
    try:
        wanted = parts(arn)
    except ValueError:
        return None
    if wanted["account"] == "aws":
        return _managed(state, wanted)
    if not wanted["version"]:
        return None
    prefix = arn.partition("/" + wanted["version"])[0] + "/"
    found = [
        resource
        for resource in state.resources.values()
        if resource.arn.startswith(prefix) and _fits(wanted, resource.arn)
    ]
    return max(found, key=lambda resource: _age(resource.arn), default=None)


def existing(state: RegionState, arn: str) -> Resource:
    """Get the resource that this ARN names.

    Raises:
        ServiceError: There is none (ResourceNotFoundException).
    """
    resource = find(state, arn)
    if resource is None:
        raise not_found(arn)
    return resource


def latest_references(arn: str) -> Members:
    """Wildcard ARNs that always name the latest version."""
    found = parts(arn)
    prefix = arn.partition("/" + found["version"])[0]
    major, minor, patch = found["version"].split(".")
    return {
        "latestVersionArn": f"{prefix}/x.x.x",
        "latestMajorVersionArn": f"{prefix}/{major}.x.x",
        "latestMinorVersionArn": f"{prefix}/{major}.{minor}.x",
        "latestPatchVersionArn": f"{prefix}/{major}.{minor}.{patch}",
    }


def matches_filters(record: Members, filters: Iterable[Members]) -> bool:
    """Whether a row passes the filters of a list request."""
    return all(_matches(record.get(each.get("name", "")), each.get("values", ())) for each in filters)


def filtered(answer: Members, member: str, filters: Iterable[Members]) -> Members:
    """Get the page without the rows that the filters reject; it can be empty and still have a next one."""
    rows = [row for row in answer[member] if matches_filters(row, filters)]
    return {**answer, member: rows}


def _matches(value: object, wanted: Iterable[str]) -> bool:
    values = value if isinstance(value, list) else [value]
    return any(str(each) in wanted for each in values)


def _fits(wanted: Mapping[str, str], arn: str) -> bool:
    found = parts(arn)
    same_build = wanted["build"] in ("", "x", found["build"])
    return same_build and version_matches(wanted["version"], found["version"])


def _age(arn: str) -> tuple[int, ...]:
    found = parts(arn)
    return (*version_key(found["version"]), int(found["build"] or 0))


def _managed(state: RegionState, wanted: Mapping[str, str]) -> Resource | None:
    kind, _, workflow_type = wanted["type"].partition("/")
    if kind not in ("component", "workflow"):
        return None
    data = MANAGED_WORKFLOWS.get((workflow_type, wanted["name"]))
    if kind == "workflow" and data is None:
        return None
    newest = MANAGED_VERSION if kind == "workflow" else MANAGED_COMPONENT_VERSION
    version = newest if "x" in (wanted["version"] or "x") else wanted["version"]
    arn = make_arn(state.region, "aws", wanted["type"], wanted["name"], version, wanted["build"] or 1)
    record: Members = {
        "arn": arn,
        "name": wanted["name"],
        "version": version,
        "owner": "Amazon",
        "dateCreated": stamp(_MANAGED_BIRTH),
    }
    if kind == "workflow":
        record |= {"type": workflow_type.upper(), "data": data}
    else:
        phase = "test" if "test" in wanted["name"] else "build"
        platform = "Windows" if "windows" in wanted["name"] else "Linux"
        record |= {"type": phase.upper(), "platform": platform, "data": f"phases:\n  - name: {phase}\n"}
    return Resource(kind=KIND_OF_NOUN[kind.capitalize()].noun, record=record)


def _create(kind: Kind, state: RegionState, request: Members) -> Members:
    references = _check_references(state, request)
    extras = kind.extras(state, request)
    if kind.versioned:
        extras["version"] = _concrete_version(state, kind, request)
    arn = _new_arn(state, kind, request, extras)
    if arn in state.resources:
        raise ServiceError("ResourceAlreadyExistsException", f"The resource '{arn}' already exists.")
    if request.get("dryRun"):
        raise ServiceError("DryRunOperationException", "The dry run operation was successful.")
    kept = {name: value for name, value in request.items() if name not in _NOT_KEPT}
    record = {"tags": {}, **kept, **extras, "arn": arn}
    state.resources[arn] = Resource(kind=kind.noun, record=record, references=references)
    answer: Members = {kind.arn_member: arn}
    if kind.versioned:
        answer["latestVersionReferences"] = latest_references(arn)
    return answer


def _check_references(state: RegionState, request: Members) -> frozenset[str]:
    found = set()
    for member, arn in references_of(request):
        resource = find(state, arn)
        if resource is None:
            raise invalid(f"The value supplied for parameter '{member}' is not valid. {arn} does not exist.")
        found.add(resource.arn)
    return frozenset(found)


def _concrete_version(state: RegionState, kind: Kind, request: Members) -> str:
    """Get the version itself; ``1.0.x`` becomes the next one that fits."""
    wanted = str(request["semanticVersion"])
    if "x" not in wanted:
        return wanted
    latest = find(
        state, make_arn(state.region, state.account_id, kind.arn_type, normalised(request["name"]), wanted)
    )
    numbers = latest.record["version"].split(".") if latest else wanted.replace("x", "0").split(".")
    if latest:
        place = wanted.split(".").index("x") if wanted.count("x") == 1 else 2
        numbers[place] = str(int(numbers[place]) + 1)
    return ".".join(numbers)


def _new_arn(state: RegionState, kind: Kind, request: Members, extras: Members) -> str:
    arn_type = f"workflow/{request['type'].lower()}" if kind.noun == "Workflow" else kind.arn_type
    path: list[object] = [arn_type, normalised(request["name"])]
    if kind.versioned:
        path.append(extras["version"])
    arn = make_arn(state.region, state.account_id, *path)
    if not kind.built:
        return arn
    newest = find(state, arn)
    return f"{arn}/{int(parts(newest.arn)['build']) + 1 if newest else 1}"


def _get(kind: Kind, state: RegionState, request: Members) -> Members:
    resource = existing(state, request[kind.arn_member])
    if resource.kind != kind.noun:
        raise not_found(request[kind.arn_member])
    answer: Members = {kind.get_member: project(kind.get_shape, _shown(state, resource))}
    if kind.versioned:
        answer["latestVersionReferences"] = latest_references(resource.arn)
    return answer


def _list(kind: Kind, state: RegionState, request: Members) -> Members:
    if request.get("owner", "Self") == "Self":
        rows = [each for each in state.resources.values() if each.kind == kind.noun]
    elif request["owner"] == "Amazon" and kind.noun == "Workflow":
        rows = [
            existing(state, make_arn(state.region, "aws", "workflow", *name, MANAGED_VERSION, 1))
            for name in MANAGED_WORKFLOWS
        ]
    else:
        rows = []
    if kind.built:
        rows = list({without_build(each.arn): each for each in rows}.values())

    def show(resource: Resource) -> Members:
        row = project(kind.list_shape, _shown(state, resource))
        return {**row, "arn": without_build(resource.arn)} if kind.built else row

    return filtered(
        state.page(request, kind.list_member, rows, show), kind.list_member, request.get("filters", ())
    )


def _list_builds(
    kind: Kind, builds: tuple[str, str, str, str], state: RegionState, request: Members
) -> Members:
    _, member, shape, version_member = builds
    rows = [each for each in state.resources.values() if each.kind == kind.noun]
    if version_member in request:
        rows = [each for each in rows if without_build(each.arn) == request[version_member]]
    return state.page(request, member, rows, lambda each: project(shape, each.record))


def _update(kind: Kind, state: RegionState, request: Members) -> Members:
    resource = existing(state, request[kind.arn_member])
    kept = {name: value for name, value in request.items() if name not in (*_NOT_KEPT, kind.arn_member)}
    resource.references = _check_references(state, kept)
    stays = {name: resource.record[name] for name in ("arn", "name", "tags", "dateCreated")}
    resource.record = {**kept, **kind.extras(state, {**stays, **request}), **stays}
    return {kind.arn_member: resource.arn}


def _delete(kind: Kind, state: RegionState, request: Members) -> Members:
    arn = request[kind.arn_member]
    resource = state.resources.get(arn)
    if resource is None or resource.kind != kind.noun:
        raise not_found(arn)
    users = sorted(each.arn for each in state.resources.values() if arn in each.references)
    if users:
        raise ServiceError(
            "ResourceDependencyException",
            f"The resource ARN '{arn}' has other resources depended on it: {', '.join(users)}",
        )
    del state.resources[arn]
    return {kind.arn_member: arn}


def _shown(state: RegionState, resource: Resource) -> Members:
    """Get the record, with what a pipeline learns from its images."""
    if resource.kind != "ImagePipeline":
        return resource.record
    images = [each for each in state.images.values() if each.static.get("sourcePipelineArn") == resource.arn]
    if not images:
        return resource.record
    last = images[-1]
    return {
        **resource.record,
        "dateLastRun": last.static["dateCreated"],
        "lastRunStatus": last.status(state.now()),
    }


def _tags(state: RegionState, arn: str) -> dict[str, str]:
    image = state.images.get(arn)
    record = image.static if image else existing(state, arn).record
    return dict(record.get("tags", {}))


def _set_tags(state: RegionState, arn: str, tags: Mapping[str, str]) -> Members:
    image = state.images.get(arn)
    if image is not None:
        image.tag(tags)
    else:
        existing(state, arn).record["tags"] = dict(tags)
    return {}


def _list_tags(state: RegionState, request: Members) -> Members:
    return {"tags": _tags(state, request["resourceArn"])}


def _tag(state: RegionState, request: Members) -> Members:
    arn = request["resourceArn"]
    return _set_tags(state, arn, {**_tags(state, arn), **request["tags"]})


def _untag(state: RegionState, request: Members) -> Members:
    arn, gone = request["resourceArn"], request["tagKeys"]
    return _set_tags(state, arn, {name: tag for name, tag in _tags(state, arn).items() if name not in gone})


def _handlers() -> dict[str, Handler]:
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
        if kind.builds:
            found[kind.builds[0]] = partial(_list_builds, kind, kind.builds)
        if kind.updated:
            found[f"Update{kind.noun}"] = partial(_update, kind)
    return found


HANDLERS: Mapping[str, Handler] = _handlers()
"""Operation to handler."""
