"""The simulator in a process of its own, and an event loop whose clock runs as fast as the simulator's.

On that loop, the delays, deadlines and rates of this library are in simulated seconds, without any change to
it. What the network and SQS take is real time: a millisecond at a scale of 20 counts as 0.02 s.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import selectors
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

import anyio
from workloads import REGION

__all__ = ["Image", "ScaledSimulator", "run_scaled", "run_simulator"]

T = TypeVar("T")

_SYNCHRONIZATIONS = 20


class _ScaledSelector(selectors.DefaultSelector):
    def __init__(self, scale: float) -> None:
        super().__init__()
        self._scale = scale

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        return super().select(timeout if timeout is None else timeout / self._scale)


class _ScaledEventLoop(asyncio.SelectorEventLoop):
    def __init__(self, scale: float) -> None:
        self._scale = scale
        super().__init__(_ScaledSelector(scale))

    def time(self) -> float:
        return time.monotonic() * self._scale


def run_scaled(scale: float, main: Callable[[], Awaitable[T]]) -> T:
    """Run `main` on asyncio with a clock that runs `scale` times as fast."""
    return anyio.run(main, backend_options={"loop_factory": lambda: _ScaledEventLoop(scale)})


class Image(NamedTuple):
    """An image, and when its build starts and ends, in simulated seconds since the start of the clock."""

    arn: str
    start: float
    end: float


class ScaledSimulator:
    """A simulator in another process, whose clock stands still until `start_clock`.

    Args:
        url: Its endpoint.
        scale: Simulated seconds per real second from then on.
    """

    def __init__(self, url: str, scale: float) -> None:
        self.url = url
        self.scale = scale
        self._start = 0.0

    def arguments(self, region: str = REGION) -> dict[str, Any]:
        """Return the arguments of a client of any service."""
        return {
            "region_name": region,
            "endpoint_url": self.url,
            "aws_access_key_id": "AKIAIOSFODNN7EXAMPLE",
            "aws_secret_access_key": "simulated",
        }

    def request(self, method: str, route: str, **members: object) -> dict[str, Any]:
        """Call a control route."""
        body = json.dumps(members).encode() if members else None
        request = urllib.request.Request(f"{self.url}/_simulator/{route}", body, method=method)
        with urllib.request.urlopen(request) as response:
            answer: dict[str, Any] = json.load(response)
        return answer

    def add_image(self, start: float, duration: float, region: str = REGION) -> Image:
        """Add an image whose build starts `start` seconds after the clock; it is PENDING until then."""
        schedule: Sequence[tuple[str, float | None]] = (
            ("PENDING", start + 20),
            ("BUILDING", 0.625 * duration - 20),
            ("TESTING", 0.25 * duration),
            ("DISTRIBUTING", 0.125 * duration),
            ("AVAILABLE", None),
        )
        added = self.request("POST", "executions", kind="image", schedule=schedule, region_name=region)
        return Image(added["id"], start, start + duration)

    def start_clock(self) -> None:
        """Let the clock run, and count calls from then on."""
        self.request("DELETE", "calls")
        before = self.request("GET", "config")["now"]
        self.request("PUT", "config", time_scale=self.scale)
        offsets = []
        for _ in range(_SYNCHRONIZATIONS):
            sent = time.monotonic()
            now = self.request("GET", "config")["now"]
            received = time.monotonic()
            offsets.append((received - sent, (sent + received) / 2 * self.scale - (now - before)))
        self._start = min(offsets)[1]

    def seconds(self) -> float:
        """Return the simulated seconds since `start_clock`."""
        return time.monotonic() * self.scale - self._start

    def calls(self) -> tuple[Counter[str | None], Counter[int]]:
        """Return the numbers of calls by their id or ARN, and by HTTP status."""
        calls = self.request("GET", "calls")["calls"]
        return Counter(each["identifier"] for each in calls), Counter(each["status"] for each in calls)


@contextlib.contextmanager
def run_simulator(
    scale: float, *, rate: float | None = None, burst: float | None = None
) -> Iterator[ScaledSimulator]:
    """Run a simulator in a process of its own.

    Args:
        scale: Simulated seconds per real second.
        rate: The calls per simulated second that the service permits; ``None`` for no limit.
        burst: The calls that it permits at once after a pause.
    """
    command = [sys.executable, "-m", "aioimagebuilder.testing", "--port", "0", "--time-scale", "0"]
    # moto writes to stderr that it does not know the policies of the template.
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, **pipes, text=True) as process:
        assert process.stdout is not None
        try:
            simulator = ScaledSimulator(process.stdout.readline().split()[-1], scale)
            if rate is not None:
                simulator.request("PUT", "config", rate_limit=rate * scale, burst=burst)
            yield simulator
        finally:
            process.terminate()
