"""A scripted EC2 Image Builder with the interface of an aiobotocore client, for tests on virtual time."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace

import anyio
import anyio.lowlevel
from botocore.exceptions import ClientError

REGION = "us-east-1"
UNKNOWN = "FROBNICATING"


PIPELINE = f"arn:aws:imagebuilder:{REGION}:123456789012:image-pipeline/demo"


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


def aws_error(
    code: str,
    status: int,
    *,
    message: str = "the request failed",
    headers: dict | None = None,
    operation: str | None = None,
):
    """Return a ClientError of `operation`; by default of the one that the scripted service raises it in."""
    error = ClientError(
        {
            "Error": {"Code": code, "Message": message},
            "ResponseMetadata": {
                "HTTPStatusCode": status,
                "RequestId": "req-1",
                "HTTPHeaders": headers or {},
            },
        },
        operation or "GetImage",
    )
    error.is_of_any_operation = operation is None
    return error


def throttle(**options):
    return aws_error("CallRateLimitExceededException", 429, **options)


@dataclass
class Scripted:
    """An execution: its states in wire format, each with the time in seconds from which it is current."""

    states: list[tuple[float, dict]]

    def at(self, now: float) -> dict | None:
        found = None
        for since, members in self.states:
            if now >= since:
                found = members
        return found


@dataclass
class Call:
    time: float
    operation: str
    params: dict


# The parameter that identifies the execution, and the member of the response that holds it.
_GETS = {
    "get_workflow_execution": ("workflowExecutionId", None),
    "get_workflow_step_execution": ("stepExecutionId", None),
    "get_image": ("imageBuildVersionArn", "image"),
    "get_lifecycle_execution": ("lifecycleExecutionId", "lifecycleExecution"),
}

# The parameter that identifies the parent, the member that holds the rows, and the id in a row.
_LISTS = {
    "list_workflow_executions": ("imageBuildVersionArn", "workflowExecutions", "workflowExecutionId"),
    "list_workflow_step_executions": ("workflowExecutionId", "steps", "stepExecutionId"),
    "list_lifecycle_executions": ("resourceArn", "lifecycleExecutions", "lifecycleExecutionId"),
    "list_image_build_versions": ("imageVersionArn", "imageSummaryList", "arn"),
    "list_waiting_workflow_steps": (None, "steps", "stepExecutionId"),
    "list_image_pipeline_images": ("imagePipelineArn", "imageSummaryList", "arn"),
}


@dataclass
class ScriptedService:
    """Responds to Gets and Lists from scripts. Times are in seconds since it was first used.

    Attributes:
        latency: How long a call takes.
        fault: Returns the exception to raise from a call made at this time; ``None`` for none.
        hang: Returns for how much longer a call made at this time takes.
        calls: The calls received.
        scripts: The executions by id or ARN.
        hidden: The ids and ARNs that lists leave out.
        get_only: The members that rows of lists lack.
        lists_lead: For how many seconds lists are ahead of Gets.
        faults: Like `fault`, for single operations.
        actions: The operations that change something, given their parameters and the time.
        page_size: The number of rows in a page of a list.
        newest_first: Whether lists are in the reverse order of the scripts.
    """

    latency: float = 0.01
    fault: Callable[[float], BaseException | None] = lambda _: None
    hang: Callable[[float], float] = lambda _: 0.0
    calls: list[Call] = field(default_factory=list)
    scripts: dict[str, Scripted] = field(default_factory=dict)
    hidden: set[str] = field(default_factory=set)
    get_only: set[str] = field(default_factory=set)
    lists_lead: float = 0.0
    faults: dict[str, Callable[[float], BaseException | None]] = field(default_factory=dict)
    actions: dict[str, Callable[[dict, float], dict]] = field(default_factory=dict)
    page_size: int = 25
    newest_first: bool = False
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
        respond = {
            **dict.fromkeys(_GETS, self._get),
            **dict.fromkeys(_LISTS, self._list),
            **dict.fromkeys(self.__dict__.get("actions", ()), self._apply_action),
        }.get(operation)
        if respond is None:
            raise AttributeError(operation)

        async def call(**params: object):
            now = self.now
            self.calls.append(Call(now, operation, params))
            self.in_flight += 1
            try:
                await anyio.sleep(self.latency + self.hang(now))
            finally:
                self.in_flight -= 1
            try:
                if (error := self.faults.get(operation, self.fault)(now)) is not None:
                    raise error
                return respond(operation, params, now)
            except ClientError as error:
                if getattr(error, "is_of_any_operation", False):
                    error.operation_name = "".join(map(str.capitalize, operation.split("_")))
                raise

        return call

    def _get(self, operation: str, params: dict, now: float) -> dict:
        parameter, output = _GETS[operation]
        script = self.scripts.get(str(params[parameter]))
        members = script and script.at(now)
        if members is None:
            raise aws_error("ResourceNotFoundException", 404)
        return {output: members} if output else {**members}

    def _apply_action(self, operation: str, params: dict, now: float) -> dict:
        return self.actions[operation](params, now)

    def _list(self, operation: str, params: dict, now: float) -> dict:
        parameter, output, id_member = _LISTS[operation]
        parent = params.get(parameter)
        rows = []
        for identifier, script in self.scripts.items():
            members = script.at(now + self.lists_lead)
            if members is None or members.get(id_member) != identifier or identifier in self.hidden:
                continue
            if parameter is None and members["status"] != "WAITING":
                continue
            if parameter == "imagePipelineArn":
                row_parent = members.get("sourcePipelineArn")
            elif id_member == "arn":
                row_parent = identifier.rpartition("/")[0]
            else:
                row_parent = members.get("lifecyclePolicyArn" if parameter == "resourceArn" else parameter)
            if parent is None or row_parent == parent:
                rows.append({name: members[name] for name in members if name not in self.get_only})
        if self.newest_first:
            rows.reverse()
        start = int(params.get("nextToken", 0))
        response = {output: rows[start : start + self.page_size]}
        if parent is not None and parameter != "resourceArn":
            response[parameter] = parent
        if start + self.page_size < len(rows):
            response["nextToken"] = str(start + self.page_size)
        return response

    def workflow(self, *states: tuple[float, str], number: int = 1, **members: object) -> str:
        found = workflow_id(number)
        self.scripts[found] = Scripted(
            [(at, {"workflowExecutionId": found, "status": status, **members}) for at, status in states]
        )
        return found

    def step(self, *states: tuple[float, str], number: int = 1, **members: object) -> str:
        found = step_id(number)
        self.scripts[found] = Scripted(
            [(at, {"stepExecutionId": found, "status": status, **members}) for at, status in states]
        )
        return found

    def image(
        self,
        *states: tuple[float, str],
        number: int = 1,
        reason: str | None = None,
        name: str = "demo",
        **members: object,
    ) -> str:
        found = image_arn(number, name)
        state = {} if reason is None else {"reason": reason}
        self.scripts[found] = Scripted(
            [(at, {"arn": found, "state": {"status": status, **state}, **members}) for at, status in states]
        )
        return found

    def lifecycle(self, *states: tuple[float, str], number: int = 1, **members: object) -> str:
        found = lifecycle_id(number)
        self.scripts[found] = Scripted(
            [
                (at, {"lifecycleExecutionId": found, "state": {"status": status}, **members})
                for at, status in states
            ]
        )
        return found
