"""What happens in a client, as data: the events that hooks receive.

All texts are redacted, and on one line. Ids of waits and polls are unique among all clients.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

WaitOutcome = Literal[
    "succeeded",
    "failed",
    "cancelled",
    "skipped",
    "timed_out",
    "step_waiting",
    "unobserved",
    "client_closed",
    "left",
    "error",
]
"""How a wait ended.

``succeeded``, ``failed``, ``cancelled`` and ``skipped`` are the outcomes of what was awaited, whether or not
the wait raised an exception for it. Otherwise: its deadline passed, a step waits for a person, it could not
be observed, the client was closed, the consumer left (it was cancelled, or stopped to iterate), or there was
an unexpected exception.
"""

PollOutcome = Literal["succeeded", "failed", "throttled", "cancelled"]
"""How a poll ended. A poll is cancelled when nobody waits for its response any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened in a client.

    Attributes:
        region: The AWS region of the client.
    """

    region: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitStarted(Event):
    """Somebody waits for an execution, or for the images of a pipeline. Emitted in the task of the caller.

    Each execution of `wait_all` and `as_completed` is a wait of its own. A watch starts when the iteration
    does.

    Attributes:
        wait: The id of the wait.
        id: The id or ARN of what is awaited.
        kind: What that is: ``"image"``, ``"workflow execution"``, ``"workflow step execution"``,
            ``"lifecycle execution"``, ``"image pipeline"``.
        timeout: The timeout in seconds; ``None`` for none.
    """

    wait: str
    id: str
    kind: str
    timeout: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitEnded(Event):
    """A wait has ended, in whatever way. Emitted once for each `WaitStarted`.

    Attributes:
        wait: The id of the wait.
        id: The id or ARN of what was awaited.
        kind: As in `WaitStarted`.
        outcome: How it ended.
        status: The last status seen; ``None`` if none was.
        duration: How long it lasted, in seconds, up to the poll that read the end.
        polls: The number of polls that were made for it, as in `WaitError`.
        throttles: The number of times that one was throttled.
        poll: The id of the last poll that was answered; ``None`` if none was.
        error: The text of the exception that the wait raises; ``None`` if it raises none.
        error_type: The name of the exception's class.
    """

    wait: str
    id: str
    kind: str
    outcome: WaitOutcome
    status: str | None
    duration: float
    polls: int
    throttles: int
    poll: str | None
    error: str | None
    error_type: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PollStarted(Event):
    """A poll is about to be sent. Each attempt of a call is a poll of its own.

    Emitted in the background task that makes the call, as is the `PollFinished` that follows it.

    Attributes:
        poll: The id of the poll.
        operation: The operation, as AWS writes it.
        kind: The kind of what it reads, as in `WaitStarted`.
        id: The id or ARN that it reads, or whose list it reads; ``None`` for a list of the whole account.
        attempt: The number of the attempt: 1, or more after failures.
    """

    poll: str
    operation: str
    kind: str
    id: str | None
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PollFinished(Event):
    """A poll was answered, has failed, or was cancelled. Emitted once for each `PollStarted`.

    Attributes:
        poll: The id of the poll.
        operation: The operation, as AWS writes it.
        kind: The kind of what it read, as in `WaitStarted`.
        id: The id or ARN that it read, or whose list it read; ``None`` for a list of the whole account.
        attempt: The number of the attempt.
        outcome: How it ended.
        duration: How long it took, in seconds.
        status: The status that was read; ``None`` for a list, and if it was not answered.
        executions: The number of awaited executions (or pipelines) that it read.
        waits: The ids of the waits that it served: whose executions it read or, if it failed, was to read.
        error: The text of the error; ``None`` if there was none.
        error_type: The name of the error's class.
        retry_in: The seconds until the next attempt; ``None`` if this was the last one.
    """

    poll: str
    operation: str
    kind: str
    id: str | None
    attempt: int
    outcome: PollOutcome
    duration: float
    status: str | None
    executions: int
    waits: tuple[str, ...]
    error: str | None
    error_type: str | None
    retry_in: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StateChanged(Event):
    """A poll has returned another status of an execution than the poll before, or its first one.

    Attributes:
        id: The id or ARN of the execution.
        kind: As in `WaitStarted`.
        status: The status.
        previous: The status before; ``None`` if this is the first one.
        outcome: ``"succeeded"``, ``"failed"``, ``"cancelled"``, ``"skipped"``; ``None`` if it has not ended.
        is_known: Whether this version of the library knows the status. If not, it counts as not ended.
    """

    id: str
    kind: str
    status: str
    previous: str | None
    outcome: str | None
    is_known: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RateChanged(Event):
    """The rate limiter allows another number of calls, after a throttle or since calls succeed.

    Attributes:
        service: The service: ``"imagebuilder"``, or ``"logs"`` for CloudWatch Logs.
        rate: The calls per second.
        previous: The calls per second before; ``None`` for the rate with which the client starts.
    """

    service: str
    rate: float
    previous: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutageBegan(Event):
    """No call has succeeded for ten seconds. Shorter outages are not reported.

    Attributes:
        service: As in `RateChanged`.
        duration: The seconds since the outage began.
        error: The text of the last error.
        error_type: The name of the error's class.
    """

    service: str
    duration: float
    error: str
    error_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OutageEnded(Event):
    """The service responds again, after an outage that was reported.

    Attributes:
        service: As in `RateChanged`.
        duration: How long the outage lasted, in seconds.
    """

    service: str
    duration: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HintReceived(Event):
    """The queue of push hints has delivered an event of Image Builder.

    Attributes:
        id: The ARN of the image that it is about, in lower case.
        status: The status that the image has reached, as the event says; ``None`` if it does not say.
        is_waiting_step: Whether a step waits for a person.
        is_awaited: Whether somebody waits for any of what it names, which is polled at once then.
    """

    id: str
    status: str | None
    is_waiting_step: bool
    is_awaited: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice(Event):
    """Anything else that is logged.

    Attributes:
        level: The level, as in the module `logging`.
        text: What happened.
        error: The exception, if it is logged with its traceback; its texts are redacted.
    """

    level: int
    text: str
    error: BaseException | None


OnEvent = Callable[[Event], None]
"""A hook. It is called with each event, and must return soon: the event loop waits for it."""
