"""Workflow documents: parsing and planning of steps, with conditions and JSONPath references resolved."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from .catalogue import ACTIONS, COMPONENT_ACTION
from .document_loading import DocumentError, check_unique, load_document, read_data
from .plan import PlannedStep

_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "stringEquals": operator.eq,
    "booleanEquals": operator.eq,
    "numberEquals": operator.eq,
    "numberGreaterThan": operator.gt,
    "numberGreaterThanEquals": operator.ge,
    "numberLessThan": operator.lt,
    "numberLessThanEquals": operator.le,
}
"""Comparisons of the value with the operand."""

_SCHEMA = read_data("workflow_schema")


@dataclass(frozen=True, kw_only=True)
class WorkflowDocument:
    """The parts of a workflow document that are needed to run it."""

    steps: tuple[Mapping[str, Any], ...]
    parameters: tuple[Mapping[str, Any], ...]


@lru_cache(maxsize=256)
def parse_workflow(data: str, stage: str | None = None) -> WorkflowDocument:
    """Parse a workflow document from YAML.

    Raises:
        DocumentError: The text is not a valid document of a workflow of the type `stage`, if it is given.
    """
    content = load_document(data, _SCHEMA)
    steps, parameters = content["steps"], content.get("parameters", [])
    check_unique((each["name"] for each in parameters), "parameter")
    check_unique((each["name"] for each in steps), "step")
    known = {"parameters": {each["name"] for each in parameters}, "stepOutputs": set[str]()}
    for step in steps:
        where = f"Step '{step['name']}'"
        _check_action(step, where, stage)
        inputs = [each for key, each in step.get("inputs", {}).items() if key.endswith(".$")]
        _check_references([inputs, step.get("if")], where, known)
        known["stepOutputs"].add(step["name"])
    _check_references(content.get("outputs"), "The section 'outputs'", known)
    return WorkflowDocument(steps=tuple(steps), parameters=tuple(parameters))


def _check_action(step: Mapping[str, Any], where: str, stage: str | None) -> None:
    action = ACTIONS.get(step["action"])
    if action is None:
        raise DocumentError(f"{where} has the unsupported action {step['action']}.")
    if stage is not None and action.stage not in (None, stage):
        raise DocumentError(f"{where}: {step['action']} is only valid in {action.stage} workflows.")
    if step.get("timeoutSeconds", 1) > action.maximum:
        raise DocumentError(f"{where}: timeoutSeconds must be at most {action.maximum}.")


def _check_references(value: object, where: str, known: Mapping[str, set[str]]) -> None:
    """Check that what the JSONPath references in a value refer to is declared, or is an earlier step."""
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            _check_references(each, where, known)
    elif isinstance(value, str) and value.startswith("$."):
        root, name, *_ = [*re.split(r"[.\[]", value.removeprefix("$.")), ""]
        if root != "imagebuilder" and name not in known.get(root, ()):
            raise DocumentError(f"{where} refers to {value}, which is neither declared nor an earlier step.")


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
    defaults = {each["name"]: each["default"] for each in document.parameters if "default" in each}
    scope = {"imagebuilder": builder, "parameters": {**defaults, **parameters}}
    return tuple(_plan_step(step, scope, runs_components=runs_components) for step in document.steps)


def resolve(inputs: Mapping[str, Any], scope: Mapping[str, Any]) -> dict[str, Any]:
    """Return the inputs with every resolvable ``name.$`` reference replaced by its value."""
    resolved: dict[str, Any] = {}
    for name, value in inputs.items():
        is_resolved, result = _resolve_reference(value, scope) if name.endswith(".$") else (False, None)
        resolved[name.removesuffix(".$") if is_resolved else name] = result if is_resolved else value
    return resolved


def _plan_step(step: Mapping[str, Any], scope: Mapping[str, Any], *, runs_components: bool) -> PlannedStep:
    action = str(step["action"])
    retries = step.get("retry") or step.get("retries") or {}
    return PlannedStep(
        name=step["name"],
        action=action,
        timeout_seconds=int(step.get("timeoutSeconds", ACTIONS[action].timeout)),
        on_failure=str(step.get("onFailure", "Abort")),
        description=step.get("description"),
        inputs=resolve(step.get("inputs") or {}, scope),
        is_skipped=(action == COMPONENT_ACTION and not runs_components)
        or not _evaluate(step.get("if"), scope),
        max_attempts=retries.get("maxAttempts"),
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
    [(name, operand)] = ((name, each) for name, each in condition.items() if name != "value")
    convert = _to_number if name.startswith("number") else _to_text
    return _OPERATORS[name](convert(result), convert(operand))


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
            position = index.rstrip("]")
            if not position.isdecimal() or int(position) >= len(value):
                return False, None
            value = value[int(position)]
    return True, value


def _to_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _to_number(value: object) -> float:
    try:
        return float(str(value))
    except ValueError:
        return math.nan
