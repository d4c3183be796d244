"""Every way in which the library reads an answer, over answers of any bytes.

aiobotocore's own parser reads them, and all of the library above it. What is missing is the request and the
socket (`tests/wire` has both); time is virtual, so that no backoff costs any.
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

# What an error says is for a terminal or a log: a page, not a book.
_LONGEST_MESSAGE = 5000
# Rows of a hostile list that are worth looking at.
_MOST_ROWS = 1000


@dataclass(frozen=True)
class Reading:
    """A public call, and the operation whose answer it reads."""

    operation: str
    call: Callable[[ImageBuilder], Awaitable[object] | AsyncIterable[object]]


READINGS: Mapping[str, Reading] = {
    "get_image": Reading("GetImage", lambda ib: ib.get_image(IMAGE)),
    "get_workflow_execution": Reading("GetWorkflowExecution", lambda ib: ib.get_workflow_execution(WORKFLOW)),
    "get_workflow_step_execution": Reading(
        "GetWorkflowStepExecution", lambda ib: ib.get_workflow_step_execution(STEP)
    ),
    "get_lifecycle_execution": Reading(
        "GetLifecycleExecution", lambda ib: ib.get_lifecycle_execution(LIFECYCLE)
    ),
    "list_workflow_executions": Reading(
        "ListWorkflowExecutions", lambda ib: ib.list_workflow_executions(IMAGE)
    ),
    "list_workflow_step_executions": Reading(
        "ListWorkflowStepExecutions", lambda ib: ib.list_workflow_step_executions(WORKFLOW)
    ),
    "list_waiting_workflow_steps": Reading(
        "ListWaitingWorkflowSteps", lambda ib: ib.list_waiting_workflow_steps()
    ),
    "list_image_build_versions": Reading("ListImageBuildVersions", lambda ib: ib.list_image_build_versions()),
    "list_image_pipeline_images": Reading(
        "ListImagePipelineImages", lambda ib: ib.list_image_pipeline_images(PIPELINE)
    ),
    "list_lifecycle_executions": Reading(
        "ListLifecycleExecutions", lambda ib: ib.list_lifecycle_executions(POLICY)
    ),
    "list_lifecycle_execution_resources": Reading(
        "ListLifecycleExecutionResources", lambda ib: ib.list_lifecycle_execution_resources(LIFECYCLE)
    ),
    "start_image_pipeline_execution": Reading(
        "StartImagePipelineExecution", lambda ib: ib.start_image_pipeline_execution(PIPELINE)
    ),
    "create_image": Reading(
        "CreateImage", lambda ib: ib.create_image(INFRASTRUCTURE, image_recipe_arn=RECIPE)
    ),
    "distribute_image": Reading(
        "DistributeImage", lambda ib: ib.distribute_image("ami-12345678", CONFIGURATION, "role")
    ),
    "import_vm_image": Reading(
        "ImportVmImage", lambda ib: ib.import_vm_image("demo", "1.0.0", "Linux", "import-ami-1")
    ),
    "import_disk_image": Reading(
        "ImportDiskImage",
        lambda ib: ib.import_disk_image("demo", "1.0.0", "Windows", "11", INFRASTRUCTURE, "s3://b/k"),
    ),
    "cancel_image_creation": Reading("CancelImageCreation", lambda ib: ib.cancel_image_creation(IMAGE)),
    "retry_image": Reading("RetryImage", lambda ib: ib.retry_image(IMAGE)),
    "send_workflow_step_action": Reading(
        "SendWorkflowStepAction", lambda ib: ib.send_workflow_step_action(STEP, IMAGE, "RESUME")
    ),
    "start_resource_state_update": Reading(
        "StartResourceStateUpdate", lambda ib: ib.start_resource_state_update(IMAGE, "DEPRECATED")
    ),
    "cancel_lifecycle_execution": Reading(
        "CancelLifecycleExecution", lambda ib: ib.cancel_lifecycle_execution(LIFECYCLE)
    ),
    "wait_for_image": Reading("GetImage", lambda ib: ib.wait_for_image(IMAGE, timeout=0)),
    "wait_for_workflow_execution": Reading(
        "GetWorkflowExecution", lambda ib: ib.wait_for_workflow_execution(WORKFLOW, timeout=0)
    ),
    "wait_for_workflow_step": Reading(
        "GetWorkflowStepExecution", lambda ib: ib.wait_for_workflow_step(STEP, timeout=0)
    ),
    "wait_for_lifecycle_execution": Reading(
        "GetLifecycleExecution", lambda ib: ib.wait_for_lifecycle_execution(LIFECYCLE, timeout=0)
    ),
    "watch": Reading("GetImage", lambda ib: ib.watch(IMAGE, timeout=0.2)),
    "wait_all": Reading(
        "GetWorkflowExecution",
        lambda ib: ib.wait_all([workflow_id(1), workflow_id(2)], timeout=0.2),
    ),
}


# Calls that ask several operations: an answer that cannot be read may leave them with less, and no error.
COMPOSED: Mapping[str, Reading] = {
    "build": Reading("GetImage", lambda ib: ib.build(PIPELINE, timeout=0.2, diagnose=True)),
    "build_started": Reading("StartImagePipelineExecution", lambda ib: ib.build(PIPELINE, timeout=0.2)),
    "retry": Reading("GetImage", lambda ib: ib.retry(IMAGE, timeout=0.2)),
    "cancel": Reading("GetImage", lambda ib: ib.cancel(IMAGE, timeout=0.2)),
    "resume": Reading("GetWorkflowStepExecution", lambda ib: ib.resume(STEP)),
    "stop": Reading("GetWorkflowStepExecution", lambda ib: ib.stop(STEP, reason="why")),
    "watch_steps": Reading(
        "ListWorkflowStepExecutions", lambda ib: ib.watch(WORKFLOW, timeout=0.2, detail="steps")
    ),
    "logs": Reading("GetLogEvents", lambda ib: ib.logs(IMAGE)),
    "logs_of_an_image": Reading("GetImage", lambda ib: ib.logs(IMAGE)),
    "logs_of_a_pipeline": Reading("GetImagePipeline", lambda ib: ib.logs(PIPELINE)),
    **{
        f"diagnose_by_{operation}": Reading(operation, lambda ib, of=of: ib.diagnose(of, timeout=1))
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
class Answer:
    """What the service answers to one operation; what else it is asked for has failed, in good form."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)


class _Client:
    """An aiobotocore client as far as its caller sees: what reads its answers is aiobotocore's own."""

    meta = SimpleNamespace(region_name=REGION)

    def __init__(self) -> None:
        self._operations = {xform_name(name): operation for name, operation in OPERATIONS.items()}
        self.operation = ""
        self.answer = Answer()

    def __getattr__(self, method: str) -> Callable[..., Awaitable[object]]:
        operation = self._operations[method]

        async def call(**_: object) -> object:
            answer = (
                self.answer if operation.name == self.operation else Answer(200, failed_body(operation.name))
            )
            parser = create_parser(operation.service_model.metadata["protocol"])
            response = {
                "status_code": answer.status,
                "headers": answer.headers,
                "body": answer.body,
                "context": {},
            }
            parsed = await parser.parse(response, operation.output_shape)
            if answer.status >= 300:
                # It uses no more of an endpoint than is given to it here.
                await AioEndpoint._add_modeled_error_fields(None, response, parsed, operation, parser)
                raise ClientError(parsed, operation.name)
            return parsed

        return call


class _Listener(logging.Handler):
    """Checks what our own logger says."""

    def emit(self, record: logging.LogRecord) -> None:
        _check_text(record.getMessage())


class Answering:
    """Reads answers, one after the other, as a user of the library would."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner(loop_factory=VirtualEventLoop)
        self._client = _Client()
        self._listener = _Listener()
        self._log = logging.getLogger("aioimagebuilder")

    def __enter__(self) -> Self:
        self._runner.__enter__()
        self._log.addHandler(self._listener)
        self._log.propagate = False
        self._level, self._log.level = self._log.level, logging.DEBUG
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._log.level = self._level
        self._log.propagate = True
        self._log.removeHandler(self._listener)
        self._runner.__exit__(kind, error, trace)

    def read(self, reading: Reading, answer: Answer) -> object:
        """Get what the call gives for this answer, or the error of ours that it raises; any other goes up.

        Raises:
            AssertionError: what it gave breaks a promise.
        """
        self._client.operation, self._client.answer = reading.operation, answer
        return self._runner.get_loop().run_until_complete(self._read(reading))

    async def _read(self, reading: Reading) -> object:
        backoff = Backoff(stop=stop_after_attempt(2))
        async with ImageBuilder(client=self._client, logs_client=self._client, backoff=backoff) as ib:
            try:
                called = reading.call(ib)
                if isinstance(called, AsyncIterable):
                    return await _first_rows(called)
                result = await called
            except ImageBuilderError as error:
                check_error(error)
                return error
            for each in result if isinstance(result, list) else [result]:
                check(each)
            return result


async def _first_rows(rows: AsyncIterable[object]) -> list[object]:
    found: list[object] = []
    async for row in rows:
        check(row)
        found.append(row)
        if len(found) >= _MOST_ROWS:
            break
    return found


def check(value: object) -> None:
    """Hold what is promised of a value that the library gives."""
    if isinstance(value, Execution):
        assert isinstance(value.status, str | None)
        assert value.outcome in {None, *Outcome}
        assert value.is_terminal is (value.outcome is not None)
        assert not value.is_older_than(value)
        assert str(value.progress) is not None
        hash(value)
    if isinstance(value, Diagnosis):
        _check_text(str(value))
        assert all(line.isprintable() for line in value.report().split("\n"))
        json.dumps(value.as_dict(), allow_nan=False)
    if isinstance(value, Structure | Diagnosis | LogLine):
        assert repr(value).isprintable()
        assert value == value  # noqa: PLR0124 - no member may be a NaN


def check_error(error: ImageBuilderError) -> None:
    """Hold what is promised of an error of the library's."""
    _check_text(str(error))
    if isinstance(error, WaitGroupError):
        for each in error.errors:
            check_error(each)


def _check_text(text: str) -> None:
    assert text.isprintable(), f"a text that can move a cursor: {text!r}"
    assert len(text) <= _LONGEST_MESSAGE, f"a text of {len(text)} characters"
