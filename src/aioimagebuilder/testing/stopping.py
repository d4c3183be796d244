"""Stop signals of a simulator that runs as a separate process."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Final

# Windows runs the handler of a signal only once a blocking call has returned.
_SECONDS_OF_A_CALL: Final = 0.2 if sys.platform == "win32" else None


def stop_signals() -> Callable[[], int]:
    """Handle SIGINT and SIGTERM from now on, and return a function that blocks until the first of them."""
    # threading.Event.set deadlocks if a second signal interrupts it; SimpleQueue.put is reentrant.
    signals: SimpleQueue[int] = SimpleQueue()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda received, _: signals.put(received))

    def wait() -> int:
        while True:
            with suppress(Empty):
                return signals.get(timeout=_SECONDS_OF_A_CALL)

    return wait
