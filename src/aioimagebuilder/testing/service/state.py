"""What one account has in one region, and what all of them share: clock, scripts, words."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from ..scripts import BuildScript
from ..simulation.clock import SimulatedClock
from ..simulation.identifiers import normalised
from ..simulation.images import Image
from ..simulation.state_history import Members, Row, Track
from .errors import ServiceError

if TYPE_CHECKING:
    from .lifecycle_runs import LifecycleRun

PAGE = 25
"""Rows of a page, at most and by default."""

_Item = TypeVar("_Item")


class Scripts:
    """Scripts that wait for their build, first come first served; a default serves whoever finds none."""

    def __init__(self) -> None:
        self._waiting: list[tuple[str | None, BuildScript]] = []
        self._defaults: dict[str | None, BuildScript] = {}

    def add(self, script: BuildScript, *, recipe: str | None = None, default: bool = False) -> None:
        """Let the next build (of this recipe or image name, if given) follow the script.

        Args:
            script: What the build shall do.
            recipe: The name of a recipe or image, or its ARN.
            default: Every build that finds no other script follows this one.
        """
        key = _script_key(recipe)
        if default:
            self._defaults[key] = script
        else:
            self._waiting.append((key, script))

    def take(self, name: str) -> BuildScript:
        """Get the script of the build of this name that starts now."""
        key = _script_key(name)
        for place, (wanted, script) in enumerate(self._waiting):
            if wanted in (None, key):
                del self._waiting[place]
                return script
        return self._defaults.get(key) or self._defaults.get(None) or BuildScript()


@dataclass(kw_only=True)
class World:
    """What every account and region shares.

    Args:
        clock: The simulated clock.
        scripts: What the next builds shall do.
        words: Statuses that may go on the wire though the service's model does not know them.
        lag: Reads answer as of so many simulated seconds ago.
    """

    clock: SimulatedClock
    scripts: Scripts = field(default_factory=Scripts)
    words: set[str] = field(default_factory=set)
    lag: float = 0.0


@dataclass(kw_only=True)
class Resource:
    """A component, recipe, configuration, workflow, pipeline or policy."""

    kind: str
    record: Members
    references: frozenset[str] = frozenset()

    @property
    def arn(self) -> str:
        """Its ARN, with the build number where there is one."""
        return str(self.record["arn"])


class RegionState:
    """Everything that one account has in one region."""

    def __init__(self, account_id: str, region: str, world: World) -> None:
        self.account_id = account_id
        self.region = region
        self.world = world
        self.resources: dict[str, Resource] = {}
        self.images: dict[str, Image] = {}
        self.image_names: dict[str, int] = {}
        self.workflows: dict[str, Row] = {}
        self.steps: dict[str, Row] = {}
        self.step_owners: dict[str, Image] = {}
        self.loose_workflows: dict[str, list[Row]] = {}
        self.loose_steps: dict[str, list[Row]] = {}
        self.lifecycles: dict[str, LifecycleRun] = {}
        self.tokens: dict[tuple[str, str], tuple[Members, Members]] = {}
        self.pipeline_log: list[tuple[float, str, str]] = []

    def now(self) -> float:
        """Get the time that a read answers for."""
        return self.world.clock.now() - self.world.lag

    def look(self, track: Track) -> Members | None:
        """Get what the track shows now; ``None`` when it has not begun."""
        state = track.at(self.now())
        if state is None and self.world.lag and track.begins <= self.world.clock.now():
            return track.states[0]
        return state

    def visible(self, rows: Iterable[Row]) -> list[Row]:
        """Get the rows that exist by now."""
        return [row for row in rows if self.look(row.track) is not None]

    def add_image(self, image: Image) -> None:
        """Keep this image and its executions, also again after they changed."""
        self.images[image.arn] = image
        for row in image.rows():
            self.workflows[row.identifier] = row
            for step in row.children:
                self.steps[step.identifier] = step
                self.step_owners[step.identifier] = image

    def executions_of(self, image_arn: str) -> list[Row]:
        """Workflow executions of this image, first come first."""
        image = self.images.get(image_arn)
        return [*(image.rows() if image else ()), *self.loose_workflows.get(image_arn, ())]

    def page(
        self, params: Members, member: str, items: Sequence[_Item], show: Callable[[_Item], Members]
    ) -> Members:
        """One page of a list, as members ``member`` and ``nextToken``.

        Raises:
            ServiceError: The token is none of this list's.
        """
        scope = json.dumps(
            {name: value for name, value in params.items() if name not in ("maxResults", "nextToken")},
            sort_keys=True,
            default=str,
        )
        start = _token_offset(params["nextToken"], f"{member}{scope}") if "nextToken" in params else 0
        end = start + int(params.get("maxResults", PAGE))
        answer: Members = {member: [show(item) for item in items[start:end]]}
        if end < len(items):
            answer["nextToken"] = _token(end, f"{member}{scope}")
        return answer


def _script_key(name: str | None) -> str | None:
    if name is None:
        return None
    if name.startswith("arn:"):
        return name.split(":", 5)[5].split("/")[1]
    return normalised(name)


def _token(offset: int, scope: str) -> str:
    check = binascii.crc32(f"{offset}{scope}".encode())
    return base64.urlsafe_b64encode(json.dumps([offset, check]).encode()).decode()


def _token_offset(token: str, scope: str) -> int:
    try:
        offset, check = json.loads(base64.urlsafe_b64decode(token.encode()))
        fits = check == binascii.crc32(f"{offset}{scope}".encode())
    except (ValueError, TypeError) as error:
        raise _bad_token() from error
    if not fits:
        raise _bad_token()
    return int(offset)


def _bad_token() -> ServiceError:
    return ServiceError("InvalidPaginationTokenException", "The pagination token is not valid.")
