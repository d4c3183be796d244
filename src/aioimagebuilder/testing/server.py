"""The simulator's HTTP server on loopback, a WSGI application around moto's.

It adds the control routes, applies connection faults, and performs what is due by the simulated time: before
every call, and in a thread of its own.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import socket
import struct
import sys
import threading
from collections.abc import Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from moto.core.request import Request
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.exceptions import ClientDisconnected
from werkzeug.serving import BaseWSGIServer, make_server
from werkzeug.wrappers import Response
from werkzeug.wsgi import get_input_stream

from .control_routes import MAX_BODY_LENGTH, is_control_request, make_json_response, serve_control
from .imagebuilder.controller import Control
from .imagebuilder.gateway import CONNECTION_FAULT_HEADER, WireResponse, handle_logs_call
from .imagebuilder.mock_aws import current_control
from .imagebuilder.outputs import SERVICES
from .imagebuilder.registration import register
from .imagebuilder.responses import ImageBuilderResponse
from .origins import find_refusal

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse

Environ = dict[str, Any]

_HOST = "127.0.0.1"
_CHUNK_SIZE = 65536
_LINGER_SECONDS = 1.0
_LOGS_SCOPE = "/logs/aws4_request"
_IMAGEBUILDER_SCOPE = "/imagebuilder/aws4_request"


class _Request(Request):
    from_wsgi_server = True


class _Response(Response):
    # Responses of faults have no type.
    default_mimetype = None


class Application:
    """A WSGI application that serves the control routes, Image Builder and moto's own services."""

    def __init__(self, control: Control) -> None:
        self._control = control
        self._moto = DomainDispatcherApplication(create_backend_app)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        return self._respond(environ)(environ, start_response)

    def _respond(self, environ: Environ) -> Response:
        is_control = is_control_request(environ)
        refusal = find_refusal(environ, is_control=is_control)
        if refusal is not None:
            return make_json_response(HTTPStatus.FORBIDDEN, {"message": refusal})
        if is_control:
            return serve_control(self._control, environ)
        if (environ["REQUEST_METHOD"], environ["PATH_INFO"]) == ("POST", "/moto-api/reset"):
            self._control.reset()
        self._control.perform_due()
        if _LOGS_SCOPE in environ.get("HTTP_AUTHORIZATION", ""):
            return self._serve_logs(environ)
        return self._serve(environ)

    def _serve(self, environ: Environ) -> Response:
        authorization = environ.get("HTTP_AUTHORIZATION", "")
        if any(f"/{scope}/aws4_request" in authorization for scope in SERVICES.values()):
            self._control.write_due_outputs()
        token = current_control.set(self._control)
        try:
            if _IMAGEBUILDER_SCOPE not in authorization:
                return _Response.from_app(self._moto, environ, buffered=True)
            # Without moto's dispatcher, which takes longer than the call itself.
            status, headers, body = ImageBuilderResponse.dispatch(_Request(environ))
            return _Response(body, status, headers)
        finally:
            current_control.reset(token)

    def _serve_logs(self, environ: Environ) -> Response:
        """Serve a CloudWatch Logs call with its faults applied."""

        def perform() -> WireResponse:
            self._control.write_due_lines()
            served = self._serve(environ)
            headers = dict(served.headers)
            return WireResponse(status=served.status_code, body=served.get_data(), headers=headers)

        target, body = environ.get("HTTP_X_AMZ_TARGET", ""), environ["wsgi.input"].getvalue()
        response = handle_logs_call(self._control, target, body, perform)
        self._control.sleep(response.delay)
        return _Response(response.body, response.status, response.sent_headers)


def _reset_connection(connection: socket.socket) -> None:
    """Close with RST: a linger time of zero drops unsent data and sends no FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    # close() would wait for the file objects that the request handler created from the socket.
    os.close(connection.detach())


def _connections(server: object) -> set[socket.socket]:
    """Return the open connections of a server; werkzeug's class does not track them."""
    found: set[socket.socket] = vars(server).setdefault("connections", set())
    return found


class _Handler(MotoRequestHandler):
    """A handler of one persistent connection that writes no access log.

    werkzeug's handler closes the connection after every response, and reconnecting takes longer than a call.
    """

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def setup(self) -> None:
        super().setup()
        _connections(self.server).add(self.connection)

    def finish(self) -> None:
        _connections(self.server).discard(self.connection)
        with contextlib.suppress(OSError, ValueError):
            super().finish()

    def run_wsgi(self) -> None:
        # The base class answers "Expect: 100-continue", but a client waits until that is sent.
        self.wfile.flush()
        environ = self.environ = self.make_environ()
        try:
            # Unread bytes of a body would be parsed as the next request.
            body = _read_body(environ)
        except ValueError as error:
            self._refuse(str(error))
            return
        environ["wsgi.input"], environ["CONTENT_LENGTH"] = io.BytesIO(body), str(len(body))
        self._respond(environ)

    def _refuse(self, message: str) -> None:
        """Refuse a request whose body was not read, and close the connection."""
        self.close_connection = True
        response = make_json_response(HTTPStatus.BAD_REQUEST, {"message": message})
        self._send(response, response.get_data())
        # A client that is still sending would get a reset in place of the response.
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            self.connection.settimeout(_LINGER_SECONDS)
            while self.connection.recv(_CHUNK_SIZE):
                pass

    def _respond(self, environ: Environ) -> None:
        try:
            response = _Response.from_app(self.server.app, environ, buffered=True)
        except Exception:  # noqa: BLE001 - printed and returned as a 501, which no SDK retries
            self.close_connection = True
            # Print before responding: the client may read stderr as soon as it has the response.
            self.server.handle_error(self.request, self.client_address)
            response = Response("simulator bug: see the traceback on stderr", HTTPStatus.NOT_IMPLEMENTED)
        fault, body = response.headers.pop(CONNECTION_FAULT_HEADER, None), response.get_data()
        if fault is not None:
            self.close_connection = True
        if fault == "reset":
            _reset_connection(self.connection)
        elif fault == "truncate":
            self._send(response, body[: len(body) // 2])
        elif fault is None:
            self._send(response, body)

    def _send(self, response: Response, body: bytes) -> None:
        self.send_response(response.status_code)
        for name, value in response.headers:
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        if "Content-Length" not in response.headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002
        """Log nothing: the control records every call."""


def _read_body(environ: Environ) -> bytes:
    """Read the body of a request.

    Raises:
        ValueError: The body is malformed, or too long for a control route.
    """
    limit = MAX_BODY_LENGTH if is_control_request(environ) else sys.maxsize
    length = environ.get("CONTENT_LENGTH") or "0"
    if not re.fullmatch("[0-9]{1,18}", length):
        raise ValueError(f"the Content-Length {length!r} is not a number of bytes")
    stream, body, is_long = get_input_stream(environ), bytearray(), int(length) > limit
    try:
        while not is_long and (chunk := stream.read(_CHUNK_SIZE)):
            body += chunk
            is_long = len(body) > limit
    except ClientDisconnected:
        raise ValueError("the body is shorter than its Content-Length") from None
    except OSError as error:
        raise ValueError(f"the chunks of the body are malformed: {error}") from error
    if is_long:
        raise ValueError(f"the body is longer than {limit:,} bytes")
    return bytes(body)


class Server:
    """An HTTP server in its own thread.

    Args:
        control: The control of the simulator to serve.
        port: Port to listen on; 0 picks a free port.
    """

    def __init__(self, control: Control, *, port: int = 0) -> None:
        register()
        self._control = control
        # werkzeug exits the process if the port is in use; creating the socket here raises OSError instead.
        with socket.create_server((_HOST, port), backlog=512) as listener:
            self._server: BaseWSGIServer = make_server(
                _HOST,
                port,
                Application(control),
                threaded=True,
                request_handler=_Handler,
                fd=listener.fileno(),
            )
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, name="simulator", daemon=True
        )
        self._agenda = threading.Thread(
            target=control.perform_until_closed, name="simulator agenda", daemon=True
        )
        self.endpoint_url = f"http://{_HOST}:{self._server.port}"

    def start(self) -> None:
        """Start serving."""
        self._thread.start()
        self._agenda.start()

    def stop(self) -> None:
        """Stop serving, release hanging calls and close all connections."""
        self._control.close()
        self._server.shutdown()
        self._thread.join()
        self._agenda.join()
        self._server.server_close()
        for connection in tuple(_connections(self._server)):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
