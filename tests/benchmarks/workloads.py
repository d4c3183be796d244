"""Workloads: images and their workflow executions, when each ends, and the responses of the service.

No I/O and no clock: the server, the in-memory client and the evaluation of a run all create the same workload
from the same `Spec`.
"""

from __future__ import annotations

import json
import math
import random
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

__all__ = ["OPERATIONS", "PAGE_SIZE", "REGION", "ImageScript", "ServiceError", "Spec", "Workload"]

REGION = "us-east-1"
PAGE_SIZE = 25
_ACCOUNT = "123456789012"
_WORKFLOW_ARN = f"arn:aws:imagebuilder:{REGION}:aws:workflow/build/build-image/1.0.2/1"
# Outputs are registered after the last workflow, before AVAILABLE: see the user guide's image states.
_REGISTRATION_TIME = 1.0

Json = dict[str, Any]


class ServiceError(Exception):
    """An error response of the service."""

    def __init__(self, code: str, status: int) -> None:
        super().__init__(code)
        self.code = code
        self.status = status


@dataclass(frozen=True, kw_only=True)
class Spec:
    """The parameters of a run: the same for every peer.

    Attributes:
        images: The number of images that are built.
        executions_per_image: The number of workflow executions of each image.
        min_duration: The minimum time from the start of the run to the end of an execution, in seconds.
        max_duration: The maximum time.
        awaited: What is awaited: all workflow executions, one of each image, or the images.
        is_grouped: Whether awaited executions are ordered by image. Otherwise their order is random.
        one_version: Whether all images are builds of one image version. Otherwise each has its own name.
        old_images: The number of images that were built long ago.
        unrelated_images: The number of other images that are built, and are not awaited.
        list_order: The order of ListImageBuildVersions, which AWS does not specify.
        denies_list: Whether ListImageBuildVersions is denied, so that a Get has to find each image.
        reads: The number of reads after which an execution ends; ``None`` if it ends by time.
        rate: The calls per second that the service permits; ``None`` for no limit.
        burst: The calls that it permits at once after a pause.
        min_delay: The min_delay of the waits.
        max_delay: The max_delay of the waits.
        seed: The seed of ids, ends and order.
    """

    images: int
    executions_per_image: int = 10
    min_duration: float = 10.0
    max_duration: float = 40.0
    awaited: Literal["executions", "one_each", "images"] = "executions"
    is_grouped: bool = False
    one_version: bool = False
    old_images: int = 300
    unrelated_images: int = 0
    list_order: Literal["newest first", "random"] = "newest first"
    denies_list: bool = False
    reads: int | None = None
    rate: float | None = 10.0
    burst: float = 20.0
    min_delay: float = 1.0
    max_delay: float = 5.0
    seed: int = 1

    def dumps(self) -> str:
        """Return the spec as JSON, for another process."""
        return json.dumps(asdict(self))

    @classmethod
    def loads(cls, text: str) -> Spec:
        """Parse the JSON of `dumps`."""
        return cls(**json.loads(text))


@dataclass
class ImageScript:
    """An image, and when it and its executions end, in seconds since the start of the run."""

    arn: str
    name: str
    end: float
    executions: list[tuple[str, float]] = field(default_factory=list)

    @property
    def version_arn(self) -> str:
        return self.arn.rpartition("/")[0]


class Workload:
    """The images and executions of a run, and the responses of the service."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        rng = random.Random(spec.seed)
        self.images = [self._draw_image(number, rng, "awaited") for number in range(spec.images)]
        running = self.images[::-1]
        for number in range(spec.unrelated_images):
            # Started at any time between the awaited images.
            running.insert(rng.randint(0, len(running)), self._draw_image(number, rng, "unrelated"))
        self._listed = running + [_old_image(number) for number in range(spec.old_images)]
        if spec.list_order == "random":
            rng.shuffle(self._listed)
        self.by_arn = {image.arn: image for image in self._listed}
        # The image of each workflow execution, and when the execution ends.
        self.by_execution = {wf: (image, end) for image in running for wf, end in image.executions}
        self._reads_left: dict[str, int] = {}

    def _draw_image(self, number: int, rng: random.Random, prefix: str) -> ImageScript:
        spec = self.spec
        name = prefix if spec.one_version else f"{prefix}-{number:05d}"
        build = number + 1 if spec.one_version else 1
        executions = []
        for _ in range(spec.executions_per_image):
            wf = f"wf-{uuid.UUID(int=rng.getrandbits(128), version=4)}"
            executions.append((wf, rng.uniform(spec.min_duration, spec.max_duration)))
        end = max(end for _, end in executions) + _REGISTRATION_TIME
        return ImageScript(_image_arn(name, build), name, end, executions)

    def ends(self) -> dict[str, float]:
        """Return the awaited ids or ARNs in the order in which they are awaited, and when each ends."""
        if self.spec.awaited == "images":
            ends = [(image.arn, image.end) for image in self.images]
        elif self.spec.awaited == "one_each":
            ends = [image.executions[0] for image in self.images]
        else:
            ends = [each for image in self.images for each in image.executions]
        if not self.spec.is_grouped:
            random.Random(self.spec.seed).shuffle(ends)
        return dict(ends)

    def executions_read(self, operation: str, params: Mapping[str, Any]) -> Sequence[str]:
        """Return the ids of the workflow executions that a call reads."""
        if operation == "GetWorkflowExecution":
            return (params["workflowExecutionId"],)
        if operation == "ListWorkflowExecutions":
            return [wf for wf, _ in self.by_arn[params["imageBuildVersionArn"]].executions]
        return ()

    def respond(self, operation: str, params: Mapping[str, Any], now: float) -> Json:
        """Return the response to a call, `now` seconds after the start of the run.

        Raises:
            ServiceError: The operation or the execution does not exist.
        """
        respond = _RESPONSES.get(operation)
        if respond is None:
            raise ServiceError("UnknownOperationException", 404)
        try:
            return respond(self, params, now)
        except KeyError:
            raise ServiceError("ResourceNotFoundException", 404) from None

    def _status(self, wf: str, end: float, now: float) -> str:
        if self.spec.reads is None:
            return "COMPLETED" if now >= end else "RUNNING"
        left = self._reads_left[wf] = self._reads_left.get(wf, self.spec.reads) - 1
        return "COMPLETED" if left <= 0 else "RUNNING"

    def _execution(self, wf: str, image: ImageScript, end: float, now: float) -> Json:
        status = self._status(wf, end, now)
        has_ended = status == "COMPLETED"
        return {
            "workflowBuildVersionArn": _WORKFLOW_ARN,
            "workflowExecutionId": wf,
            "type": "BUILD" if wf == image.executions[0][0] else "TEST",
            "status": status,
            "message": "",
            "totalStepCount": 8,
            "totalStepsSucceeded": 8 if has_ended else min(7, int(8 * now / end)),
            "totalStepsFailed": 0,
            "totalStepsSkipped": 0,
            "startTime": "2026-01-01T00:00:00Z",
            **({"endTime": "2026-01-01T00:01:00Z"} if has_ended else {}),
        }

    def _get_workflow_execution(self, params: Mapping[str, Any], now: float) -> Json:
        wf = params["workflowExecutionId"]
        image, end = self.by_execution[wf]
        return {"requestId": "r", "imageBuildVersionArn": image.arn, **self._execution(wf, image, end, now)}

    def _list_workflow_executions(self, params: Mapping[str, Any], now: float) -> Json:
        image = self.by_arn[params["imageBuildVersionArn"]]
        rows, more = _page(image.executions, params)
        executions = [{**self._execution(wf, image, end, now), "retried": False} for wf, end in rows]
        return {"requestId": "r", "imageBuildVersionArn": image.arn, "workflowExecutions": executions, **more}

    def _image(self, image: ImageScript, now: float) -> Json:
        is_available = now >= image.end
        ami = {"region": REGION, "image": "ami-0123456789abcdef0", "name": image.name}
        return {
            "arn": image.arn,
            "name": image.name,
            "type": "AMI",
            "version": "1.0.0/" + image.arn.rpartition("/")[2],
            "platform": "Linux",
            "state": {"status": "AVAILABLE" if is_available else "BUILDING"},
            "dateCreated": "2026-01-01T00:00:00Z",
            "outputResources": {"amis": [ami] if is_available else []},
            "buildType": "USER_INITIATED",
        }

    def _get_image(self, params: Mapping[str, Any], now: float) -> Json:
        return {"requestId": "r", "image": self._image(self.by_arn[params["imageBuildVersionArn"]], now)}

    def _list_image_build_versions(self, params: Mapping[str, Any], now: float) -> Json:
        if self.spec.denies_list:
            raise ServiceError("AccessDeniedException", 403)
        version_arn = params.get("imageVersionArn")
        images = [image for image in self._listed if version_arn in {None, image.version_arn}]
        for each in params.get("filters") or ():
            if each["name"] != "name":
                raise ServiceError("InvalidParameterValueException", 400)
            images = [image for image in images if image.name in each["values"]]
        rows, more = _page(images, params)
        return {"requestId": "r", "imageSummaryList": [self._image(image, now) for image in rows], **more}

    def _step(self, wf: str) -> Json:
        return {"stepExecutionId": wf.replace("wf-", "step-"), "name": "Build", "status": "RUNNING"}

    def _list_workflow_step_executions(self, params: Mapping[str, Any], _: float) -> Json:
        wf = params["workflowExecutionId"]
        image, _ = self.by_execution[wf]
        return {"workflowExecutionId": wf, "imageBuildVersionArn": image.arn, "steps": [self._step(wf)]}

    def _get_workflow_step_execution(self, params: Mapping[str, Any], _: float) -> Json:
        wf = params["stepExecutionId"].replace("step-", "wf-")
        image, _ = self.by_execution[wf]
        return {"workflowExecutionId": wf, "imageBuildVersionArn": image.arn, **self._step(wf)}


_RESPONSES = {
    "GetWorkflowExecution": Workload._get_workflow_execution,
    "ListWorkflowExecutions": Workload._list_workflow_executions,
    "GetImage": Workload._get_image,
    "ListImageBuildVersions": Workload._list_image_build_versions,
    "ListWorkflowStepExecutions": Workload._list_workflow_step_executions,
    "GetWorkflowStepExecution": Workload._get_workflow_step_execution,
}

OPERATIONS = frozenset(_RESPONSES)


def _image_arn(name: str, build: int = 1) -> str:
    return f"arn:aws:imagebuilder:{REGION}:{_ACCOUNT}:image/{name}/1.0.0/{build}"


def _old_image(number: int) -> ImageScript:
    name = f"old-{number:05d}"
    return ImageScript(_image_arn(name), name, -math.inf)


def _page(rows: Sequence[Any], params: Mapping[str, Any]) -> tuple[Sequence[Any], Json]:
    first = int(params.get("nextToken") or 0)
    last = first + min(PAGE_SIZE, int(params.get("maxResults") or PAGE_SIZE))
    return rows[first:last], ({"nextToken": str(last)} if last < len(rows) else {})
