"""Hooks: what happens in a client, as events.

    from aioimagebuilder.instrumentation import Event, WaitEnded

    def on_event(event: Event) -> None:
        if isinstance(event, WaitEnded):
            print(event.id, event.outcome, f"{event.duration:.0f} s")

    async with ImageBuilder(on_event=on_event) as ib: ...

`aioimagebuilder.instrumentation.opentelemetry` makes spans and metrics of them.
"""

from __future__ import annotations

from .events import (
    Event,
    HintReceived,
    Notice,
    OnEvent,
    OutageBegan,
    OutageEnded,
    PollFinished,
    PollOutcome,
    PollStarted,
    RateChanged,
    StateChanged,
    WaitEnded,
    WaitOutcome,
    WaitStarted,
)

__all__ = [
    "Event",
    "HintReceived",
    "Notice",
    "OnEvent",
    "OutageBegan",
    "OutageEnded",
    "PollFinished",
    "PollOutcome",
    "PollStarted",
    "RateChanged",
    "StateChanged",
    "WaitEnded",
    "WaitOutcome",
    "WaitStarted",
]
