"""When to poll: the delay between two polls, and the queue of what is due. No I/O and no clock.

By default the delay follows Smithy's waiter backoff: exponential from `min_delay` to `max_delay`, jittered,
never past the deadline. One last poll falls on the deadline itself; a poll that would fall less than
`min_delay` before it is skipped. What proven hints announce may be polled less often.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import Final, Generic, NamedTuple, TypeVar

K = TypeVar("K", bound=Hashable)

# 2.0 ** 1024 exceeds a float; max_delay is reached long before.
_MAXIMUM_EXPONENT: Final = 1000


@dataclass(frozen=True, slots=True)
class Cadence:
    """The bounds of the delay between two polls, in seconds.

    Attributes:
        min_delay: The minimum.
        max_delay: The maximum.
        quiet_delay: The maximum while a forecast says that the end is unlikely, if that is longer.

    Raises:
        ValueError: A bound is not positive, or the lower exceeds the upper.
    """

    min_delay: float = 5.0
    max_delay: float = 30.0
    quiet_delay: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.min_delay <= self.max_delay:
            raise ValueError(
                "Delays must be 0 < min_delay <= max_delay, "
                f"not min_delay={self.min_delay:g}, max_delay={self.max_delay:g}."
            )

    @property
    def longest_delay(self) -> float:
        """The longest time between two polls, whatever decides about it."""
        return max(self.max_delay, self.quiet_delay)

    def fastest(self, other: Cadence) -> Cadence:
        """Return the cadence that satisfies both."""
        return Cadence(
            min(self.min_delay, other.min_delay),
            min(self.max_delay, other.max_delay),
            min(self.longest_delay, other.longest_delay),
        )


class Delay(NamedTuple):
    """The delay before a poll, in seconds.

    Attributes:
        seconds: The delay.
        shortest: The minimum, and
        longest: the maximum if others are due that the same call reads.
    """

    seconds: float
    shortest: float
    longest: float


def smithy_delay(attempt: int, cadence: Cadence, random: Callable[[], float]) -> Delay:
    """Return the delay between poll number `attempt` and the next one.

    Args:
        attempt: The number of polls made so far, from 1.
        cadence: The bounds.
        random: Returns a random number from 0 to 1.
    """
    # 2 ** (attempt - 1) would overflow in a wait of days.
    exponential = cadence.min_delay * 2.0 ** min(attempt - 1, _MAXIMUM_EXPONENT)
    longest = min(cadence.max_delay, exponential)
    return Delay(cadence.min_delay + random() * (longest - cadence.min_delay), cadence.min_delay, longest)


def hinted_delay(attempt: int, cadence: Cadence, maximum: float, random: Callable[[], float]) -> Delay | None:
    """Return the delay after poll number `attempt` of what hints announce; ``None`` if they permit no other.

    Args:
        attempt: The number of polls made so far, from 1.
        cadence: The bounds without hints.
        maximum: The maximum delay with hints. It has no effect if below that of the cadence.
        random: Returns a random number from 0 to 1.
    """
    if maximum <= cadence.max_delay:
        return None
    longest = min(maximum, cadence.max_delay * 2.0 ** min(attempt - 1, _MAXIMUM_EXPONENT))
    shortest = max(cadence.min_delay, longest / 2)
    return Delay(shortest + random() * (longest - shortest), shortest, longest)


def next_poll(
    now: float,
    delay: Delay,
    cadence: Cadence,
    deadline: float,
    batch_due: float | None = None,
    hinted: Delay | None = None,
) -> float:
    """Return the time of the next poll, but not past the deadline or shortly before it.

    Args:
        now: The time of the last poll.
        delay: The delay.
        cadence: The bounds of all delays.
        deadline: The deadline.
        batch_due: When others are due that can be read by the same call. It is used if within the bounds.
        hinted: The delay if hints announce every change. It is used if it is longer, but not shortly before
            the deadline, where the present state has to be known.
    """
    latest = deadline
    # When the state has to be known again, in case the last poll fails: see `History.is_outdated`.
    before_end = deadline - 2 * cadence.longest_delay
    if hinted is not None and hinted.seconds > delay.seconds and now < before_end:
        delay, latest = hinted, max(before_end, now + delay.seconds)
    due = now + delay.seconds
    if batch_due is not None and delay.shortest <= batch_due - now <= delay.longest:
        due = batch_due
    due = min(due, latest)
    return due if deadline - due > cadence.min_delay else deadline


class DueQueue(Generic[K]):
    """Keys by the time at which they are due."""

    def __init__(self) -> None:
        self._entries: list[tuple[float, int, K]] = []
        self._order = itertools.count()
        self._due: dict[K, float] = {}

    @property
    def next_due(self) -> float:
        """The time of the next entry; infinity if there is none. It may be that of a key put again since."""
        return self._entries[0][0] if self._entries else math.inf

    def due_of(self, key: K) -> float:
        """Return when `key` is due; infinity if it is not in the queue."""
        return self._due.get(key, math.inf)

    def put(self, key: K, due: float) -> None:
        """Add `key`, or change when it is due."""
        self._due[key] = due
        heapq.heappush(self._entries, (due, next(self._order), key))

    def discard(self, key: K) -> None:
        """Remove `key` if it is in the queue."""
        self._due.pop(key, None)

    def pop_due(self, now: float) -> Iterator[K]:
        """Remove and yield the keys that are due, the one due longest first."""
        while self._entries and self._entries[0][0] <= now:
            due, _, key = heapq.heappop(self._entries)
            # An entry that does not match is left over from before the key was put again or removed.
            if self._due.get(key) == due:
                del self._due[key]
                yield key
