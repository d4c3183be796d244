"""The options that commands share, each of which can also be set by an environment variable.

A decorator adds a group of options to a command, which receives their values as one dataclass.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import wraps
from typing import Any, Final, Literal, TypeVar, cast
from urllib.parse import urlsplit

import click

from ..models.redaction import redact
from .durations import parse_duration

Command = TypeVar("Command", bound=Callable[..., int])

_PREFIX: Final = "AIOIMAGEBUILDER_"
# What botocore accepts as a region: a label of a host name.
_REGION: Final = re.compile(r"(?![0-9]+$)(?!-)[a-zA-Z0-9-]{1,63}(?<!-)")
_HIGHEST_RATE: Final = 1e6


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
    max_delay: float | None = None
    heartbeat: float = 60.0
    time_scale: float = 1.0
    on_timeout: Literal["leave", "cancel"] = "leave"
    on_waiting_step: Literal["report", "raise"] = "report"
    hints: str | None = None
    pace: Literal["smithy", "forecast"] = "smithy"

    @property
    def has_real_time(self) -> bool:
        """Whether the clock of the service runs like that of this machine, as estimates presume."""
        return self.time_scale == 1


def environment_variable(option: str) -> str:
    """Return the environment variable of an option: AIOIMAGEBUILDER_MIN_DELAY for ``--min-delay``."""
    return _PREFIX + option.lstrip("-").replace("-", "_").upper()


def check_length(longest: int) -> Callable[[click.Context, click.Parameter, str | None], str | None]:
    """Return a callback that accepts texts of the lengths that the service accepts."""

    def check(_: click.Context, param: click.Parameter, value: str | None) -> str | None:
        if value is None or 1 <= len(value) <= longest:
            return value
        raise click.BadParameter(f"It must have 1 to {longest} characters.", param=param)

    return check


def check_rate(_: click.Context, param: click.Parameter, value: float | None) -> float | None:
    """Return a number of at most a million; a callback, since a range of click contains NaN."""
    if value is None or value <= _HIGHEST_RATE:
        return value
    raise click.BadParameter(f"It must be a number up to {_HIGHEST_RATE:.0f}.", param=param)


def check_endpoint_url(url: str, source: str = "") -> str:
    """Return the URL of an endpoint.

    Args:
        url: the URL.
        source: the environment variable that contains it, for the message.

    Raises:
        ValueError: it is not the URL of an HTTP server.
    """
    try:
        parts = urlsplit(url)
        is_valid = parts.scheme in {"http", "https"} and parts.hostname is not None and parts.port != 0
    except ValueError:
        is_valid = False
    if not is_valid or re.search(r"[^!-~]|[@?#]", url):
        what = f"{source}={redact(url)!r}" if source else repr(redact(url))
        raise ValueError(f"{what} is not the URL of an endpoint. Use http://HOST:PORT or https://HOST:PORT.")
    return url


def _parse_endpoint_url(_: click.Context, param: click.Parameter, value: str | None) -> str | None:
    try:
        return None if value is None else check_endpoint_url(value)
    except ValueError as error:
        raise click.BadParameter(str(error), param=param) from None


def _parse_region(_: click.Context, param: click.Parameter, value: str | None) -> str | None:
    if value is None or _REGION.fullmatch(value):
        return value
    raise click.BadParameter(f"{value!r} is not the name of a region.", param=param)


def _parse_duration(_: click.Context, param: click.Parameter, value: str) -> float:
    try:
        return parse_duration(value)
    except ValueError as error:
        raise click.BadParameter(str(error), param=param) from None


def _parse_positive_duration(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    if value is None:
        return None
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
    name: str,
    default: str | None,
    text: str,
    parse: Callable[..., float | None] = _parse_positive_duration,
) -> Callable[[Command], Command]:
    settings = {} if default is None else {"default": default}
    return option(name, metavar="DURATION", callback=parse, help=text, **settings)


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
        callback=_parse_region,
        help="AWS region. Defaults to that of the ARN, the environment, or the profile.",
    ),
    option("--profile", metavar="NAME", help="AWS profile."),
    option(
        "--endpoint-url",
        metavar="URL",
        callback=_parse_endpoint_url,
        help="Endpoint to use instead of the AWS endpoint.",
    ),
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


_hints: Final = option(
    "--hints",
    metavar="QUEUE_URL",
    help='SQS queue of push hints; see "aioimagebuilder hints template".',
)
_polls: Final = (
    _duration_option("--min-delay", "5s", "Minimum delay between polls."),
    _duration_option(
        "--max-delay", None, "Maximum delay between polls: 30s by default, 120s where a forecast decides."
    ),
    _choice_option(
        "--pace",
        ["smithy", "forecast"],
        "Poll at delays that grow, or when earlier builds of the pipeline make an end likely.",
    ),
)
_time_scale: Final = option(
    "--time-scale",
    type=click.FloatRange(min=0, min_open=True),
    callback=check_rate,
    default=1.0,
    hidden=True,
)
_progress: Final = (
    _duration_option(
        "--heartbeat", "1m", "Without a terminal, print a line this often while nothing changes."
    ),
    _time_scale,
)
wait_options: Final = _option_group(
    WaitOptions,
    "options",
    _timeout("6h"),
    *_polls,
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
    _hints,
)
cancel_options: Final = _option_group(WaitOptions, "options", _timeout("10m"), *_polls, *_progress, _hints)
clock_options: Final = _option_group(WaitOptions, "options", _time_scale)
log_options: Final = _option_group(
    WaitOptions,
    "options",
    _duration_option("--min-delay", "2s", "Minimum delay between polls."),
    _duration_option("--max-delay", "15s", "Maximum delay between polls."),
)
