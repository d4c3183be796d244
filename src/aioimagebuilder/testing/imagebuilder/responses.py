"""Conversion between moto's requests and responses and those of the simulator."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from moto.core.responses import BaseResponse

from ..json_objects import parse_object
from ..simulation.state_history import Members
from . import mock_aws
from .errors import invalid, unknown_operation
from .gateway import WireResponse, error_response, handle_call
from .mock_aws import current_control
from .validation import operation, operations


class ImageBuilderResponse(BaseResponse):
    """The handler of every Image Builder operation."""

    def __init__(self) -> None:
        super().__init__(service_name="imagebuilder")

    def _dispatch(self, request: Any, full_url: str | None = None, headers: Any = None) -> Any:  # noqa: ANN401
        self.setup_class(request, full_url, headers, use_raw_body=True)
        served = current_control.get()
        control = served or mock_aws.control()
        response = self._respond(control)
        if response.connection_fault and served is None:
            kind = response.connection_fault
            raise NotImplementedError(f"a {kind!r} fault needs a connection: use a Simulator, not mock_aws")
        if response.delay:
            control.sleep(response.delay)
        return response.status, response.sent_headers, response.body

    def _respond(self, control: Any) -> WireResponse:  # noqa: ANN401
        url = urlsplit(self.uri)
        name, resource_arn = _find_operation(self.method, url.path)
        if name is None:
            return error_response(unknown_operation(f"{self.method} {url.path}"))
        try:
            params = _parse_parameters(name, url.query, resource_arn, self.raw_body)
        except ValueError as error:
            return error_response(invalid(f"The request is malformed: {error}."))
        return handle_call(control, name, params, account_id=self.current_account, region=self.region)


def _find_operation(method: str, path: str) -> tuple[str | None, str]:
    if path.startswith("/tags/"):
        return operations().get((method, "/tags/")), unquote(path.removeprefix("/tags/"))
    return operations().get((method, path)), ""


def _parse_parameters(name: str, query: str, resource_arn: str, body: bytes) -> Members:
    """Return the request members from wherever the model locates them: path, query string or body.

    Raises:
        ValueError: The body is no JSON object.
    """
    shape = operation(name).input_shape
    params = parse_object(body)
    sent = parse_qs(query)
    for member, member_shape in shape.members.items():
        location = member_shape.serialization.get("location")
        if location == "uri":
            params[member] = resource_arn
        elif location == "querystring" and (
            values := sent.get(member_shape.serialization.get("name", member))
        ):
            params[member] = values if member_shape.type_name == "list" else values[0]
    return params
