"""The simulator as an HTTP server on loopback: moto's application behind a thin layer of ours.

The layer adds the control routes, lets faults break connections, and writes the build logs that are due
before anybody reads CloudWatch Logs.
"""

from __future__ import annotations

import contextlib
import io
import os
import socket
import struct
import threading
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

from moto.core.request import Request
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import BaseWSGIServer, make_server

from .build_logs import flush
from .cloudwatch_faults import disturb
from .control_routes import PREFIX, serve_control
from .controller import Control
from .moto.models import serving
from .moto.registration import register
from .moto.responses import DISTURBANCE_HEADER, ImageBuilderResponse

StartResponse = Callable[..., Any]
Environ = dict[str, Any]

_LOGS_SCOPE = "/logs/aws4_request"
_OWN_SCOPE = "/imagebuilder/aws4_request"


class Layer:
    """A WSGI application: control routes, then moto; what a fault wants done to a connection is done here."""

    def __init__(self, control: Control) -> None:
        self._control = control
        self._moto = DomainDispatcherApplication(create_backend_app)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path.startswith(PREFIX):
            return serve_control(self._control, environ, start_response)
        if path == "/moto-api/reset":
            self._control.reset()
        authorization = environ.get("HTTP_AUTHORIZATION", "")
        answer = _Answer()
        if _LOGS_SCOPE in authorization:
            lost = self._lost_log_call(environ, answer)
            if lost is not None:
                return self._deliver(answer, lost, environ, start_response)
            flush(self._control)
        token = serving.set(self._control)
        try:
            application = _serve if _OWN_SCOPE in authorization else self._moto
            body = application(environ, answer.start)
        finally:
            serving.reset(token)
        return self._deliver(answer, body, environ, start_response)

    def _lost_log_call(self, environ: Environ, answer: _Answer) -> Iterable[bytes] | None:
        """Get the body of what a fault answers to a call of CloudWatch Logs; ``None`` lets moto answer."""
        body = environ["wsgi.input"].read()
        environ["wsgi.input"] = io.BytesIO(body)
        delay, lost = disturb(self._control, environ.get("HTTP_X_AMZ_TARGET", ""), body)
        if delay:
            self._control.closing.wait(delay)
        if lost is None:
            return None
        headers = dict(lost.headers)
        if lost.disturbance is not None:
            headers[DISTURBANCE_HEADER] = lost.disturbance
        answer.start(f"{lost.status} {HTTPStatus(lost.status).phrase}", list(headers.items()))
        return [lost.body]

    def _deliver(
        self, answer: _Answer, body: Iterable[bytes], environ: Environ, start_response: StartResponse
    ) -> Iterable[bytes]:
        disturbance = answer.header(DISTURBANCE_HEADER)
        if disturbance is None:
            start_response(answer.status, answer.headers)
            return body
        if disturbance == "truncate":
            start_response(answer.status, [each for each in answer.headers if each[0] != DISTURBANCE_HEADER])
            return _broken_off(b"".join(body))
        if disturbance == "reset":
            _reset(environ["werkzeug.socket"])
        raise ConnectionAbortedError(disturbance)


class _Request(Request):
    from_wsgi_server = True


def _serve(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Answer an Image Builder call past moto's dispatcher, which costs each call more than the call."""
    status, headers, body = ImageBuilderResponse.dispatch(_Request(environ))
    sent = [*headers.items(), ("Content-Length", str(len(body)))]
    start_response(f"{status} {HTTPStatus(status).phrase}", sent)
    return [body]


class _Answer:
    """What the application behind the layer wants to answer."""

    def __init__(self) -> None:
        self.status = "500 Internal Server Error"
        self.headers: list[tuple[str, str]] = []

    def start(
        self, status: str, headers: list[tuple[str, str]], _: object = None, /
    ) -> Callable[[bytes], object]:
        self.status, self.headers = status, headers
        return _write_nothing

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


def _write_nothing(_: bytes) -> None:
    """Take no bytes: nobody here uses WSGI's old way of writing."""


def _broken_off(body: bytes) -> Iterable[bytes]:
    yield body[: len(body) // 2]
    raise ConnectionAbortedError("truncate")


def _reset(connection: socket.socket) -> None:
    """Close with RST: lingering for no time drops what is unsent and sends no FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    # close() would wait for the files that the request handler made of the socket.
    os.close(connection.detach())


def _connections(server: object) -> set[socket.socket]:
    """Get the open connections of a server; werkzeug's class has no place for them."""
    found: set[socket.socket] = vars(server).setdefault("connections", set())
    return found


class _Handler(MotoRequestHandler):
    """Serves one connection, silently, for as long as the client keeps it.

    werkzeug's own handler closes the connection after every answer, which costs each call more than the call.
    """

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def setup(self) -> None:
        """Let the server know of the connection, so that it can end it."""
        super().setup()
        _connections(self.server).add(self.connection)

    def finish(self) -> None:
        """Forget the connection."""
        _connections(self.server).discard(self.connection)
        with contextlib.suppress(OSError, ValueError):
            super().finish()

    def run_wsgi(self) -> None:
        """Serve one request."""
        if self.headers.get("Expect", "").lower() == "100-continue":
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.wfile.flush()
        environ = self.environ = self.make_environ()
        # What a request leaves unread would be taken for the next one.
        body = environ["wsgi.input"].read(*_length(environ))
        environ["wsgi.input"], environ["CONTENT_LENGTH"] = io.BytesIO(body), str(len(body))
        self._answer(environ)

    def _answer(self, environ: Environ) -> None:
        answer = _Answer()
        whole: list[bytes] = []
        try:
            whole.extend(self.server.app(environ, answer.start))
        except ConnectionError:
            # A fault: a body that breaks off goes out as far as it came, under the headers of the whole.
            self.close_connection = True
            if not whole:
                return
        except Exception:  # noqa: BLE001 - printed and answered, so that nobody misses it
            self.close_connection = True
            # Before the answer: whoever has that may look for the traceback at once.
            self.server.handle_error(self.request, self.client_address)
            answer, whole = _Answer(), [b"simulator bug: see the traceback that it printed"]
        self._send(answer, b"".join(whole))

    def _send(self, answer: _Answer, body: bytes) -> None:
        code, _, reason = answer.status.partition(" ")
        self.send_response(int(code), reason)
        for name, value in answer.headers:
            self.send_header(name, value)
        if answer.header("Content-Length") is None:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()

    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002
        """Say nothing: every call is in the control's records."""


def _length(environ: Environ) -> tuple[int, ...]:
    if environ.get("wsgi.input_terminated"):
        return ()
    return (int(environ.get("CONTENT_LENGTH") or 0),)


class Server:
    """Serves a control's simulator on loopback, in a thread of its own.

    Args:
        control: What steers it.
        host: Address to listen on.
        port: Port to listen on; 0 = any free one.
    """

    def __init__(self, control: Control, *, host: str = "127.0.0.1", port: int = 0) -> None:
        register()
        self._control = control
        # werkzeug answers a taken port by ending the process; a socket of our own raises OSError.
        with socket.create_server((host, port), backlog=512) as listener:
            self._server: BaseWSGIServer = make_server(
                host, port, Layer(control), threaded=True, request_handler=_Handler, fd=listener.fileno()
            )
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, name="simulator", daemon=True
        )
        self.host, self.port = host, int(self._server.port)

    @property
    def endpoint_url(self) -> str:
        """Where it listens."""
        return f"http://{self.host}:{self.port}"

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def stop(self) -> None:
        """Stop serving; calls that hang are let go."""
        self._control.closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        for connection in tuple(_connections(self._server)):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
