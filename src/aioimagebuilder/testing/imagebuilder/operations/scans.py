"""Operations on the packages of images, and on what the scans of images find."""

from __future__ import annotations

from collections.abc import Mapping

from ...scripts import ScanFinding
from ...simulation.images import Image
from ...simulation.inventory import PACKAGES
from ...simulation.scans import count_severities
from ...simulation.state_history import Members
from ..models import ImageBuilderBackend
from .lists import page_rows
from .lookup import get_image
from .resources import Handler

_SCORES = {"CRITICAL": 9.8, "HIGH": 7.5, "MEDIUM": 5.3, "LOW": 3.1}
_AGGREGATIONS = {
    "imageBuildVersionArn": "imageAggregation",
    "imagePipelineArn": "imagePipelineAggregation",
    "vulnerabilityId": "vulnerabilityIdAggregation",
}


def _list_packages(backend: ImageBuilderBackend, request: Members) -> Members:
    image = get_image(backend, request["imageBuildVersionArn"])
    states = [backend.read(row.history) or {} for row in image.rows()]
    is_built = any(each.get("type") == "BUILD" and each["status"] == "COMPLETED" for each in states)
    packages: Mapping[str, str] = {}
    if is_built and image.static.get("enhancedImageMetadataEnabled"):
        scripted = image.runs[0].script.packages
        packages = PACKAGES[image.static["platform"]] if scripted is None else scripted
    rows = [{"packageName": name, "packageVersion": version} for name, version in packages.items()]
    return backend.page(request, "imagePackageList", rows, dict)


def _find_all(backend: ImageBuilderBackend) -> list[tuple[Image, float, ScanFinding]]:
    """Return (image, time, finding) of every scan that has completed by now."""
    now = backend.now()
    scans = [(image, image.scan(now)) for image in backend.images.values()]
    return [
        (image, scan.completed_at, finding)
        for image, scan in scans
        if scan and scan.completed_at is not None and scan.completed_at <= now
        for finding in scan.script.findings
    ]


def _list_findings(backend: ImageBuilderBackend, request: Members) -> Members:
    return page_rows(backend, request, "findings", _find_all(backend), _format_finding)


def _format_finding(found: tuple[Image, float, ScanFinding]) -> Members:
    image, observed_at, finding = found
    fix = {"fixedInVersion": finding.fixed_in} if finding.fixed_in else {}
    return {
        **_identify(image),
        "type": "PACKAGE_VULNERABILITY",
        "title": f"{finding.vulnerability_id} - {finding.package}",
        "description": finding.description or f"A vulnerability of {finding.package}.",
        "severity": finding.severity,
        "firstObservedAt": observed_at,
        "updatedAt": observed_at,
        "inspectorScore": _SCORES.get(finding.severity, 0.0),
        "packageVulnerabilityDetails": {
            "vulnerabilityId": finding.vulnerability_id,
            "vulnerablePackages": [{"name": finding.package, "version": finding.version, **fix}],
        },
        "fixAvailable": "YES" if finding.fixed_in else "NO",
    }


def _identify(image: Image) -> Members:
    source = {"imagePipelineArn": image.static.get("sourcePipelineArn")}
    return {
        "awsAccountId": image.arn.split(":")[4],
        "imageBuildVersionArn": image.arn,
        **(source if source["imagePipelineArn"] else {}),
    }


def _list_aggregations(backend: ImageBuilderBackend, request: Members) -> Members:
    found = _find_all(backend)
    if "filter" not in request:
        counts = count_severities(finding for *_, finding in found)
        rows = [{"accountAggregation": {"accountId": backend.account_id, "severityCounts": counts}}]
        return {**backend.page(request, "responses", rows, dict), "aggregationType": "accountId"}
    name, groups = request["filter"]["name"], dict[str, list[ScanFinding]]()
    for image, _, finding in found:
        key = {**_identify(image), "vulnerabilityId": finding.vulnerability_id}.get(name)
        if key in request["filter"].get("values", ()):
            groups.setdefault(str(key), []).append(finding)
    rows = [
        {_AGGREGATIONS[name]: {name: key, "severityCounts": count_severities(group)}}
        for key, group in groups.items()
    ]
    return {**backend.page(request, "responses", rows, dict), "aggregationType": name}


HANDLERS: Mapping[str, Handler] = {
    "ListImagePackages": _list_packages,
    "ListImageScanFindings": _list_findings,
    "ListImageScanFindingAggregations": _list_aggregations,
}
"""Handlers by operation."""
