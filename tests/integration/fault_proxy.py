"""A network that does harm: a proxy on loopback between a client and the simulator.

    with HostileProxy(simulator.endpoint_url) as proxy:
        proxy.inject(Trouble("reset_in_body", times=2))
        ... ImageBuilder(endpoint_url=proxy.endpoint_url, ...)

| kind | what the client meets |
|---|---|
| ``reset`` | the connection is reset before any answer |
| ``reset_in_body`` | half of the body, then a reset |
| ``stall`` | half of the body, then nothing for as long as the client holds on |
| ``half_close`` | half of the body, then the end of what the server sends; it still listens |
| ``garbage`` | bytes that are no HTTP |
| ``throttle`` | 429 with the service's own code |
| ``unavailable`` | 503 with a page of HTML |
| ``expired`` | 403: the security token has expired |
| ``drip`` | the right answer, a few bytes at a time |
| ``hang_up`` | the right answer, and then the end of a connection that was promised to be kept |
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
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

_DRIP_BYTES = 8
_DRIP_PAUSE = 0.005


@dataclass(frozen=True)
class Trouble:
    """One thing that goes wrong: for so many requests, so many seconds from its first on, or for good."""

    kind: str
    times: int | None = None
    seconds: float | None = None


@dataclass
class _Injected:
    trouble: Trouble
    requests: int = 0
    began: float | None = None

    def hits(self) -> bool:
        """Whether it hits the request that has come; then it counts it."""
        now = time.monotonic()
        is_used_up = self.trouble.times is not None and self.requests >= self.trouble.times
        began = now if self.began is None else self.began
        is_past = self.trouble.seconds is not None and now - began >= self.trouble.seconds
        if is_used_up or is_past:
            return False
        self.requests += 1
        self.began = began
        return True


class HostileProxy:
    """Relays to `upstream`, and does to each answer what the troubles say, one after the other.

    Attributes:
        met: how many requests met each kind; those that were relayed unharmed are under ``None``.
        tokens: the session tokens that requests were signed with.
        has_expired: whether a session token is to be refused.
    """

    def __init__(self, upstream: str) -> None:
        self.upstream = urlsplit(upstream).netloc
        self.met: Counter[str | None] = Counter()
        self.tokens: set[str] = set()
        self.has_expired: Callable[[str], bool] = lambda _: False
        self._troubles: list[_Injected] = []
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
        for connection in tuple(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._server.server_close()

    @property
    def endpoint_url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def requests(self) -> int:
        """How many requests came."""
        return self.met.total()

    def inject(self, *troubles: Trouble) -> None:
        """Let these troubles begin, each after the one before it is over, in the place of earlier ones."""
        with self._lock:
            self._troubles = [_Injected(each) for each in troubles]

    def has_connections(self, *, patience: float = 2.0) -> bool:
        """Whether a client still holds a connection when `patience` seconds have passed."""
        until = time.monotonic() + patience
        while self._connections and time.monotonic() < until:
            time.sleep(0.01)
        return bool(self._connections)

    def next_kind(self, token: str | None) -> str | None:
        """Get the trouble that the next request meets, signed with this session token, and count it."""
        with self._lock:
            kind = next((each.trouble.kind for each in self._troubles if each.hits()), None)
            if token is not None:
                self.tokens.add(token)
                if self.has_expired(token):
                    kind = "expired"
            self.met[kind] += 1
            return kind

    def opened(self, connection: socket.socket) -> None:
        """Take in that a client has connected."""
        self._connections.add(connection)

    def closed(self, connection: socket.socket) -> None:
        """Take in that a connection is over."""
        self._connections.discard(connection)


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    block_on_close = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], proxy: HostileProxy) -> None:
        self.proxy = proxy
        super().__init__(address, _Handler)

    def handle_error(self, *_: object) -> None:
        """Say nothing: a connection that breaks is what the proxy is for."""


class _Handler(BaseHTTPRequestHandler):
    """Serves one connection of a client."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.proxy.opened(self.connection)

    def finish(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            super().finish()
        self.server.proxy.closed(self.connection)

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def relay(self) -> None:
        """Serve one request."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        kind = self.server.proxy.next_kind(self.headers.get("X-Amz-Security-Token"))
        if kind in _OWN_ANSWERS:
            self.wfile.write(_message(*_OWN_ANSWERS[kind]))
            return
        head, answered = self._ask_upstream(body)
        if kind is None:
            self.wfile.write(head + answered)
        else:
            _TROUBLES[kind](self, head, answered)

    do_GET = do_POST = do_PUT = relay  # noqa: N815

    def _ask_upstream(self, body: bytes) -> tuple[bytes, bytes]:
        upstream = HTTPConnection(self.server.proxy.upstream, timeout=30)
        with contextlib.closing(upstream):
            upstream.request(self.command, self.path, body, dict(self.headers.items()))
            answer = upstream.getresponse()
            answered = answer.read()
            fields = [
                (k, v) for k, v in answer.getheaders() if k.lower() not in {"content-length", "connection"}
            ]
        message = _message(f"{answer.status} {answer.reason}", fields, answered)
        return message[: len(message) - len(answered)], answered

    def reset(self) -> None:
        """Drop what is unsent, and send RST."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.server.proxy.closed(self.connection)
        # close() would wait for the files that the handler made of the socket.
        os.close(self.connection.detach())
        self.close_connection = True

    def wait_for_the_client_to_leave(self) -> None:
        """Hold the connection until the client, or the proxy, ends it."""
        with contextlib.suppress(OSError):
            while self.connection.recv(65536):
                pass
        self.close_connection = True


def _reset(handler: _Handler, _head: bytes, _body: bytes) -> None:
    handler.reset()


def _reset_in_body(handler: _Handler, head: bytes, body: bytes) -> None:
    handler.wfile.write(head + body[: len(body) // 2])
    # What a reset overtakes is never read: let the client have the half first.
    time.sleep(0.02)
    handler.reset()


def _stall(handler: _Handler, head: bytes, body: bytes) -> None:
    handler.wfile.write(head + body[: len(body) // 2])
    handler.wait_for_the_client_to_leave()


def _half_close(handler: _Handler, head: bytes, body: bytes) -> None:
    handler.wfile.write(head + body[: len(body) // 2])
    handler.connection.shutdown(socket.SHUT_WR)
    handler.wait_for_the_client_to_leave()


def _garbage(handler: _Handler, _head: bytes, _body: bytes) -> None:
    handler.wfile.write(b"\x16\x03\x01\x02\x00\x01\x00 \xff\xfe HTTP? \r\n\r\n" + bytes(range(256)))
    handler.close_connection = True


def _drip(handler: _Handler, head: bytes, body: bytes) -> None:
    whole = head + body
    for start in range(0, len(whole), _DRIP_BYTES):
        handler.wfile.write(whole[start : start + _DRIP_BYTES])
        time.sleep(_DRIP_PAUSE)


def _hang_up(handler: _Handler, head: bytes, body: bytes) -> None:
    handler.wfile.write(head + body)
    handler.close_connection = True


_TROUBLES: dict[str, Callable[[_Handler, bytes, bytes], None]] = {
    "reset": _reset,
    "reset_in_body": _reset_in_body,
    "stall": _stall,
    "half_close": _half_close,
    "garbage": _garbage,
    "drip": _drip,
    "hang_up": _hang_up,
}

# What the proxy answers by itself: status, header fields, body.
_OWN_ANSWERS: dict[str | None, tuple[str, list[tuple[str, str]], bytes]] = {
    "throttle": (
        "429 Too Many Requests",
        [
            ("Content-Type", "application/json"),
            ("x-amzn-ErrorType", "CallRateLimitExceededException"),
        ],
        json.dumps({"message": "Rate exceeded"}).encode(),
    ),
    "expired": (
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
