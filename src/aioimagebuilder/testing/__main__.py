"""Run the simulator as a separate process with ``python -m aioimagebuilder.testing``."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn, get_args

from .checks import Burst, Port, Rate, Region, TimeScale, check, describe
from .stopping import stop_signals

_EXAMPLE = """\
Simulating EC2 Image Builder at {url}
  simulated seconds per second: {scale:g}; rate limit in calls per second: {rate}

Try it:
  export AWS_ENDPOINT_URL={url} AWS_DEFAULT_REGION={region}
  export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test
  curl -X POST {url}/_simulator/pipelines -d '{{"name": "demo"}}'
  aws imagebuilder start-image-pipeline-execution --image-pipeline-arn \\
      arn:aws:imagebuilder:{region}:123456789012:image-pipeline/demo
  aws imagebuilder list-image-build-versions

{url}/_simulator/ lists the routes that control it.

Press Ctrl-C to stop."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM and return the exit code: 0, 1 if the port is in use, 2 without moto."""
    options = _parser().parse_args(arguments)
    try:
        from . import Simulator  # noqa: PLC0415 - it imports moto, which is optional
    except ImportError as error:
        if not isinstance(error.__cause__, ModuleNotFoundError):
            raise
        print("The simulator needs more packages: pip install 'aioimagebuilder[testing]'", file=sys.stderr)
        return 2
    simulator = Simulator(**vars(options))
    wait_for_stop = stop_signals()
    try:
        simulator.start()
    except OSError as error:
        print(f"cannot listen on port {options.port}: {error.strerror or error}", file=sys.stderr)
        return 1
    try:
        rate = "none" if options.rate_limit is None else f"{options.rate_limit:g}"
        text = _EXAMPLE.format(
            url=simulator.endpoint_url, scale=options.time_scale, rate=rate, region=options.region_name
        )
        print(text, flush=True)
        wait_for_stop()
    finally:
        simulator.stop()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m aioimagebuilder.testing", description="Simulate EC2 Image Builder on 127.0.0.1."
    )
    add, number = parser.add_argument, _number_type
    add("--port", type=number(Port), default=5000, help="port to listen on; 0 picks a free port")
    add("--time-scale", type=number(TimeScale), default=60.0, help="simulated seconds per second")
    add("--rate-limit", type=number(Rate), help="calls per second allowed for each account")
    add("--burst", type=number(Burst), help="number of calls that may arrive at once")
    parser.set_defaults(region_name="us-east-1")
    add("--region", dest="region_name", type=_parse_region, metavar="REGION", help="region of the resources")
    return parser


class _Parser(argparse.ArgumentParser):
    """A parser that reports an error in one line, without the usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message}\n")


def _number_type(hint: object) -> Callable[[str], float]:
    kind, limits = get_args(hint)

    def parse(text: str) -> float:
        try:
            value: float = kind(text)
        except ValueError:
            value = math.nan
        if value not in limits:
            raise argparse.ArgumentTypeError(f"{text!r} is not {describe(hint)}")
        return value

    return parse


def _parse_region(text: str) -> str:
    try:
        check("the region", text, Region)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


if __name__ == "__main__":
    sys.exit(main())
