"""Build an image and wait for it, as a deployment step with an exit code.

    ami=$(python examples/deploy.py --timeout 7200 "$pipeline_arn") || exit

AMI ids or container image URIs go to stdout, one per line, and everything else to stderr. Exit codes:

    0     the image is available
    1     the build failed, or the image was deleted
    2     the arguments are invalid
    3     the build was cancelled at AWS
    4     the build could not be started or observed, and its outcome is unknown
    124   the timeout expired, as with timeout(1); the build goes on, or was cancelled with --cancel
    130   Ctrl-C; the build goes on

Without an AWS account, against the simulator:

    python -m aioimagebuilder.testing --port 5000 &
    export AWS_ENDPOINT_URL=http://127.0.0.1:5000 AWS_DEFAULT_REGION=us-east-1
    export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test
    curl --json '{"name": "demo"}' $AWS_ENDPOINT_URL/_simulator/pipelines
    python examples/deploy.py arn:aws:imagebuilder:us-east-1:123456789012:image-pipeline/demo
"""

import argparse
import logging
import sys
from typing import Final

from aioimagebuilder import (
    ExecutionCancelledError,
    ExecutionFailedError,
    Image,
    ImageBuilderError,
    WaitTimeoutError,
)
from aioimagebuilder.blocking import ImageBuilder

# The first match wins, so subclasses come before their bases.
EXIT_CODES: Final[dict[type[ImageBuilderError], int]] = {
    ExecutionCancelledError: 3,
    ExecutionFailedError: 1,
    WaitTimeoutError: 124,
    ImageBuilderError: 4,
}
INTERRUPTED: Final = 130


def main() -> int:
    """Run the command line and return the exit code."""
    parser = argparse.ArgumentParser(description="Build an image with EC2 Image Builder and wait for it.")
    parser.add_argument("pipeline", help="ARN of the image pipeline")
    parser.add_argument("--timeout", type=float, default=7200, metavar="SECONDS", help="default: %(default)s")
    parser.add_argument("--poll", type=float, default=5, metavar="SECONDS", help="minimum delay of polls")
    parser.add_argument("--client-token", metavar="TOKEN", help="joins the build started with this token")
    parser.add_argument("--cancel", action="store_true", help="cancel the build at the timeout")
    options = parser.parse_args()
    # At this level, the library logs the ARN of the build and each waiting step.
    logging.basicConfig(format="%(message)s")
    logging.getLogger("aioimagebuilder").setLevel(logging.INFO)
    try:
        image = build(options)
    except ImageBuilderError as error:
        diagnosis = error.diagnosis if isinstance(error, ExecutionFailedError) else None
        print(diagnosis.report() if diagnosis else error, file=sys.stderr)
        return next(code for kind, code in EXIT_CODES.items() if isinstance(error, kind))
    except ValueError as error:  # an argument is invalid, and nothing was sent
        parser.error(str(error))
    except KeyboardInterrupt:
        print("Interrupted. A build that was started continues at AWS.", file=sys.stderr)
        return INTERRUPTED
    for artifact in [ami.image for ami in image.amis] or image.image_uris:
        print(artifact)
    return 0


def build(options: argparse.Namespace) -> Image:
    """Build the pipeline and return the available image."""
    with ImageBuilder(min_delay=options.poll, max_delay=6 * options.poll) as ib:
        return ib.build(
            options.pipeline,
            timeout=options.timeout,
            client_token=options.client_token,
            on_waiting_step="report",
            on_timeout="cancel" if options.cancel else "leave",
            diagnose=True,
        )


if __name__ == "__main__":
    sys.exit(main())
