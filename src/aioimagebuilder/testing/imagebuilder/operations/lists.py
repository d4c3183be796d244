"""Options of list operations: filters, owners, and one row for each name.

The names of the filters, the owners and what goes together are those in the texts of the service model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from ...simulation.identifiers import version_key
from ...simulation.state_history import Members
from ..errors import invalid
from ..models import ImageBuilderBackend

_Item = TypeVar("_Item")

_FILTERS: Mapping[str, str] = {
    "ListComponents": "description name platform productCodes status supportedOsVersion type version",
    "ListContainerRecipes": "containerType name parentImage platform",
    "ListDistributionConfigurations": "name",
    "ListImageBuildVersions": "name osVersion platform type version",
    "ListImagePipelineImages": "name version",
    "ListImagePipelines": "description distributionConfigurationArn imageRecipeArn "
    "infrastructureConfigurationArn name status",
    "ListImageRecipes": "name parentImage platform",
    "ListImageScanFindingAggregations": "imageBuildVersionArn imagePipelineArn vulnerabilityId",
    "ListImageScanFindings": "imageBuildVersionArn imagePipelineArn vulnerabilityId severity",
    "ListImages": "name osVersion platform type version",
    "ListInfrastructureConfigurations": "name",
    "ListLifecyclePolicies": "name resourceType status",
    "ListWorkflows": "name version description type",
}
_OWNERS = {"ListContainerRecipes": "Self Shared Amazon", "ListWorkflows": "Self Amazon AWSMarketplace"}


def check_list_options(operation: str, request: Members) -> None:
    """Check the filters, the owner and ``byName`` of a list request.

    Raises:
        ServiceError: One of them is not valid for the operation (InvalidRequestException).
    """
    names = _FILTERS.get(operation, "").split()
    for each in (*request.get("filters", ()), *([request["filter"]] if "filter" in request else ())):
        if each.get("name") not in names:
            allowed = ", ".join(names)
            raise invalid(f"The filter '{each.get('name')}' is not valid. Valid filter names are: {allowed}.")
        if request.get("byName") and each["name"] == "version":
            raise invalid("You can't combine byName with the version filter.")
    owners = _OWNERS.get(operation, "").split()
    if owners and request.get("owner", "Self") not in owners:
        raise invalid(f"The owner '{request['owner']}' is not valid. Valid owners are: {', '.join(owners)}.")


def page_rows(
    backend: ImageBuilderBackend,
    request: Members,
    member: str,
    items: Sequence[_Item],
    format_row: Callable[[_Item], Members],
) -> Members:
    """Return a page of the rows, without those that the filters reject; with ``byName`` one row a name.

    The page may be empty although more pages follow.
    """
    response = (
        backend.page(request, member, _merge_versions(map(format_row, items)), dict)
        if request.get("byName")
        else backend.page(request, member, items, format_row)
    )
    filters = request.get("filters", ())
    kept = [row for row in response[member] if all(_matches(row, each) for each in filters)]
    return {**response, member: kept}


def _merge_versions(rows: Iterable[Members]) -> list[Members]:
    """Return the row of the newest version of each name, with a name ARN instead of its version."""
    newest: dict[str, Members] = {}
    for row in sorted(rows, key=lambda row: version_key(row["version"])):
        arn = f"{row['arn'].rpartition('/')[0]}/x.x.x"
        newest[arn] = {**row, "arn": arn}
        del newest[arn]["version"]
    return list(newest.values())


def _matches(row: Members, wanted: Members) -> bool:
    return any(str(value) in wanted.get("values", ()) for value in _list_values(row, wanted["name"]))


def _list_values(row: Members, name: str) -> Sequence[object]:
    """Return the values of a row that a filter can name."""
    if name == "version":
        # With and without the build number.
        return (row.get("version"), str(row.get("version")).partition("/")[0])
    if name == "supportedOsVersion":
        return list(row.get("supportedOsVersions", ()))
    if name == "productCodes":
        return [each["productCodeId"] for each in row.get("productCodes", ())]
    if name == "vulnerabilityId":
        return [row["packageVulnerabilityDetails"]["vulnerabilityId"]]
    return [row[name]] if name in row else []
