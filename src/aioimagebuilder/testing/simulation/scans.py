"""The vulnerability scan of an image: its states, and what it finds."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

from ..scripts import ScanFinding, ScanScript
from .state_history import StateHistory

_SCANNING_SHARE = 0.75
_FINAL_STATUSES = frozenset({"COMPLETED", "FAILED", "TIMED_OUT", "ABANDONED"})


class Scan:
    """The scan in one run of a build, from its start, at which it is PENDING.

    ``history`` has the members ``status`` and ``reason``, and `resource_id` is the scanned test instance.
    """

    def __init__(self, script: ScanScript | None, start: float) -> None:
        self.script: ScanScript = script or ScanScript()
        self.resource_id: str | None = None
        self.history: StateHistory = StateHistory()
        self.history.change(start, status="PENDING")

    @property
    def completed_at(self) -> float | None:
        """The time from which the findings are known, if the scan completes."""
        return self.history.end if self.history.states[-1]["status"] == "COMPLETED" else None

    @property
    def severity_counts(self) -> dict[str, int]:
        """The number of findings by severity, as in the CVE event."""
        return count_severities(self.script.findings)

    def run(self, at: float, end: float, step_status: str, resource_id: str) -> None:
        """Scan an instance while a step runs; only the first one counts."""
        if self.resource_id is not None:
            return
        self.resource_id = resource_id
        self.history.change(at, status="SCANNING")
        if end == math.inf:
            return
        status = str(self.script.status)
        if status == "COMPLETED" and step_status != "COMPLETED":
            status = "TIMED_OUT" if step_status == "TIMED_OUT" else "FAILED"
        self.history.change(at + (end - at) * _SCANNING_SHARE, status="COLLECTING")
        self.history.change(end, status=status, reason=self.script.reason)

    def stop(self, when: float) -> None:
        """Abandon the scan if it has not ended when the image reaches a terminal state."""
        self.history.truncate(when)
        if not self.history.states or self.history.states[-1]["status"] not in _FINAL_STATUSES:
            reason = "The image reached a terminal state before the findings were collected."
            self.history.change(when, status="ABANDONED", reason=reason)


def count_severities(findings: Iterable[ScanFinding]) -> dict[str, int]:
    """Return the counts of the severities that the service counts, and of all findings."""
    counts = Counter(each.severity for each in findings)
    counted = {each.lower(): counts[each] for each in ("CRITICAL", "HIGH", "MEDIUM")}
    return {"all": counts.total(), **counted}
