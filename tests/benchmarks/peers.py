"""Those who wait for the herd: ours, the loops that people write today, and oracles that know the limit.

Each runs in a process of its own (``python peers.py NAME URL SPEC``), so that CPU and memory are its own, and
prints what it got as one line of JSON.
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
from workloads import REGION, Herd, Spec

__all__ = ["PEERS"]

# For our waits and for the peers' alike: nobody is meant to reach it.
PATIENCE = 1800.0
CREDENTIALS = {"aws_access_key_id": "AKIAIOSFODNN7EXAMPLE", "aws_secret_access_key": "scripted"}

_TERMINAL = frozenset({"COMPLETED", "FAILED", "CANCELLED", "ROLLBACK_COMPLETED", "SKIPPED"})


class Answers:
    """When each wait ended, and how."""

    def __init__(self) -> None:
        self.at: dict[str, float] = {}
        self.failures: dict[str, str] = {}
        self.cpu_before = 0.0

    def begin(self) -> None:
        """Count CPU from here: what is imported and opened before is no waiting."""
        self.cpu_before = time.process_time()

    def came(self, waited: str) -> None:
        """Tell that the wait for `waited` returned its terminal state."""
        self.at[waited] = time.monotonic()

    async def of(self, waited: str, wait: Callable[[str], Awaitable[object]]) -> None:
        """Note how and when `wait` ends."""
        try:
            await wait(waited)
        except Exception as error:  # noqa: BLE001 - whatever it is, this wait has failed
            self.failures[waited] = f"{type(error).__name__}: {error}"
        else:
            self.came(waited)


Peer = Callable[[str, Spec, Answers], Awaitable[None]]


@asynccontextmanager
async def opened(url: str, **retries: Any) -> AsyncIterator[Any]:
    """Open aiobotocore's own client."""
    # The default pool of 10 connections would be the bottleneck of a thousand loops.
    config = AioConfig(retries=retries, max_pool_connections=50)
    session = get_session()
    async with session.create_client(
        "imagebuilder", region_name=REGION, endpoint_url=url, config=config, **CREDENTIALS
    ) as client:
        yield client


async def ours(url: str, spec: Spec, answers: Answers) -> None:
    """One wait of this library per execution."""
    from aioimagebuilder import ImageBuilder  # noqa: PLC0415 - the others shall not carry it

    cadence = {"min_delay": spec.min_delay, "max_delay": spec.max_delay}
    async with ImageBuilder(region_name=REGION, endpoint_url=url, **CREDENTIALS, **cadence) as ib:
        answers.begin()

        async def wait(waited: str) -> object:
            return await ib.wait(waited, timeout=PATIENCE)

        await asyncio.gather(*(answers.of(each, wait) for each in Herd(spec).ends()))


def _botocore_waiter(**retries: Any) -> Peer:
    async def run(url: str, spec: Spec, answers: Answers) -> None:
        """aiobotocore's waiter, with the model that botocore lacks."""

        def acceptor(state: str, matcher: str, expected: str, argument: str = "") -> dict[str, str]:
            found = {"state": state, "matcher": matcher, "expected": expected}
            return {**found, "argument": argument} if argument else found

        model = {
            "operation": "GetWorkflowExecution",
            "delay": 1,
            "maxAttempts": int(PATIENCE),
            "acceptors": [
                acceptor("success", "path", "COMPLETED", "status"),
                *(acceptor("failure", "path", each, "status") for each in sorted(_TERMINAL - {"COMPLETED"})),
                # Without this row the first throttle ends the wait.
                acceptor("retry", "error", "CallRateLimitExceededException"),
            ],
        }
        name = "WorkflowExecutionCompleted"
        async with opened(url, **retries) as client:
            waiter = create_waiter_with_client(
                name, WaiterModel({"version": 2, "waiters": {name: model}}), client
            )
            answers.begin()

            async def wait(waited: str) -> object:
                return await waiter.wait(workflowExecutionId=waited)

            await asyncio.gather(*(answers.of(each, wait) for each in Herd(spec).ends()))

    return run


async def tenacity_loop(url: str, spec: Spec, answers: Answers) -> None:
    """A tenacity loop per execution, with full jitter to 10 s."""

    def is_throttle(error: BaseException) -> bool:
        return (
            isinstance(error, ClientError)
            and error.response["ResponseMetadata"]["HTTPStatusCode"] == 429  # what else it says may vary
        )

    async with opened(url, total_max_attempts=1) as client:
        answers.begin()

        async def wait(waited: str) -> object:
            retrying = AsyncRetrying(
                wait=wait_random_exponential(multiplier=1, max=10),
                retry=retry_if_exception(is_throttle)
                | retry_if_result(lambda found: found["status"] not in _TERMINAL),
                stop=stop_after_delay(PATIENCE),
                reraise=True,
            )

            async def get() -> dict[str, Any]:
                found: dict[str, Any] = await client.get_workflow_execution(workflowExecutionId=waited)
                return found

            return await retrying(get)

        await asyncio.gather(*(answers.of(each, wait) for each in Herd(spec).ends()))


class _Pace:
    """Turns exactly at the limit: what the service lets through, and never a call more."""

    def __init__(self, rate: float | None) -> None:
        self._interval = 1 / rate if rate else 0.0
        self._next = time.monotonic()

    async def turn(self) -> None:
        await asyncio.sleep(self._next - time.monotonic())
        self._next = max(self._next, time.monotonic() - self._interval) + self._interval


async def oracle(url: str, spec: Spec, answers: Answers) -> None:
    """Knows the limit, and every id's image: one list call per image in turn."""
    herd = Herd(spec)
    pending: dict[str, set[str]] = {}
    for wf in herd.ends():
        pending.setdefault(herd.home[wf][0].arn, set()).add(wf)
    async with opened(url, total_max_attempts=1) as client:
        answers.begin()
        pace = _Pace(spec.rate)
        while pending:
            for arn in list(pending):
                await pace.turn()
                page = await client.list_workflow_executions(imageBuildVersionArn=arn)
                for row in page["workflowExecutions"]:
                    if row["status"] in _TERMINAL and row["workflowExecutionId"] in pending[arn]:
                        answers.came(row["workflowExecutionId"])
                        pending[arn].discard(row["workflowExecutionId"])
                if not pending[arn]:
                    del pending[arn]


async def get_image_in_turn(url: str, spec: Spec, answers: Answers) -> None:
    """Knows the limit: one GetImage per image in turn."""
    pending = dict.fromkeys(Herd(spec).ends())
    async with opened(url, total_max_attempts=1) as client:
        answers.begin()
        pace = _Pace(spec.rate)
        while pending:
            for arn in list(pending):
                await pace.turn()
                found = await client.get_image(imageBuildVersionArn=arn)
                if found["image"]["state"]["status"] == "AVAILABLE":
                    answers.came(arn)
                    del pending[arn]


async def image_pages(url: str, spec: Spec, answers: Answers) -> None:
    """Knows the limit: page after page of ListImageBuildVersions, as far as an awaited image is left."""
    herd = Herd(spec)
    pending = dict.fromkeys(herd.ends())
    scope = {"imageVersionArn": herd.images[0].version_arn} if spec.one_version else {}
    async with opened(url, total_max_attempts=1) as client:
        answers.begin()
        pace = _Pace(spec.rate)
        while pending:
            token: dict[str, str] | None = {}
            unseen = set(pending)
            while token is not None and unseen:
                await pace.turn()
                page = await client.list_image_build_versions(**scope, **token)
                for row in page["imageSummaryList"]:
                    unseen.discard(row["arn"])
                    if row["state"]["status"] == "AVAILABLE" and row["arn"] in pending:
                        answers.came(row["arn"])
                        del pending[row["arn"]]
                token = {"nextToken": page["nextToken"]} if page.get("nextToken") else None


PEERS: dict[str, Peer] = {
    "ours": ours,
    "oracle": oracle,
    "get_image_in_turn": get_image_in_turn,
    "image_pages": image_pages,
    "aiobotocore waiter, legacy": _botocore_waiter(mode="legacy"),
    "aiobotocore waiter, standard": _botocore_waiter(mode="standard", total_max_attempts=10),
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
    options = parser.parse_args()
    answers = Answers()
    asyncio.run(PEERS[options.name](options.url, Spec.loads(options.spec), answers))
    result = {
        "at": answers.at,
        "failures": answers.failures,
        "cpu": time.process_time() - answers.cpu_before,
        "peak_bytes": _peak_bytes(),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    _main()
