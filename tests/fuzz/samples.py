"""Sample responses according to the service model, from which the fuzzer starts."""

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import botocore.session
from botocore.model import OperationModel

_SESSION = botocore.session.get_session()
OPERATIONS: dict[str, OperationModel] = {
    name: model.operation_model(name)
    for model in (_SESSION.get_service_model("logs"), _SESSION.get_service_model("imagebuilder"))
    for name in model.operation_names
}
_MAXIMUM_DEPTH = 3
_FIRST, _FAILED, _LAST = "first", "FAILED", "last"


def sample_bodies(operation: str) -> Iterator[bytes]:
    """Yield response bodies of `operation`: with all members and different enum values, and an empty one."""
    shape = OPERATIONS[operation].output_shape
    for choice in (_FIRST, _FAILED, _LAST):
        yield json.dumps(_sample(shape, choice)).encode()
    yield b"{}"


@cache
def failed_body(operation: str) -> bytes:
    """Return a response body of `operation` with the status of a failure."""
    return json.dumps(_sample(OPERATIONS[operation].output_shape, _FAILED)).encode()


def _sample(shape: Any, choice: str, depth: int = 0) -> Any:
    match shape.type_name:
        case "structure":
            if depth > _MAXIMUM_DEPTH:
                return {}
            return {name: _sample(each, choice, depth + 1) for name, each in shape.members.items()}
        case "list":
            return [_sample(shape.member, choice, depth + 1)] if depth <= _MAXIMUM_DEPTH else []
        case "map":
            return {"key": _sample(shape.value, choice, depth + 1)}
        case "string":
            return _text(shape, choice)
        case other:
            return {"boolean": True, "timestamp": 1789000000.5, "float": 0.5, "double": 0.5}.get(other, 3)


def _text(shape: Any, choice: str) -> str:
    if shape.enum:
        values: list[str] = shape.enum
        return choice if choice in values else values[-1 if choice == _LAST else 0]
    samples = {
        "WorkflowExecutionId": "wf-00000001-0000-4000-8000-000000000001",
        "WorkflowStepExecutionId": "step-00000001-0000-4000-8000-000000000001",
        "LifecycleExecutionId": "lce-00000001-0000-4000-8000-000000000001",
        "ImageBuildVersionArn": "arn:aws:imagebuilder:us-east-1:123456789012:image/demo/1.0.0/1",
        "ImageBuilderArn": "arn:aws:imagebuilder:us-east-1:123456789012:image/demo/1.0.0/1",
        "DateTime": "2026-09-09T19:12:23.000Z",
        "DateTimeTimestamp": "2026-09-09T19:12:23.000Z",
    }
    # Any other token would lead to another page, endlessly.
    return "" if shape.name == "PaginationToken" else samples.get(shape.name, "text")
