"""The builds that have ended, by which the end of the next one is forecast, and where they are kept."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol, runtime_checkable

_MAXIMUM_BUILDS: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletedBuild:
    """An image or workflow execution that has ended, and when its stages began.

    Attributes:
        id: The ARN of the image, or the id of the workflow execution.
        subject: What it ran: ``"image"``, or the ARN of the workflow. Builds of one subject are comparable.
        succeeded: Whether it succeeded. A build that failed says nothing about how long others take.
        duration: The seconds from its start to its end.
        stages: For each stage whose start is known, the seconds until it from the start of the build.

    Raises:
        ValueError: A time is negative or not finite.
    """

    id: str
    subject: str
    succeeded: bool
    duration: float
    stages: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for seconds in (self.duration, *self.stages.values()):
            if not 0 <= seconds < math.inf:
                raise ValueError(f"The times of {self.id} must be finite and at least 0, not {seconds:g}.")


@runtime_checkable
class BuildHistory(Protocol):
    """A store of builds that have ended, by pipeline.

    It is called in the background: what it raises is logged, and neither delays nor ends a wait.
    """

    async def load(self, pipeline_arn: str) -> Sequence[CompletedBuild]:
        """Return the builds of a pipeline, the oldest first.

        Args:
            pipeline_arn: The ARN of the pipeline; for an image without one, its own ARN without the version.
        """
        ...

    async def add(self, pipeline_arn: str, build: CompletedBuild) -> None:
        """Store a build. It replaces one with the same id."""
        ...


class MemoryBuildHistory:
    """A `BuildHistory` in memory, with the newest ten builds of each subject of a pipeline."""

    def __init__(self) -> None:
        self._builds: dict[str, tuple[CompletedBuild, ...]] = {}

    async def load(self, pipeline_arn: str) -> Sequence[CompletedBuild]:
        """Return the builds of a pipeline, the oldest first."""
        return self._builds.get(pipeline_arn, ())

    async def add(self, pipeline_arn: str, build: CompletedBuild) -> None:
        """Store a build. It replaces one with the same id."""
        self._builds[pipeline_arn] = with_build(self._builds.get(pipeline_arn, ()), build)


def check_history(history: BuildHistory | None) -> BuildHistory | None:
    """Return `history`, checked to have the methods of a `BuildHistory`.

    Raises:
        TypeError: It has not.
    """
    if not isinstance(history, BuildHistory | None):
        raise TypeError(
            f"history must have the methods load and add, which {type(history).__name__} has not."
        )
    return history


def with_build(builds: Sequence[CompletedBuild], build: CompletedBuild) -> tuple[CompletedBuild, ...]:
    """Return `builds` with another one, which replaces one with its id, or the oldest if there are many.

    Successes and failures are counted apart: many failures displace no success.
    """
    others = [each for each in builds if each.id != build.id]
    alike = [each for each in others if (each.subject, each.succeeded) == (build.subject, build.succeeded)]
    if len(alike) >= _MAXIMUM_BUILDS:
        others.remove(alike[0])
    return (*others, build)
