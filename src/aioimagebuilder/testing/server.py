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
from collections.abc import Callable, Iterable
from http import HTTPStatus
from http.client import responses
from typing import Any

from moto.core.request import Request
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import BaseWSGIServer, make_server

from .cloudwatch_faults import apply_faults
from .control_routes import MAX_BODY_LENGTH, is_control_request, send_json, serve_control
from .imagebuilder.controller import Control
from .imagebuilder.mock_aws import current_control
from .imagebuilder.outputs import SERVICES
from .imagebuilder.registration import register
from .imagebuilder.responses import CONNECTION_FAULT_HEADER, ImageBuilderResponse
from .origins import find_refusal

StartResponse = Callable[..., Any]
Environ = dict[str, Any]

_CHUNK_SIZE = 65536
_LINGER_SECONDS = 1.0
_STATUSES_WITHOUT_BODY = frozenset({204, 304})
_LOGS_SCOPE = "/logs/aws4_request"
_IMAGEBUILDER_SCOPE = "/imagebuilder/aws4_request"


class Application:
    """A WSGI application that serves the control routes, Image Builder and moto's own services."""

    def __init__(self, control: Control, host: str) -> None:
        self._control = control
        self._host = host
        self._moto = DomainDispatcherApplication(create_backend_app)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        is_control = is_control_request(environ)
        refusal = find_refusal(environ, self._host, is_control=is_control)
        if refusal is not None:
            return send_json(HTTPStatus.FORBIDDEN, {"message": refusal}, start_response)
        if is_control:
            return serve_control(self._control, environ, start_response)
        if (environ["REQUEST_METHOD"], environ["PATH_INFO"]) == ("POST", "/moto-api/reset"):
            self._control.reset()
        self._control.perform_due()
        response = _Response()
        if _LOGS_SCOPE in environ.get("HTTP_AUTHORIZATION", ""):
            body = self._serve_logs(environ, response)
        else:
            body = self._serve(environ, response)
        return self._send(response, body, environ, start_response)

    def _serve(self, environ: Environ, response: _Response) -> Iterable[bytes]:
        authorization = environ.get("HTTP_AUTHORIZATION", "")
        is_imagebuilder = _IMAGEBUILDER_SCOPE in authorization
        if any(f"/{scope}/aws4_request" in authorization for scope in SERVICES.values()):
            self._control.write_due_outputs()
        application = _serve_imagebuilder if is_imagebuilder else self._moto
        token = current_control.set(self._control)
        try:
            return application(environ, response.start)
        finally:
            current_control.reset(token)

    def _serve_logs(self, environ: Environ, response: _Response) -> Iterable[bytes]:
        """Serve a CloudWatch Logs call with its faults applied."""
        body = environ["wsgi.input"].read()
        environ["wsgi.input"] = io.BytesIO(body)
        target = environ.get("HTTP_X_AMZ_TARGET", "")
        delay, failure, is_performed = apply_faults(self._control, target, body)
        served: Iterable[bytes] = ()
        if is_performed:
            self._control.write_due_lines()
            served = self._serve(environ, response)
        self._control.sleep(delay)
        if failure is None:
            return served
        headers = dict(failure.headers)
        if failure.connection_fault is not None:
            headers[CONNECTION_FAULT_HEADER] = failure.connection_fault
        response.start(_status_line(failure.status), list(headers.items()))
        return [failure.body]

    def _send(
        self, response: _Response, body: Iterable[bytes], environ: Environ, start_response: StartResponse
    ) -> Iterable[bytes]:
        connection_fault = response.header(CONNECTION_FAULT_HEADER)
        if connection_fault is None:
            start_response(response.status, response.headers)
            return body
        if connection_fault == "truncate":
            headers = [each for each in response.headers if each[0] != CONNECTION_FAULT_HEADER]
            start_response(response.status, headers)
            return _truncate(b"".join(body))
        if connection_fault == "reset":
            _reset_connection(environ["werkzeug.socket"])
        raise ConnectionAbortedError(connection_fault)


class _Request(Request):
    from_wsgi_server = True


def _serve_imagebuilder(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Handle an Image Builder call without moto's dispatcher, which takes longer than the call itself."""
    status, headers, body = ImageBuilderResponse.dispatch(_Request(environ))
    sent = [*headers.items(), ("Content-Length", str(len(body)))]
    start_response(_status_line(status), sent)
    return [body]


def _status_line(status: int) -> str:
    return f"{status} {responses.get(status, 'Unknown')}"


class _Response:
    """The status and headers that a WSGI application passes to ``start_response``."""

    def __init__(self) -> None:
        self.status = "500 Internal Server Error"
        self.headers: list[tuple[str, str]] = []

    def start(
        self, status: str, headers: list[tuple[str, str]], _: object = None, /
    ) -> Callable[[bytes], object]:
        self.status, self.headers = status, headers
        return _ignore_write

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


def _ignore_write(_: bytes) -> None:
    """Ignore the bytes: no application here uses WSGI's legacy ``write`` callable."""


def _truncate(body: bytes) -> Iterable[bytes]:
    yield body[: len(body) // 2]
    raise ConnectionAbortedError("truncate")


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
        if self.headers.get("Expect", "").lower() == "100-continue":
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
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
        response = _Response()
        body = send_json(HTTPStatus.BAD_REQUEST, {"message": message}, response.start)
        self._send(response, b"".join(body))
        # A client that is still sending would get a reset in place of the response.
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            self.connection.settimeout(_LINGER_SECONDS)
            while self.connection.recv(_CHUNK_SIZE):
                pass

    def _respond(self, environ: Environ) -> None:
        response = _Response()
        chunks: list[bytes] = []
        try:
            chunks.extend(self.server.app(environ, response.start))
        except ConnectionError:
            # A connection fault: a truncated body is sent with the headers of the complete one.
            self.close_connection = True
            if not chunks:
                return
        except Exception:  # noqa: BLE001 - printed and returned as a 501, which no SDK retries
            self.close_connection = True
            # Print before responding: the client may read stderr as soon as it has the response.
            self.server.handle_error(self.request, self.client_address)
            response, chunks = _Response(), [b"simulator bug: see the traceback on stderr"]
            response.status = "501 Not Implemented"
        self._send(response, b"".join(chunks))

    def _send(self, response: _Response, body: bytes) -> None:
        code, _, reason = response.status.partition(" ")
        self.send_response(int(code), reason)
        for name, value in response.headers:
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        if response.header("Content-Length") is None:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD" and int(code) not in _STATUSES_WITHOUT_BODY:
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
    if environ.get("wsgi.input_terminated"):
        body = _read_chunks(environ["wsgi.input"], limit)
    elif int(length) <= limit:
        body = bytes(environ["wsgi.input"].read(int(length)))
    else:
        body = None
    if body is None:
        raise ValueError(f"the body is longer than {limit:,} bytes")
    return body


def _read_chunks(stream: io.RawIOBase, limit: int) -> bytes | None:
    """Return a body in chunked encoding, or ``None`` if it is longer than a limit."""
    body = bytearray()
    try:
        while chunk := stream.read(_CHUNK_SIZE):
            body += chunk
            if len(body) > limit:
                return None
    except OSError as error:
        raise ValueError(f"the chunks of the body are malformed: {error}") from error
    return bytes(body)


class Server:
    """An HTTP server in its own thread.

    Args:
        control: The control of the simulator to serve.
        host: Address to listen on.
        port: Port to listen on; 0 picks a free port.
    """

    def __init__(self, control: Control, *, host: str = "127.0.0.1", port: int = 0) -> None:
        register()
        self._control = control
        # werkzeug exits the process if the port is in use; creating the socket here raises OSError instead.
        with socket.create_server((host, port), backlog=512) as listener:
            self._server: BaseWSGIServer = make_server(
                host,
                port,
                Application(control, host),
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
        self.host, self.port = host, int(self._server.port)

    @property
    def endpoint_url(self) -> str:
        """The URL that the server listens on."""
        return f"http://{self.host}:{self.port}"

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
