"""The scripted herd: what images and executions there are, when each ends, what the service says of them.

No I/O and no clock: the server, the in-memory client and the sums over a run all work from the same herd,
made from the same `Spec`.
"""

from __future__ import annotations

import json
import math
import random
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

__all__ = ["OPERATIONS", "PAGE_SIZE", "REGION", "Herd", "ImageScript", "RefusedError", "Spec"]

REGION = "us-east-1"
PAGE_SIZE = 25
_ACCOUNT = "123456789012"
_WORKFLOW = f"arn:aws:imagebuilder:{REGION}:aws:workflow/build/build-image/1.0.2/1"
# Image Builder registers what it built only after the last workflow: see the user guide's image states.
_LAST_WORDS = 1.0

Json = dict[str, Any]


class RefusedError(Exception):
    """What the service answers in place of a result."""

    def __init__(self, code: str, status: int) -> None:
        super().__init__(code)
        self.code = code
        self.status = status


@dataclass(frozen=True, kw_only=True)
class Spec:
    """All that makes a run, so that every peer gets the same work from the same service.

    Attributes:
        images: how many images are being built.
        executions_per_image: workflow executions of each.
        shortest: seconds from the start of the run in which no execution ends.
        longest: seconds after which all have ended.
        waited: what is awaited: every workflow execution, one of each image, or the images themselves.
        grouped: whether the ids of one image are awaited one after the other; shuffled if not.
        one_version: whether all images are builds of one version, rather than of a name each.
        history: images of the account that were built long ago, and whose executions are forgotten.
        strangers: images that are being built too, and that nobody awaits.
        listed: the order of ListImageBuildVersions, which AWS does not promise.
        reads: where given, an execution ends with its read of this number, and not by time.
        rate: calls a second that the service lets through; ``None`` = all.
        burst: calls that it lets through at once after a rest.
        min_delay: the cadence that our waits are given.
        max_delay: the cadence that our waits are given.
        seed: seed of ids, ends and order.
    """

    images: int
    executions_per_image: int = 10
    shortest: float = 10.0
    longest: float = 40.0
    waited: Literal["executions", "one_each", "images"] = "executions"
    grouped: bool = False
    one_version: bool = False
    history: int = 300
    strangers: int = 0
    listed: Literal["newest first", "in no order"] = "newest first"
    reads: int | None = None
    rate: float | None = 10.0
    burst: float = 20.0
    min_delay: float = 1.0
    max_delay: float = 5.0
    seed: int = 1

    def dumps(self) -> str:
        """Get it as text, for another process."""
        return json.dumps(asdict(self))

    @classmethod
    def loads(cls, text: str) -> Spec:
        """Get what `dumps` wrote."""
        return cls(**json.loads(text))


@dataclass
class ImageScript:
    """An image, and when it and its executions end, in seconds from the start of the run."""

    arn: str
    name: str
    end: float
    executions: list[tuple[str, float]] = field(default_factory=list)

    @property
    def version_arn(self) -> str:
        return self.arn.rpartition("/")[0]


class Herd:
    """What the service knows, and how it answers."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        dice = random.Random(spec.seed)
        self.images = [self._make_image(number, dice) for number in range(spec.images)]
        running = self.images[::-1]
        for number in range(spec.strangers):
            # They were not all started before, nor all after.
            running.insert(dice.randint(0, len(running)), self._make_image(number, dice, "stranger"))
        self._listed = running + [_old_image(number) for number in range(spec.history)]
        if spec.listed == "in no order":
            dice.shuffle(self._listed)
        self.by_arn = {image.arn: image for image in self._listed}
        self.home = {wf: (image, end) for image in running for wf, end in image.executions}
        self._reads_left: dict[str, int] = {}

    def _make_image(self, number: int, dice: random.Random, family: str = "herd") -> ImageScript:
        name = family if self.spec.one_version else f"{family}-{number:05d}"
        build = number + 1 if self.spec.one_version else 1
        executions = [
            (
                f"wf-{uuid.UUID(int=dice.getrandbits(128), version=4)}",
                dice.uniform(self.spec.shortest, self.spec.longest),
            )
            for _ in range(self.spec.executions_per_image)
        ]
        end = max(end for _, end in executions) + _LAST_WORDS
        return ImageScript(_image_arn(name, build), name, end, executions)

    def ends(self) -> dict[str, float]:
        """Get what is awaited, in the order in which it is, and when it ends."""
        if self.spec.waited == "images":
            found = [(image.arn, image.end) for image in self.images]
        elif self.spec.waited == "one_each":
            found = [image.executions[0] for image in self.images]
        else:
            found = [each for image in self.images for each in image.executions]
        if not self.spec.grouped:
            random.Random(self.spec.seed).shuffle(found)
        return dict(found)

    def covered(self, operation: str, params: Mapping[str, Any]) -> Sequence[str]:
        """Get the ids of the workflow executions that this call tells about."""
        if operation == "GetWorkflowExecution":
            return (params["workflowExecutionId"],)
        if operation == "ListWorkflowExecutions":
            return [wf for wf, _ in self.by_arn[params["imageBuildVersionArn"]].executions]
        return ()

    def answer(self, operation: str, params: Mapping[str, Any], now: float) -> Json:
        """Get the answer to a call, `now` seconds after the start of the run.

        Raises:
            RefusedError: there is no such operation or execution.
        """
        respond = _ANSWERS.get(operation)
        if respond is None:
            raise RefusedError("UnknownOperationException", 404)
        try:
            return respond(self, params, now)
        except KeyError:
            raise RefusedError("ResourceNotFoundException", 404) from None

    def _status(self, wf: str, end: float, now: float) -> str:
        if self.spec.reads is None:
            return "COMPLETED" if now >= end else "RUNNING"
        left = self._reads_left[wf] = self._reads_left.get(wf, self.spec.reads) - 1
        return "COMPLETED" if left <= 0 else "RUNNING"

    def _execution(self, wf: str, image: ImageScript, end: float, now: float) -> Json:
        status = self._status(wf, end, now)
        has_ended = status == "COMPLETED"
        return {
            "workflowBuildVersionArn": _WORKFLOW,
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
        image, end = self.home[wf]
        return {
            "requestId": "r",
            "imageBuildVersionArn": image.arn,
            **self._execution(wf, image, end, now),
        }

    def _list_workflow_executions(self, params: Mapping[str, Any], now: float) -> Json:
        image = self.by_arn[params["imageBuildVersionArn"]]
        rows, more = _page(image.executions, params)
        return {
            "requestId": "r",
            "imageBuildVersionArn": image.arn,
            "workflowExecutions": [
                {**self._execution(wf, image, end, now), "retried": False} for wf, end in rows
            ],
            **more,
        }

    def _image(self, image: ImageScript, now: float) -> Json:
        is_available = now >= image.end
        amis = (
            [{"region": REGION, "image": "ami-0123456789abcdef0", "name": image.name}] if is_available else []
        )
        return {
            "arn": image.arn,
            "name": image.name,
            "type": "AMI",
            "version": "1.0.0/" + image.arn.rpartition("/")[2],
            "platform": "Linux",
            "state": {"status": "AVAILABLE" if is_available else "BUILDING"},
            "dateCreated": "2026-01-01T00:00:00Z",
            "outputResources": {"amis": amis},
            "buildType": "USER_INITIATED",
        }

    def _get_image(self, params: Mapping[str, Any], now: float) -> Json:
        return {"requestId": "r", "image": self._image(self.by_arn[params["imageBuildVersionArn"]], now)}

    def _list_image_build_versions(self, params: Mapping[str, Any], now: float) -> Json:
        version_arn = params.get("imageVersionArn")
        found = [each for each in self._listed if version_arn in {None, each.version_arn}]
        for each in params.get("filters") or ():
            if each["name"] != "name":
                raise RefusedError("InvalidParameterValueException", 400)
            found = [image for image in found if image.name in each["values"]]
        rows, more = _page(found, params)
        return {"requestId": "r", "imageSummaryList": [self._image(image, now) for image in rows], **more}

    def _step(self, wf: str) -> Json:
        return {"stepExecutionId": wf.replace("wf-", "step-"), "name": "Build", "status": "RUNNING"}

    def _list_workflow_step_executions(self, params: Mapping[str, Any], _: float) -> Json:
        wf = params["workflowExecutionId"]
        image, _ = self.home[wf]
        return {"workflowExecutionId": wf, "imageBuildVersionArn": image.arn, "steps": [self._step(wf)]}

    def _get_workflow_step_execution(self, params: Mapping[str, Any], _: float) -> Json:
        wf = params["stepExecutionId"].replace("step-", "wf-")
        image, _ = self.home[wf]
        return {"workflowExecutionId": wf, "imageBuildVersionArn": image.arn, **self._step(wf)}


_ANSWERS = {
    "GetWorkflowExecution": Herd._get_workflow_execution,
    "ListWorkflowExecutions": Herd._list_workflow_executions,
    "GetImage": Herd._get_image,
    "ListImageBuildVersions": Herd._list_image_build_versions,
    "ListWorkflowStepExecutions": Herd._list_workflow_step_executions,
    "GetWorkflowStepExecution": Herd._get_workflow_step_execution,
}

OPERATIONS = frozenset(_ANSWERS)


def _image_arn(name: str, build: int = 1) -> str:
    return f"arn:aws:imagebuilder:{REGION}:{_ACCOUNT}:image/{name}/1.0.0/{build}"


def _old_image(number: int) -> ImageScript:
    name = f"old-{number:05d}"
    return ImageScript(_image_arn(name), name, -math.inf)


def _page(rows: Sequence[Any], params: Mapping[str, Any]) -> tuple[Sequence[Any], Json]:
    first = int(params.get("nextToken") or 0)
    last = first + min(PAGE_SIZE, int(params.get("maxResults") or PAGE_SIZE))
    return rows[first:last], ({"nextToken": str(last)} if last < len(rows) else {})
