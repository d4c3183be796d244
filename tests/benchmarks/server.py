"""A light EC2 Image Builder over HTTP: a scripted herd behind a token bucket, in a process of its own.

It has no moto and parses no more HTTP than it must, so that its CPU does not crowd out the waiter's. The
clock of the run starts with the first call of the service; ``GET /_stats`` counts as none.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from workloads import Herd, RefusedError, Spec

__all__ = ["TokenBucket", "running", "stats"]

_CONTENT_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_REQUEST_ID = "00000000-0000-4000-8000-000000000000"
_REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 429: "Too Many Requests"}


class TokenBucket:
    """So many calls a second, and so many at once."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = burst
        self._filled_at = 0.0

    def take(self, now: float) -> bool:
        """Whether a call may pass now."""
        self._tokens = min(self._burst, self._tokens + (now - self._filled_at) * self._rate)
        self._filled_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class _Service:
    """Answers calls, and counts them."""

    def __init__(self, spec: Spec) -> None:
        self._herd = Herd(spec)
        self._bucket = None if spec.rate is None else TokenBucket(spec.rate, spec.burst)
        self._started: float | None = None
        self._counts: Counter[tuple[str, int]] = Counter()
        self._read_at: dict[str, float] = {}
        self._newest_read = 0.0
        self._gap = 0.0

    def serve(self, target: str, body: bytes) -> bytes:
        if target == "/_stats":
            return _response(200, json.dumps(self._stats()).encode())
        if self._started is None:
            self._started = time.monotonic()
        now = time.monotonic() - self._started
        url = urlsplit(target)
        operation = url.path[1:]
        if self._bucket is not None and not self._bucket.take(now):
            self._counts[operation, 429] += 1
            return _THROTTLE
        params = {**dict(parse_qsl(url.query)), **(json.loads(body) if body else {})}
        try:
            answer = self._herd.answer(operation, params, now)
        except RefusedError as error:
            self._counts[operation, error.status] += 1
            return _error(error.code, error.status)
        self._counts[operation, 200] += 1
        self._note_reads(self._herd.covered(operation, params), now)
        return _response(200, json.dumps(answer, separators=(",", ":")).encode())

    def _note_reads(self, executions: Sequence[str], now: float) -> None:
        for wf in executions:
            if (before := self._read_at.get(wf)) is None:
                self._newest_read = now
            else:
                self._gap = max(self._gap, now - before)
            self._read_at[wf] = now

    def _stats(self) -> dict[str, Any]:
        now = 0.0 if self._started is None else time.monotonic() - self._started
        calls: dict[str, dict[str, int]] = {}
        for (operation, status), count in sorted(self._counts.items()):
            calls.setdefault(operation, {})[str(status)] = count
        return {
            # The monotonic clock is one for all processes of a machine.
            "started": self._started,
            "now": now,
            "calls": calls,
            "server_cpu": time.process_time(),
            "executions_read": len(self._read_at),
            "last_first_read": self._newest_read,
            # The longest that an execution went unread between two reads, the one that is due now included.
            "longest_gap": max([self._gap, *(now - at for at in self._read_at.values())], default=0.0),
        }


class _Connection(asyncio.Protocol):
    """HTTP/1.1 with keep-alive, as far as aiohttp and httpx speak it to a JSON service."""

    def __init__(self, service: _Service) -> None:
        self._service = service
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (head_end := self._received.find(b"\r\n\r\n")) >= 0:
            head = self._received[:head_end]
            length = _CONTENT_LENGTH.search(head)
            end = head_end + 4 + (int(length[1]) if length else 0)
            if len(self._received) < end:
                return
            body, self._received = self._received[head_end + 4 : end], self._received[end:]
            target = head.split(b" ", 2)[1].decode()
            self._transport.write(self._service.serve(target, body))


def _response(status: int, body: bytes, headers: str = "") -> bytes:
    head = (
        f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: application/json\r\n"
        f"x-amzn-RequestId: {_REQUEST_ID}\r\n{headers}Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _error(code: str, status: int) -> bytes:
    body = json.dumps({"message": f"{code}, said the service."}).encode()
    return _response(status, body, f"x-amzn-ErrorType: {code}\r\n")


_THROTTLE = _error("CallRateLimitExceededException", 429)


async def _serve(spec: Spec) -> None:
    service = _Service(spec)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(service), "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextlib.contextmanager
def running(spec: Spec) -> Iterator[str]:
    """Serve in a process of its own, and get the URL."""
    command = [sys.executable, str(Path(__file__).resolve()), spec.dumps()]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.terminate()


def stats(url: str) -> dict[str, Any]:
    """Get what the server counted so far."""
    with urllib.request.urlopen(f"{url}/_stats") as answer:
        found: dict[str, Any] = json.load(answer)
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("spec", help="a Spec as JSON")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(Spec.loads(parser.parse_args().spec)))
