"""Executions that were asked to run again, and whether a read tells of their old end. No I/O, and no clock.

RetryImage runs a FAILED or CANCELLED image again in place, under the same ARN. Reads lag behind, so an image
may go on reading FAILED for some time, as it did before. Who waits for the re-run must not take that for an
answer; nor must the wait hang, should the re-run end as the first run did.

So an end is taken for the old one while it reads as that did: status, reason and failure context, which
names the workflow execution and the step that failed, and these are new in a re-run. After a grace it is
believed: by then it is true, either way. An end that a retry cannot begin from is believed at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ..models.executions import Execution, Image
from ..models.identifiers import Identifier
from ..models.statuses import ImageStatus

__all__ = ["GRACE", "Reruns"]

GRACE: Final = 120.0
_RETRIABLE: Final = frozenset({ImageStatus.FAILED, ImageStatus.CANCELLED})


@dataclass(slots=True)
class _Rerun:
    until: float
    before: Execution | None

    def is_old_end(self, execution: Execution, now: float) -> bool:
        if now >= self.until or execution.status not in _RETRIABLE:
            return False
        if self.before is None:
            self.before = execution
        return _end_of(execution) == _end_of(self.before)


class Reruns:
    """The executions that this client asked to run again a short while ago."""

    def __init__(self) -> None:
        self._reruns: dict[Identifier, _Rerun] = {}

    def expect(self, identifier: Identifier, before: Execution | None, now: float) -> None:
        """Take in that `identifier` was asked to run again.

        Args:
            identifier: the execution.
            before: how it had ended; the first end that is read is taken for it, if ``None``.
            now: when it was asked.
        """
        self._reruns = {each: rerun for each, rerun in self._reruns.items() if rerun.until > now}
        if before is not None and before.status not in _RETRIABLE:
            before = None
        self._reruns[identifier] = _Rerun(now + GRACE, before)

    def is_old_end(self, identifier: Identifier, execution: Execution, now: float) -> bool:
        """Whether a read tells how the execution ended before it was asked to run again."""
        if not self._reruns:
            return False
        rerun = self._reruns.get(identifier)
        return rerun is not None and rerun.is_old_end(execution, now)


def _end_of(execution: Execution) -> object:
    # Lists tell less of an image than GetImage does; its state they tell whole.
    return execution.state if isinstance(execution, Image) else (execution.status, execution.reason)
