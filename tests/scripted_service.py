"""A scripted EC2 Image Builder behind the face of an aiobotocore client, for tests on virtual time."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace

import anyio
import anyio.lowlevel
from botocore.exceptions import ClientError

REGION = "us-east-1"
UNKNOWN = "FROBNICATING"


def uuid(number: int) -> str:
    return f"{number:08x}-0000-4000-8000-{number:012x}"


def workflow_id(number: int = 1) -> str:
    return f"wf-{uuid(number)}"


def step_id(number: int = 1) -> str:
    return f"step-{uuid(number)}"


def lifecycle_id(number: int = 1) -> str:
    return f"lce-{uuid(number)}"


def image_arn(number: int = 1, name: str = "demo", region: str = REGION) -> str:
    return f"arn:aws:imagebuilder:{region}:123456789012:image/{name}/1.0.0/{number}"


def aws_error(code: str, status: int, *, message: str = "said the service", headers: dict | None = None):
    return ClientError(
        {
            "Error": {"Code": code, "Message": message},
            "ResponseMetadata": {
                "HTTPStatusCode": status,
                "RequestId": "req-1",
                "HTTPHeaders": headers or {},
            },
        },
        "GetSomething",
    )


def throttle(**options):
    return aws_error("CallRateLimitExceededException", 429, **options)


@dataclass
class Scripted:
    """An execution and its course: wire members from a time on, by seconds since the service began."""

    course: list[tuple[float, dict]]

    def at(self, now: float) -> dict | None:
        found = None
        for since, members in self.course:
            if now >= since:
                found = members
        return found


@dataclass
class Call:
    time: float
    operation: str
    params: dict


# How each Get names its execution, and where its answer holds it.
_GETS = {
    "get_workflow_execution": ("workflowExecutionId", None),
    "get_workflow_step_execution": ("stepExecutionId", None),
    "get_image": ("imageBuildVersionArn", "image"),
    "get_lifecycle_execution": ("lifecycleExecutionId", "lifecycleExecution"),
}


@dataclass
class ScriptedService:
    """Answers the Gets from scripts. `latency` is what a call takes.

    `fault(now)` may give an exception to raise instead of an answer; `hang(now)` seconds to stall first.
    """

    latency: float = 0.01
    fault: Callable[[float], BaseException | None] = lambda _: None
    hang: Callable[[float], float] = lambda _: 0.0
    calls: list[Call] = field(default_factory=list)
    scripts: dict[str, Scripted] = field(default_factory=dict)
    meta = SimpleNamespace(region_name=REGION)
    in_flight: int = 0
    started: float = math.nan

    @property
    def now(self) -> float:
        if math.isnan(self.started):
            self.started = anyio.current_time()
        return anyio.current_time() - self.started

    @property
    def times(self) -> list[float]:
        return [round(call.time, 3) for call in self.calls]

    def __getattr__(self, operation: str):
        if operation not in _GETS:
            raise AttributeError(operation)
        parameter, output = _GETS[operation]

        async def get(**params: object):
            now = self.now
            self.calls.append(Call(now, operation, params))
            self.in_flight += 1
            try:
                await anyio.sleep(self.latency + self.hang(now))
            finally:
                self.in_flight -= 1
            if (error := self.fault(now)) is not None:
                raise error
            script = self.scripts.get(str(params[parameter]))
            members = script and script.at(now)
            if members is None:
                raise aws_error("ResourceNotFoundException", 404)
            return {output: members} if output else {**members}

        return get

    def workflow(self, *course: tuple[float, str], number: int = 1, **members: object) -> str:
        found = workflow_id(number)
        self.scripts[found] = Scripted(
            [(at, {"workflowExecutionId": found, "status": status, **members}) for at, status in course]
        )
        return found

    def step(self, *course: tuple[float, str], number: int = 1, **members: object) -> str:
        found = step_id(number)
        self.scripts[found] = Scripted(
            [(at, {"stepExecutionId": found, "status": status, **members}) for at, status in course]
        )
        return found

    def image(self, *course: tuple[float, str], number: int = 1, reason: str | None = None) -> str:
        found = image_arn(number)
        state = {} if reason is None else {"reason": reason}
        self.scripts[found] = Scripted(
            [(at, {"arn": found, "state": {"status": status, **state}}) for at, status in course]
        )
        return found

    def lifecycle(self, *course: tuple[float, str], number: int = 1) -> str:
        found = lifecycle_id(number)
        self.scripts[found] = Scripted(
            [(at, {"lifecycleExecutionId": found, "state": {"status": status}}) for at, status in course]
        )
        return found
