"""A scripted SQS queue with the interface of an aiobotocore client, for tests on virtual time."""

import heapq
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace

import anyio

from aioimagebuilder.models.kinds import KINDS, ExecutionKind

from .scripted_service import REGION, ScriptedService

URL = f"https://sqs.{REGION}.amazonaws.com/123456789012/hints"
IMAGE = "EC2 Image Builder Image State Change"
STEP = "EC2 Image Builder Workflow Step Waiting"


def image_event(arn: str, status: str, number: int = 0, **members: object) -> dict:
    """Return the event of an image that has reached a status."""
    region, account = arn.split(":")[3:5]
    return {
        "version": "0",
        "id": f"{status}-{number}-{arn}",
        "detail-type": IMAGE,
        "source": "aws.imagebuilder",
        "account": account,
        "time": "2024-01-18T17:50:56Z",
        "region": region,
        "resources": [arn],
        "detail": {"previous-state": {"status": "PENDING"}, "state": {"status": status}},
        **members,
    }


def step_event(arn: str, workflow: str, step: str) -> dict:
    """Return the event of a step that waits."""
    detail = {
        "workflow-execution-id": workflow,
        "workflow-step-execution-id": step,
        "workflow-step-name": "Approve",
    }
    return image_event(arn, "WAITING", **{"detail-type": STEP, "detail": detail})


@dataclass
class ScriptedQueue:
    """Delivers messages at their times, which are in seconds on the clock of a scripted service.

    Attributes:
        service: The service.
        fault: Returns the exception to raise from a call made at this time; ``None`` for none.
        delete_fault: The same for deletions only.
        calls: The times of the calls to receive messages.
        deleted: The receipt handles of the messages that were deleted.
    """

    service: ScriptedService
    fault: Callable[[float], BaseException | None] = lambda _: None
    delete_fault: Callable[[float], BaseException | None] = lambda _: None
    calls: list[float] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    in_flight: int = 0
    meta = SimpleNamespace(region_name=REGION)
    _messages: list[tuple[float, int, str]] = field(default_factory=list)
    _sent: int = 0

    def send(self, at: float, event: object) -> None:
        body = event if isinstance(event, str) else json.dumps(event)
        heapq.heappush(self._messages, (at, self._sent, body))
        self._sent += 1

    def announce(self, arn: str, delay: float | Callable[[str], float | None] = 0.5) -> None:
        """Send the events of a scripted image, each so many seconds late; never if that is ``None``."""
        for number, (at, members) in enumerate(self.service.scripts[arn].states):
            status = members["state"]["status"]
            late = delay(status) if callable(delay) else delay
            if status in KINDS[ExecutionKind.IMAGE].announced and late is not None:
                self.send(at + late, image_event(arn, status, number))

    async def receive_message(self, **params: object) -> dict:
        assert params["QueueUrl"] == URL
        wait, most = params["WaitTimeSeconds"], params["MaxNumberOfMessages"]
        now = self.service.now
        self.calls.append(now)
        self.in_flight += 1
        try:
            await anyio.sleep(0.01)
            if (error := self.fault(now)) is not None:
                raise error
            until = now + wait
            first = self._messages[0][0] if self._messages else until
            await anyio.sleep(max(0.0, min(first, until) - self.service.now))
        finally:
            self.in_flight -= 1
        received = []
        while self._messages and self._messages[0][0] <= self.service.now + 1e-6 and len(received) < most:
            _, number, body = heapq.heappop(self._messages)
            received.append({"Body": body, "ReceiptHandle": str(number)})
        return {"Messages": received} if received else {}

    async def delete_message_batch(self, **params: object) -> dict:
        assert params["QueueUrl"] == URL
        await anyio.sleep(0.01)
        if (error := self.delete_fault(self.service.now)) is not None:
            raise error
        self.deleted += [entry["ReceiptHandle"] for entry in params["Entries"]]
        return {"Successful": [{"Id": entry["Id"]} for entry in params["Entries"]]}
