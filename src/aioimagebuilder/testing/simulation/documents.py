"""Workflow documents: parsing and planning of steps, with conditions and JSONPath references resolved."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import yaml  # type: ignore[import-untyped]

from .catalogue import ACTIONS, COMPONENT_ACTION, HOUR, Action
from .plan import PlannedStep

_UNKNOWN_ACTION = Action(seconds=10.0, timeout=HOUR)
_STEP_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-_]{1,99}")
_MAX_STEPS = 15


class DocumentError(ValueError):
    """An invalid workflow or component document."""


@dataclass(frozen=True, kw_only=True)
class WorkflowDocument:
    """The parts of a workflow document that are needed to run it."""

    description: str | None
    steps: tuple[Mapping[str, Any], ...]
    defaults: Mapping[str, Any] = field(default_factory=dict)
    parameters: tuple[Mapping[str, Any], ...] = ()


@lru_cache(maxsize=256)
def parse_workflow(data: str) -> WorkflowDocument:
    """Parse a workflow document from YAML.

    Raises:
        DocumentError: The text is not a valid workflow document.
    """
    content = _load_mapping(data)
    steps = content.get("steps")
    if not isinstance(steps, list) or not steps:
        raise DocumentError("the workflow document has no steps")
    if len(steps) > _MAX_STEPS:
        raise DocumentError(f"the workflow document has {len(steps)} steps; at most {_MAX_STEPS} are allowed")
    names = [_parse_step_name(step) for step in steps]
    if len(set(names)) != len(names):
        raise DocumentError("two steps of the workflow document have the same name")
    parameters = tuple(content.get("parameters") or ())
    return WorkflowDocument(
        description=content.get("description"),
        steps=tuple(steps),
        parameters=parameters,
        defaults={each["name"]: each["default"] for each in parameters if "default" in each},
    )


@lru_cache(maxsize=256)
def parse_component_phases(data: str) -> frozenset[str]:
    """Return the phases (``build``, ``validate``, ``test``) of a component document, if it is valid."""
    try:
        phases = _load_mapping(data).get("phases") or ()
    except DocumentError:
        return frozenset()
    return frozenset(str(phase.get("name")) for phase in phases if isinstance(phase, dict))


def parse_parameters(data: str) -> list[tuple[str, Mapping[str, Any]]]:
    """Return (name, details) of the parameters that a component document declares, if it is valid."""
    try:
        declared = _load_mapping(data).get("parameters")
    except DocumentError:
        return []
    groups = declared if isinstance(declared, list) else []
    found = [each for group in groups if isinstance(group, dict) for each in group.items()]
    return [(str(name), details if isinstance(details, dict) else {}) for name, details in found]


def plan_steps(
    document: WorkflowDocument,
    *,
    builder: Mapping[str, Any],
    parameters: Mapping[str, Any],
    runs_components: bool,
) -> tuple[PlannedStep, ...]:
    """Plan the steps of a workflow document.

    Args:
        document: The workflow document.
        builder: Values of ``$.imagebuilder…``.
        parameters: Values of the document's parameters, which override the defaults.
        runs_components: Whether the recipe has components for the stage.
    """
    scope = {"imagebuilder": builder, "parameters": {**document.defaults, **parameters}}
    return tuple(_plan_step(step, scope, runs_components=runs_components) for step in document.steps)


def resolve(inputs: Mapping[str, Any], scope: Mapping[str, Any]) -> dict[str, Any]:
    """Return the inputs with every resolvable ``name.$`` reference replaced by its value."""
    resolved: dict[str, Any] = {}
    for name, value in inputs.items():
        is_resolved, result = _resolve_reference(value, scope) if name.endswith(".$") else (False, None)
        resolved[name.removesuffix(".$") if is_resolved else name] = result if is_resolved else value
    return resolved


def _plan_step(step: Mapping[str, Any], scope: Mapping[str, Any], *, runs_components: bool) -> PlannedStep:
    name = str(step["action"])
    action = ACTIONS.get(name, _UNKNOWN_ACTION)
    retries = step.get("retry") or step.get("retries") or {}
    return PlannedStep(
        name=step["name"],
        action=name,
        duration=action.seconds,
        timeout_seconds=int(step.get("timeoutSeconds", action.timeout)),
        on_failure=str(step.get("onFailure", "Abort")),
        description=step.get("description"),
        inputs=resolve(step.get("inputs") or {}, scope),
        outputs=action.outputs,
        rollback_seconds=action.rollback,
        is_skipped=(name == COMPONENT_ACTION and not runs_components) or not _evaluate(step.get("if"), scope),
        max_attempts=retries.get("maxAttempts") if isinstance(retries, dict) else None,
    )


def _evaluate(condition: object, scope: Mapping[str, Any]) -> bool:
    if not isinstance(condition, dict):
        return True
    if "and" in condition:
        return all(_evaluate(each, scope) for each in condition["and"])
    if "or" in condition:
        return any(_evaluate(each, scope) for each in condition["or"])
    if "not" in condition:
        return not _evaluate(condition["not"], scope)
    is_resolved, result = _resolve_reference(condition.get("value"), scope)
    if not is_resolved:
        # Outputs of earlier steps do not exist yet when the steps are planned.
        return True
    wanted = [value for name, value in condition.items() if name.endswith("Equals")]
    return all(_to_text(value) == _to_text(result) for value in wanted)


def _resolve_reference(path: object, scope: Mapping[str, Any]) -> tuple[bool, Any]:
    if not isinstance(path, str) or not path.startswith("$."):
        return path is not None, path
    value: Any = scope
    for part in path.removeprefix("$.").split("."):
        name, _, index = part.partition("[")
        if not isinstance(value, Mapping) or name not in value:
            return False, None
        value = value[name]
        if index and isinstance(value, list | tuple):
            value = value[int(index.rstrip("]"))]
    return True, value


def _to_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _load_mapping(data: str) -> dict[str, Any]:
    try:
        content = yaml.safe_load(data)
    except yaml.YAMLError as error:
        raise DocumentError(f"the document is not YAML: {error}") from error
    if not isinstance(content, dict):
        raise DocumentError("the document is not a mapping")
    return content


def _parse_step_name(step: object) -> str:
    if not isinstance(step, dict) or not isinstance(step.get("action"), str):
        raise DocumentError("a step of the workflow document has no action")
    name = step.get("name")
    if not isinstance(name, str) or not _STEP_NAME.fullmatch(name):
        raise DocumentError(f"{name!r} is not a valid name for a workflow step")
    return name
