"""A light EC2 Image Builder over HTTP: a workload behind a token bucket, in a process of its own.

Unlike the simulator, it uses little CPU, which the waiters need. The clock of the run starts with the first
call; ``GET /_stats`` does not count as a call.
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

from workloads import ServiceError, Spec, Workload

__all__ = ["TokenBucket", "get_stats", "run_server"]

_CONTENT_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_REQUEST_ID = "00000000-0000-4000-8000-000000000000"
_REASONS = {200: "OK", 400: "Bad Request", 403: "Forbidden", 404: "Not Found", 429: "Too Many Requests"}


class TokenBucket:
    """A token bucket of `rate` calls per second and bursts of `burst` calls."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = burst
        self._filled_at = 0.0

    def take(self, now: float) -> bool:
        """Take a token, and return whether there was one."""
        self._tokens = min(self._burst, self._tokens + (now - self._filled_at) * self._rate)
        self._filled_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class _Service:
    """Responds to calls, and counts them."""

    def __init__(self, spec: Spec) -> None:
        self._workload = Workload(spec)
        self._bucket = None if spec.rate is None else TokenBucket(spec.rate, spec.burst)
        self._started: float | None = None
        self._counts: Counter[tuple[str, int]] = Counter()
        self._read_at: dict[str, float] = {}
        self._last_first_read = 0.0
        self._longest_gap = 0.0

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
            response = self._workload.respond(operation, params, now)
        except ServiceError as error:
            self._counts[operation, error.status] += 1
            return _error(error.code, error.status)
        self._counts[operation, 200] += 1
        self._record_reads(self._workload.executions_read(operation, params), now)
        return _response(200, json.dumps(response, separators=(",", ":")).encode())

    def _record_reads(self, executions: Sequence[str], now: float) -> None:
        for wf in executions:
            if (before := self._read_at.get(wf)) is None:
                self._last_first_read = now
            else:
                self._longest_gap = max(self._longest_gap, now - before)
            self._read_at[wf] = now

    def _stats(self) -> dict[str, Any]:
        now = 0.0 if self._started is None else time.monotonic() - self._started
        calls: dict[str, dict[str, int]] = {}
        for (operation, status), count in sorted(self._counts.items()):
            calls.setdefault(operation, {})[str(status)] = count
        return {
            # All processes of a machine share the monotonic clock.
            "started": self._started,
            "now": now,
            "calls": calls,
            "server_cpu": time.process_time(),
            "executions_read": len(self._read_at),
            "last_first_read": self._last_first_read,
            # The longest time without a read of an execution, including the present one.
            "longest_gap": max(
                [self._longest_gap, *(now - at for at in self._read_at.values())], default=0.0
            ),
        }


class _Connection(asyncio.Protocol):
    """HTTP/1.1 with keep-alive, as much of it as aiohttp and httpx use for a JSON service."""

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
    body = json.dumps({"message": f"The service responded with {code}."}).encode()
    return _response(status, body, f"x-amzn-ErrorType: {code}\r\n")


_THROTTLE = _error("CallRateLimitExceededException", 429)


async def _serve(spec: Spec) -> None:
    service = _Service(spec)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(service), "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextlib.contextmanager
def run_server(spec: Spec) -> Iterator[str]:
    """Run the server in a process of its own, and yield its URL."""
    command = [sys.executable, str(Path(__file__).resolve()), spec.dumps()]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.terminate()


def get_stats(url: str) -> dict[str, Any]:
    """Return the statistics of the server so far."""
    with urllib.request.urlopen(f"{url}/_stats") as response:
        stats: dict[str, Any] = json.load(response)
    return stats


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("spec", help="a Spec as JSON")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(Spec.loads(parser.parse_args().spec)))
