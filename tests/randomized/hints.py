"""The push hints of a scenario: lost, late, doubled and wrong events, in a queue that fails at times."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from randomized.executions import ScriptedExecution
from randomized.faults import aws_error
from randomized.kinds import IMAGE
from support.scripted_queue import ScriptedQueue, image_event, step_event

_ANNOUNCED = ("BUILDING", "TESTING", "DISTRIBUTING", "INTEGRATING", "AVAILABLE", "CANCELLED", "FAILED")
_ERRORS = (
    ("AWS.SimpleQueueService.NonExistentQueue", 400),
    ("AccessDenied", 403),
    ("RequestThrottled", 403),
    ("InternalError", 500),
)


@dataclass(frozen=True)
class Hints:
    """The hints of a scenario.

    Attributes:
        messages: When each message is sent, and the event or text in it.
        outages: When the queue fails: start, end, and the code and HTTP status of the error.
        max_delay: The client's `hinted_max_delay`.
    """

    messages: tuple[tuple[float, Any], ...]
    outages: tuple[tuple[float, float, tuple[str, int]], ...]
    max_delay: float

    @property
    def named(self) -> Counter[str]:
        """The number of messages about each image."""
        events = [event for _, event in self.messages if isinstance(event, Mapping)]
        return Counter(arn for event in events for arn in event["resources"])

    def open_queue(self, now: Callable[[], float]) -> ScriptedQueue:
        """Return the queue."""

        def fault(at: float) -> Exception | None:
            errors = [error for start, end, error in self.outages if start <= at < end]
            return aws_error(*errors[0]) if errors else None

        queue = ScriptedQueue(_Clock(now), fault=fault, delete_fault=fault)
        for at, event in self.messages:
            queue.send(at, event)
        return queue


class _Clock:
    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now

    @property
    def now(self) -> float:
        return self._now()


def draw_hints(seed: int, executions: Mapping[str, ScriptedExecution], max_duration: float) -> Hints | None:
    """Draw the hints of a scenario; ``None`` for none."""
    rng = Random(f"hints {seed}")
    if rng.random() < 0.5:
        return None
    lost, late, doubled = (
        rng.choice((0.0, 0.0, 0.1, 0.5, 1.0)),
        rng.choice((0.0, 0.1)),
        rng.choice((0.0, 0.1)),
    )
    images = [each for each in executions.values() if each.kind is IMAGE]
    messages: list[tuple[float, Any]] = []
    for image in images:
        for number, (at, state) in enumerate(zip(image.times, image.states, strict=True)):
            if state.status not in _ANNOUNCED or rng.random() < lost:
                continue
            sent_at = max(0.0, at + (60.0 if rng.random() < late else rng.uniform(-0.5, 1.5)))
            event = image_event(image.identifier, state.status, number)
            messages += [
                (sent_at + delay, event) for delay in ((0.0, 3.0) if rng.random() < doubled else (0.0,))
            ]
    for number in range(rng.choice((0, 0, 5, 50))):
        arn = rng.choice(images).identifier if images and rng.random() < 0.9 else "arn:aws:s3:::bucket"
        lie: Any = image_event(arn, rng.choice(_ANNOUNCED), 1000 + number)
        if rng.random() < 0.2:
            lie = rng.choice(("", "{", "[]", step_event(arn, "wf-1", "step-1"), {**lie, "source": "aws.ec2"}))
        messages.append((rng.uniform(0, max_duration), lie))
    outages = []
    for _ in range(rng.choice((0, 0, 1, 3))):
        start = rng.uniform(0, max_duration)
        outages.append((start, start + rng.uniform(0, max_duration), rng.choice(_ERRORS)))
    return Hints(tuple(messages), tuple(outages), rng.uniform(30, 600))
