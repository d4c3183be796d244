"""Start many builds and wait for them in several processes, each with a queue of push hints of its own.

    python examples/many_processes.py --processes 3 --builds 1000 "$pipeline_arn"

The rule, the topic and the queues are those of `aioimagebuilder hints template`. Their stack is created if it
does not exist, and kept; there are as many processes as it has queues. Each waits for a share of the builds,
and prints an image when it ends. The totals of all processes are printed last.

The exit code is 0 if every image became AVAILABLE, 1 if not, and 130 after Ctrl-C. Nothing is cancelled at
AWS.

Without an AWS account, against the simulator:

    aioimagebuilder simulate --port 5000 --time-scale 60 --pipeline web &
    export AWS_ENDPOINT_URL=http://127.0.0.1:5000 AWS_DEFAULT_REGION=us-east-1
    export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test
    python examples/many_processes.py --poll 0.5 \
        arn:aws:imagebuilder:us-east-1:123456789012:image-pipeline/web
"""

import argparse
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from itertools import cycle
from queue import Queue

import anyio
from aiobotocore.session import get_session

from aioimagebuilder import ImageBuilder, ImageBuilderError, SqsHints, WaitError, blocking

STACK = "aioimagebuilder-hints"
CALLS, MESSAGES = "calls to Image Builder", "messages from SQS"


def main() -> int:
    """Run the command line and return the exit code."""
    parser = argparse.ArgumentParser(description="Wait for many builds in several processes.")
    parser.add_argument("pipeline", help="pipeline ARN")
    parser.add_argument("--processes", type=int, default=3, metavar="NUMBER", help="default: %(default)s")
    parser.add_argument("--builds", type=int, default=1000, metavar="NUMBER", help="default: %(default)s")
    parser.add_argument("--rate", type=float, default=10, metavar="NUMBER", help="builds started in a second")
    parser.add_argument("--timeout", type=float, default=7200, metavar="SECONDS", help="default: %(default)s")
    parser.add_argument("--poll", type=float, default=5, metavar="SECONDS", help="minimum delay of polls")
    options = parser.parse_args()
    if options.processes == 1:
        parser.error("one process needs neither a topic nor this example: see SqsHints")
    try:
        queue_urls = anyio.run(set_up, options.processes)
        totals = build_and_wait(options, queue_urls)
    except ImageBuilderError as error:
        print(error, file=sys.stderr)
        return 1
    except ValueError as error:  # an argument is invalid, and nothing was started
        parser.error(str(error))
    except KeyboardInterrupt:
        print("Interrupted. Each build that was started continues at AWS.", file=sys.stderr)
        return 130
    print(", ".join(f"{number:,} {what}" for what, number in sorted(totals.items())))
    return 0 if totals["AVAILABLE"] == options.builds else 1


async def set_up(processes: int) -> list[str]:
    """Create the stack of the hints unless it exists, and return the URLs of its queues."""
    command = [sys.executable, "-m", "aioimagebuilder", "hints", "template", "--queues", str(processes)]
    template = (await anyio.run_process(command)).stdout.decode()
    session = get_session()
    async with (
        session.create_client("cloudformation") as cloudformation,
        session.create_client("sns") as sns,
        session.create_client("sqs") as sqs,
    ):
        with suppress(cloudformation.exceptions.AlreadyExistsException):
            await cloudformation.create_stack(StackName=STACK, TemplateBody=template)
        await cloudformation.get_waiter("stack_create_complete").wait(StackName=STACK)
        stacks = await cloudformation.describe_stacks(StackName=STACK)
        queue_urls = [each["OutputValue"] for each in stacks["Stacks"][0]["Outputs"]]
        # moto's CloudFormation, and so the simulator's, has no subscriptions. At AWS, this finds them all.
        topic = await cloudformation.describe_stack_resource(StackName=STACK, LogicalResourceId="Topic")
        topic_arn = topic["StackResourceDetail"]["PhysicalResourceId"]
        subscriptions = await sns.list_subscriptions_by_topic(TopicArn=topic_arn)
        subscribed = {each["Endpoint"] for each in subscriptions["Subscriptions"]}
        for url in queue_urls:
            attributes = await sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
            queue_arn = attributes["Attributes"]["QueueArn"]
            if queue_arn not in subscribed:
                await sns.subscribe(TopicArn=topic_arn, Protocol="sqs", Endpoint=queue_arn)
    return queue_urls


def build_and_wait(options: argparse.Namespace, queue_urls: Sequence[str]) -> Counter[str]:
    """Start the builds, and return how many images had which status at the end, and other totals."""
    context = multiprocessing.get_context("spawn")
    with (
        context.Manager() as manager,
        ProcessPoolExecutor(len(queue_urls), context) as pool,
        blocking.ImageBuilder() as ib,
    ):
        shares = [manager.Queue() for _ in queue_urls]
        workers = [
            pool.submit(run_worker, url, share, options.timeout, options.poll)
            for url, share in zip(queue_urls, shares, strict=True)
        ]
        try:
            for _, share in zip(range(options.builds), cycle(shares), strict=False):
                share.put(ib.start_image_pipeline_execution(options.pipeline))
                time.sleep(1 / options.rate)
            for share in shares:
                share.put(None)
            return sum((worker.result() for worker in workers), Counter({CALLS: options.builds}))
        except BaseException:
            # They would wait until each build that was started ends.
            for process in multiprocessing.active_children():
                process.terminate()
            raise


def run_worker(queue_url: str, share: Queue[str | None], timeout: float, poll: float) -> Counter[str]:
    """Wait for the ARNs of a share up to ``None``, in a process of its own, and return its totals."""
    return anyio.run(wait_for_share, queue_url, share, timeout, poll)


async def wait_for_share(
    queue_url: str, share: Queue[str | None], timeout: float, poll: float
) -> Counter[str]:
    """Wait for the ARNs of a share up to ``None``, and return the totals."""
    totals: Counter[str] = Counter()

    async def wait(arn: str) -> None:
        try:
            status = str((await ib.wait_for_image(arn, timeout=timeout, check=False)).status)
        except WaitError as error:
            status = f"unknown: {error}"
        totals[status] += 1
        print(f"{status:<10} {arn}", flush=True)

    session = get_session()
    session.register("before-call.imagebuilder", lambda **_: totals.update([CALLS]))
    session.register(
        "after-call.sqs.ReceiveMessage",
        lambda parsed, **_: totals.update({MESSAGES: len(parsed.get("Messages", ()))}),
    )
    hints = SqsHints(queue_url)
    async with (
        ImageBuilder(session=session, hints=hints, min_delay=poll, max_delay=6 * poll) as ib,
        anyio.create_task_group() as tasks,
    ):
        while (arn := await anyio.to_thread.run_sync(share.get, abandon_on_cancel=True)) is not None:
            tasks.start_soon(wait, arn)
    return totals


if __name__ == "__main__":
    sys.exit(main())
