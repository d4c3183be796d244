"""The options that commands share, each of which can also be set by an environment variable.

A decorator adds a group of options to a command, which receives their values as one dataclass.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import wraps
from typing import Any, Final, Literal, TypeVar, cast

import click

from .durations import parse_duration

Command = TypeVar("Command", bound=Callable[..., int])

_PREFIX: Final = "AIOIMAGEBUILDER_"


@dataclass(frozen=True, kw_only=True)
class Connection:
    """Region, profile and endpoint; ``None`` is resolved as in the AWS CLI."""

    region: str | None
    profile: str | None
    endpoint_url: str | None


@dataclass(frozen=True, kw_only=True)
class Display:
    """The format of the output: `output` is ``text``, ``json``, or the path of a picture."""

    output: str
    quiet: bool
    no_color: bool


@dataclass(frozen=True, kw_only=True)
class WaitOptions:
    """How to wait: timeouts, delays and intervals in seconds, and what to do in special cases."""

    timeout: float | None = None
    min_delay: float = 5.0
    max_delay: float = 30.0
    heartbeat: float = 60.0
    time_scale: float = 1.0
    on_timeout: Literal["leave", "cancel"] = "leave"
    on_waiting_step: Literal["report", "raise"] = "report"


def environment_variable(option: str) -> str:
    """Return the environment variable of an option: AIOIMAGEBUILDER_MIN_DELAY for ``--min-delay``."""
    return _PREFIX + option.lstrip("-").replace("-", "_").upper()


def _parse_duration(_: click.Context, param: click.Parameter, value: str) -> float:
    try:
        return parse_duration(value)
    except ValueError as error:
        raise click.BadParameter(str(error), param=param) from None


def _parse_positive_duration(ctx: click.Context, param: click.Parameter, value: str) -> float:
    if (seconds := _parse_duration(ctx, param, value)) > 0:
        return seconds
    raise click.BadParameter("The duration must be greater than zero.", param=param)


def _parse_duration_or_none(ctx: click.Context, param: click.Parameter, value: str) -> float | None:
    return None if value.strip().lower() == "none" else _parse_duration(ctx, param, value)


def _check_output(_: click.Context, param: click.Parameter, value: str) -> str:
    if value in {"text", "json"} or value.lower().endswith((".svg", ".html")):
        return value
    raise click.BadParameter("Use text, json, or a file name that ends in .svg or .html.", param=param)


def option(
    name: str,
    *more: str,
    envvar: str | list[str] | None = None,
    **settings: Any,  # noqa: ANN401 - click's own keywords
) -> Callable[[Command], Command]:
    """Return a `click.option` that can be set by an environment variable, and whose help shows defaults."""
    settings = {"envvar": envvar or environment_variable(name), "show_envvar": True, **settings}
    return click.option(name, *more, show_default="default" in settings, **settings)


def _duration_option(
    name: str, default: str, text: str, parse: Callable[..., float | None] = _parse_positive_duration
) -> Callable[[Command], Command]:
    return option(name, metavar="DURATION", default=default, callback=parse, help=text)


def _choice_option(name: str, choices: Sequence[str], text: str) -> Callable[[Command], Command]:
    return option(name, type=click.Choice(choices), default=choices[0], help=text)


def _option_group(
    cls: type[Any], argument: str, *options: Callable[[Command], Command]
) -> Callable[[Command], Command]:
    """Return a decorator that adds options to a command, and passes their values as `argument`."""

    def decorate(command: Command) -> Command:
        @wraps(command)
        def call(**values: object) -> int:
            group = {each.name: values.pop(each.name) for each in fields(cls) if each.name in values}
            return command(**values, **{argument: cls(**group)})

        decorated = cast("Command", call)
        for each in reversed(options):
            decorated = each(decorated)
        return decorated

    return decorate


connection_options: Final = _option_group(
    Connection,
    "connection",
    option(
        "--region",
        metavar="NAME",
        envvar=[environment_variable("region"), "AWS_REGION"],
        help="AWS region. Defaults to that of the ARN, the environment, or the profile.",
    ),
    option("--profile", metavar="NAME", help="AWS profile."),
    option("--endpoint-url", metavar="URL", help="Endpoint to use instead of the AWS endpoint."),
)
_quiet: Final = option("--quiet", "-q", is_flag=True, help="Write only errors to standard error.")
_no_color: Final = option("--no-color", is_flag=True, help="Disable colors, as the variable NO_COLOR does.")
display_options: Final = _option_group(
    Display,
    "display",
    _choice_option("--output", ["text", "json"], "Output format: text, or JSON lines, one object per event."),
    _quiet,
    _no_color,
)
timeline_options: Final = _option_group(
    Display,
    "display",
    option(
        "--output",
        metavar="text|json|FILE",
        default="text",
        callback=_check_output,
        help="Output format, or the .svg or .html file to write the chart to.",
    ),
    _quiet,
    _no_color,
)


def _timeout(default: str) -> Callable[[Command], Command]:
    text = "Stop waiting after this time: 90m, 2h, 1h30m, or seconds. 0 polls once, none waits forever."
    return _duration_option("--timeout", default, text, _parse_duration_or_none)


def _delays(minimum: str, maximum: str) -> tuple[Callable[[Command], Command], ...]:
    return (
        _duration_option("--min-delay", minimum, "Minimum delay between polls."),
        _duration_option("--max-delay", maximum, "Maximum delay between polls."),
    )


_progress: Final = (
    _duration_option(
        "--heartbeat", "1m", "Without a terminal, print a line this often while nothing changes."
    ),
    option("--time-scale", type=click.FloatRange(min=0, min_open=True), default=1.0, hidden=True),
)
wait_options: Final = _option_group(
    WaitOptions,
    "options",
    _timeout("6h"),
    *_delays("5s", "30s"),
    *_progress,
    _choice_option(
        "--on-timeout",
        ["leave", "cancel"],
        "At the timeout, leave the build running, or cancel it and wait for the outcome.",
    ),
    _choice_option(
        "--on-waiting-step",
        ["report", "raise"],
        "At a waiting step, report it and keep waiting, or exit with code 5.",
    ),
)
cancel_options: Final = _option_group(
    WaitOptions, "options", _timeout("10m"), *_delays("5s", "30s"), *_progress
)
log_options: Final = _option_group(WaitOptions, "options", *_delays("2s", "15s"))
