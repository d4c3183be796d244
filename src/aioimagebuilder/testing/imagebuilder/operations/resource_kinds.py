"""The table of resource kinds, with their names in operations, ARNs and responses."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ...simulation.component_documents import parse_component
from ...simulation.document_loading import DocumentError
from ...simulation.documents import parse_workflow
from ...simulation.schedules import Schedule
from ...simulation.state_history import Members
from ..errors import invalid_value
from ..models import ImageBuilderBackend
from ..outputs import find_distribution_errors
from .references import check_build, check_container_parent, check_parent, read_content

DEFAULT_TESTS: Mapping[str, Any] = {"imageTestsEnabled": True, "timeoutMinutes": 720}
"""The configuration of tests of an image or a pipeline that is created without one."""

Extras = Callable[[ImageBuilderBackend, Members], Members]
"""(backend, request) to the members, besides version and dates, that the service adds to a new resource."""

_DESCRIBED = ("name", "type", "description")
_UNREAD_COMPONENT = "schemaVersion: 1.0\nphases: [{name: build, steps: [{name: Reboot, action: Reboot}]}]\n"


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of resource; its names in operations, ARNs, requests and responses follow from its noun.

    Args:
        noun: Its name in the operations ``Create…``, ``Get…`` and ``Delete…``, and of its shape.
        is_versioned: Whether it has a version; only kinds without one have an Update operation.
        has_builds: Whether it has build numbers; creating it again then creates the next build.
        extras: The members that the service adds to a new resource.
        row_suffix: What follows the noun in the name of the shape of a row of its list.
    """

    noun: str
    extras: Extras
    row_suffix: str = "Summary"
    is_versioned: bool = False
    has_builds: bool = False

    @property
    def member(self) -> str:
        """The member with the resource in the response of Get."""
        return self.noun[0].lower() + self.noun[1:]

    @property
    def arn_type(self) -> str:
        """Its type in ARNs."""
        return re.sub("(?<!^)(?=[A-Z])", "-", self.noun).lower()

    @property
    def arn_member(self) -> str:
        """The member with its ARN in requests and responses."""
        return f"{self.member}{'BuildVersion' if self.has_builds else ''}Arn"

    @property
    def list_operation(self) -> str:
        """The operation that lists the resources."""
        return f"List{re.sub('y$', 'ie', self.noun)}s"

    @property
    def list_member(self) -> str:
        """The member with the rows in the response of that operation."""
        return f"{self.member}{self.row_suffix}List"


def _component_extras(backend: ImageBuilderBackend, request: Members) -> Members:
    data = read_content(backend, request, "data", "uri", missing=_UNREAD_COMPONENT)
    try:
        document = parse_component(data, request["platform"])
    except DocumentError as error:
        raise invalid_value("data" if "data" in request else "uri", str(error)) from error
    parameters = [_describe_parameter({**each, "name": name}) for name, each in document.parameters.items()]
    return {
        # ImportComponent gives the type; that of another component follows from its phases.
        "type": request.get("type") or ("TEST" if document.phases == {"test"} else "BUILD"),
        "data": data,
        **({"parameters": parameters} if parameters else {}),
        "encrypted": True,
        "state": {"status": "ACTIVE"},
        "status": "ACTIVE",
    }


def _workflow_extras(backend: ImageBuilderBackend, request: Members) -> Members:
    data = read_content(backend, request, "data", "uri")
    try:
        document = parse_workflow(data, request["type"])
    except DocumentError as error:
        raise invalid_value("data" if "data" in request else "uri", str(error)) from error
    parameters = [_describe_parameter({"type": "string", **each}) for each in document.parameters]
    return {"data": data, "parameters": parameters}


def _describe_parameter(parameter: Mapping[str, Any]) -> Members:
    described: Members = {name: str(parameter[name]) for name in _DESCRIBED if parameter.get(name)}
    default = parameter.get("default")
    if default is not None:
        values = default if isinstance(default, list) else [default]
        described["defaultValue"] = [
            str(each).lower() if isinstance(each, bool) else str(each) for each in values
        ]
    return described


def _image_recipe_extras(backend: ImageBuilderBackend, request: Members) -> Members:
    parent = check_parent(backend, "parentImage", request["parentImage"])
    platform = parent.get("platform", _detect_platform(request))
    return {"type": "AMI", "platform": platform}


def _container_recipe_extras(backend: ImageBuilderBackend, request: Members) -> Members:
    parent = check_container_parent(backend, request)
    image = request.get("instanceConfiguration", {}).get("image")
    if image:
        check_parent(backend, "instanceConfiguration.image", image)
    members = ("dockerfileTemplateData", "dockerfileTemplateUri")
    template = read_content(backend, request, *members, missing="FROM {{{ imagebuilder:parentImage }}}\n")
    return {
        "platform": request.get("platformOverride") or parent.get("platform", "Linux"),
        "encrypted": True,
        "dockerfileTemplateData": template,
        **({"instanceImage": image} if image else {}),
    }


def _infrastructure_extras(backend: ImageBuilderBackend, request: Members) -> Members:
    return {"terminateInstanceOnFailure": request.get("terminateInstanceOnFailure", True)}


def _distribution_extras(backend: ImageBuilderBackend, request: Members) -> Members:
    for index, distribution in enumerate(request["distributions"]):
        for member, error in find_distribution_errors(backend.account_id, distribution):
            raise invalid_value(f"distributions[{index}].{member}", error)
    regions = [each["region"] for each in request["distributions"]]
    return {"timeoutMinutes": 720, "regions": regions}


def _pipeline_extras(backend: ImageBuilderBackend, request: Members) -> Members:
    check_build(request)
    _check_schedule(request.get("schedule", {}))
    recipe = backend.resources.get(request.get("imageRecipeArn") or request["containerRecipeArn"])
    return {
        "status": request.get("status", "ENABLED"),
        "enhancedImageMetadataEnabled": request.get("enhancedImageMetadataEnabled", True),
        "imageTestsConfiguration": {**DEFAULT_TESTS, **request.get("imageTestsConfiguration", {})},
        "platform": recipe.record["platform"] if recipe else "Linux",
        "consecutiveFailures": 0,
    }


def _check_schedule(schedule: Members) -> None:
    try:
        Schedule(schedule.get("scheduleExpression", "rate(1 day)"), schedule.get("timezone", "UTC"))
    except ValueError as error:
        reason = f"Invalid schedule expression. Details: {error}."
        raise invalid_value("schedule.scheduleExpression", reason) from error
    except LookupError as error:
        raise invalid_value("schedule.timezone", "There is no such time zone.") from error


def _lifecycle_policy_extras(backend: ImageBuilderBackend, request: Members) -> Members:
    now = round(backend.now(), 3)
    return {"status": request.get("status", "ENABLED"), "dateCreated": now, "dateUpdated": now}


def _detect_platform(request: Members) -> str:
    return "Windows" if "windows" in str(request["parentImage"]).lower() else "Linux"


_WITH_BUILDS: Mapping[str, Any] = {"row_suffix": "Version", "is_versioned": True, "has_builds": True}

COMPONENT = Kind(noun="Component", extras=_component_extras, **_WITH_BUILDS)
"""The kind that ImportComponent creates."""

KINDS: tuple[Kind, ...] = (
    COMPONENT,
    Kind(noun="Workflow", extras=_workflow_extras, **_WITH_BUILDS),
    Kind(noun="ImageRecipe", extras=_image_recipe_extras, is_versioned=True),
    Kind(noun="ContainerRecipe", extras=_container_recipe_extras, is_versioned=True),
    Kind(noun="InfrastructureConfiguration", extras=_infrastructure_extras),
    Kind(noun="DistributionConfiguration", extras=_distribution_extras),
    Kind(noun="ImagePipeline", extras=_pipeline_extras, row_suffix=""),
    Kind(noun="LifecyclePolicy", extras=_lifecycle_policy_extras),
)
"""Every kind of resource."""
