"""Which call answers most of what is due. No I/O, and no clock.

Executions of one image are one ListWorkflowExecutions, steps of one workflow one ListWorkflowStepExecutions,
images a few pages of ListImageBuildVersions, lifecycle executions of one policy one ListLifecycleExecutions.
What belongs together is learned from the answers: an id alone does not say. A list is a way to save calls,
never a source of its own: what it lacks, and what it tells in contradiction to what was seen, is asked for by
itself, and a list that is refused is not tried again.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from ..models.executions import (
    Execution,
    LifecycleExecution,
    WorkflowExecution,
    WorkflowStepExecution,
)
from ..models.identifiers import AnyKind, ExecutionKind, Identifier

__all__ = ["Batcher", "Call", "Family", "Read", "parent_of"]

_PAGE: Final = 25
# From so many executions whose image is unknown on, the account's running builds are listed to find them.
_WORTH_SEARCHING: Final = 8
# So many listed builds may turn out to be none of ours before the rest of them is left alone.
_MISSES_ALLOWED: Final = 3


class Read(StrEnum):
    """The ways to read executions."""

    GET = "get"
    WORKFLOW_EXECUTIONS_OF_IMAGE = "workflow executions of an image"
    STEPS_OF_WORKFLOW_EXECUTION = "steps of a workflow execution"
    BUILDS_OF_IMAGE_VERSION = "builds of an image version"
    BUILDS = "builds of the account"
    LIFECYCLE_EXECUTIONS_OF_POLICY = "lifecycle executions of a policy"
    WAITING_STEPS = "steps of the account that wait"


class Call(NamedTuple):
    """One read, and what it is to answer.

    Attributes:
        read: how.
        argument: the id or ARN that is asked for, or whose children are; ``None`` for all of the account.
        kind: the kind of execution that it tells about.
        answers: what it is made for. It may tell about more.
        most_pages: after so many pages a list has cost what it saves.
    """

    read: Read
    argument: str | None
    kind: AnyKind
    answers: tuple[Identifier, ...]
    most_pages: int = 1


# Which list tells about executions of a kind that have one parent. A new kind is a new row here.
_LISTS: Final[Mapping[AnyKind, Read]] = {
    ExecutionKind.WORKFLOW_EXECUTION: Read.WORKFLOW_EXECUTIONS_OF_IMAGE,
    ExecutionKind.WORKFLOW_STEP_EXECUTION: Read.STEPS_OF_WORKFLOW_EXECUTION,
    ExecutionKind.IMAGE: Read.BUILDS_OF_IMAGE_VERSION,
    ExecutionKind.LIFECYCLE_EXECUTION: Read.LIFECYCLE_EXECUTIONS_OF_POLICY,
}


Family = tuple[AnyKind, str | None]

_UNKNOWN: Final = (ExecutionKind.WORKFLOW_EXECUTION, None)


def _is_search_for_builds(call: Call) -> bool:
    return call.read is Read.BUILDS and not call.answers


def parent_of(execution: Execution) -> str | None:
    """Get the id or ARN that `execution` is listed under; ``None`` if its answer does not tell."""
    match execution:
        case WorkflowExecution():
            return execution.image_build_version_arn
        case WorkflowStepExecution():
            return execution.workflow_execution_id
        case LifecycleExecution():
            return execution.lifecycle_policy_arn
        case _:
            return None


class Batcher:
    """What is due, the longest due first, and the calls that answer it."""

    def __init__(self) -> None:
        self._due: dict[Identifier, None] = {}
        self._groups: dict[Family, dict[Identifier, None]] = {}
        self._images: dict[Identifier, None] = {}
        self._parents: dict[Identifier, str] = {}
        self._families: dict[Family, dict[Identifier, None]] = {}
        self._alone: set[Identifier] = set()
        self._refused: set[Read] = set()
        self._pages: dict[tuple[Read, str | None], float] = {}
        self._unexplored: dict[str, None] = {}
        self._has_searched = False
        self._misses = 0

    def __len__(self) -> int:
        return len(self._due)

    def __contains__(self, identifier: Identifier) -> bool:
        return identifier in self._due

    def add(self, identifier: Identifier) -> None:
        """Take in that `identifier` is due."""
        self._due[identifier] = None
        if identifier not in self._alone:
            self._group(identifier)[identifier] = None
            if identifier.kind is ExecutionKind.IMAGE:
                self._images[identifier] = None

    def discard(self, identifier: Identifier) -> None:
        """Take in that `identifier` is not due, or not any more."""
        if identifier not in self._due:
            return
        del self._due[identifier]
        self._images.pop(identifier, None)
        key = (identifier.kind, self._parent(identifier))
        if (group := self._groups.get(key)) is not None:
            group.pop(identifier, None)
            if not group:
                del self._groups[key]
                if key == _UNKNOWN:
                    self._unexplored.clear()
                    self._has_searched = False

    def forget(self, identifier: Identifier) -> None:
        """Take in that nobody waits for `identifier` any more."""
        self.discard(identifier)
        self._leave_family(identifier)
        self._parents.pop(identifier, None)
        self._alone.discard(identifier)

    def family_of(self, identifier: Identifier) -> Family | None:
        """Get what those have in common that one list may tell about; ``None`` while that is not known.

        They had better fall due together.
        """
        if identifier in self._alone:
            return None
        if identifier.kind is ExecutionKind.IMAGE:
            return (identifier.kind, None)
        parent = self._parents.get(identifier)
        return None if parent is None else (identifier.kind, parent)

    def is_awaited(self, family: Family) -> bool:
        """Whether anybody may wait for a member of it. All images are one family, which is never gone."""
        return family[1] is None or family in self._families

    def ask_alone(self, identifier: Identifier) -> None:
        """Take in that no list is to be trusted with `identifier`: it is asked for by itself from now on."""
        is_due = identifier in self._due
        self.discard(identifier)
        self._leave_family(identifier)
        self._alone.add(identifier)
        if is_due:
            self.add(identifier)

    def refuse(self, call: Call, *, for_all: bool) -> None:
        """Take in that the service refuses this list, or `for_all` every list of its sort."""
        if for_all:
            self._refused.add(call.read)
        else:
            self._pages[call.read, call.argument] = math.inf

    def learn(self, identifier: Identifier, execution: Execution) -> None:
        """Take in what an answer for an awaited execution tells about where it belongs."""
        parent = parent_of(execution)
        if parent is None or identifier in self._parents:
            return
        is_due = identifier in self._due
        self.discard(identifier)
        self._parents[identifier] = parent
        if identifier not in self._alone:
            self._families.setdefault((identifier.kind, parent), {})[identifier] = None
        if is_due:
            self.add(identifier)
        is_explored = (Read.WORKFLOW_EXECUTIONS_OF_IMAGE, parent) in self._pages
        if _UNKNOWN in self._groups and not is_explored:
            self._unexplored[parent] = None

    def wants_more(self, call: Call, pages: int, found: int, page: Iterable[Execution]) -> bool:
        """Whether another page of a list is worth its cost.

        Args:
            call: the list.
            pages: the pages that were read.
            found: how many of its answers stood on them.
            page: the newest page.
        """
        if pages >= call.most_pages:
            return False
        if _is_search_for_builds(call):
            return any(not row.is_terminal for row in page)
        return not call.answers or found < len(call.answers)

    def listed(self, call: Call, pages: int, found: int, rows: Iterable[Execution]) -> None:
        """Take in how a list went.

        Args:
            call: the list.
            pages: the pages that were read.
            found: how many of its answers stood on them; if it had none, how many rows are awaited.
            rows: all rows that were read.
        """
        if _is_search_for_builds(call):
            self._unexplored.update((row.id, None) for row in rows if not row.is_terminal)
        elif call.answers:
            self._pages[call.read, call.argument] = pages if found else math.inf
        else:
            self._pages[call.read, call.argument] = pages
            self._misses = 0 if found else self._misses + 1
            if self._misses > _MISSES_ALLOWED:
                self._unexplored.clear()

    def next_call(self) -> Call | None:
        """Get the call to make now, whose answers are then not due any more; ``None`` if nothing is due."""
        first = next(iter(self._due), None)
        if first is None:
            return None
        call = self._call_for(first)
        for identifier in call.answers:
            self.discard(identifier)
        return call

    def _call_for(self, first: Identifier) -> Call:
        get = Call(Read.GET, first.value, first.kind, (first,))
        if first in self._alone:
            return get
        if first.kind is ExecutionKind.IMAGE:
            return self._call_for_images(first, get)
        parent = self._parent(first)
        if parent is None:
            return self._search(first) or get
        # A list reveals which other executions belong to the same image: as long as that is not known of
        # all, one of them is worth a list.
        is_revealing = parent in self._unexplored and _UNKNOWN in self._groups
        return self._list(first.kind, parent, at_least=1 if is_revealing else 2) or get

    def _call_for_images(self, first: Identifier, get: Call) -> Call:
        of_version = self._list(first.kind, first.parent, at_least=2)
        of_account = None
        if Read.BUILDS not in self._refused and len(self._images) > 1:
            answers = tuple(self._images)
            of_account = Call(Read.BUILDS, None, first.kind, answers, len(answers))
        calls = [each for each in (get, of_version, of_account) if each is not None]
        # The first of the best: the most answers for a page.
        return max(calls, key=lambda each: len(each.answers) / self._cost(each))

    def _search(self, first: Identifier) -> Call | None:
        """Get the call that best finds out where executions of unknown parents belong."""
        unknown = self._groups.get(_UNKNOWN, {})
        if first not in unknown or len(unknown) == 1:
            return None
        if Read.WORKFLOW_EXECUTIONS_OF_IMAGE not in self._refused:
            for image in tuple(self._unexplored):
                del self._unexplored[image]
                return Call(Read.WORKFLOW_EXECUTIONS_OF_IMAGE, image, first.kind, (), _PAGE)
        if len(unknown) < _WORTH_SEARCHING or self._has_searched or Read.BUILDS in self._refused:
            return None
        self._has_searched = True
        return Call(Read.BUILDS, None, first.kind, (), 1 + len(unknown) // _WORTH_SEARCHING)

    def _list(self, kind: AnyKind, parent: str | None, *, at_least: int) -> Call | None:
        read = _LISTS[kind]
        answers = tuple(self._groups.get((kind, parent), ()))
        # Those who are not due yet are told as well, at no cost.
        told = max(len(answers), len(self._families.get((kind, parent), ())))
        if parent is None or read in self._refused or told < at_least:
            return None
        self._unexplored.pop(parent, None)
        call = Call(read, parent, kind, answers, 1 + told)
        return call if self._cost(call) <= told else None

    def _leave_family(self, identifier: Identifier) -> None:
        family = (identifier.kind, self._parents.get(identifier))
        if (members := self._families.get(family)) is not None:
            members.pop(identifier, None)
            if not members:
                del self._families[family]
                self._pages.pop((_LISTS[identifier.kind], family[1]), None)

    def _cost(self, call: Call) -> float:
        if call.read is Read.GET:
            return 1
        return self._pages.get((call.read, call.argument), math.ceil(len(call.answers) / _PAGE))

    def _group(self, identifier: Identifier) -> dict[Identifier, None]:
        return self._groups.setdefault((identifier.kind, self._parent(identifier)), {})

    def _parent(self, identifier: Identifier) -> str | None:
        return identifier.parent or self._parents.get(identifier)
