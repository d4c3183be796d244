"""A second implementation of Smithy's waiter backoff, with which the library is compared."""

from __future__ import annotations

import math
import random

__all__ = ["polls_by_smithy"]


def polls_by_smithy(duration: float, min_delay: float, max_delay: float, *, times: int = 2000) -> list[int]:
    """Return the number of polls of each of `times` simulated waits of this `duration`.

    https://smithy.io/2.0/additional-specs/waiters.html#waiter-retries: the delay after attempt n is a random
    time between min_delay and min(max_delay, min_delay * 2 ** (n - 1)). The calls take no time.
    """
    rng = random.Random(1)
    ceiling = math.log2(max_delay / min_delay) + 1
    polls_of_waits = []
    for _ in range(times):
        now, polls = 0.0, 1
        while now < duration:
            bound = max_delay if polls > ceiling else min_delay * 2 ** (polls - 1)
            now += rng.uniform(min_delay, bound)
            polls += 1
        polls_of_waits.append(polls)
    return polls_of_waits
