"""Wait for many executions at once, and print a row for each one when it ends.

    python examples/gather_executions.py --timeout 7200 "$pipeline_arn" "$image_arn" wf-… lce-…

Pipelines are built; everything else is awaited. All executions share one client with its polls and its call
rate, so a hundred of them cost little more than one.

The exit code is 0 if every execution succeeded or was skipped, 1 if not, and 130 after Ctrl-C. Nothing is
cancelled at AWS.

Without an AWS account, against the simulator:

    python -m aioimagebuilder.testing --port 5000 &
    export AWS_ENDPOINT_URL=http://127.0.0.1:5000 AWS_DEFAULT_REGION=us-east-1
    export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test
    curl --json '{"name": "red"}' $AWS_ENDPOINT_URL/_simulator/pipelines
    curl --json '{"name": "blue"}' $AWS_ENDPOINT_URL/_simulator/pipelines
    python examples/gather_executions.py arn:aws:imagebuilder:us-east-1:123456789012:image-pipeline/{red,blue}
"""

import argparse
import sys
from collections.abc import Sequence

import anyio

from aioimagebuilder import (
    ImageBuilder,
    ImageBuilderError,
    OperationError,
    Outcome,
    WaitError,
    WaitGroupError,
    WaitTimeoutError,
)

SUCCESSFUL = (Outcome.SUCCEEDED, Outcome.SKIPPED)


def main() -> int:
    """Run the command line and return the exit code."""
    parser = argparse.ArgumentParser(description="Wait for many executions of EC2 Image Builder at once.")
    parser.add_argument("names", nargs="+", metavar="ID", help="pipeline or image ARN; wf-, step- or lce- id")
    parser.add_argument("--timeout", type=float, default=7200, metavar="SECONDS", help="default: %(default)s")
    parser.add_argument("--poll", type=float, default=5, metavar="SECONDS", help="minimum delay of polls")
    options = parser.parse_args()
    try:
        all_succeeded = anyio.run(gather, options.names, options.timeout, options.poll)
    except ImageBuilderError as error:
        print(error, file=sys.stderr)
        return 1
    except ValueError as error:  # an argument is invalid, and nothing was sent
        parser.error(str(error))
    except KeyboardInterrupt:
        print("Interrupted. Each build that was started continues at AWS.", file=sys.stderr)
        return 130
    return 0 if all_succeeded else 1


async def gather(names: Sequence[str], timeout: float, poll: float) -> bool:
    """Print a row for each execution when it ends, and return whether all succeeded."""
    all_succeeded = True
    async with ImageBuilder(min_delay=poll, max_delay=6 * poll) as ib:
        print_row("OUTCOME", "STATUS", "EXECUTION", "REASON")
        ids = []
        for name in names:
            try:
                ids.append(await start(ib, name))
            except OperationError as error:
                all_succeeded = False
                print_row("no start", None, name, error)
        try:
            async for execution in ib.as_completed(ids, timeout=timeout):
                all_succeeded &= execution.outcome in SUCCESSFUL
                print_row(execution.outcome, execution.status, execution.id, execution.reason)
        except WaitGroupError as group:
            # Raised last, for the executions whose outcome is unknown.
            all_succeeded = False
            for each in group.exceptions:
                assert isinstance(each, WaitError)  # the group is flat
                outcome = "timed out" if isinstance(each, WaitTimeoutError) else "unknown"
                last_seen = each.execution and each.execution.status
                print_row(outcome, last_seen, each.identifier, each)
    return all_succeeded


async def start(ib: ImageBuilder, name: str) -> str:
    """Return the id to wait for: a new build if `name` is a pipeline, or else `name` itself."""
    if ":image-pipeline/" not in name:
        return name
    arn = await ib.start_image_pipeline_execution(name)
    # Printed immediately, so that a started build can be found even if this program is killed.
    print(f"Building {arn}", file=sys.stderr)
    return arn


def print_row(outcome: object, status: object, execution: object, reason: object) -> None:
    """Print and flush one row of the table, since the next may take an hour."""
    print(f"{outcome:<10} {status or '-':<18} {execution:<76} {reason or ''}".rstrip(), flush=True)


if __name__ == "__main__":
    sys.exit(main())
