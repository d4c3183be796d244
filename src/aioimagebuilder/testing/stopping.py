"""How a simulator that is a process of its own is told to stop."""

from __future__ import annotations

import signal
from collections.abc import Callable
from queue import SimpleQueue

__all__ = ["stop_signals"]


def stop_signals() -> Callable[[], None]:
    """Take SIGINT and SIGTERM from now on, and get what waits for the first of them."""
    # Not threading.Event: a signal that comes while another sets it locks the main thread out for ever.
    # A SimpleQueue is made to be filled by who interrupts it.
    came: SimpleQueue[int] = SimpleQueue()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda received, _: came.put(received))

    def wait() -> None:
        came.get()

    return wait
