"""The timeline of one step: its attempts, its wait for an action, and its outputs."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

from ..scripts import ComponentFailure, Json, StepScript
from .catalogue import (
    ACTIONS,
    COMPONENT_ACTION,
    DISTRIBUTING_ACTION,
    IMAGE_ACTIONS,
    SCAN_ACTION,
    WAITING_ACTION,
)
from .clock import format_time
from .documents import resolve
from .identifiers import make_ec2_id, make_id
from .outputs import list_amis
from .plan import BuildPlan, PlannedStep
from .runs import FAILURE_STATUSES, Run
from .state_history import Row

_AVAILABILITY_CHECK_INTERVAL = 46.0


class StepTimeline:
    """The timeline of one step, computed when it is created; `end` is the time at which the step ends.

    Args:
        run: The run of the build.
        step: The planned step.
        script: The step script.
        row: The execution, whose history is extended.
        start: The time at which the step starts.
        outputs: Outputs of the earlier steps by step name; those of this step are added.
    """

    def __init__(
        self,
        run: Run,
        step: PlannedStep,
        script: StepScript,
        row: Row,
        start: float,
        outputs: dict[str, dict[str, Json]],
    ) -> None:
        self._run, self._outputs = run, outputs
        self._step, self._script, self._row = step, script, row
        self._inputs = step.inputs if script.inputs is None else script.inputs
        self._resource_ids = _make_resource_ids(self._run.plan, row.identifier)
        self.end = start
        if script.status == "SKIPPED" or (
            script.status is None and step.is_skipped and not script.is_waiting_step
        ):
            self._skip(start)
            return
        self._run.log(start, f"Started step {step.name} with action {row.history.states[-1]['action']}")
        at = self._fail_attempts(start)
        if self._is_waiting_step:
            self._wait(at, start)
        else:
            self._work(at, start)

    @property
    def _is_waiting_step(self) -> bool:
        is_scripted = self._script.duration is not None or self._script.status is not None
        return self._script.is_waiting_step or (self._step.action == WAITING_ACTION and not is_scripted)

    def _skip(self, at: float) -> None:
        self._row.history.change(
            at,
            status="SKIPPED",
            inputs=_to_json(self._inputs),
            message=self._script.message,
            startTime=format_time(at),
            endTime=format_time(at),
        )

    def _fail_attempts(self, start: float) -> float:
        at = start
        for attempt in range(1, self._script.failed_attempts + 1):
            self._begin(at, start, self._script.running_status or "RUNNING")
            at += self._duration
            self._row.history.change(at, status=self._script.between_attempts_status, endTime=format_time(at))
            at += self._script.retry_delay * self._run.script.pace
            self._row.history.change(at, attemptNumber=attempt + 1, endTime=None)
        return at

    def _begin(self, at: float, start: float, status: str) -> None:
        inputs = resolve(self._inputs, {"stepOutputs": self._outputs})
        self._row.history.change(at, status=status, startTime=format_time(start), inputs=_to_json(inputs))

    def _wait(self, at: float, start: float) -> None:
        self._begin(at, start, self._script.running_status or self._run.script.waiting_status)
        deadline = at + self._row.history.states[-1]["timeoutSeconds"]
        sent = self._run.actions.get(self._row.identifier)
        end = sent.at if sent else deadline
        self._run.timeline.waiting_steps[self._row.identifier] = (at, end)
        if sent is None:
            status, message = self._run.script.waiting_timeout_status, f"Step {self._step.name} timed out"
            self._finish(end, status, message, {"error": message})
            return
        outputs: dict[str, Json] = {"action": sent.action}
        if sent.reason:
            outputs["reason"] = sent.reason
        if sent.action == "RESUME":
            self._finish(end, self._script.status or "COMPLETED", self._script.message, outputs)
        else:
            self._finish(end, "FAILED", sent.reason or f"Step {self._step.name} was stopped", outputs)

    def _work(self, at: float, start: float) -> None:
        self._begin(at, start, self._script.running_status or "RUNNING")
        timeout = self._row.history.states[-1]["timeoutSeconds"]
        scan = self._run.timeline.scan if self._step.action == SCAN_ACTION else None
        end, status = at + self._duration, self._script.status or "COMPLETED"
        message = self._script.message
        if scan is not None and self._script.status is None and scan.script.status != "COMPLETED":
            status, message = "FAILED", message or scan.script.reason
        result = status
        if self._duration > timeout and not self._script.never_ends:
            end, status, message = at + timeout, "FAILED", f"Step {self._step.name} timed out"
            result = "TIMED_OUT"
        if scan is not None:
            instances = [each["instanceId"] for each in self._outputs.values() if "instanceId" in each]
            scan.run(at, end, result, str((instances or [self._resource_ids["instance"]])[-1]))
        self._log_progress(at, end, failed=status in FAILURE_STATUSES)
        if status in FAILURE_STATUSES:
            self._fail(end, status, message)
        else:
            outputs: dict[str, Json] = {
                name: text.format(**self._resource_ids)
                for name, text in ACTIONS[self._step.action].outputs.items()
            }
            if self._step.action == DISTRIBUTING_ACTION:
                outputs["distributedImages"] = self._list_distributed(end)
            self._finish(end, status, message, outputs)

    def _list_distributed(self, at: float) -> Json:
        plan, failed = self._run.plan, self._run.script.failed_regions
        return [
            {
                **{name: ami[name] for name in ("region", "name", "accountId")},
                "amiId": ami["image"],
                "status": "Failed" if ami["region"] in failed else "Completed",
            }
            for ami in list_amis(plan, self._run.latest_ami(at) or "", plan.regions)
        ]

    def _fail(self, end: float, status: str, message: str | None) -> None:
        failure = self._script.component_failure
        text = message or f"The action {self._step.action} failed in workflow step {self._step.name}"
        outputs: dict[str, Json] = {"error": text}
        if failure is not None:
            command = self._resource_ids["command"]
            outputs = {"runCommandId": command, "status": "Failed", "error": failure.error}
            if self._run.plan.s3_logs:
                outputs["logUrl"] = f"s3://{self._run.plan.s3_logs}/{self._step.name}"
        self._finish(end, status, message if failure else text, outputs)

    def _finish(self, end: float, status: str, message: str | None, outputs: Mapping[str, Json]) -> None:
        outputs = outputs if self._script.outputs is None else self._script.outputs
        self.end = end
        self._row.history.change(
            end, status=status, message=message, outputs=_to_json(outputs), endTime=format_time(end)
        )
        self._outputs[self._step.name] = dict(outputs)
        if self._step.action in IMAGE_ACTIONS and status == "COMPLETED":
            self._run.timeline.amis.append((end, str(outputs.get("imageId", self._resource_ids["image"]))))
        if status in FAILURE_STATUSES:
            self._run.log(end, f"Step {self._step.name} failed: {message or outputs.get('error', '')}")

    def _log_progress(self, at: float, end: float, *, failed: bool) -> None:
        """Log the lines that the service writes while a step with this action runs."""
        if self._step.action == "LaunchInstance":
            duration = min(end - at, self._step.timeout_seconds)
            instance = self._resource_ids["instance"]
            text = f"Waiting for instance availability (id: {instance}, expected state: ['passed'])"
            for attempt in range(1, int(duration // _AVAILABILITY_CHECK_INTERVAL) + 1):
                checked_at = at + attempt * _AVAILABILITY_CHECK_INTERVAL
                self._run.log(checked_at, f"{text}. Attempt number: {attempt}.")
        lines: tuple[str, ...] = self._script.log_lines
        if self._step.action == COMPONENT_ACTION:
            failure = self._script.component_failure or ComponentFailure()
            result = (
                (f"Stderr: {failure.stderr or failure.error}", "ExitCode 1") if failed else ("ExitCode 0",)
            )
            documents = (f"Document {name}" for name in self._run.plan.components)
            lines = (*documents, *lines, *result)
        interval = (end - at if end < math.inf else len(lines) + 1.0) / (len(lines) + 1)
        for number, line in enumerate(lines, 1):
            self._run.log(at + number * interval, line)

    @property
    def _duration(self) -> float:
        if self._script.never_ends:
            return math.inf
        seconds = (
            ACTIONS[self._step.action].seconds if self._script.duration is None else self._script.duration
        )
        return seconds * self._run.script.pace


def _make_resource_ids(plan: BuildPlan, seed: str) -> dict[str, str]:
    states = f"arn:aws:states:{plan.home_region}:{plan.account_id}"
    return {
        "instance": make_ec2_id("i-", seed),
        "image": make_ec2_id("ami-", seed),
        "command": make_id("", seed, "command"),
        "association": make_id("", seed, "association"),
        "execution": f"{states}:execution:simulated:{make_id('', seed, 'execution')}",
    }


def _to_json(members: Mapping[str, Json]) -> str | None:
    return json.dumps(dict(members)) if members else None
