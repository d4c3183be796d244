"""Amazon's step actions, with durations and timeouts, and the managed workflows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import yaml  # type: ignore[import-untyped]

from .document_loading import read_data


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
    maximum: int = 86400
    stage: str | None = None


ACTIONS = {name: Action(**members) for name, members in read_data("actions").items()}
"""Actions by name."""

WAITING_ACTION = "WaitForAction"
COMPONENT_ACTION = "ExecuteComponents"
DISTRIBUTING_ACTION = "DistributeImage"
SCAN_ACTION = "CollectImageScanFindings"
IMAGE_ACTIONS = frozenset({"CreateImage", "CreateImageFromIso", "RegisterImage"})
"""Actions that create an AMI."""

MANAGED_VERSION = "1.0.3"

MANAGED_WORKFLOWS = {
    (stage, name): yaml.safe_dump({"name": name, "schemaVersion": 1.0, **document}, sort_keys=False)
    for stage, documents in read_data("managed_workflows").items()
    for name, document in documents.items()
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
