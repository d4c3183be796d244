"""Checks the events of a scenario: all waits and polls that start end once."""

from aioimagebuilder.instrumentation import Event, PollFinished, PollStarted, WaitEnded, WaitStarted


class EventChecker:
    """A hook that records violations.

    Attributes:
        violations: What was wrong.
    """

    def __init__(self) -> None:
        self.violations: list[str] = []
        self._waits: set[str] = set()
        self._polls: set[str] = set()

    def __call__(self, event: Event) -> None:
        match event:
            case WaitStarted():
                self._check(event.wait not in self._waits, "a wait started twice", event)
                self._waits.add(event.wait)
            case WaitEnded():
                self._check(event.wait in self._waits, "a wait ended that is not open", event)
                self._check(event.duration >= 0, "a negative duration", event)
                self._waits.discard(event.wait)
            case PollStarted():
                self._check(event.poll not in self._polls, "a poll started twice", event)
                self._polls.add(event.poll)
            case PollFinished():
                self._check(event.poll in self._polls, "a poll finished that is not open", event)
                self._check(len(event.waits) >= event.executions, "a poll that serves nobody", event)
                self._polls.discard(event.poll)

    def finish(self) -> None:
        """Record what has not ended."""
        self.violations += [f"the wait {each} has not ended" for each in self._waits]
        self.violations += [f"the poll {each} has not ended" for each in self._polls]

    def _check(self, holds: bool, what: str, event: Event) -> None:
        if not holds:
            self.violations.append(f"{what}: {event}")
