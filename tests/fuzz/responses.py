"""Every way in which the library reads a response, for responses of arbitrary bytes.

They are parsed by aiobotocore's own parser and the whole library above it, without a request and a socket
(`tests/integration` has both). Time is virtual, so backoff takes none.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterable, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace, TracebackType
from typing import Self

from aiobotocore.endpoint import AioEndpoint
from aiobotocore.parsers import create_parser
from botocore import xform_name
from botocore.exceptions import ClientError
from tenacity import stop_after_attempt

from aioimagebuilder import (
    Diagnosis,
    Execution,
    ImageBuilder,
    ImageBuilderError,
    LogLine,
    Outcome,
    WaitGroupError,
)
from aioimagebuilder.aws.backoff import Backoff
from aioimagebuilder.models.parsing import Structure
from fuzz.samples import OPERATIONS, failed_body
from support.scripted_service import REGION, image_arn, lifecycle_id, step_id, workflow_id
from support.virtual_time import VirtualEventLoop

IMAGE, WORKFLOW, STEP, LIFECYCLE = image_arn(), workflow_id(), step_id(), lifecycle_id()
_BASE = f"arn:aws:imagebuilder:{REGION}:123456789012"
PIPELINE, POLICY = f"{_BASE}:image-pipeline/demo", f"{_BASE}:lifecycle-policy/demo"
CONFIGURATION = f"{_BASE}:distribution-configuration/demo"
INFRASTRUCTURE = f"{_BASE}:infrastructure-configuration/demo"
RECIPE = f"{_BASE}:image-recipe/demo/1.0.0"

# Messages are read on a terminal or in a log.
_MAXIMUM_MESSAGE_LENGTH = 5000
# A hostile list may be endless.
_MAXIMUM_ROWS = 1000


@dataclass(frozen=True)
class ApiCall:
    """A call of the public API, and the operation whose response it reads."""

    operation: str
    call: Callable[[ImageBuilder], Awaitable[object] | AsyncIterable[object]]


API_CALLS: Mapping[str, ApiCall] = {
    "get_image": ApiCall("GetImage", lambda ib: ib.get_image(IMAGE)),
    "get_workflow_execution": ApiCall("GetWorkflowExecution", lambda ib: ib.get_workflow_execution(WORKFLOW)),
    "get_workflow_step_execution": ApiCall(
        "GetWorkflowStepExecution", lambda ib: ib.get_workflow_step_execution(STEP)
    ),
    "get_lifecycle_execution": ApiCall(
        "GetLifecycleExecution", lambda ib: ib.get_lifecycle_execution(LIFECYCLE)
    ),
    "list_workflow_executions": ApiCall(
        "ListWorkflowExecutions", lambda ib: ib.list_workflow_executions(IMAGE)
    ),
    "list_workflow_step_executions": ApiCall(
        "ListWorkflowStepExecutions", lambda ib: ib.list_workflow_step_executions(WORKFLOW)
    ),
    "list_waiting_workflow_steps": ApiCall(
        "ListWaitingWorkflowSteps", lambda ib: ib.list_waiting_workflow_steps()
    ),
    "list_image_build_versions": ApiCall("ListImageBuildVersions", lambda ib: ib.list_image_build_versions()),
    "list_image_pipeline_images": ApiCall(
        "ListImagePipelineImages", lambda ib: ib.list_image_pipeline_images(PIPELINE)
    ),
    "list_lifecycle_executions": ApiCall(
        "ListLifecycleExecutions", lambda ib: ib.list_lifecycle_executions(POLICY)
    ),
    "list_lifecycle_execution_resources": ApiCall(
        "ListLifecycleExecutionResources", lambda ib: ib.list_lifecycle_execution_resources(LIFECYCLE)
    ),
    "start_image_pipeline_execution": ApiCall(
        "StartImagePipelineExecution", lambda ib: ib.start_image_pipeline_execution(PIPELINE)
    ),
    "create_image": ApiCall(
        "CreateImage", lambda ib: ib.create_image(INFRASTRUCTURE, image_recipe_arn=RECIPE)
    ),
    "distribute_image": ApiCall(
        "DistributeImage", lambda ib: ib.distribute_image("ami-12345678", CONFIGURATION, "role")
    ),
    "import_vm_image": ApiCall(
        "ImportVmImage", lambda ib: ib.import_vm_image("demo", "1.0.0", "Linux", "import-ami-1")
    ),
    "import_disk_image": ApiCall(
        "ImportDiskImage",
        lambda ib: ib.import_disk_image("demo", "1.0.0", "Windows", "11", INFRASTRUCTURE, "s3://b/k"),
    ),
    "cancel_image_creation": ApiCall("CancelImageCreation", lambda ib: ib.cancel_image_creation(IMAGE)),
    "retry_image": ApiCall("RetryImage", lambda ib: ib.retry_image(IMAGE)),
    "send_workflow_step_action": ApiCall(
        "SendWorkflowStepAction", lambda ib: ib.send_workflow_step_action(STEP, IMAGE, "RESUME")
    ),
    "start_resource_state_update": ApiCall(
        "StartResourceStateUpdate", lambda ib: ib.start_resource_state_update(IMAGE, "DEPRECATED")
    ),
    "cancel_lifecycle_execution": ApiCall(
        "CancelLifecycleExecution", lambda ib: ib.cancel_lifecycle_execution(LIFECYCLE)
    ),
    "wait_for_image": ApiCall("GetImage", lambda ib: ib.wait_for_image(IMAGE, timeout=0)),
    "wait_for_workflow_execution": ApiCall(
        "GetWorkflowExecution", lambda ib: ib.wait_for_workflow_execution(WORKFLOW, timeout=0)
    ),
    "wait_for_workflow_step": ApiCall(
        "GetWorkflowStepExecution", lambda ib: ib.wait_for_workflow_step(STEP, timeout=0)
    ),
    "wait_for_lifecycle_execution": ApiCall(
        "GetLifecycleExecution", lambda ib: ib.wait_for_lifecycle_execution(LIFECYCLE, timeout=0)
    ),
    "watch": ApiCall("GetImage", lambda ib: ib.watch(IMAGE, timeout=0.2)),
    "wait_all": ApiCall(
        "GetWorkflowExecution",
        lambda ib: ib.wait_all([workflow_id(1), workflow_id(2)], timeout=0.2),
    ),
}


# Calls that use several operations: without one of the responses, they may return less instead of raising.
COMPOSED_CALLS: Mapping[str, ApiCall] = {
    "build": ApiCall("GetImage", lambda ib: ib.build(PIPELINE, timeout=0.2, diagnose=True)),
    "build_started": ApiCall("StartImagePipelineExecution", lambda ib: ib.build(PIPELINE, timeout=0.2)),
    "retry": ApiCall("GetImage", lambda ib: ib.retry(IMAGE, timeout=0.2)),
    "cancel": ApiCall("GetImage", lambda ib: ib.cancel(IMAGE, timeout=0.2)),
    "resume": ApiCall("GetWorkflowStepExecution", lambda ib: ib.resume(STEP)),
    "stop": ApiCall("GetWorkflowStepExecution", lambda ib: ib.stop(STEP, reason="why")),
    "watch_steps": ApiCall(
        "ListWorkflowStepExecutions", lambda ib: ib.watch(WORKFLOW, timeout=0.2, detail="steps")
    ),
    "logs": ApiCall("GetLogEvents", lambda ib: ib.logs(IMAGE)),
    "logs_of_image": ApiCall("GetImage", lambda ib: ib.logs(IMAGE)),
    "logs_of_pipeline": ApiCall("GetImagePipeline", lambda ib: ib.logs(PIPELINE)),
    **{
        f"diagnose_by_{operation}": ApiCall(operation, lambda ib, of=of: ib.diagnose(of, timeout=1))
        for operation, of in (
            ("GetImage", IMAGE),
            ("ListWorkflowExecutions", IMAGE),
            ("ListWorkflowStepExecutions", WORKFLOW),
            ("GetWorkflowStepExecution", STEP),
            ("GetWorkflowExecution", WORKFLOW),
            ("GetLogEvents", IMAGE),
            ("GetLifecycleExecution", LIFECYCLE),
            ("ListLifecycleExecutionResources", LIFECYCLE),
        )
    },
}


@dataclass
class Response:
    """A response of the service to one operation."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)


class _Client:
    """Returns `response` for `operation`, parsed by aiobotocore, and a FAILED execution for any other."""

    meta = SimpleNamespace(region_name=REGION)

    def __init__(self) -> None:
        self._operations = {xform_name(name): operation for name, operation in OPERATIONS.items()}
        self.operation = ""
        self.response = Response()

    def __getattr__(self, method: str) -> Callable[..., Awaitable[object]]:
        operation = self._operations[method]

        async def call(**_: object) -> object:
            response = self.response
            if operation.name != self.operation:
                response = Response(200, failed_body(operation.name))
            parser = create_parser(operation.service_model.metadata["protocol"])
            raw = {
                "status_code": response.status,
                "headers": response.headers,
                "body": response.body,
                "context": {},
            }
            parsed = await parser.parse(raw, operation.output_shape)
            if response.status >= 300:
                # This method does not use its `self`.
                await AioEndpoint._add_modeled_error_fields(None, raw, parsed, operation, parser)
                raise ClientError(parsed, operation.name)
            return parsed

        return call


class _LogChecker(logging.Handler):
    """Checks the messages of the library's logger."""

    def emit(self, record: logging.LogRecord) -> None:
        _check_text(record.getMessage())


class ResponseReader:
    """Reads responses, one after the other, through the public API."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner(loop_factory=VirtualEventLoop)
        self._client = _Client()
        self._log_checker = _LogChecker()
        self._log = logging.getLogger("aioimagebuilder")

    def __enter__(self) -> Self:
        self._runner.__enter__()
        self._log.addHandler(self._log_checker)
        self._log.propagate = False
        self._level, self._log.level = self._log.level, logging.DEBUG
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._log.level = self._level
        self._log.propagate = True
        self._log.removeHandler(self._log_checker)
        self._runner.__exit__(kind, error, trace)

    def read(self, api_call: ApiCall, response: Response) -> object:
        """Return the result of a call for a response, or the library's own exception that it raises.

        Raises:
            AssertionError: The result or exception violates an invariant.
        """
        self._client.operation, self._client.response = api_call.operation, response
        return self._runner.get_loop().run_until_complete(self._read(api_call))

    async def _read(self, api_call: ApiCall) -> object:
        backoff = Backoff(stop=stop_after_attempt(2))
        async with ImageBuilder(client=self._client, logs_client=self._client, backoff=backoff) as ib:
            try:
                pending = api_call.call(ib)
                if isinstance(pending, AsyncIterable):
                    return await _first_rows(pending)
                result = await pending
            except ImageBuilderError as error:
                check_error(error)
                return error
            for each in result if isinstance(result, list) else [result]:
                check(each)
            return result


async def _first_rows(rows: AsyncIterable[object]) -> list[object]:
    first: list[object] = []
    async for row in rows:
        check(row)
        first.append(row)
        if len(first) >= _MAXIMUM_ROWS:
            break
    return first


def check(value: object) -> None:
    """Check the invariants of a value that the library returned."""
    if isinstance(value, Execution):
        assert isinstance(value.status, str | None)
        assert value.outcome in {None, *Outcome}
        assert value.is_terminal is (value.outcome is not None)
        assert not value.is_older_than(value)
        _check_text(str(value.progress))
        hash(value)
    if isinstance(value, Diagnosis):
        _check_text(str(value))
        assert all(line.isprintable() for line in value.report().split("\n"))
        json.dumps(value.as_dict(), allow_nan=False)
    if isinstance(value, Structure | Diagnosis | LogLine):
        assert repr(value).isprintable()
        assert value == value  # noqa: PLR0124 - no member may be a NaN


def check_error(error: ImageBuilderError) -> None:
    """Check the invariants of an exception that the library raised."""
    _check_text(str(error))
    if isinstance(error, WaitGroupError):
        for each in error.errors:
            check_error(each)


def _check_text(text: str) -> None:
    assert text.isprintable(), f"text with control characters: {text!r}"
    assert len(text) <= _MAXIMUM_MESSAGE_LENGTH, f"text of {len(text)} characters"
