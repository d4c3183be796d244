"""Stop signals of a simulator that runs as a separate process."""

from __future__ import annotations

import signal
from collections.abc import Callable
from queue import SimpleQueue


def stop_signals() -> Callable[[], int]:
    """Handle SIGINT and SIGTERM from now on, and return a function that blocks until the first of them."""
    # threading.Event.set deadlocks if a second signal interrupts it; SimpleQueue.put is reentrant.
    signals: SimpleQueue[int] = SimpleQueue()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda received, _: signals.put(received))
    return signals.get
