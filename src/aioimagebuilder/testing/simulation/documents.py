"""Workflow documents: YAML text to planned steps, with conditions and JSONPath references resolved."""

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
_MOST_STEPS = 15


class DocumentError(ValueError):
    """The text is no workflow or component document; the message says why."""


@dataclass(frozen=True, kw_only=True)
class WorkflowDocument:
    """A workflow document as far as running it needs it."""

    description: str | None
    steps: tuple[Mapping[str, Any], ...]
    defaults: Mapping[str, Any] = field(default_factory=dict)
    parameters: tuple[Mapping[str, Any], ...] = ()


@lru_cache(maxsize=256)
def parse_workflow(data: str) -> WorkflowDocument:
    """Get the document that this YAML text holds.

    Raises:
        DocumentError: It is not a workflow document.
    """
    content = _mapping(data)
    steps = content.get("steps")
    if not isinstance(steps, list) or not steps:
        raise DocumentError("the workflow document has no steps")
    if len(steps) > _MOST_STEPS:
        raise DocumentError(
            f"the workflow document has {len(steps)} steps; at most {_MOST_STEPS} are allowed"
        )
    names = [_step_name(step) for step in steps]
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
def component_phases(data: str) -> frozenset[str]:
    """Get the phases (``build``, ``validate``, ``test``) of this component document; empty if it has none."""
    try:
        phases = _mapping(data).get("phases") or ()
    except DocumentError:
        return frozenset()
    return frozenset(str(phase.get("name")) for phase in phases if isinstance(phase, dict))


def plan_steps(
    document: WorkflowDocument,
    *,
    builder: Mapping[str, Any],
    parameters: Mapping[str, Any],
    runs_components: bool,
) -> tuple[PlannedStep, ...]:
    """Get the steps as they will run.

    Args:
        document: The workflow document.
        builder: What ``$.imagebuilder…`` refers to.
        parameters: Values of the document's parameters, over their defaults.
        runs_components: Whether the image has components for this stage.
    """
    facts = {"imagebuilder": builder, "parameters": {**document.defaults, **parameters}}
    return tuple(_plan_step(step, facts, runs_components=runs_components) for step in document.steps)


def resolve(inputs: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, Any]:
    """Get the inputs with each ``name.$`` that refers to a known fact replaced by its value."""
    resolved: dict[str, Any] = {}
    for name, value in inputs.items():
        known, fact = _look_up(value, facts) if name.endswith(".$") else (False, None)
        resolved[name.removesuffix(".$") if known else name] = fact if known else value
    return resolved


def _plan_step(step: Mapping[str, Any], facts: Mapping[str, Any], *, runs_components: bool) -> PlannedStep:
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
        inputs=resolve(step.get("inputs") or {}, facts),
        outputs=action.outputs,
        rollback_seconds=action.rollback,
        skipped=(name == COMPONENT_ACTION and not runs_components) or not _holds(step.get("if"), facts),
        max_attempts=retries.get("maxAttempts") if isinstance(retries, dict) else None,
    )


def _holds(condition: object, facts: Mapping[str, Any]) -> bool:
    if not isinstance(condition, dict):
        return True
    if "and" in condition:
        return all(_holds(each, facts) for each in condition["and"])
    if "or" in condition:
        return any(_holds(each, facts) for each in condition["or"])
    if "not" in condition:
        return not _holds(condition["not"], facts)
    known, fact = _look_up(condition.get("value"), facts)
    if not known:
        # The output of an earlier step: the plan is made before it exists.
        return True
    wanted = [value for name, value in condition.items() if name.endswith("Equals")]
    return all(_text(value) == _text(fact) for value in wanted)


def _look_up(path: object, facts: Mapping[str, Any]) -> tuple[bool, Any]:
    if not isinstance(path, str) or not path.startswith("$."):
        return path is not None, path
    value: Any = facts
    for part in path.removeprefix("$.").split("."):
        name, _, index = part.partition("[")
        if not isinstance(value, Mapping) or name not in value:
            return False, None
        value = value[name]
        if index and isinstance(value, list | tuple):
            value = value[int(index.rstrip("]"))]
    return True, value


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _mapping(data: str) -> dict[str, Any]:
    try:
        content = yaml.safe_load(data)
    except yaml.YAMLError as error:
        raise DocumentError(f"the document is not YAML: {error}") from error
    if not isinstance(content, dict):
        raise DocumentError("the document is not a mapping")
    return content


def _step_name(step: object) -> str:
    if not isinstance(step, dict) or not isinstance(step.get("action"), str):
        raise DocumentError("a step of the workflow document has no action")
    name = step.get("name")
    if not isinstance(name, str) or not _STEP_NAME.fullmatch(name):
        raise DocumentError(f"{name!r} is no name for a workflow step")
    return name
