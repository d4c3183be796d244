"""The options of a wait, and their validation before anything is sent."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final, Literal, TypedDict, cast, get_args

import anyio

from ..aws.operations import Configurations
from ..models.identifiers import Identifier
from ..models.kinds import KINDS
from ..polling.pace import PaceName
from ..polling.schedule import Cadence

Duration = float | timedelta
OnWaitingStep = Literal["ignore", "report", "raise"]
OnTimeout = Literal["leave", "cancel"]
WatchDetail = Literal["steps"]

# The maximum delay while a forecast says that the end is unlikely, unless max_delay is given.
_QUIET_DELAY: Final = 120.0


class PollOptions(TypedDict, total=False):
    """The options of everything that polls.

    Attributes:
        min_delay: The minimum delay between two polls of an execution, as seconds or timedelta; by default
            the client's.
        max_delay: The maximum delay, up to which the delay grows; by default the client's.
        estimate: Whether to estimate when the execution ends, for images and workflow executions, as
            `progress.expected_end`: from the last images of its pipeline, which are read once by up to six
            calls. False by default.
    """

    min_delay: Duration | None
    max_delay: Duration | None
    estimate: bool


class WaitOptions(PollOptions, total=False):
    """The options of every method that waits.

    Attributes:
        check: Whether to raise for a failed or cancelled execution (the default) rather than return it.
        on_waiting_step: What to do about a step that waits for a person (user guide, "Step actions for
            workflow documents", WaitForAction). ``"report"`` logs a warning once for each step, and
            ``"raise"`` raises `WaitingForActionError`. Both inspect at every second poll, by one
            ListWaitingWorkflowSteps for all waits of the client. ``"ignore"``, the default, makes no
            additional call.
        on_timeout: What to do at the deadline. ``"leave"``, the default, lets the work continue at AWS.
            ``"cancel"`` cancels it, and waits for up to five more minutes to see the outcome: an execution
            that ended otherwise counts as if it had ended in time, and one that was cancelled is a
            `WaitTimeoutError`. The service can cancel images and lifecycle executions only.
        diagnose: Whether to find out why an execution failed, in up to 30 more seconds (60 for all of
            `wait_all`). The exception then has a `diagnosis`. False by default.
        min_delay: The minimum delay between two polls of an execution, as seconds or timedelta; by default
            the client's.
        max_delay: The maximum delay, up to which the delay grows; by default the client's.
        estimate: Whether to estimate when the execution ends, for images and workflow executions, as
            `progress.expected_end`: from the last images of its pipeline, which are read once by up to six
            calls. False by default.
    """

    check: bool
    on_waiting_step: OnWaitingStep
    on_timeout: OnTimeout
    diagnose: bool


class BuildOptions(WaitOptions, Configurations, total=False):
    """The options of `ImageBuilder.build`: those of a wait, and what is built."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitSettings:
    """The validated options of a wait; `steps` and `waiting_steps` are what its consumer wants inspected."""

    cadence: Cadence
    timeout: float | None
    check: bool = True
    on_waiting_step: OnWaitingStep = "ignore"
    on_timeout: OnTimeout = "leave"
    diagnose: bool = False
    estimate: bool = False
    steps: bool = False
    waiting_steps: bool = False

    @property
    def deadline(self) -> float:
        """The deadline of a wait that begins now; infinity for none."""
        return math.inf if self.timeout is None else anyio.current_time() + self.timeout

    def until(self, deadline: float) -> WaitSettings:
        """Return the settings of a wait that begins now and ends at `deadline`."""
        seconds = max(0.0, deadline - anyio.current_time())
        return replace(self, timeout=None if seconds == math.inf else seconds)

    @classmethod
    def parse(
        cls,
        cadence: Cadence,
        timeout: Duration | None,
        options: PollOptions,
        identifiers: Iterable[Identifier],
        *,
        accepts: type[PollOptions] = WaitOptions,
        check: bool = True,
        watches: bool = False,
        detail: WatchDetail | None = None,
    ) -> WaitSettings:
        """Validate the arguments of a method that waits.

        Args:
            cadence: The client's own, for delays that are not given.
            timeout: The timeout as seconds or timedelta; ``None`` for none.
            options: The options.
            identifiers: What is waited for.
            accepts: The options that the method accepts.
            check: The default of that option.
            watches: Whether the consumer wants all changes.
            detail: Which detail it wants in addition.

        Raises:
            TypeError: An option is unknown, or a time is neither a number nor a timedelta.
            ValueError: The value of an option is invalid, or does not apply to one of the executions.
        """
        known = accepts.__annotations__
        if unknown := options.keys() - known.keys():
            names = ", ".join(sorted(known))
            raise TypeError(f"Unknown option {min(unknown)!r}: expected {names}.")
        given = cast("WaitOptions", options)
        min_delay, max_delay = given.get("min_delay"), given.get("max_delay")
        on_waiting_step = given.get("on_waiting_step", "ignore")
        settings = cls(
            cadence=Cadence(
                cadence.min_delay if min_delay is None else parse_seconds(min_delay, "min_delay"),
                cadence.max_delay if max_delay is None else parse_seconds(max_delay, "max_delay"),
                cadence.quiet_delay if max_delay is None else 0.0,
            ),
            timeout=None if timeout is None else parse_seconds(timeout, "timeout"),
            check=given.get("check", check),
            on_waiting_step=on_waiting_step,
            on_timeout=given.get("on_timeout", "leave"),
            diagnose=given.get("diagnose", False),
            estimate=given.get("estimate", False),
            steps=detail == "steps",
            waiting_steps=watches or on_waiting_step != "ignore",
        )
        _check_choice("on_waiting_step", settings.on_waiting_step, get_args(OnWaitingStep))
        _check_choice("on_timeout", settings.on_timeout, get_args(OnTimeout))
        _check_choice("detail", detail, (None, *get_args(WatchDetail)))
        if settings.on_timeout == "cancel" and timeout is None:
            raise ValueError('on_timeout="cancel" needs a timeout: without one there is no deadline.')
        for each in identifiers:
            if settings.steps and not KINDS[each.kind].has_steps:
                raise ValueError(f"{each} has no steps: only images and workflow executions have.")
            if settings.on_timeout == "cancel":
                check_cancellable(each)
        return settings


def parse_cadence(min_delay: Duration, max_delay: Duration | None, pace: PaceName) -> Cadence:
    """Return the cadence of a client.

    Args:
        min_delay: The minimum delay.
        max_delay: The maximum delay; ``None`` for the default, which depends on the pace.
        pace: The pace.

    Raises:
        TypeError: A delay is neither a number nor a timedelta.
        ValueError: A delay or the pace is invalid.
    """
    _check_choice("pace", pace, get_args(PaceName))
    shortest = parse_seconds(min_delay, "min_delay")
    if max_delay is not None:
        return Cadence(shortest, parse_seconds(max_delay, "max_delay"))
    return Cadence(shortest, quiet_delay=_QUIET_DELAY if pace == "forecast" else 0.0)


def split_options(options: BuildOptions) -> tuple[WaitOptions, Configurations]:
    """Return the options of the wait for a build, and what is built."""
    names = Configurations.__annotations__
    waiting = {name: value for name, value in options.items() if name not in names}
    configurations = {name: value for name, value in options.items() if name in names}
    return cast("WaitOptions", waiting), cast("Configurations", configurations)


def parse_seconds(value: Duration, name: str) -> float:
    """Return a time in seconds.

    Args:
        value: Seconds or a timedelta.
        name: The name of the argument, for the exception.

    Raises:
        TypeError: It is neither a number nor a timedelta.
        ValueError: It is negative or not finite.
    """
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be seconds or a timedelta, not {type(value).__name__}.")
    try:
        seconds = float(value)
    except OverflowError:
        seconds = math.inf
    if not 0 <= seconds < math.inf:
        raise ValueError(f"{name} must be a finite number of seconds of at least 0, not {seconds:g}.")
    return seconds


def several(identifiers: Iterable[str]) -> Iterable[str]:
    """Return `identifiers`, checked not to be a single one, which would be iterated by its characters."""
    if isinstance(identifiers, str):
        raise TypeError(f"Expected several ids, not one: pass [{identifiers!r}].")
    return identifiers


def check_cancellable(identifier: Identifier) -> None:
    """Check that the service can cancel an execution.

    Raises:
        ValueError: It cannot.
    """
    if KINDS[identifier.kind].cancel is None:
        raise ValueError(
            f"{identifier} is a {identifier.kind.value}, which the service cannot cancel by itself: "
            "cancel the image that it belongs to (its image_build_version_arn)."
        )


def _check_choice(name: str, value: object, choices: Iterable[object]) -> None:
    if value not in choices:
        raise ValueError(f"{name} must be {' or '.join(map(repr, choices))}, not {value!r}.")
