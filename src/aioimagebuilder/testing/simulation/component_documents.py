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

from .document_loading import DocumentError, check_unique, load_document, read_data

_MODULES: Mapping[str, Mapping[str, Any]] = {
    action: module for module in read_data("action_modules") for action in module["actions"]
}
"""Platforms and required inputs by action module."""

_SCHEMA = read_data("component_schema")


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
    module = _MODULES.get(action, {})
    if platform not in module.get("platforms", ()):
        raise DocumentError(f"{failed} Unsupported action {action} for os platform {platform.lower()}.")
    if "inputs" in module and not inputs:
        raise DocumentError(f"{failed} Action {action} has no inputs; it requires an 'inputs'.")
    groups = inputs if isinstance(inputs, list) else [inputs]
    for wanted in module.get("inputs", ()):
        if not all(set(wanted.split("|")) & each.keys() for each in groups):
            raise DocumentError(f"{failed} Action {action} requires the input '{wanted}'.")
