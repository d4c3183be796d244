"""The options that commands share, each of them from an environment variable, too.

A decorator adds a group of options to a command, and hands their values to it as one dataclass.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import wraps
from typing import Any, Final, Literal, TypeVar, cast

import click

from .durations import parse_duration

__all__ = [
    "Command",
    "Connection",
    "Display",
    "Waiting",
    "chart_options",
    "confirming_options",
    "connection_options",
    "display_options",
    "following_options",
    "variable",
    "waiting_options",
]

Command = TypeVar("Command", bound=Callable[..., int])

_PREFIX: Final = "AIOIMAGEBUILDER_"


@dataclass(frozen=True, kw_only=True)
class Connection:
    """Which account, region and endpoint to speak to; what is ``None`` is found as by the AWS CLI."""

    region: str | None
    profile: str | None
    endpoint_url: str | None


@dataclass(frozen=True, kw_only=True)
class Display:
    """What is shown, and how; `output` is ``text``, ``json``, or a file for a picture."""

    output: str
    quiet: bool
    no_color: bool


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """How long to wait, how often to ask, and what to do when it takes too long; times in seconds."""

    timeout: float | None = None
    min_delay: float = 5.0
    max_delay: float = 30.0
    heartbeat: float = 60.0
    time_scale: float = 1.0
    on_timeout: Literal["leave", "cancel"] = "leave"
    on_waiting: Literal["report", "raise"] = "report"


def variable(option: str) -> str:
    """Get the name of the environment variable of an option: ``--min-delay`` is AIOIMAGEBUILDER_MIN_DELAY."""
    return _PREFIX + option.lstrip("-").replace("-", "_").upper()


def _duration(_: click.Context, param: click.Parameter, value: str) -> float:
    """Read the value of an option that is a duration, in seconds."""
    try:
        return parse_duration(value)
    except ValueError as error:
        raise click.BadParameter(str(error), param=param) from None


def _positive_duration(ctx: click.Context, param: click.Parameter, value: str) -> float:
    if (read := _duration(ctx, param, value)) > 0:
        return read
    raise click.BadParameter("it must be more than nothing.", param=param)


def _duration_or_none(ctx: click.Context, param: click.Parameter, value: str) -> float | None:
    return None if value.strip().lower() == "none" else _duration(ctx, param, value)


def _form_or_file(_: click.Context, param: click.Parameter, value: str) -> str:
    if value in {"text", "json"} or value.lower().endswith((".svg", ".html")):
        return value
    raise click.BadParameter(
        "write text, json, or the name of a file that ends in .svg or .html.", param=param
    )


def _option(
    name: str,
    *more: str,
    envvar: str | list[str] | None = None,
    **settings: Any,  # noqa: ANN401 - click's own keywords
) -> Callable[[Command], Command]:
    return click.option(name, *more, envvar=envvar or variable(name), show_envvar=True, **settings)


def _as_one(
    cls: type[Any], name: str, *options: Callable[[Command], Command]
) -> Callable[[Command], Command]:
    def decorate(command: Command) -> Command:
        @wraps(command)
        def with_one(**values: object) -> int:
            mine = {each.name: values.pop(each.name) for each in fields(cls) if each.name in values}
            return command(**values, **{name: cls(**mine)})

        decorated = cast("Command", with_one)
        for option in reversed(options):
            decorated = option(decorated)
        return decorated

    return decorate


connection_options: Final = _as_one(
    Connection,
    "connection",
    _option(
        "--region",
        metavar="NAME",
        envvar=[variable("region"), "AWS_REGION"],
        help="AWS region. Otherwise that of the ARN, the environment, or the profile.",
    ),
    _option("--profile", metavar="NAME", help="AWS profile, as in the AWS CLI."),
    _option("--endpoint-url", metavar="URL", help="Another endpoint than AWS's own, as the simulator's."),
)
_quiet: Final = _option("--quiet", "-q", is_flag=True, help="No progress on standard error, only errors.")
_no_color: Final = _option("--no-color", is_flag=True, help="No colors; NO_COLOR says so, too.")
display_options: Final = _as_one(
    Display,
    "display",
    _option(
        "--output",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        help="The result on standard output: text, or JSON lines, one object an event.",
    ),
    _quiet,
    _no_color,
)
chart_options: Final = _as_one(
    Display,
    "display",
    _option(
        "--output",
        metavar="text|json|FILE",
        default="text",
        show_default=True,
        callback=_form_or_file,
        help="text or json to standard output, or a picture to this file, .svg or .html.",
    ),
    _quiet,
    _no_color,
)


def _timeout(default: str) -> Callable[[Command], Command]:
    return _option(
        "--timeout",
        metavar="DURATION",
        default=default,
        show_default=True,
        callback=_duration_or_none,
        help="Give up after this long: 90m, 2h, 1h30m, seconds; 0 asks once, none waits for ever.",
    )


def _delays(least: str, most: str) -> tuple[Callable[[Command], Command], ...]:
    return (
        _option(
            "--min-delay",
            metavar="DURATION",
            default=least,
            show_default=True,
            callback=_positive_duration,
            help="The least time between two polls.",
        ),
        _option(
            "--max-delay",
            metavar="DURATION",
            default=most,
            show_default=True,
            callback=_positive_duration,
            help="The most time between two polls; the delay grows up to it.",
        ),
    )


_progress: Final = (
    _option(
        "--heartbeat",
        metavar="DURATION",
        default="1m",
        show_default=True,
        callback=_positive_duration,
        help="Off a terminal, a line so often while nothing changes.",
    ),
    _option(
        "--time-scale",
        type=click.FloatRange(min=0, min_open=True),
        default=1.0,
        hidden=True,
        help="How fast the clock of a simulated service runs.",
    ),
)
waiting_options: Final = _as_one(
    Waiting,
    "waiting",
    _timeout("6h"),
    *_delays("5s", "30s"),
    *_progress,
    _option(
        "--on-timeout",
        type=click.Choice(["leave", "cancel"]),
        default="leave",
        show_default=True,
        help="At the timeout, leave the build to go on, or cancel it and confirm what became of it.",
    ),
    _option(
        "--on-waiting",
        type=click.Choice(["report", "raise"]),
        default="report",
        show_default=True,
        help="When a build waits for a person, say so and wait on, or end with exit code 5.",
    ),
)
confirming_options: Final = _as_one(Waiting, "waiting", _timeout("10m"), *_delays("5s", "30s"), *_progress)
following_options: Final = _as_one(Waiting, "waiting", *_delays("2s", "15s"))
