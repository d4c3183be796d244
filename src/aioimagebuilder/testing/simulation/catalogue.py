"""Amazon's step actions, with durations and timeouts, and the managed workflows.

Durations are those of a default Amazon Linux 2023 build in the AWS CLI's examples of 2026, or plausible
values where no real duration is known. Timeouts are the defaults of the user guide.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

HOUR = 3600
DAY = 24 * HOUR


@dataclass(frozen=True, kw_only=True)
class Action:
    """A step action.

    ``outputs`` may contain ``{instance}``, ``{image}``, ``{command}``, ``{association}`` and ``{execution}``.
    ``rollback`` is the duration of its rollback in seconds; most actions have no rollback. ``maximum`` is
    the longest timeout that a document may set: the guide's for all documents, unless that of the action is
    longer. ``stage`` is the only type of workflow that may have the action.
    """

    seconds: float
    timeout: int
    outputs: Mapping[str, str] = field(default_factory=dict)
    rollback: float | None = None
    maximum: int = DAY
    stage: str | None = None


_COMMAND = {"status": "Success", "output": "", "runCommandId": "{command}"}

ACTIONS: Mapping[str, Action] = {
    "LaunchInstance": Action(
        seconds=147.404, timeout=75 * 60, outputs={"instanceId": "{instance}"}, rollback=32.0
    ),
    "BootstrapInstanceForContainer": Action(seconds=58.3, timeout=HOUR, outputs=_COMMAND),
    "ExecuteComponents": Action(
        seconds=61.7, timeout=12 * HOUR, outputs={"status": "Success", "runCommandId": "{command}"}
    ),
    "CollectImageMetadata": Action(
        seconds=94.449,
        timeout=30 * 60,
        outputs={"osVersion": "Amazon Linux 2023", "associationId": "{association}"},
        rollback=2.5,
        stage="BUILD",
    ),
    "RunSysPrep": Action(seconds=95.0, timeout=HOUR, outputs=_COMMAND),
    "SanitizeInstance": Action(
        seconds=9.817, timeout=HOUR, outputs={**_COMMAND, "output": "Skipping cleanup\n"}
    ),
    "CreateImage": Action(
        seconds=144.636, timeout=12 * HOUR, outputs={"imageId": "{image}"}, maximum=3 * DAY
    ),
    "CreateImageFromIso": Action(seconds=1800.0, timeout=12 * HOUR, outputs={"imageId": "{image}"}),
    "RegisterImage": Action(seconds=45.0, timeout=9 * HOUR, outputs={"imageId": "{image}"}),
    "RunCommand": Action(seconds=12.6, timeout=12 * HOUR, outputs=_COMMAND),
    "TerminateInstance": Action(seconds=3.586, timeout=30 * 60),
    "CollectImageScanFindings": Action(seconds=120.0, timeout=2 * HOUR),
    "WaitForSSMAgent": Action(seconds=31.0, timeout=HOUR),
    "WaitForAction": Action(seconds=0.0, timeout=3 * DAY, outputs={"action": "RESUME"}, maximum=7 * DAY),
    "ExecuteStateMachine": Action(
        seconds=60.0, timeout=6 * HOUR, outputs={"executionArn": "{execution}", "output": "{{}}"}
    ),
    "DistributeImage": Action(
        seconds=240.0, timeout=6 * HOUR, outputs={"status": "Completed"}, stage="DISTRIBUTION"
    ),
    "ModifyImageAttributes": Action(seconds=20.0, timeout=2 * HOUR, stage="DISTRIBUTION"),
    "ApplyImageConfigurations": Action(seconds=30.0, timeout=6 * HOUR, stage="DISTRIBUTION"),
    "DistributeContainerImage": Action(seconds=55.0, timeout=2 * HOUR, stage="DISTRIBUTION"),
}
"""Actions by name."""

WAITING_ACTION = "WaitForAction"
COMPONENT_ACTION = "ExecuteComponents"
DISTRIBUTING_ACTION = "DistributeImage"
SCAN_ACTION = "CollectImageScanFindings"
IMAGE_ACTIONS = frozenset({"CreateImage", "CreateImageFromIso", "RegisterImage"})
"""Actions that create an AMI."""

MANAGED_VERSION = "1.0.3"

_TERMINATE = """\
  - name: Terminate{which}Instance
    action: TerminateInstance
    onFailure: Continue
    inputs:
      instanceId.$: "$.stepOutputs.Launch{which}Instance.instanceId"
"""
_LAUNCH = """\
  - name: Launch{which}Instance
    action: LaunchInstance
    onFailure: Abort
    inputs:
      waitFor: "ssmAgent"
"""
_ON_INSTANCE = """\
    inputs:
      instanceId.$: "$.stepOutputs.Launch{which}Instance.instanceId"
"""
_BOOTSTRAP = (
    "  - name: Bootstrap{which}Instance\n    action: BootstrapInstanceForContainer\n    onFailure: Abort\n"
    + _ON_INSTANCE
)
_COMPONENTS = (
    "  - name: Apply{which}Components\n    action: ExecuteComponents\n    onFailure: Abort\n" + _ON_INSTANCE
)
_SCAN = """\
  - name: CollectImageScanFindings
    action: CollectImageScanFindings
    onFailure: Continue
    if:
      booleanEquals: true
      value: "$.imagebuilder.collectImageScanFindings"
"""
_INVENTORY = (
    """\
  - name: InventoryCollection
    action: CollectImageMetadata
    onFailure: Abort
    if:
      booleanEquals: true
      value: "$.imagebuilder.collectImageMetadata"
"""
    + _ON_INSTANCE
)
_SANITIZE = """\
  - name: RunSanitizeScript
    action: SanitizeInstance
    onFailure: Abort
    if:
      not:
        stringEquals: "Windows"
        value: "$.imagebuilder.platform"
"""
_SYSPREP = (
    """\
  - name: RunSysPrepScript
    action: RunSysPrep
    onFailure: Abort
    if:
      stringEquals: "Windows"
      value: "$.imagebuilder.platform"
"""
    + _ON_INSTANCE
)
_CREATE = "  - name: CreateOutputAMI\n    action: CreateImage\n    onFailure: Abort\n" + _ON_INSTANCE


def _document(name: str, description: str, *steps: str, which: str = "Build") -> str:
    body = "".join(steps).replace("{which}", which)
    return f"name: {name}\ndescription: {description}\nschemaVersion: 1.0\nsteps:\n{body}"


MANAGED_WORKFLOWS: Mapping[tuple[str, str], str] = {
    ("build", "build-image"): _document(
        "build-image",
        "Workflow to build an image",
        *(_LAUNCH, _COMPONENTS, _INVENTORY, _SANITIZE, _SYSPREP, _CREATE, _TERMINATE),
    ),
    ("test", "test-image"): _document(
        "test-image",
        "Workflow to test an image",
        *(_LAUNCH, _SCAN, _COMPONENTS, _TERMINATE),
        which="Test",
    ),
    ("distribution", "distribute-image"): _document(
        "distribute-image",
        "Workflow to distribute an image",
        "  - name: DistributeImage\n    action: DistributeImage\n    onFailure: Abort\n",
        "  - name: ApplyImageConfigurations\n    action: ApplyImageConfigurations\n    onFailure: Abort\n",
    ),
    ("build", "build-container"): _document(
        "build-container",
        "Workflow to build a container image",
        *(_LAUNCH, _BOOTSTRAP, _COMPONENTS, _TERMINATE),
    ),
    ("test", "test-container"): _document(
        "test-container",
        "Workflow to test a container image",
        *(_LAUNCH, _BOOTSTRAP, _SCAN, _COMPONENTS, _TERMINATE),
        which="Test",
    ),
    ("distribution", "distribute-container"): _document(
        "distribute-container",
        "Workflow to distribute a container image",
        "  - name: DistributeContainerImage\n    action: DistributeContainerImage\n    onFailure: Abort\n",
    ),
    ("build", "import-disk-image"): _document(
        "import-disk-image",
        "Workflow to turn a disk image into an AMI",
        *(_LAUNCH, "  - name: CreateOutputAMI\n    action: CreateImageFromIso\n", _TERMINATE),
    ),
}
"""Documents of the managed workflows by (type, name)."""

DEFAULT_WORKFLOWS: Mapping[bool, tuple[tuple[str, str], ...]] = {
    False: (("build", "build-image"), ("test", "test-image")),
    True: (
        ("build", "build-container"),
        ("test", "test-container"),
        ("distribution", "distribute-container"),
    ),
}
"""Default workflows by whether the output is a container image."""
