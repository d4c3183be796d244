"""When an execution can be expected to end, as data."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

_NEWS: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """When an execution can be expected to end, by how long the last builds of its pipeline took.

    Of the builds, four fifths end between `earliest` and `latest`. The times are absent if the execution
    differs so much from those builds that they say nothing about it.

    Attributes:
        usual: How long a whole build usually takes: the median.
        longer_than: The share of builds that it has outlasted, from 0 to 1.
        expected_end: When it is as likely to have ended as not.
        earliest: The 10th percentile.
        latest: The 90th percentile.
    """

    usual: timedelta
    longer_than: float
    expected_end: datetime | None = None
    earliest: datetime | None = None
    latest: datetime | None = None

    def is_news_after(self, before: Estimate | None) -> bool:
        """Return whether it differs from an earlier one by more than a tenth of its range."""
        if before is None or (self.expected_end is None) != (before.expected_end is None):
            return True
        if self.expected_end is None or before.expected_end is None:
            return False
        if self.earliest is None or self.latest is None:
            return False
        return abs(self.expected_end - before.expected_end) > _NEWS * (self.latest - self.earliest)
