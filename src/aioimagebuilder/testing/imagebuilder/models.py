"""The backend of an account in a region, and the state that all backends of a simulator share."""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeVar

from moto.core.base_backend import BaseBackend

from ..scripts import BuildScript
from ..simulation.clock import SimulatedClock
from ..simulation.identifiers import slugify
from ..simulation.images import Image
from ..simulation.lifecycle_runs import LifecycleRun
from ..simulation.managed_catalogue import list_managed_images, list_managed_resources
from ..simulation.state_history import Members, Row, StateHistory
from .agenda import Agenda
from .errors import ServiceError
from .faults import FaultRegistry

MAX_PAGE_SIZE = 25
"""Maximum and default number of rows of a page."""

_Item = TypeVar("_Item")


class ScriptQueue:
    """A queue of build scripts, with default scripts for the builds that no queued script applies to."""

    def __init__(self) -> None:
        self._queued: list[tuple[str | None, BuildScript]] = []
        self._defaults: dict[str | None, BuildScript] = {}

    def add(self, script: BuildScript, *, recipe: str | None = None, default: bool = False) -> None:
        """Queue a script for the next build, or set a default script.

        Args:
            script: The build script.
            recipe: Name or ARN of the only recipe or image that the script applies to.
            default: Whether the script applies to every build that has no queued script.

        Raises:
            ValueError: `recipe` is a malformed ARN.
        """
        key = _make_script_key(recipe)
        if default:
            self._defaults[key] = script
        else:
            self._queued.append((key, script))

    def take(self, name: str) -> BuildScript:
        """Remove and return the first queued script for an image, or return its default script."""
        key = _make_script_key(name)
        for index, (wanted, script) in enumerate(self._queued):
            if wanted in (None, key):
                del self._queued[index]
                return script
        return self._defaults.get(key) or self._defaults.get(None) or BuildScript()


@dataclass(kw_only=True)
class SharedState:
    """The state that the backends of all accounts and regions share.

    Args:
        clock: The simulated clock.
        faults: The injected faults.
        changed: Set whenever the next action of the agenda may be due earlier.
        outputs: Writes to moto's EC2 and Parameter Store that are due, in the order of their times.
        scripts: Scripts of the next builds.
        extra_statuses: Scripted statuses, which responses may contain even if the service model lacks them.
        lag: Age of the state that reads return, in simulated seconds.
    """

    clock: SimulatedClock
    faults: FaultRegistry = field(default_factory=FaultRegistry)
    changed: threading.Event = field(default_factory=threading.Event)
    outputs: deque[Callable[[], None]] = field(default_factory=deque)
    scripts: ScriptQueue = field(default_factory=ScriptQueue)
    extra_statuses: set[str] = field(default_factory=set)
    lag: float = 0.0

    def __post_init__(self) -> None:
        self.agenda: Agenda = Agenda(self.clock, self.changed)


@dataclass(kw_only=True)
class Resource:
    """A component, recipe, configuration, workflow, pipeline or lifecycle policy.

    A pipeline or policy has the time of its next run, and a pipeline what its last build was built from.
    """

    kind: str
    record: Members
    references: frozenset[str] = frozenset()
    next_run: float = math.inf
    built_from: frozenset[str] = frozenset()

    @property
    def arn(self) -> str:
        """The ARN, with the build number if the kind has builds."""
        return str(self.record["arn"])


class ImageBuilderBackend(BaseBackend):
    """The resources, images and executions of an account in a region."""

    def __init__(self, region_name: str, account_id: str, shared: SharedState) -> None:
        super().__init__(region_name, account_id)
        self.shared = shared
        self.resources: dict[str, Resource] = {}
        self.images: dict[str, Image] = {}
        self.managed_resources: Mapping[str, Resource]
        self.managed_images: Mapping[str, Image]
        self.managed_resources, self.managed_images = _list_managed(region_name)
        self.image_names: dict[str, int] = {}
        self.workflows: dict[str, Row] = {}
        self.steps: dict[str, Row] = {}
        self.step_owners: dict[str, Image] = {}
        self.standalone_workflows: dict[str, list[Row]] = {}
        self.standalone_steps: dict[str, list[Row]] = {}
        self.lifecycle_runs: dict[str, LifecycleRun] = {}
        self.held_events: list[Callable[[], None]] = []
        self.policies: dict[str, str] = {}
        self.tokens: dict[tuple[str, str], tuple[Members, Members]] = {}

    def reset(self) -> None:
        """Discard everything but what the backends share."""
        self.__init__(self.region_name, self.account_id, self.shared)  # type: ignore[misc]

    def now(self) -> float:
        """Return the simulated time, minus the lag of reads."""
        return self.shared.agenda.now() - self.shared.lag

    def read(self, history: StateHistory) -> Members | None:
        """Return the current members in a history, or ``None`` before its start."""
        state = history.at(self.now())
        if state is None and self.shared.lag and history.start <= self.shared.agenda.now():
            return history.states[0]
        return state

    def filter_visible(self, rows: Iterable[Row]) -> list[Row]:
        """Return the rows that exist by now."""
        return [row for row in rows if self.read(row.history) is not None]

    def add_image(self, image: Image) -> None:
        """Add or update an image and its executions; `transitions.add_image` also schedules what it does."""
        self.images[image.arn] = image
        for row in image.rows():
            self.workflows[row.identifier] = row
            for step in row.children:
                self.steps[step.identifier] = step
                self.step_owners[step.identifier] = image

    def list_executions(self, image_arn: str) -> list[Row]:
        """Return the workflow executions of an image in the order in which they were added."""
        image = self.images.get(image_arn)
        return [*(image.rows() if image else ()), *self.standalone_workflows.get(image_arn, ())]

    def page(
        self, params: Members, member: str, items: Sequence[_Item], format_row: Callable[[_Item], Members]
    ) -> Members:
        """Return one page of a list as the members ``member`` and ``nextToken``.

        Raises:
            ServiceError: The token does not belong to this list.
        """
        scope = json.dumps(
            {name: value for name, value in params.items() if name not in ("maxResults", "nextToken")},
            sort_keys=True,
            default=str,
        )
        start = _parse_token(params["nextToken"], f"{member}{scope}") if "nextToken" in params else 0
        end = start + int(params.get("maxResults", MAX_PAGE_SIZE))
        response: Members = {member: [format_row(item) for item in items[start:end]]}
        if end < len(items):
            response["nextToken"] = _make_token(end, f"{member}{scope}")
        return response


@lru_cache
def _list_managed(region_name: str) -> tuple[Mapping[str, Resource], Mapping[str, Image]]:
    """Return the managed resources and images of a region by ARN; all backends of the region share them."""
    resources = (Resource(kind=kind, record=record) for kind, record in list_managed_resources(region_name))
    images = list_managed_images(region_name)
    return {each.arn: each for each in resources}, {each.arn: each for each in images}


def _make_script_key(name: str | None) -> str | None:
    if name is None:
        return None
    if not name.startswith("arn:"):
        return slugify(name)
    match = re.fullmatch(r"(?:[^:]*:){5}[^/]+/([^/]+)(?:/.*)?", name)
    if match is None:
        raise ValueError(f"{name!r} is neither the name nor the ARN of a recipe or an image")
    return match[1]


def _make_token(offset: object, scope: str) -> str:
    check = binascii.crc32(f"{offset}{scope}".encode())
    return base64.urlsafe_b64encode(json.dumps([offset, check]).encode()).decode()


def _parse_token(token: str, scope: str) -> int:
    try:
        offset, _ = json.loads(base64.urlsafe_b64decode(token.encode()))
    except (ValueError, TypeError):
        offset = None
    if token != _make_token(offset, scope):
        raise ServiceError("InvalidPaginationTokenException", "The pagination token is not valid.")
    return int(offset)
