"""Run the simulator as a separate process with ``python -m aioimagebuilder.testing``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

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
    simulator = Simulator(
        time_scale=options.time_scale,
        rate_limit=options.rate_limit,
        burst=options.burst,
        region_name=options.region,
        port=options.port,
    )
    wait_for_stop = stop_signals()
    try:
        simulator.start()
    except OSError as error:
        print(f"cannot listen on port {options.port}: {error.strerror or error}", file=sys.stderr)
        return 1
    try:
        rate = "none" if options.rate_limit is None else f"{options.rate_limit:g}"
        text = _EXAMPLE.format(
            url=simulator.endpoint_url, scale=options.time_scale, rate=rate, region=options.region
        )
        print(text, flush=True)
        wait_for_stop()
    finally:
        simulator.stop()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m aioimagebuilder.testing", description="Simulate EC2 Image Builder on 127.0.0.1."
    )
    parser.add_argument("--port", type=int, default=5000, help="port to listen on; 0 picks a free port")
    parser.add_argument("--time-scale", type=float, default=60.0, help="simulated seconds per second")
    parser.add_argument("--rate-limit", type=float, help="calls per second allowed for each account")
    parser.add_argument("--burst", type=float, help="number of calls that may arrive at once")
    parser.add_argument("--region", default="us-east-1", help="region shown in the example commands")
    return parser


if __name__ == "__main__":
    sys.exit(main())
