"""The components, workflows and images that Amazon manages.

The names are those in the user guide, the AWS CLI's examples and the CDK's `aws-imagebuilder-alpha`. Amazon
publishes new versions all the time; the catalogue has a few, and ``x`` in a version names the newest.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from .catalogue import MANAGED_VERSION, MANAGED_WORKFLOWS
from .clock import format_time
from .document_loading import read_data
from .identifiers import make_arn, make_ec2_id
from .images import Image
from .state_history import Members, StateHistory

_CREATED_AT = 1_577_836_800.0
_COMPONENT_VERSIONS = ("1.0.0", "1.0.1", "1.0.2")
_WORKFLOW_VERSIONS = ("1.0.1", "1.0.2", MANAGED_VERSION)
_IMAGE_VERSIONS = ("2019.11.21", "2019.12.17", "2026.1.15")
"""The older two are in the AWS CLI's examples."""


def list_managed_resources(region: str) -> Iterator[tuple[str, Members]]:
    """Yield (noun, record) of each managed component and workflow, by name and from the oldest version."""
    for platform, names in read_data("managed_components").items():
        for name in names.split():
            phase = "test" if "test" in name else "build"
            action = "ExecutePowerShell" if platform == "Windows" else "ExecuteBash"
            step = f"{{name: Run, action: {action}, inputs: {{commands: [echo {name}]}}}}"
            data = f"name: {name}\nschemaVersion: 1.0\nphases: [{{name: {phase}, steps: [{step}]}}]\n"
            members = {"type": phase.upper(), "platform": platform, "owner": "Amazon", "data": data}
            for version in _COMPONENT_VERSIONS:
                yield "Component", {**_describe(region, "component", name, version), **members}
    for (stage, name), data in MANAGED_WORKFLOWS.items():
        members = {"type": stage.upper(), "owner": "Amazon", "data": data}
        for version in _WORKFLOW_VERSIONS:
            yield "Workflow", {**_describe(region, f"workflow/{stage}", name, version), **members}


def list_managed_images(region: str) -> Iterator[Image]:
    """Yield each managed image, by name and from the oldest version."""
    history = StateHistory()
    history.change(_CREATED_AT, status="AVAILABLE")
    for kind, systems in read_data("managed_images").items():
        for system, names in systems.items():
            platform = next((each for each in ("Windows", "macOS") if each in system), "Linux")
            members = {
                "type": kind,
                "platform": platform,
                "osVersion": system,
                "imageSource": "AMAZON_MANAGED",
            }
            for name, version in product(names.split(), _IMAGE_VERSIONS):
                static = {**_describe(region, "image", name, version), **members, "version": f"{version}/1"}
                ami = {"region": region, "image": make_ec2_id("ami-", static["arn"]), "name": name}
                static["outputResources"] = {"amis": [ami] if kind == "AMI" else []}
                yield Image.fixed(static, history)


def _describe(region: str, kind: str, name: str, version: str) -> Members:
    return {
        "arn": make_arn(region, "aws", kind, name, version, 1),
        "name": name,
        "version": version,
        "dateCreated": format_time(_CREATED_AT),
        "tags": {},
    }
