"""Answers as the service's model draws them: what a fuzzer begins with."""

import json
from collections.abc import Iterator
from typing import Any

from fuzzing.answering import MODEL

_DEEPEST = 3


def sample_bodies(operation: str) -> Iterator[bytes]:
    """Get bodies of answers to `operation`: with every member; with none; and with each enum's last word."""
    shape = MODEL.operation_model(operation).output_shape
    yield json.dumps(_sample(shape, 0)).encode()
    yield json.dumps(_sample(shape, -1)).encode()
    yield b"{}"


def _sample(shape: Any, choice: int, depth: int = 0) -> Any:
    match shape.type_name:
        case "structure":
            if depth > _DEEPEST:
                return {}
            return {name: _sample(each, choice, depth + 1) for name, each in shape.members.items()}
        case "list":
            return [_sample(shape.member, choice, depth + 1)] if depth <= _DEEPEST else []
        case "map":
            return {"key": _sample(shape.value, choice, depth + 1)}
        case "string":
            return _text(shape, choice)
        case number:
            return {"boolean": True, "timestamp": 1789000000.5, "float": 0.5, "double": 0.5}.get(number, 3)


def _text(shape: Any, choice: int) -> str:
    if shape.enum:
        return str(shape.enum[choice])
    samples = {
        "WorkflowExecutionId": "wf-00000001-0000-4000-8000-000000000001",
        "WorkflowStepExecutionId": "step-00000001-0000-4000-8000-000000000001",
        "LifecycleExecutionId": "lce-00000001-0000-4000-8000-000000000001",
        "ImageBuildVersionArn": "arn:aws:imagebuilder:us-east-1:123456789012:image/demo/1.0.0/1",
        "ImageBuilderArn": "arn:aws:imagebuilder:us-east-1:123456789012:image/demo/1.0.0/1",
        "DateTime": "2026-09-09T19:12:23.000Z",
        "DateTimeTimestamp": "2026-09-09T19:12:23.000Z",
    }
    # A token would be followed for ever.
    return "" if shape.name == "PaginationToken" else samples.get(shape.name, "text")
