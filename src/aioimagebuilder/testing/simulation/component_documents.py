"""Component documents: the schema of AWSTOE, with its action modules.

Sources: the user guide (toe-use-documents, toe-action-modules, toe-user-defined-variables,
toe-looping-constructs), and messages of the service that are quoted in aws/aws-cdk#19909 and
CloudSnorkel/cdk-github-runners#964. Members that are not in the guide are ignored.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import yaml  # type: ignore[import-untyped]

from .document_loading import DocumentError, check_unique, load_document

_FILES = (
    "CreateFile CreateFolder DeleteFile DeleteFolder ExecuteBinary ListFiles ReadFile SetFileEncoding "
    "SetFileOwner SetFilePermissions SetFolderOwner SetFolderPermissions"
)
_TRANSFERS = "CopyFile CopyFolder MoveFile MoveFolder S3Download S3Upload WebDownload"
_ACTIONS: Mapping[str, tuple[str, str | None]] = {
    action: (platforms, inputs)
    for platforms, inputs, actions in (
        ("Linux Windows macOS", "path", _FILES),
        ("Linux Windows macOS", "path content", "AppendFile"),
        ("Linux Windows macOS", "path target", "CreateSymlink"),
        ("Linux Windows macOS", "source destination", _TRANSFERS),
        ("Linux Windows macOS", "document", "ExecuteDocument"),
        ("Linux Windows macOS", "", "Assert"),
        ("Linux Windows macOS", None, "Reboot"),
        ("Linux Windows", None, "UpdateOS"),
        ("Linux macOS", "commands|file", "ExecuteBash"),
        ("Windows", "commands|file", "ExecutePowerShell"),
        ("Windows", "path", "InstallMSI UninstallMSI"),
        ("Windows", "path name value type", "SetRegistry"),
    )
    for action in actions.split()
}
"""Platforms and required inputs by action module; ``None``: the action needs no inputs."""

_SCHEMA = yaml.safe_load(r"""
required: [phases]
properties:
  name: &text {type: string}
  description: *text
  parameters: {type: array, items: {$ref: "#/$defs/variable"}}
  constants: {type: array, items: {$ref: "#/$defs/variable", additionalProperties: {required: [value]}}}
  phases: {type: array, minItems: 1, items: {$ref: "#/$defs/phase"}}
$defs:
  variable:
    type: object
    minProperties: 1
    maxProperties: 1
    propertyNames: {pattern: '^[A-Za-z0-9_-]{3,128}\Z'}
    additionalProperties:
      type: object
      required: [type]
      properties:
        type: {enum: [string]}
        description: *text
        default: &scalar {type: [string, number, boolean]}
        value: *scalar
  phase:
    type: object
    required: [name, steps]
    properties: {name: *text, steps: {type: array, minItems: 1, items: {$ref: "#/$defs/step"}}}
  step:
    type: object
    required: [name, action]
    properties:
      name: *text
      action: *text
      timeoutSeconds: {type: integer, minimum: -1, not: {const: 0}}
      onFailure: {enum: [Abort, Continue, Ignore]}
      maxAttempts: {type: integer, minimum: 1}
      inputs: {type: [array, object], items: {type: object}}
      if: {type: object}
      loop: {$ref: "#/$defs/loop"}
  loop:
    type: object
    oneOf: [{required: [for]}, {required: [forEach]}]
    properties:
      name: *text
      for:
        type: object
        required: [start, end, updateBy]
        properties: {start: {type: integer}, end: {type: integer}, updateBy: {type: integer, not: {const: 0}}}
      forEach: {type: [array, object], items: *scalar}
""")


@dataclass(frozen=True, kw_only=True)
class ComponentDocument:
    """The phases of a component document, and the definitions of its parameters by name."""

    phases: frozenset[str]
    parameters: Mapping[str, Mapping[str, Any]]


@lru_cache(maxsize=256)
def parse_component(data: str, platform: str) -> ComponentDocument:
    """Parse a component document from YAML.

    Raises:
        DocumentError: The text is not a valid component document for the platform.
    """
    content = load_document(data, _SCHEMA)
    parameters = content.get("parameters", [])
    check_unique((name for each in parameters + content.get("constants", []) for name in each), "variable")
    phases = [phase["name"] for phase in content["phases"]]
    check_unique(phases, "phase")
    if not {"build", "validate", "test"} & set(phases):
        raise DocumentError("The document must have at least one of the phases build, validate and test.")
    for phase in content["phases"]:
        check_unique((step["name"] for step in phase["steps"]), f"step in phase '{phase['name']}':")
        for step in phase["steps"]:
            _check_step(step, phase["name"], platform)
    definitions = {name: each for parameter in parameters for name, each in parameter.items()}
    return ComponentDocument(phases=frozenset(phases), parameters=definitions)


def _check_step(step: Mapping[str, Any], phase: str, platform: str) -> None:
    name, action, inputs = step["name"], step["action"], step.get("inputs", {})
    if not re.fullmatch("[A-Za-z0-9_-]+", name):
        raise DocumentError(
            f"Invalid step name '{name}' in phase '{phase}'. Allowed characters are combinations of numbers "
            "[0-9], english letters [a-z,A-Z] and special characters [-_]."
        )
    failed = f"Parsing step '{name}' in phase '{phase}' failed. Error:"
    platforms, required = _ACTIONS.get(action, ("", None))
    if platform not in platforms.split():
        raise DocumentError(f"{failed} Unsupported action {action} for os platform {platform.lower()}.")
    if required is not None and not inputs:
        raise DocumentError(f"{failed} Action {action} has no inputs; it requires an 'inputs'.")
    groups = inputs if isinstance(inputs, list) else [inputs]
    for wanted in (required or "").split():
        if not all(set(wanted.split("|")) & each.keys() for each in groups):
            raise DocumentError(f"{failed} Action {action} requires the input '{wanted}'.")
