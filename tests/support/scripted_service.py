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


# How each List names what its rows belong to, and where its answer holds them.
_LISTS = {
    "list_workflow_executions": ("imageBuildVersionArn", "workflowExecutions", "workflowExecutionId"),
    "list_workflow_step_executions": ("workflowExecutionId", "steps", "stepExecutionId"),
    "list_lifecycle_executions": ("resourceArn", "lifecycleExecutions", "lifecycleExecutionId"),
    "list_image_build_versions": ("imageVersionArn", "imageSummaryList", "arn"),
    "list_waiting_workflow_steps": (None, "steps", "stepExecutionId"),
}


@dataclass
class ScriptedService:
    """Answers the Gets and Lists from scripts. `latency` is what a call takes; `hidden` ids lists leave out.

    `fault(now)` may give an exception to raise instead of an answer; `hang(now)` seconds to stall first.
    `faults` does the same for single operations. `actions` answer operations that change something, by
    their parameters and the time.
    """

    latency: float = 0.01
    fault: Callable[[float], BaseException | None] = lambda _: None
    hang: Callable[[float], float] = lambda _: 0.0
    calls: list[Call] = field(default_factory=list)
    scripts: dict[str, Scripted] = field(default_factory=dict)
    hidden: set[str] = field(default_factory=set)
    faults: dict[str, Callable[[float], BaseException | None]] = field(default_factory=dict)
    actions: dict[str, Callable[[dict, float], dict]] = field(default_factory=dict)
    page: int = 25
    meta = SimpleNamespace(region_name=REGION)
    in_flight: int = 0
    started: float = math.nan

    @property
    def now(self) -> float:
        if math.isnan(self.started):
            self.started = anyio.current_time()
        return anyio.current_time() - self.started

    def count(self, operation: str) -> int:
        return sum(call.operation == operation for call in self.calls)

    @property
    def times(self) -> list[float]:
        return [round(call.time, 3) for call in self.calls]

    def __getattr__(self, operation: str):
        answer = {
            **dict.fromkeys(_GETS, self._get),
            **dict.fromkeys(_LISTS, self._list),
            **dict.fromkeys(self.__dict__.get("actions", ()), self._act),
        }.get(operation)
        if answer is None:
            raise AttributeError(operation)

        async def call(**params: object):
            now = self.now
            self.calls.append(Call(now, operation, params))
            self.in_flight += 1
            try:
                await anyio.sleep(self.latency + self.hang(now))
            finally:
                self.in_flight -= 1
            if (error := self.faults.get(operation, self.fault)(now)) is not None:
                raise error
            return answer(operation, params, now)

        return call

    def _get(self, operation: str, params: dict, now: float) -> dict:
        parameter, output = _GETS[operation]
        script = self.scripts.get(str(params[parameter]))
        members = script and script.at(now)
        if members is None:
            raise aws_error("ResourceNotFoundException", 404)
        return {output: members} if output else {**members}

    def _act(self, operation: str, params: dict, now: float) -> dict:
        return self.actions[operation](params, now)

    def _list(self, operation: str, params: dict, now: float) -> dict:
        parameter, output, id_member = _LISTS[operation]
        parent = params.get(parameter)
        rows = []
        for identifier, script in self.scripts.items():
            members = script.at(now)
            if members is None or id_member not in members or identifier in self.hidden:
                continue
            if parameter is None and members["status"] != "WAITING":
                continue
            if id_member != "arn" and "workflowExecutionId" in members and parameter == "workflowExecutionId":
                belongs = members["workflowExecutionId"]
            elif id_member == "arn":
                belongs = identifier.rpartition("/")[0]
            else:
                belongs = members.get("lifecyclePolicyArn" if parameter == "resourceArn" else parameter)
            if parent is None or belongs == parent:
                rows.append(members)
        start = int(params.get("nextToken", 0))
        answer = {output: rows[start : start + self.page]}
        if parent is not None and parameter != "resourceArn":
            answer[parameter] = parent
        if start + self.page < len(rows):
            answer["nextToken"] = str(start + self.page)
        return answer

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

    def image(
        self, *course: tuple[float, str], number: int = 1, reason: str | None = None, name: str = "demo"
    ) -> str:
        found = image_arn(number, name)
        state = {} if reason is None else {"reason": reason}
        self.scripts[found] = Scripted(
            [(at, {"arn": found, "state": {"status": status, **state}}) for at, status in course]
        )
        return found

    def lifecycle(self, *course: tuple[float, str], number: int = 1, **members: object) -> str:
        found = lifecycle_id(number)
        self.scripts[found] = Scripted(
            [
                (at, {"lifecycleExecutionId": found, "state": {"status": status}, **members})
                for at, status in course
            ]
        )
        return found
