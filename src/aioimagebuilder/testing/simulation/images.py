"""Images: their plans, their runs, and the interventions that change them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..scripts import BuildScript
from .plan import STAGES, BuildPlan
from .runs import Run, StepAction, Timeline
from .scans import Scan
from .state_history import Members, Row, StateHistory
from .timeline import TERMINAL_STATUSES, compute

_STATE_MEMBERS = ("status", "reason", "failureContext")
# What images with a fixed schedule have instead.
_NO_PLAN = BuildPlan(image_arn="", image_name="", account_id="", regions=())
_NO_SCRIPT = BuildScript()


@dataclass(frozen=True)
class Transition:
    """A change of the status by a build, with the status before it."""

    at: float
    previous: str
    status: str


@dataclass(frozen=True)
class StepWait:
    """The time at which a step begins to wait for an action."""

    at: float
    step: str


@dataclass(frozen=True)
class ScanEnd:
    """The time at which a scan has ended with findings."""

    at: float
    scan: Scan = field(compare=False)


Occurrence = Transition | StepWait | ScanEnd


class Image:
    """An image build version.

    Args:
        plan: The build plan; ``None`` for an image with a fixed schedule.
        static: Members that do not change over time.
        first_run: The first run.
    """

    def __init__(self, plan: BuildPlan | None, static: Members, first_run: Run) -> None:
        self.plan = plan
        self.static: Members = static
        self.runs: list[Run] = [first_run]
        self.adjustments: list[tuple[float, Members]] = []
        self.lines_written = 0
        self.performed: set[Occurrence] = set()
        self.next_due: float = math.inf

    @classmethod
    def build(cls, plan: BuildPlan, script: BuildScript, static: Members, start: float) -> Image:
        """Return an image whose build starts at a time."""
        run = Run(plan=plan, script=script, start=start)
        compute(run)
        return cls(plan, static, run)

    @classmethod
    def fixed(cls, static: Members, history: StateHistory) -> Image:
        """Return an image with a fixed schedule."""
        run = Run(plan=_NO_PLAN, script=_NO_SCRIPT, start=history.start, timeline=Timeline(image=history))
        return cls(None, static, run)

    @property
    def arn(self) -> str:
        """The image build version ARN."""
        return str(self.static["arn"])

    @property
    def latest_run(self) -> Run:
        """The latest run, to which interventions apply."""
        return self.runs[-1]

    def rows(self) -> list[Row]:
        """Return the workflow executions of all runs."""
        return [row for run in self.runs for row in run.timeline.workflows]

    def status(self, now: float) -> str:
        """Return the status at a time."""
        return str(self._state(now)["status"])

    def is_finished(self, now: float) -> bool:
        """Return whether no run is in progress at a time."""
        return self.status(now) in TERMINAL_STATUSES or now >= self.latest_run.timeline.image.end

    def view(self, now: float) -> Members:
        """Return the image as in GetImage at a time."""
        members = self._state(now)
        state = {name: members.pop(name) for name in _STATE_MEMBERS if name in members}
        scan = self.scan(now)
        scan_state = scan.history.at(now) if scan else None
        if scan_state is not None:
            members["scanState"] = scan_state
        return {**self.static, "state": state, **members}

    def scan(self, now: float) -> Scan | None:
        """Return the scan of the latest run that has one, if the image is scanned."""
        scans = (run.timeline.scan for run in reversed(self.runs) if run.start <= now)
        return next((scan for scan in scans if scan is not None), self.runs[0].timeline.scan)

    def adjust(self, at: float, **members: object) -> None:
        """Set members of the finished image from a time on, as a deprecation or a deletion does."""
        self.adjustments.append((at, members))
        self.adjustments.sort(key=lambda adjustment: adjustment[0])

    def revert(self, adjustment: tuple[float, Members]) -> None:
        """Revert an adjustment, as a cancelled lifecycle execution does."""
        self.adjustments.remove(adjustment)

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Replace the tags."""
        self.static = {**self.static, "tags": dict(tags)}

    def send_action(self, step_id: str, action: StepAction) -> None:
        """Send an action to a waiting step."""
        self.latest_run.actions[step_id] = action
        compute(self.latest_run)

    def cancel(self, at: float) -> None:
        """Cancel the build."""
        self.latest_run.cancelled_at = at
        compute(self.latest_run)

    def retry(self, at: float, script: BuildScript) -> None:
        """Start a new run from the stage in which the latest run stopped."""
        last = self.latest_run
        stage = last.timeline.stopped_stage
        if stage is None:
            raise ValueError("the latest run did not stop in any stage")
        start = at + script.reopening
        repeated = STAGES[STAGES.index(stage) :]
        for row in self.rows():
            state = row.history.states[-1]
            if state["type"] in repeated and not state["retried"]:
                row.history.change(max(start, row.history.end), retried=True)
        self.runs.append(
            Run(
                plan=last.plan,
                script=script,
                start=start,
                number=len(self.runs),
                first_stage=stage,
                earlier_amis=tuple(last.timeline.amis),
            )
        )
        compute(self.latest_run)

    def is_waiting(self, step_id: str, now: float) -> bool:
        """Return whether a step waits for an action at a time."""
        start, end = self.latest_run.timeline.waiting_steps.get(step_id, (0.0, 0.0))
        return start <= now < end

    def occurrences(self) -> list[Occurrence]:
        """Return what happens in all runs in the order of time, including what is to come."""
        found: list[Occurrence] = []
        previous: str | None = None
        for run in self.runs:
            history = run.timeline.image
            for at, state in zip(history.times, history.states, strict=True):
                if previous not in (None, state["status"]):
                    found.append(Transition(at, previous, state["status"]))
                previous = state["status"]
            waits = run.timeline.waiting_steps
            found += [StepWait(start, step) for step, (start, _) in waits.items()]
            scan = run.timeline.scan
            if scan is not None and scan.completed_at is not None and scan.script.findings:
                found.append(ScanEnd(scan.completed_at, scan))
        return sorted(found, key=lambda each: each.at)

    def log_lines(self) -> list[tuple[float, str]]:
        """Return (time, text) of the build log over all runs."""
        return [
            (max(at, run.start + run.script.log_delay), text)
            for run in self.runs
            if run.script.log_stream
            for at, text in run.timeline.log_lines
        ]

    def _state(self, now: float) -> Members:
        run = next((run for run in reversed(self.runs) if run.start <= now), self.runs[0])
        history = run.timeline.image
        members = history.at(now) or history.states[0]
        for at, adjustment in self.adjustments:
            if at <= now:
                members = {**members, **adjustment}
        return {name: value for name, value in members.items() if value is not None}
