"""Which call reads what has been due longest, and whatever the same list contains. No I/O and no clock.

Workflow executions of one image are read by one ListWorkflowExecutions, steps of one workflow execution by
one ListWorkflowStepExecutions, images by a few pages of ListImageBuildVersions, lifecycle executions of one
policy by one ListLifecycleExecutions. An id does not contain its parent: it is learned from responses.

A list only saves calls. What it lacks, and what contradicts an earlier read, is read by a Get, and a list
that fails is not called again, or not for a while.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from ..models.executions import Execution
from ..models.identifiers import Identifier, IdentifierKind
from ..models.kinds import KINDS, ExecutionKind, ListOperation

_PAGE_SIZE: Final = 25
# With so many executions of unknown images, it pays to list the running builds of the account to find them.
_WORTH_SEARCHING: Final = 8
# After so many listed builds without an awaited execution, the others are not listed.
_MAXIMUM_MISSES: Final = 3

_WORKFLOW: Final = ExecutionKind.WORKFLOW_EXECUTION
_IMAGE: Final = ExecutionKind.IMAGE


class Call(NamedTuple):
    """A call to read executions.

    Attributes:
        listing: The list; ``None`` for a Get.
        argument: The id or ARN for a Get, the parent for a list; ``None`` for a list of the whole account.
        kind: The kind of the executions it returns.
        answers: The executions that it is meant to read. It may return others as well.
        max_pages: The maximum number of pages: beyond it, a list costs more than it saves.
    """

    listing: ListOperation | None
    argument: str | None
    kind: IdentifierKind
    answers: tuple[Identifier, ...]
    max_pages: int = 1

    @property
    def is_search(self) -> bool:
        """Whether it lists the builds of the account to find the images of workflow executions."""
        return self.kind is _IMAGE and not self.answers


Batch = tuple[IdentifierKind, str | None]
"""What one list can read: a kind, and the parent of its executions. All images are one batch."""

_UNKNOWN: Final[Batch] = (_WORKFLOW, None)


class Batcher:
    """The executions that are due, in order, and the calls that read them."""

    def __init__(self) -> None:
        self._due: dict[Identifier, None] = {}
        self._due_by_batch: dict[Batch, dict[Identifier, None]] = {}
        self._due_images: dict[Identifier, None] = {}
        self._parents: dict[Identifier, str] = {}
        self._members: dict[Batch, dict[Identifier, None]] = {}
        self._read_alone: set[Identifier] = set()
        self._disabled: set[tuple[str, bool]] = set()
        self._page_counts: dict[tuple[str, str | None], float] = {}
        self._unexplored_images: dict[str, None] = {}
        self._has_searched = False
        self._misses = 0

    def __len__(self) -> int:
        return len(self._due)

    def __iter__(self) -> Iterator[Identifier]:
        return iter(self._due)

    def __contains__(self, identifier: Identifier) -> bool:
        return identifier in self._due

    def add(self, identifier: Identifier) -> None:
        """Mark `identifier` as due."""
        self._due[identifier] = None
        if identifier not in self._read_alone:
            self._due_by_batch.setdefault(self._batch(identifier), {})[identifier] = None
            if identifier.kind is _IMAGE:
                self._due_images[identifier] = None

    def discard(self, identifier: Identifier) -> None:
        """Mark `identifier` as not due."""
        if identifier not in self._due:
            return
        del self._due[identifier]
        self._due_images.pop(identifier, None)
        batch = self._batch(identifier)
        if (due := self._due_by_batch.get(batch)) is not None:
            due.pop(identifier, None)
            if not due:
                del self._due_by_batch[batch]
                if batch == _UNKNOWN:
                    self._unexplored_images.clear()
                    self._has_searched = False

    def forget(self, identifier: Identifier) -> None:
        """Remove `identifier`, which has no subscribers left."""
        self.discard(identifier)
        self._leave_batch(identifier)
        self._parents.pop(identifier, None)
        self._read_alone.discard(identifier)

    def batch_of(self, identifier: Identifier) -> Batch | None:
        """Return the batch of `identifier`, whose members should be due together; ``None`` if unknown."""
        if identifier in self._read_alone:
            return None
        if identifier.kind is _IMAGE:
            return (_IMAGE, None)
        parent = self._parents.get(identifier)
        return None if parent is None else (identifier.kind, parent)

    def siblings(self, identifier: Identifier) -> Iterable[Identifier]:
        """Return the executions that a list of the parent of `identifier` reads as well, and itself."""
        return self._members.get((identifier.kind, self._parents.get(identifier)), (identifier,))

    def has_members(self, batch: Batch) -> bool:
        """Return whether a batch has members. That of all images is kept forever."""
        return batch[1] is None or batch in self._members

    def read_alone(self, identifier: Identifier) -> None:
        """Read `identifier` by Gets from now on, since a list lacked it or contradicted what was seen."""
        is_due = identifier in self._due
        self.discard(identifier)
        self._leave_batch(identifier)
        self._read_alone.add(identifier)
        if is_due:
            self.add(identifier)

    def disable(self, call: Call, *, for_all: bool) -> None:
        """Stop using a list that failed, or all lists of that operation if `for_all`."""
        assert call.listing is not None  # noqa: S101 - for the type checker: a Get is not disabled
        if for_all:
            self._disabled.add((call.listing.operation, call.argument is None))
        else:
            self._page_counts[call.listing.operation, call.argument] = math.inf

    def enable(self, call: Call) -> None:
        """Use a list again that was disabled after it had failed."""
        assert call.listing is not None  # noqa: S101 - for the type checker: a Get is not disabled
        self._page_counts.pop((call.listing.operation, call.argument), None)

    def learn(self, identifier: Identifier, execution: Execution) -> None:
        """Record the parent of an awaited execution if a response contains it."""
        parent = execution.parent
        if parent is None or identifier in self._parents:
            return
        is_due = identifier in self._due
        self.discard(identifier)
        self._parents[identifier] = parent
        if identifier not in self._read_alone:
            self._members.setdefault((identifier.kind, parent), {})[identifier] = None
        if is_due:
            self.add(identifier)
        is_explored = (KINDS[_WORKFLOW].list.operation, parent) in self._page_counts
        if _UNKNOWN in self._due_by_batch and not is_explored:
            self._unexplored_images[parent] = None

    def wants_more(self, call: Call, pages: int, found: int, page: Iterable[Execution]) -> bool:
        """Return whether another page of a list is worth its cost.

        Args:
            call: The list.
            pages: The number of pages that were read.
            found: How many of `call.answers` they contained.
            page: The last page.
        """
        if pages >= call.max_pages:
            return False
        if call.is_search:
            return any(not row.is_terminal for row in page)
        return not call.answers or found < len(call.answers)

    def record_list(self, call: Call, pages: int, found: int, rows: Iterable[Execution]) -> None:
        """Record the result of a list.

        Args:
            call: The list.
            pages: The number of pages that were read.
            found: How many of `call.answers` they contained; of awaited executions, if it was meant for none.
            rows: The rows of all pages.
        """
        assert call.listing is not None  # noqa: S101 - for the type checker: it is a list
        source = (call.listing.operation, call.argument)
        if call.is_search:
            self._unexplored_images.update((row.id, None) for row in rows if not row.is_terminal)
        elif call.answers:
            self._page_counts[source] = pages if found else math.inf
        else:
            self._page_counts[source] = pages
            self._misses = 0 if found else self._misses + 1
            if self._misses > _MAXIMUM_MISSES:
                self._unexplored_images.clear()

    def next_call(self, preferred: Identifier | None = None) -> Call | None:
        """Return the next call, whose answers are not due any more then; ``None`` if nothing is due.

        Args:
            preferred: What it is to read, if that is due, rather than what has been due longest.
        """
        first = preferred if preferred in self._due else next(iter(self._due), None)
        if first is None:
            return None
        call = self._call_for(first)
        for identifier in call.answers:
            self.discard(identifier)
        return call

    def _call_for(self, first: Identifier) -> Call:
        get = Call(None, first.value, first.kind, (first,))
        if first in self._read_alone:
            return get
        if first.kind is _IMAGE:
            return self._call_for_images(first, get)
        parent = self._parents.get(first)
        if parent is None:
            return self._search(first) or get
        # A list may also contain executions whose image is unknown: then it is worth its cost for one answer.
        is_exploring = parent in self._unexplored_images and _UNKNOWN in self._due_by_batch
        return self._list((first.kind, parent), at_least=1 if is_exploring else 2) or get

    def _call_for_images(self, first: Identifier, get: Call) -> Call:
        of_version = self._list(self._batch(first), at_least=2)
        of_account = None
        if not self._is_disabled(_IMAGE, of_account=True) and len(self._due_images) > 1:
            answers = tuple(self._due_images)
            of_account = Call(KINDS[_IMAGE].list, None, _IMAGE, answers, len(answers))
        calls = [each for each in (get, of_version, of_account) if each is not None]
        # The most answers for a page; of equal ones, the first.
        return max(calls, key=lambda each: len(each.answers) / self._cost(each))

    def _search(self, first: Identifier) -> Call | None:
        """Return a call that finds the images of workflow executions, if that is worth its cost."""
        unknown = self._due_by_batch.get(_UNKNOWN, {})
        if first not in unknown or len(unknown) == 1:
            return None
        if not self._is_disabled(_WORKFLOW):
            image = next(iter(self._unexplored_images), None)
            if image is not None:
                del self._unexplored_images[image]
                # Its rows, which are received before the list is recorded, do not make it unexplored again.
                self._page_counts.setdefault((KINDS[_WORKFLOW].list.operation, image), 1)
                return Call(KINDS[_WORKFLOW].list, image, _WORKFLOW, (), _PAGE_SIZE)
        is_worth_it = len(unknown) >= _WORTH_SEARCHING and not self._has_searched
        if not is_worth_it or self._is_disabled(_IMAGE, of_account=True):
            return None
        self._has_searched = True
        return Call(KINDS[_IMAGE].list, None, _IMAGE, (), 1 + len(unknown) // _WORTH_SEARCHING)

    def _list(self, batch: Batch, *, at_least: int) -> Call | None:
        kind, parent = batch
        answers = tuple(self._due_by_batch.get(batch, ()))
        # Members that are not due yet are read at no extra cost.
        members = max(len(answers), len(self._members.get(batch, ())))
        if parent is None or self._is_disabled(kind) or members < at_least:
            return None
        self._unexplored_images.pop(parent, None)
        call = Call(KINDS[kind].list, parent, kind, answers, 1 + members)
        return call if self._cost(call) <= members else None

    def _is_disabled(self, kind: IdentifierKind, *, of_account: bool = False) -> bool:
        return (KINDS[kind].list.operation, of_account) in self._disabled

    def _leave_batch(self, identifier: Identifier) -> None:
        batch = (identifier.kind, self._parents.get(identifier))
        if (members := self._members.get(batch)) is not None:
            members.pop(identifier, None)
            if not members:
                del self._members[batch]
                self._page_counts.pop((KINDS[batch[0]].list.operation, batch[1]), None)

    def _cost(self, call: Call) -> float:
        if call.listing is None:
            return 1
        estimate = math.ceil(len(call.answers) / _PAGE_SIZE)
        return self._page_counts.get((call.listing.operation, call.argument), estimate)

    def _batch(self, identifier: Identifier) -> Batch:
        return (identifier.kind, identifier.image_version_arn or self._parents.get(identifier))
