"""The course of one step: attempts, a gate that waits for an action, and what it leaves behind."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

from ..scripts import ComponentFailure, Json, StepScript
from .catalogue import COMPONENT_ACTION, IMAGE_ACTIONS, WAITING_ACTION
from .clock import stamp
from .documents import resolve
from .identifiers import hexadecimal, unique
from .plan import BuildPlan, PlannedStep
from .run_context import FAILED, Site
from .state_history import Row

_AVAILABILITY_CHECK = 46.0


class StepCourse:
    """Runs one step in simulated time; `end` is when it is over.

    Args:
        site: The run of the build that it belongs to.
        step: What it runs.
        script: What it shall do.
        row: What it looks like; it is written to.
        start: When it starts.
        outputs: Those of the steps before it, by step name; its own are added.
    """

    def __init__(
        self,
        site: Site,
        step: PlannedStep,
        script: StepScript,
        row: Row,
        start: float,
        outputs: dict[str, dict[str, Json]],
    ) -> None:
        self._site, self._outputs = site, outputs
        self._step, self._script, self._row = step, script, row
        self._inputs = step.inputs if script.inputs is None else script.inputs
        self._made = _made(self._site.plan, row.identifier)
        self.end = start
        if script.status == "SKIPPED" or (script.status is None and step.skipped and not script.gate):
            self._skip(start)
            return
        self._site.log(start, f"Started step {step.name} with action {row.track.states[-1]['action']}")
        at = self._failing_attempts(start)
        if self._is_gate:
            self._wait(at, start)
        else:
            self._work(at, start)

    @property
    def _is_gate(self) -> bool:
        scripted = self._script.duration is not None or self._script.status is not None
        return self._script.gate or (self._step.action == WAITING_ACTION and not scripted)

    def _skip(self, at: float) -> None:
        self._row.track.change(
            at,
            status="SKIPPED",
            inputs=_text(self._inputs),
            message=self._script.message,
            startTime=stamp(at),
            endTime=stamp(at),
        )

    def _failing_attempts(self, start: float) -> float:
        at = start
        for attempt in range(1, self._script.failed_attempts + 1):
            self._begin(at, start, self._script.running_status or "RUNNING")
            at += self._duration
            self._row.track.change(at, status=self._script.between_attempts_status, endTime=stamp(at))
            at += self._script.retry_delay * self._site.script.pace
            self._row.track.change(at, attemptNumber=attempt + 1, endTime=None)
        return at

    def _begin(self, at: float, start: float, status: str) -> None:
        inputs = resolve(self._inputs, {"stepOutputs": self._outputs})
        self._row.track.change(at, status=status, startTime=stamp(start), inputs=_text(inputs))

    def _wait(self, at: float, start: float) -> None:
        self._begin(at, start, self._script.running_status or self._site.script.waiting_status)
        limit = at + self._row.track.states[-1]["timeoutSeconds"]
        sent = self._site.actions.get(self._row.identifier)
        end = sent.at if sent else limit
        self._site.gates[self._row.identifier] = (at, end)
        if sent is None:
            status, message = self._site.script.gate_timeout_status, f"Step {self._step.name} timed out"
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
        limit = self._row.track.states[-1]["timeoutSeconds"]
        end, status = at + self._duration, self._script.status or "COMPLETED"
        message = self._script.message
        if self._duration > limit and not self._script.never_ends:
            end, status, message = at + limit, "FAILED", f"Step {self._step.name} timed out"
        self._narrate(at, end, failed=status in FAILED)
        if status in FAILED:
            self._break(end, status, message)
        else:
            outputs = {name: text.format(**self._made) for name, text in self._step.outputs.items()}
            self._finish(end, status, message, outputs)

    def _break(self, end: float, status: str, message: str | None) -> None:
        failure = self._script.component_failure
        text = message or f"The action {self._step.action} failed in workflow step {self._step.name}"
        outputs: dict[str, Json] = {"error": text}
        if failure is not None:
            outputs = {"runCommandId": self._made["command"], "status": "Failed", "error": failure.error}
            if self._site.plan.s3_logs:
                outputs["logUrl"] = f"s3://{self._site.plan.s3_logs}/{self._step.name}"
        self._finish(end, status, message if failure else text, outputs)

    def _finish(self, end: float, status: str, message: str | None, outputs: Mapping[str, Json]) -> None:
        told = outputs if self._script.outputs is None else self._script.outputs
        self.end = end
        self._row.track.change(end, status=status, message=message, outputs=_text(told), endTime=stamp(end))
        self._outputs[self._step.name] = dict(told)
        if self._step.action in IMAGE_ACTIONS and status == "COMPLETED":
            self._site.images.append((end, str(told.get("imageId", self._made["image"]))))
        if status in FAILED:
            self._site.log(end, f"Step {self._step.name} failed: {message or told.get('error', '')}")

    def _narrate(self, at: float, end: float, *, failed: bool) -> None:
        """Write the lines that the real service writes while such a step runs."""
        if self._step.action == "LaunchInstance":
            waits = range(int(min(end - at, self._step.timeout_seconds) // _AVAILABILITY_CHECK))
            instance = self._made["instance"]
            text = f"Waiting for instance availability (id: {instance}, expected state: ['passed'])"
            for attempt in waits:
                moment = at + (attempt + 1) * _AVAILABILITY_CHECK
                self._site.log(moment, f"{text}. Attempt number: {attempt + 1}.")
        lines: tuple[str, ...] = self._script.log_lines
        if self._step.action == COMPONENT_ACTION:
            failure = self._script.component_failure or ComponentFailure()
            result = (
                (f"Stderr: {failure.stderr or failure.error}", "ExitCode 1") if failed else ("ExitCode 0",)
            )
            documents = (f"Document {name}" for name in self._site.plan.components)
            lines = (*documents, *lines, *result)
        span = (end - at if end < math.inf else len(lines) + 1.0) / (len(lines) + 1)
        for number, line in enumerate(lines, 1):
            self._site.log(at + number * span, line)

    @property
    def _duration(self) -> float:
        if self._script.never_ends:
            return math.inf
        seconds = self._step.duration if self._script.duration is None else self._script.duration
        return seconds * self._site.script.pace


def _made(plan: BuildPlan, seed: str) -> dict[str, str]:
    region, account = plan.home_region, plan.account_id
    return {
        "instance": hexadecimal("i-", seed),
        "image": hexadecimal("ami-", seed),
        "command": unique("", seed, "command"),
        "association": unique("", seed, "association"),
        "execution": f"arn:aws:states:{region}:{account}:execution:simulated:{unique('', seed, 'execution')}",
    }


def _text(members: Mapping[str, Json]) -> str | None:
    return json.dumps(dict(members)) if members else None
