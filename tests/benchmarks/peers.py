"""The compared waiters: this library, common polling loops, and ideal loops that know the rate limit.

Each runs in a process of its own (``python peers.py NAME URL SPEC``), so its CPU and memory can be measured,
and prints its results as one line of JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from aiobotocore.waiter import create_waiter_with_client
from botocore.exceptions import ClientError
from botocore.waiter import WaiterModel
from tenacity import (
    AsyncRetrying,
    retry_if_exception,
    retry_if_result,
    stop_after_delay,
    wait_random_exponential,
)
from workloads import REGION, Spec, Workload

__all__ = ["PEERS"]

# The timeout of every peer. No wait is expected to reach it.
TIMEOUT = 1800.0
CREDENTIALS = {"aws_access_key_id": "AKIAIOSFODNN7EXAMPLE", "aws_secret_access_key": "scripted"}

_TERMINAL = frozenset({"COMPLETED", "FAILED", "CANCELLED", "ROLLBACK_COMPLETED", "SKIPPED"})

Wait = Callable[[str], Awaitable[object]]


class Results:
    """When and how each wait ended."""

    def __init__(self) -> None:
        self.ended_at: dict[str, float] = {}
        self.failures: dict[str, str] = {}
        self.cpu_before = 0.0

    def start(self) -> None:
        """Start to measure CPU, after the imports and the creation of the client."""
        self.cpu_before = time.process_time()

    def record(self, identifier: str) -> None:
        """Record that the wait for `identifier` returned its terminal state."""
        self.ended_at[identifier] = time.monotonic()

    async def run(self, spec: Spec, wait: Wait) -> None:
        """Start to measure CPU, and run `wait` concurrently for everything that is awaited."""
        self.start()
        await asyncio.gather(*(self._run(each, wait) for each in Workload(spec).ends()))

    async def _run(self, identifier: str, wait: Wait) -> None:
        try:
            await wait(identifier)
        except Exception as error:  # noqa: BLE001 - any exception is a failure of this wait
            self.failures[identifier] = f"{type(error).__name__}: {error}"
        else:
            self.record(identifier)


Peer = Callable[[str, Spec, Results], Awaitable[None]]


@asynccontextmanager
async def open_client(url: str, **retries: Any) -> AsyncIterator[Any]:
    """Open a client of aiobotocore."""
    # The default pool of 10 connections would be the bottleneck of a thousand loops.
    config = AioConfig(retries=retries, max_pool_connections=50)
    session = get_session()
    async with session.create_client(
        "imagebuilder", region_name=REGION, endpoint_url=url, config=config, **CREDENTIALS
    ) as client:
        yield client


async def ours(url: str, spec: Spec, results: Results) -> None:
    """One wait of this library for each execution or image."""
    from aioimagebuilder import ImageBuilder  # noqa: PLC0415 - not part of the memory of the others

    delays = {"min_delay": spec.min_delay, "max_delay": spec.max_delay}
    async with ImageBuilder(region_name=REGION, endpoint_url=url, **CREDENTIALS, **delays) as ib:
        await results.run(spec, lambda identifier: ib.wait(identifier, timeout=TIMEOUT))


def _status_acceptor(state: str, argument: str, expected: str) -> dict[str, str]:
    return {"state": state, "matcher": "path", "argument": argument, "expected": expected}


_WAITERS = {
    # botocore has no waiter for workflow executions.
    "WorkflowExecutionCompleted": {
        "operation": "GetWorkflowExecution",
        "delay": 1,
        "maxAttempts": int(TIMEOUT),
        "acceptors": [
            _status_acceptor("success", "status", "COMPLETED"),
            *(_status_acceptor("failure", "status", each) for each in sorted(_TERMINAL - {"COMPLETED"})),
            # Without this acceptor, the first throttle ends the wait.
            {"state": "retry", "matcher": "error", "expected": "CallRateLimitExceededException"},
        ],
    },
    # As in botocore 1.44.3 and newer.
    "ImageAvailable": {
        "operation": "GetImage",
        "delay": 60,
        "maxAttempts": 360,
        "acceptors": [
            _status_acceptor("success", "image.state.status", "AVAILABLE"),
            _status_acceptor("failure", "image.state.status", "FAILED"),
            _status_acceptor("failure", "image.state.status", "CANCELLED"),
        ],
    },
}


def _botocore_waiter(name: str, parameter: str, **retries: Any) -> Peer:
    """Return a peer with one aiobotocore waiter per execution or image, whose delay is the min_delay."""

    async def run(url: str, spec: Spec, results: Results) -> None:
        config = {"Delay": spec.min_delay}
        async with open_client(url, **retries) as client:
            model = WaiterModel({"version": 2, "waiters": _WAITERS})
            waiter = create_waiter_with_client(name, model, client)
            await results.run(spec, lambda each: waiter.wait(**{parameter: each}, WaiterConfig=config))

    return run


async def tenacity_loop(url: str, spec: Spec, results: Results) -> None:
    """One tenacity loop for each execution, with full jitter up to 10 s."""

    def is_throttle(error: BaseException) -> bool:
        return isinstance(error, ClientError) and error.response["ResponseMetadata"]["HTTPStatusCode"] == 429

    async with open_client(url, total_max_attempts=1) as client:

        async def wait(identifier: str) -> object:
            retrying = AsyncRetrying(
                wait=wait_random_exponential(multiplier=1, max=10),
                retry=retry_if_exception(is_throttle)
                | retry_if_result(lambda response: response["status"] not in _TERMINAL),
                stop=stop_after_delay(TIMEOUT),
                reraise=True,
            )

            async def get() -> object:
                return await client.get_workflow_execution(workflowExecutionId=identifier)

            return await retrying(get)

        await results.run(spec, wait)


class _Pace:
    """Permits for calls at exactly the rate limit."""

    def __init__(self, rate: float | None) -> None:
        self._interval = 1 / rate if rate else 0.0
        self._next = time.monotonic()

    async def acquire(self) -> None:
        await asyncio.sleep(self._next - time.monotonic())
        self._next = max(self._next, time.monotonic() - self._interval) + self._interval


async def oracle(url: str, spec: Spec, results: Results) -> None:
    """Knows the rate limit and the image of every execution: lists the executions of each image in turn."""
    workload = Workload(spec)
    pending: dict[str, set[str]] = {}
    for wf in workload.ends():
        pending.setdefault(workload.by_execution[wf][0].arn, set()).add(wf)
    async with open_client(url, total_max_attempts=1) as client:
        results.start()
        pace = _Pace(spec.rate)
        while pending:
            for arn in list(pending):
                await pace.acquire()
                page = await client.list_workflow_executions(imageBuildVersionArn=arn)
                for row in page["workflowExecutions"]:
                    if row["status"] in _TERMINAL and row["workflowExecutionId"] in pending[arn]:
                        results.record(row["workflowExecutionId"])
                        pending[arn].discard(row["workflowExecutionId"])
                if not pending[arn]:
                    del pending[arn]


async def get_image_in_turn(url: str, spec: Spec, results: Results) -> None:
    """Knows the rate limit: calls GetImage for each image in turn."""
    pending = dict.fromkeys(Workload(spec).ends())
    async with open_client(url, total_max_attempts=1) as client:
        results.start()
        pace = _Pace(spec.rate)
        while pending:
            for arn in list(pending):
                await pace.acquire()
                response = await client.get_image(imageBuildVersionArn=arn)
                if response["image"]["state"]["status"] == "AVAILABLE":
                    results.record(arn)
                    del pending[arn]


async def image_pages(url: str, spec: Spec, results: Results) -> None:
    """Knows the rate limit: reads pages of ListImageBuildVersions until one has the last awaited image."""
    workload = Workload(spec)
    pending = dict.fromkeys(workload.ends())
    scope = {"imageVersionArn": workload.images[0].version_arn} if spec.one_version else {}
    async with open_client(url, total_max_attempts=1) as client:
        results.start()
        pace = _Pace(spec.rate)
        while pending:
            token: dict[str, str] | None = {}
            unread = set(pending)
            while token is not None and unread:
                await pace.acquire()
                page = await client.list_image_build_versions(**scope, **token)
                for row in page["imageSummaryList"]:
                    unread.discard(row["arn"])
                    if row["state"]["status"] == "AVAILABLE" and row["arn"] in pending:
                        results.record(row["arn"])
                        del pending[row["arn"]]
                token = {"nextToken": page["nextToken"]} if page.get("nextToken") else None


_WORKFLOW_WAITER = ("WorkflowExecutionCompleted", "workflowExecutionId")
_IMAGE_WAITER = ("ImageAvailable", "imageBuildVersionArn")
_STANDARD: dict[str, Any] = {"mode": "standard", "total_max_attempts": 10}

PEERS: dict[str, Peer] = {
    "ours": ours,
    "oracle": oracle,
    "get_image_in_turn": get_image_in_turn,
    "image_pages": image_pages,
    "aiobotocore waiter, legacy": _botocore_waiter(*_WORKFLOW_WAITER, mode="legacy"),
    "aiobotocore waiter, standard": _botocore_waiter(*_WORKFLOW_WAITER, **_STANDARD),
    "ImageAvailable waiter, legacy": _botocore_waiter(*_IMAGE_WAITER, mode="legacy"),
    "ImageAvailable waiter, standard": _botocore_waiter(*_IMAGE_WAITER, **_STANDARD),
    "tenacity loop": tenacity_loop,
}


def _peak_bytes() -> int:
    # Kilobytes on Linux, bytes on macOS.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=PEERS)
    parser.add_argument("url")
    parser.add_argument("spec", help="a Spec as JSON")
    arguments = parser.parse_args()
    results = Results()
    asyncio.run(PEERS[arguments.name](arguments.url, Spec.loads(arguments.spec), results))
    cpu = time.process_time() - results.cpu_before
    output = {
        "ended_at": results.ended_at,
        "failures": results.failures,
        "cpu": cpu,
        "peak_bytes": _peak_bytes(),
    }
    print(json.dumps(output))


if __name__ == "__main__":
    _main()
