"""What a caller asks of a wait, checked before anything is sent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Final, Literal, get_args

from ..errors import WaitError
from ..models.executions import Execution
from ..models.identifiers import ExecutionKind, Identifier
from ..polling.schedule import Cadence, Seconds, seconds

__all__ = [
    "AtDeadline",
    "OnTimeout",
    "OnWaitingStep",
    "WaitOptions",
    "WatchDetail",
    "check_cancellable",
    "several",
]

OnWaitingStep = Literal["ignore", "report", "raise"]
OnTimeout = Literal["leave", "cancel"]
WatchDetail = Literal["steps"]
# Gets what became of an execution after the deadline that ended its wait with that error; raises WaitError.
AtDeadline = Callable[[Identifier, WaitError], Awaitable[Execution]]

_WITH_STEPS: Final = (ExecutionKind.IMAGE, ExecutionKind.WORKFLOW_EXECUTION)
_CANCELLABLE: Final = (ExecutionKind.IMAGE, ExecutionKind.LIFECYCLE_EXECUTION)


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitOptions:
    """How to wait.

    Attributes:
        cadence: how often to poll.
        timeout: seconds until the deadline; ``None`` for none.
        check: whether a failed execution is an error.
        on_waiting_step: what to do about a step that waits for a person.
        on_timeout: what to do at the deadline.
        diagnose: whether the error of a failed execution is to say why.
        shows_gates: whether the consumer is shown the steps that wait for a person.
        shows_steps: whether it is shown the steps that run, too.
    """

    cadence: Cadence
    timeout: float | None = None
    check: bool = False
    on_waiting_step: OnWaitingStep = "ignore"
    on_timeout: OnTimeout = "leave"
    diagnose: bool = False
    shows_gates: bool = False
    shows_steps: bool = False

    @classmethod
    def parse(
        cls,
        cadence: Cadence,
        timeout: Seconds | None,
        *,
        min_delay: Seconds | None = None,
        max_delay: Seconds | None = None,
        check: bool = False,
        on_waiting_step: OnWaitingStep = "ignore",
        on_timeout: OnTimeout = "leave",
        diagnose: bool = False,
        watches: bool = False,
        detail: WatchDetail | None = None,
    ) -> WaitOptions:
        """Get the options that the arguments of a public method are.

        Args:
            cadence: the client's own, for the delays that are ``None``.
            timeout: seconds or a timedelta.
            min_delay: the least seconds between two polls.
            max_delay: the most seconds between two polls.
            check: whether a failed execution is an error.
            on_waiting_step: what to do about a step that waits for a person.
            on_timeout: what to do at the deadline.
            diagnose: whether the error of a failed execution is to say why.
            watches: whether the consumer wants each change.
            detail: of what else it wants each change.

        Raises:
            TypeError, ValueError: one of them is none.
        """
        _check_word("on_waiting_step", on_waiting_step, get_args(OnWaitingStep))
        _check_word("on_timeout", on_timeout, get_args(OnTimeout))
        _check_word("detail", detail, (None, *get_args(WatchDetail)))
        if on_timeout == "cancel" and timeout is None:
            raise ValueError('on_timeout="cancel" needs a timeout: without one no deadline ever comes.')
        return cls(
            cadence=Cadence(
                cadence.min_delay if min_delay is None else seconds(min_delay, "min_delay"),
                cadence.max_delay if max_delay is None else seconds(max_delay, "max_delay"),
            ),
            timeout=None if timeout is None else seconds(timeout, "timeout"),
            check=check,
            on_waiting_step=on_waiting_step,
            on_timeout=on_timeout,
            diagnose=diagnose,
            shows_gates=watches or on_waiting_step != "ignore",
            shows_steps=detail == "steps",
        )

    def check_kinds(self, identifiers: Iterable[Identifier]) -> None:
        """Check that what is asked can be done with these executions.

        Raises:
            ValueError: steps of something that has none, or the cancel of something that cannot be cancelled.
        """
        for each in identifiers:
            if self.shows_steps and each.kind not in _WITH_STEPS:
                raise ValueError(f"{each} has no steps to show: images and workflow executions have.")
            if self.on_timeout == "cancel":
                check_cancellable(each)


def several(identifiers: Iterable[str]) -> Iterable[str]:
    """Get the identifiers of a method that takes many.

    Raises:
        TypeError: it is one, which would be taken for its letters.
    """
    if isinstance(identifiers, str):
        raise TypeError(f"Expected several ids, not one: pass [{identifiers!r}].")
    return identifiers


def check_cancellable(identifier: Identifier) -> None:
    """Check that the service can cancel this.

    Raises:
        ValueError: it cannot.
    """
    if identifier.kind not in _CANCELLABLE:
        raise ValueError(
            f"{identifier} names a {identifier.kind.value}, which the service cannot cancel by itself: "
            "cancel the image that it belongs to (its image_build_version_arn)."
        )


def _check_word(name: str, value: object, known: Iterable[object]) -> None:
    if value not in known:
        raise ValueError(f"{name} must be {' or '.join(map(repr, known))}, not {value!r}.")
