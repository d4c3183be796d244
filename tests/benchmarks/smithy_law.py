"""The Smithy waiter law, written down a second time, to compare the library with."""

from __future__ import annotations

import math
import random

__all__ = ["polls_by_law"]


def polls_by_law(duration: float, min_delay: float, max_delay: float, *, times: int = 2000) -> list[int]:
    """Get how many polls waits take for what ends after `duration`: so many waits, each with its own luck.

    https://smithy.io/2.0/additional-specs/waiters.html#waiter-retries: the delay after attempt n is a random
    time between min_delay and min(max_delay, min_delay * 2 ** (n - 1)). Calls themselves take no time here.
    """
    dice = random.Random(1)
    ceiling = math.log2(max_delay / min_delay) + 1
    found = []
    for _ in range(times):
        now, polls = 0.0, 1
        while now < duration:
            bound = max_delay if polls > ceiling else min_delay * 2 ** (polls - 1)
            now += dice.uniform(min_delay, bound)
            polls += 1
        found.append(polls)
    return found
