"""A proxy on loopback that injects network faults between a client and the simulator.

    with FaultProxy(simulator.endpoint_url) as proxy:
        proxy.inject(NetworkFault("reset_in_body", times=2))
        ... ImageBuilder(endpoint_url=proxy.endpoint_url, ...)

| kind | effect |
|---|---|
| ``reset`` | the connection is reset before any response |
| ``reset_in_body`` | half of the body, then a reset |
| ``stall`` | half of the body, then nothing until the client disconnects |
| ``half_close`` | half of the body, then the server closes its sending side and keeps reading |
| ``garbage`` | bytes that are not HTTP |
| ``throttle`` | 429 with the service's own code |
| ``unavailable`` | 503 with an HTML page |
| ``expired_token`` | 403: the security token has expired |
| ``trickle`` | the correct response, a few bytes at a time |
| ``close_after_response`` | the correct response, then the keep-alive connection is closed |
| ``redirect`` | a redirect with the status and to the address in `FaultProxy.redirect` |
| ``undecodable_header`` | the correct response with a header that is not UTF-8 |
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import ssl
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import urlsplit

_TRICKLE_BYTES = 8
_TRICKLE_PAUSE = 0.005


@dataclass(frozen=True)
class NetworkFault:
    """A fault that lasts for a number of requests, for some seconds from the first one, or forever."""

    kind: str
    times: int | None = None
    seconds: float | None = None


@dataclass
class _InjectedFault:
    fault: NetworkFault
    requests: int = 0
    started: float | None = None

    def try_apply(self) -> bool:
        """Return whether the fault applies to the current request, and count the request if so."""
        now = time.monotonic()
        is_used_up = self.fault.times is not None and self.requests >= self.fault.times
        started = now if self.started is None else self.started
        is_past = self.fault.seconds is not None and now - started >= self.fault.seconds
        if is_used_up or is_past:
            return False
        self.requests += 1
        self.started = started
        return True


class FaultProxy:
    """Relays requests to `upstream`, and applies the injected faults one after the other.

    Attributes:
        counts: The number of requests for each kind of fault; those without one are under ``None``.
        tokens: The session tokens that requests were signed with.
        has_expired: Returns whether a session token is to be rejected as expired.
        redirect: The status and the address of redirects.
        tls: The TLS context of new connections; ``None`` for HTTP.
    """

    def __init__(self, upstream: str, *, tls: ssl.SSLContext | None = None) -> None:
        self.redirect = (301, "")
        self.tls = tls
        self.upstream = urlsplit(upstream).netloc
        self.counts: Counter[str | None] = Counter()
        self.tokens: set[str] = set()
        self.has_expired: Callable[[str], bool] = lambda _: False
        self._faults: list[_InjectedFault] = []
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        self._server = _Server(("127.0.0.1", 0), self)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self.close_connections()
        self._server.server_close()

    @property
    def endpoint_url(self) -> str:
        """The URL of the proxy."""
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self._server.server_port}"

    @property
    def requests(self) -> int:
        """The number of requests."""
        return self.counts.total()

    def inject(self, *faults: NetworkFault) -> None:
        """Replace the faults; each starts when the one before it has expired."""
        with self._lock:
            self._faults = [_InjectedFault(each) for each in faults]

    def close_connections(self) -> None:
        """Close the connections of clients, which then open others."""
        for connection in tuple(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def has_connections(self, *, timeout: float = 2.0) -> bool:
        """Return whether a client still has a connection open after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while self._connections and time.monotonic() < deadline:
            time.sleep(0.01)
        return bool(self._connections)

    def next_fault_kind(self, token: str | None) -> str | None:
        """Return the kind of fault for a request signed with this session token, and count the request."""
        with self._lock:
            kind = next((each.fault.kind for each in self._faults if each.try_apply()), None)
            if token is not None:
                self.tokens.add(token)
                if self.has_expired(token):
                    kind = "expired_token"
            self.counts[kind] += 1
            return kind

    def connection_opened(self, connection: socket.socket) -> None:
        """Record that a client has connected."""
        self._connections.add(connection)

    def connection_closed(self, connection: socket.socket) -> None:
        """Record that a connection is closed."""
        self._connections.discard(connection)


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    block_on_close = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], proxy: FaultProxy) -> None:
        self.proxy = proxy
        super().__init__(address, _Handler)

    def handle_error(self, *_: object) -> None:
        """Print nothing: broken connections are expected here."""


class _Handler(BaseHTTPRequestHandler):
    """Serves one connection of a client."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        if self.server.proxy.tls is not None:
            self.request.settimeout(5)
            self.request = self.server.proxy.tls.wrap_socket(self.request, server_side=True)
        super().setup()
        self.server.proxy.connection_opened(self.connection)

    def finish(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            super().finish()
        self.server.proxy.connection_closed(self.connection)
        if self.server.proxy.tls is not None:
            # The server itself only closes the socket that it has accepted.
            self.connection.close()

    def log_message(self, *_: object) -> None:
        """Print nothing."""

    def relay(self) -> None:
        """Relay one request, or respond with a fault."""
        request_body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        kind = self.server.proxy.next_fault_kind(self.headers.get("X-Amz-Security-Token"))
        if kind in _ERROR_RESPONSES:
            self.wfile.write(_message(*_ERROR_RESPONSES[kind]))
            return
        head, body = self._forward(request_body)
        if kind is None:
            self.wfile.write(head + body)
        else:
            _FAULTS[kind](self, head, body)

    do_GET = do_POST = do_PUT = relay  # noqa: N815

    def _forward(self, request_body: bytes) -> tuple[bytes, bytes]:
        """Return the head and the body of the upstream response."""
        upstream = HTTPConnection(self.server.proxy.upstream, timeout=30)
        with contextlib.closing(upstream):
            upstream.request(self.command, self.path, request_body, dict(self.headers.items()))
            response = upstream.getresponse()
            body = response.read()
            fields = [
                (k, v) for k, v in response.getheaders() if k.lower() not in {"content-length", "connection"}
            ]
        message = _message(f"{response.status} {response.reason}", fields, body)
        return message[: len(message) - len(body)], body

    def reset(self) -> None:
        """Discard unsent data, and send RST."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.server.proxy.connection_closed(self.connection)
        # close() would wait for the file objects that the handler has created from the socket.
        os.close(self.connection.detach())
        self.close_connection = True

    def wait_for_disconnect(self) -> None:
        """Keep the connection open until the client or the proxy closes it."""
        with contextlib.suppress(OSError):
            while self.connection.recv(65536):
                pass
        self.close_connection = True


def _reset(handler: _Handler, _head: bytes, _body: bytes) -> None:
    handler.reset()


def _reset_in_body(handler: _Handler, head: bytes, body: bytes) -> None:
    handler.wfile.write(head + body[: len(body) // 2])
    # A reset discards data that the client has not read yet.
    time.sleep(0.02)
    handler.reset()


def _stall(handler: _Handler, head: bytes, body: bytes) -> None:
    handler.wfile.write(head + body[: len(body) // 2])
    handler.wait_for_disconnect()


def _half_close(handler: _Handler, head: bytes, body: bytes) -> None:
    handler.wfile.write(head + body[: len(body) // 2])
    handler.connection.shutdown(socket.SHUT_WR)
    handler.wait_for_disconnect()


def _garbage(handler: _Handler, _head: bytes, _body: bytes) -> None:
    handler.wfile.write(b"\x16\x03\x01\x02\x00\x01\x00 \xff\xfe HTTP? \r\n\r\n" + bytes(range(256)))
    handler.close_connection = True


def _trickle(handler: _Handler, head: bytes, body: bytes) -> None:
    response = head + body
    for start in range(0, len(response), _TRICKLE_BYTES):
        handler.wfile.write(response[start : start + _TRICKLE_BYTES])
        time.sleep(_TRICKLE_PAUSE)


def _close_after_response(handler: _Handler, head: bytes, body: bytes) -> None:
    handler.wfile.write(head + body)
    handler.close_connection = True


def _redirect(handler: _Handler, _head: bytes, _body: bytes) -> None:
    status, location = handler.server.proxy.redirect
    handler.wfile.write(_message(f"{status} Redirect", [("Location", location)], b""))


def _undecodable_header(handler: _Handler, head: bytes, body: bytes) -> None:
    handler.wfile.write(head.replace(b"\r\n", b"\r\nX-Broken: \xff\xfe\r\n", 1) + body)


_FAULTS: dict[str, Callable[[_Handler, bytes, bytes], None]] = {
    "reset": _reset,
    "reset_in_body": _reset_in_body,
    "stall": _stall,
    "half_close": _half_close,
    "garbage": _garbage,
    "trickle": _trickle,
    "close_after_response": _close_after_response,
    "redirect": _redirect,
    "undecodable_header": _undecodable_header,
}

# The responses of the proxy itself: status, header fields, body.
_ERROR_RESPONSES: dict[str | None, tuple[str, list[tuple[str, str]], bytes]] = {
    "throttle": (
        "429 Too Many Requests",
        [
            ("Content-Type", "application/json"),
            ("x-amzn-ErrorType", "CallRateLimitExceededException"),
        ],
        json.dumps({"message": "Rate exceeded"}).encode(),
    ),
    "expired_token": (
        "403 Forbidden",
        [("Content-Type", "application/json"), ("x-amzn-ErrorType", "ExpiredTokenException")],
        json.dumps({"message": "The security token included in the request is expired"}).encode(),
    ),
    "unavailable": (
        "503 Service Unavailable",
        [("Content-Type", "text/html")],
        b"<html><body><h1>503 Service Unavailable</h1></body></html>",
    ),
}


def _message(status: str, fields: list[tuple[str, str]], body: bytes) -> bytes:
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in fields)]
    lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body
