"""The components, workflows and images that Amazon manages.

The names are those in the user guide, the AWS CLI's examples and the CDK's `aws-imagebuilder-alpha`. Amazon
publishes new versions all the time; the catalogue has a few, and ``x`` in a version names the newest.
"""

from __future__ import annotations

from collections.abc import Iterator

from .catalogue import MANAGED_VERSION, MANAGED_WORKFLOWS
from .clock import format_time
from .identifiers import make_arn, make_ec2_id
from .images import Image
from .state_history import Members, StateHistory

_CREATED_AT = 1_577_836_800.0
_COMPONENT_VERSIONS = ("1.0.0", "1.0.1", "1.0.2")
_WORKFLOW_VERSIONS = ("1.0.1", "1.0.2", MANAGED_VERSION)
_IMAGE_VERSIONS = ("2019.11.21", "2019.12.17", "2026.1.15")
"""The older two are in the AWS CLI's examples."""

_COMPONENTS = {
    "Linux": """
        amazon-cloudwatch-agent-linux amazon-corretto-8-jdk amazon-corretto-8-jre amazon-corretto-11
        amazon-corretto-11-headless amazon-corretto-17-jdk amazon-corretto-17-jre apt-repository-test-linux
        aws-cli-version-2-linux aws-codedeploy-agent-linux docker-ce-centos docker-ce-linux docker-ce-ubuntu
        ebs-volume-usage-test-linux eni-attachment-test-linux go-stable-linux hello-world-linux
        inspector-test-linux php-7-4-linux php-8-2-linux python-3-linux reboot-linux reboot-test-linux
        scap-compliance-checker-linux simple-boot-test-linux stig-build-linux stig-build-linux-high
        stig-build-linux-low stig-build-linux-medium update-linux update-linux-kernel-5
        update-linux-kernel-mainline yum-repository-test-linux
    """,
    "Windows": """
        amazon-cloudwatch-agent-windows aws-cli-version-2-windows aws-codedeploy-agent-windows chocolatey
        aws-vss-components-windows dotnet-runtime-lts-windows dotnet-sdk-lts-windows hello-world-windows
        ebs-volume-usage-test-windows inspector-test-windows powershell-windows python-3-windows
        reboot-test-windows reboot-windows scap-compliance-checker-windows simple-boot-test-windows
        stig-build-windows stig-build-windows-high stig-build-windows-low stig-build-windows-medium
        update-windows windows-activation-test windows-server-iis
    """,
}
"""Names of components by platform; those with ``test`` in their name are test components."""

_IMAGES = """
    AMI    | Amazon Linux 2                  | amazon-linux-2-x86 amazon-linux-2-arm64
    DOCKER | Amazon Linux 2                  | amazon-linux-x86-2 amazon-linux-x86-latest
    AMI    | Amazon Linux 2023               | amazon-linux-2023-x86 amazon-linux-2023-arm64
    DOCKER | Amazon Linux 2023               | amazon-linux-2023-x86-2023
    AMI    | Red Hat Enterprise Linux 8      | red-hat-enterprise-linux-8-x86 red-hat-enterprise-linux-8-arm64
    AMI    | Red Hat Enterprise Linux 9      | red-hat-enterprise-linux-9-x86 red-hat-enterprise-linux-9-arm64
    AMI    | Red Hat Enterprise Linux 10     | red-hat-enterprise-linux-10-x86
    AMI    | Red Hat Enterprise Linux 10     | red-hat-enterprise-linux-10-arm64
    AMI    | SUSE Linux Enterprise Server 15 | suse-linux-enterprise-server-15-x86
    AMI    | SUSE Linux Enterprise Server 15 | suse-linux-enterprise-server-15-arm64
    AMI    | Ubuntu 18.04                    | ubuntu-server-18-lts-x86 ubuntu-server-18-lts-arm64
    AMI    | Ubuntu 20.04                    | ubuntu-server-20-lts-x86 ubuntu-server-20-lts-arm64
    AMI    | Ubuntu 22.04                    | ubuntu-server-22-lts-x86 ubuntu-server-22-lts-arm64
    AMI    | Ubuntu 24.04                    | ubuntu-server-24-lts-x86 ubuntu-server-24-lts-arm64
    DOCKER | Ubuntu 22.04                    | ubuntu-22-x86-22-04
    DOCKER | Ubuntu 24.04                    | ubuntu-24-x86-24-04
    AMI    | Microsoft Windows Server 2016   | windows-server-2016-english-full-base-x86
    AMI    | Microsoft Windows Server 2016   | windows-server-2016-english-core-base-x86
    AMI    | Microsoft Windows Server 2019   | windows-server-2019-english-full-base-x86
    AMI    | Microsoft Windows Server 2019   | windows-server-2019-english-core-base-x86
    AMI    | Microsoft Windows Server 2022   | windows-server-2022-english-full-base-x86
    AMI    | Microsoft Windows Server 2022   | windows-server-2022-english-core-base-x86
    AMI    | Microsoft Windows Server 2025   | windows-server-2025-english-full-base-x86
    AMI    | Microsoft Windows Server 2025   | windows-server-2025-english-core-base-x86
    DOCKER | Microsoft Windows Server 2016   | windows-server-2016-x86-core-ltsc2016-amd64
    DOCKER | Microsoft Windows Server 2019   | windows-server-2019-x86-core-ltsc2019-amd64
    AMI    | macOS 14                        | macos-sonoma-x86 macos-sonoma-arm64
    AMI    | macOS 15                        | macos-sequoia-x86 macos-sequoia-arm64
"""
"""Types, operating systems and names of images."""


def list_managed_resources(region: str) -> Iterator[tuple[str, Members]]:
    """Yield (noun, record) of each managed component and workflow, by name and from the oldest version."""
    for platform, names in _COMPONENTS.items():
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
    for line in _IMAGES.strip().splitlines():
        kind, system, names = (each.strip() for each in line.split("|"))
        platform = next((each for each in ("Windows", "macOS") if each in system), "Linux")
        members = {"type": kind, "platform": platform, "osVersion": system, "imageSource": "AMAZON_MANAGED"}
        for name in names.split():
            for version in _IMAGE_VERSIONS:
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
