"""From moto's request to the simulator's front door, and back."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from moto.core.responses import BaseResponse

from ..gateway import WireAnswer, answer, error
from ..service.errors import invalid
from ..service.validation import operation, operations
from ..simulation.state_history import Members
from .models import imagebuilder_backends, serving

DISTURBANCE_HEADER = "x-simulator-disturbance"
"""Tells the server's own layer what to do to the connection instead."""


class ImageBuilderResponse(BaseResponse):
    """Answers every Image Builder operation."""

    def __init__(self) -> None:
        super().__init__(service_name="imagebuilder")

    def _dispatch(self, request: Any, full_url: str | None = None, headers: Any = None) -> Any:  # noqa: ANN401
        self.setup_class(request, full_url, headers, use_raw_body=True)
        control = serving.get()
        made = self._answer(control or imagebuilder_backends.control)
        if made.disturbance and control is None:
            raise NotImplementedError(
                f"a fault of the kind {made.disturbance!r} needs a connection: use a Simulator, not mock_aws"
            )
        if made.delay:
            (control or imagebuilder_backends.control).closing.wait(made.delay)
        sent = {**made.headers}
        if made.disturbance:
            sent[DISTURBANCE_HEADER] = made.disturbance
        return made.status, sent, made.body

    def _answer(self, control: Any) -> WireAnswer:  # noqa: ANN401
        url = urlsplit(self.uri)
        name, tail = _route(self.method, url.path)
        if name is None:
            return error("UnknownOperationException", f"There is no operation {self.method} {url.path}.", 404)
        try:
            params = _parameters(name, url.query, tail, self.raw_body)
        except ValueError:
            refused = invalid("The request body is not JSON.")
            return error(refused.code, refused.message)
        return answer(control, name, params, account_id=self.current_account, region=self.region)


def _route(method: str, path: str) -> tuple[str | None, str]:
    if path.startswith("/tags/"):
        return operations().get((method, "/tags/")), unquote(path.removeprefix("/tags/"))
    return operations().get((method, path)), ""


def _parameters(name: str, query: str, tail: str, body: bytes) -> Members:
    """Get the request's members, wherever the model puts them.

    Raises:
        ValueError: The body is not a JSON object.
    """
    shape = operation(name).input_shape
    params: Members = json.loads(body) if body else {}
    if not isinstance(params, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004
    sent = parse_qs(query)
    for member, member_shape in shape.members.items():
        place = member_shape.serialization.get("location")
        if place == "uri":
            params[member] = tail
        elif place == "querystring" and (values := sent.get(member_shape.serialization.get("name", member))):
            params[member] = values if member_shape.type_name == "list" else values[0]
    return params


__all__ = ["DISTURBANCE_HEADER", "ImageBuilderResponse"]
