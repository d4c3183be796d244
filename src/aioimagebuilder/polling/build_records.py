"""What is known of the builds that have ended: a copy of a `BuildHistory`, read in the background."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence
from functools import reduce
from statistics import fmean, median
from typing import Final

import anyio

from ..aws.event_loops import BackgroundTask
from ..instrumentation.emitter import Emitter
from .build_history import BuildHistory, CompletedBuild, with_build
from .forecast import MINIMUM_DURATIONS, SURPRISES, Forecast

# For each call of the store, and for what is left to store when the client is closed.
_TIMEOUT: Final = 10.0
_CLOSE_TIMEOUT: Final = 2.0


class BuildRecords:
    """The builds of the pipelines that a client has asked for, and forecasts made of them.

    Args:
        history: The store.
        emitter: Delivers events; by default, they are only logged.
    """

    def __init__(self, history: BuildHistory, emitter: Emitter | None = None) -> None:
        self._history = history
        self._notice = (emitter or Emitter()).notice
        self._builds: dict[str, tuple[CompletedBuild, ...]] = {}
        self._forecasts: dict[str, dict[tuple[str, str | None, str | None], Forecast | None]] = {}
        self._unloaded: deque[str] = deque()
        self._unsaved: deque[tuple[str, CompletedBuild]] = deque()
        self._task = BackgroundTask(self._run)

    def add(self, pipeline: str, build: CompletedBuild) -> None:
        """Add a build that has ended, and store it."""
        self._known(pipeline)
        self._put(pipeline, [build])
        self._unsaved.append((pipeline, build))
        self._task.start()

    def add_read(self, pipeline: str, builds: Sequence[CompletedBuild]) -> None:
        """Add builds that the service has returned. They are not stored: it returns them again."""
        self._known(pipeline)
        known = {each.id for each in self._builds[pipeline]}
        # What this client or another has seen end knows more of the stages, and is newer.
        self._put(pipeline, [each for each in builds if each.id not in known], is_older=True)

    def starts(self, pipeline: str, subject: str, stage: str) -> list[float]:
        """Return when this stage began in the builds that succeeded, in seconds from the start of each."""
        return [each.stages[stage] for each in self._comparable(pipeline, subject) if stage in each.stages]

    def next_stage(self, pipeline: str, subject: str, stage: str) -> str | None:
        """Return the stage that follows this one in all builds; ``None`` if there is none."""
        builds = self._comparable(pipeline, subject)
        starts: dict[str, list[float]] = {}
        for build in builds:
            for name, start in build.stages.items():
                starts.setdefault(name, []).append(start)
        present = median(starts[stage]) if stage in starts else 0.0
        later = {name: median(each) for name, each in starts.items() if len(each) == len(builds)}
        return min((name for name in later if later[name] > present), key=later.__getitem__, default=None)

    def forecast(
        self, pipeline: str, subject: str, stage: str | None, *, present: str | None = None
    ) -> Forecast | None:
        """Return the forecast of the time from the start of a stage to the end of the build.

        Args:
            pipeline: The pipeline.
            subject: What is built.
            stage: The stage; ``None`` for the whole build.
            present: The stage that runs, if it is an earlier one.

        Returns:
            The forecast; ``None`` if too few builds are known, or none yet.
        """
        self._known(pipeline)
        forecasts = self._forecasts.setdefault(pipeline, {})
        key = (subject, stage, present)
        if key not in forecasts:
            builds = self._comparable(pipeline, subject)
            durations = _remaining(builds, stage)
            # Surprises come at any time, so there are fewer of them in what remains than in the whole.
            whole = _remaining(builds, None)
            rest = _remaining(builds, present or stage) or whole
            share = min(fmean(rest) / max(fmean(whole), 1.0), 1.0) if whole else 1.0
            is_enough = len(durations) >= MINIMUM_DURATIONS
            forecasts[key] = Forecast(durations, surprises=SURPRISES * share) if is_enough else None
        return forecasts[key]

    async def aclose(self) -> None:
        """Stop to load, and store what has not been stored yet, for a limited time."""
        await self._task.aclose()
        self._unloaded.clear()
        with anyio.move_on_after(_CLOSE_TIMEOUT, shield=True):
            await self._run()

    def _known(self, pipeline: str) -> Sequence[CompletedBuild]:
        """Return the builds of a pipeline. The first time, they are loaded, and none is known yet."""
        if pipeline not in self._builds:
            self._builds[pipeline] = ()
            self._unloaded.append(pipeline)
            self._task.start()
        return self._builds[pipeline]

    def _comparable(self, pipeline: str, subject: str) -> list[CompletedBuild]:
        return [each for each in self._known(pipeline) if each.subject == subject and each.succeeded]

    def _put(self, pipeline: str, builds: Sequence[CompletedBuild], *, is_older: bool = False) -> None:
        before = self._builds[pipeline]
        together = [*builds, *before] if is_older else [*before, *builds]
        self._builds[pipeline] = reduce(with_build, together, ())
        self._forecasts.pop(pipeline, None)

    async def _run(self) -> None:
        while self._unloaded or self._unsaved:
            try:
                with anyio.move_on_after(_TIMEOUT):
                    await (self._load(self._unloaded[0]) if self._unloaded else self._save(*self._unsaved[0]))
            except Exception as error:  # noqa: BLE001 - the caller's store, which concerns no wait
                self._notice(logging.WARNING, "%s failed", type(self._history).__name__, error=error)
            (self._unloaded or self._unsaved).popleft()

    async def _load(self, pipeline: str) -> None:
        # What this client has seen end meanwhile is newer.
        self._put(pipeline, await self._history.load(pipeline), is_older=True)

    async def _save(self, pipeline: str, build: CompletedBuild) -> None:
        await self._history.add(pipeline, build)


def _remaining(builds: Sequence[CompletedBuild], stage: str | None) -> list[float]:
    """Return the seconds from the start of a stage to the end, of the builds in which it is known."""
    if stage is None:
        return [each.duration for each in builds]
    return [each.duration - each.stages[stage] for each in builds if stage in each.stages]
