"""An image and its executions as they were started: plan, script, runs, and what was done to it since."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ..scripts import BuildScript
from .plan import STAGES, BuildPlan
from .run_context import GateAction
from .state_history import Members, Row
from .timeline import END_STATUSES, Happenings, Timeline, compute

_STATE_MEMBERS = ("status", "reason", "failureContext")


@dataclass(kw_only=True)
class Run:
    """One run of a build: the first, or a retry."""

    start: float
    script: BuildScript
    timeline: Timeline
    first_stage: str | None = None
    happenings: Happenings = field(default_factory=Happenings)


class Image:
    """An image build version.

    Args:
        plan: What it runs; ``None`` for an image whose course was given as it is.
        static: Members that never change.
        first: Its first run.
    """

    def __init__(self, plan: BuildPlan | None, static: Members, first: Run) -> None:
        self.plan = plan
        self.static: Members = static
        self.runs: list[Run] = [first]
        self.adjustments: list[tuple[float, Members]] = []
        self.lines_written = 0
        self._cache: tuple[Members, int, Members] | None = None

    @classmethod
    def build(cls, plan: BuildPlan, script: BuildScript, static: Members, start: float) -> Image:
        """Get an image that starts to build now."""
        first = Run(start=start, script=script, timeline=compute(plan, script, start=start))
        return cls(plan, static, first)

    @property
    def arn(self) -> str:
        """The image build version ARN."""
        return str(self.static["arn"])

    @property
    def latest(self) -> Run:
        """The run that events go to."""
        return self.runs[-1]

    def rows(self) -> list[Row]:
        """Every workflow execution of every run."""
        return [row for run in self.runs for row in run.timeline.workflows]

    def status(self, now: float) -> str:
        """Get the status at this time."""
        return str(self._state(now)["status"])

    def is_over(self, now: float) -> bool:
        """Whether nothing runs for this image at this time."""
        return self.status(now) in END_STATUSES or now >= self.latest.timeline.image.ends

    def view(self, now: float) -> Members:
        """Get the image as GetImage shows it at this time; shared between calls, so never alter it."""
        state = self._run_at(now).timeline.image
        base = state.at(now) or state.states[0]
        applied = sum(at <= now for at, _ in self.adjustments)
        if self._cache is None or self._cache[0] is not base or self._cache[1] != applied:
            members = self._state(now)
            told = {name: members[name] for name in _STATE_MEMBERS if name in members}
            rest = {name: value for name, value in members.items() if name not in _STATE_MEMBERS}
            self._cache = (base, applied, {**self.static, "state": told, **rest})
        return self._cache[2]

    def adjust(self, at: float, **members: object) -> None:
        """Alter these members of the finished image from this time on (deprecation, deletion…)."""
        self.adjustments.append((at, members))
        self.adjustments.sort(key=lambda adjustment: adjustment[0])

    def tag(self, tags: Mapping[str, str]) -> None:
        """Replace the tags."""
        self.static = {**self.static, "tags": dict(tags)}
        self._cache = None

    def act(self, step_id: str, action: GateAction) -> None:
        """Send an action to a waiting step."""
        happened = self.latest.happenings
        self._recompute(replace(happened, actions={**happened.actions, step_id: action}))

    def cancel(self, at: float) -> None:
        """Ask to stop the build."""
        self._recompute(replace(self.latest.happenings, cancelled_at=at))

    def retry(self, at: float, script: BuildScript) -> None:
        """Run again from the stage that did not succeed."""
        plan, last = self._planned(), self.latest.timeline
        stage = last.stage
        if stage is None:
            raise ValueError("the last run did not stop in any stage")
        start = at + script.reopening
        again = STAGES[STAGES.index(stage) :]
        for row in self.rows():
            state = row.track.states[-1]
            if state["type"] in again and not state["retried"]:
                row.track.change(max(start, row.track.ends), retried=True)
        timeline = compute(
            plan,
            script,
            start=start,
            run=len(self.runs),
            first_stage=stage,
            images=tuple(last.images),
        )
        self.runs.append(Run(start=start, script=script, timeline=timeline, first_stage=stage))

    def gate(self, step_id: str, now: float) -> bool:
        """Whether this step waits for an action at this time."""
        start, end = self.latest.timeline.gates.get(step_id, (0.0, 0.0))
        return start <= now < end

    def lines(self) -> list[tuple[float, str]]:
        """(time, text) of the build log, over all runs."""
        shown = [run for run in self.runs if run.script.log_stream]
        return [
            (max(at, run.start + run.script.log_delay), text)
            for run in shown
            for at, text in run.timeline.lines
        ]

    def _recompute(self, happenings: Happenings) -> None:
        run = self.latest
        run.happenings = happenings
        number = len(self.runs) - 1
        run.timeline = compute(
            self._planned(),
            run.script,
            start=run.start,
            run=number,
            first_stage=run.first_stage,
            happenings=happenings,
            images=tuple(self.runs[number - 1].timeline.images) if number else (),
        )
        self._cache = None

    def _planned(self) -> BuildPlan:
        if self.plan is None:
            raise ValueError("the course of this image was given as it is and cannot be altered")
        return self.plan

    def _run_at(self, now: float) -> Run:
        return next((run for run in reversed(self.runs) if run.start <= now), self.runs[0])

    def _state(self, now: float) -> Members:
        track = self._run_at(now).timeline.image
        members = track.at(now) or track.states[0]
        for at, change in self.adjustments:
            if at <= now:
                members = {**members, **change}
        return {name: value for name, value in members.items() if value is not None}
