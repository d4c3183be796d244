"""Push hints over the wire: moto's EventBridge, SNS and SQS, set up by the template of the command line."""

import json
import logging
from functools import partial

import anyio
import boto3
import pytest
from aiobotocore.config import AioConfig
from anyio import to_thread
from botocore.config import Config

from aioimagebuilder import ImageBuilder, SqsHints, blocking
from aioimagebuilder.aws.session import SessionArguments
from aioimagebuilder.aws.sqs import SqsQueue
from aioimagebuilder.cli.commands.hints import create_template
from aioimagebuilder.testing import Simulator
from support.scripted_queue import IMAGE, STEP, image_event
from support.scripted_service import image_arn

from .conftest import CADENCE, CLIENTS

# moto deploys the template without its policies and subscriptions.
pytestmark = pytest.mark.filterwarnings("ignore:Tried to parse AWS..S.S..(.+Policy|Subscription):UserWarning")

# An hour between polls: only a hint ends a wait of a test.
SLOW = {"min_delay": 3600, "max_delay": 3600}


def _aws(simulator: Simulator, service: str):
    return boto3.client(
        service, **simulator.client_arguments, config=Config(retries={"total_max_attempts": 1})
    )


def _set_up(simulator: Simulator, queues: int = 1) -> list[str]:
    """Deploy the template, and return the URLs of its queues."""
    cloudformation = _aws(simulator, "cloudformation")
    cloudformation.create_stack(StackName="hints", TemplateBody=create_template(queues))
    (stack,) = cloudformation.describe_stacks(StackName="hints")["Stacks"]
    return [each["OutputValue"] for each in stack["Outputs"]]


def _put_event(simulator: Simulator, arn: str, status: str = "AVAILABLE") -> None:
    """Put an event of an image on the default bus."""
    event = image_event(arn, status)
    entry = {
        "Source": event["source"],
        "DetailType": event["detail-type"],
        "Resources": event["resources"],
        "Detail": json.dumps(event["detail"]),
    }
    _aws(simulator, "events").put_events(Entries=[entry])


def _messages(simulator: Simulator, queue_url: str) -> int:
    attributes = _aws(simulator, "sqs").get_queue_attributes(
        QueueUrl=queue_url,
        AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
    )["Attributes"]
    return sum(map(int, attributes.values()))


async def _end_by_hint(ib: ImageBuilder, simulator: Simulator) -> float:
    """Return how long after its image has ended a wait ends whose own polls are an hour apart."""
    arn = simulator.start_build(simulator.create_pipeline("demo"))
    async with anyio.create_task_group() as tasks:
        ended = anyio.Event()

        async def waiting() -> None:
            await ib.wait(arn, timeout=None)
            ended.set()

        tasks.start_soon(waiting)
        with anyio.fail_after(20):
            while simulator.call_count("GetImage") == 0:
                await anyio.sleep(0.01)
        await to_thread.run_sync(simulator.advance, 7200)
        announced = anyio.current_time()
        with anyio.fail_after(20):
            await ended.wait()
        return anyio.current_time() - announced


@pytest.fixture
def simulator(imagebuilder_simulator: Simulator) -> Simulator:
    imagebuilder_simulator.set_time_scale(0)
    return imagebuilder_simulator


@pytest.mark.parametrize(("backend", "config"), CLIENTS)
def test_event_ends_the_wait_and_its_message_is_deleted(simulator: Simulator, backend, config):
    (queue_url,) = _set_up(simulator)

    async def main():
        hints = SqsHints(queue_url)
        async with ImageBuilder(
            **simulator.client_arguments, **SLOW, hints=hints, config=AioConfig(**config)
        ) as ib:
            # Messages of others are deleted as well.
            await to_thread.run_sync(_put_event, simulator, image_arn(77))
            return await _end_by_hint(ib, simulator)

    assert anyio.run(main, backend=backend) < 5
    assert _messages(simulator, queue_url) == 0


@pytest.mark.parametrize("is_raw", [True, False])
def test_event_through_a_topic_ends_the_waits_of_all_processes(simulator: Simulator, is_raw):
    first, second = _set_up(simulator, queues=2)
    sns = _aws(simulator, "sns")
    (topic,) = sns.list_topics()["Topics"]
    sqs = _aws(simulator, "sqs")
    for url in (first, second):
        attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
        sns.subscribe(
            TopicArn=topic["TopicArn"],
            Protocol="sqs",
            Endpoint=attributes["QueueArn"],
            Attributes={"RawMessageDelivery": str(is_raw).lower()},
        )

    async def main():
        async with ImageBuilder(**simulator.client_arguments, **SLOW, hints=SqsHints(first)) as ib:
            return await _end_by_hint(ib, simulator)

    assert anyio.run(main) < 5
    # BUILDING, TESTING, DISTRIBUTING, AVAILABLE.
    assert _messages(simulator, second) == 4


def test_template_matches_the_events_of_images_and_steps_only(simulator: Simulator):
    (queue_url,) = _set_up(simulator)
    events = _aws(simulator, "events")
    types = [IMAGE, STEP, "EC2 Image Builder CVE Detected", "AWS API Call via CloudTrail"]
    for each in types:
        events.put_events(Entries=[{"Source": "aws.imagebuilder", "DetailType": each, "Detail": "{}"}])
    assert _messages(simulator, queue_url) == 2


def test_blocking_client_receives_hints(simulator: Simulator):
    (queue_url,) = _set_up(simulator)
    arn = simulator.start_build(simulator.create_pipeline("demo"))
    with blocking.ImageBuilder(**simulator.client_arguments, **SLOW, hints=SqsHints(queue_url)) as ib:
        with ib.watch(arn) as watch:
            next(watch)
            simulator.advance(7200)
            assert next(watch).is_terminal


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("dies", ["missing", "deleted"])
def test_queue_that_is_gone_changes_no_wait(simulator: Simulator, caplog, backend, dies):
    (queue_url,) = _set_up(simulator) if dies == "deleted" else [f"{simulator.endpoint_url}/1/none"]

    async def main():
        arguments = simulator.client_arguments
        async with ImageBuilder(**arguments, **CADENCE, hints=SqsHints(queue_url)) as ib:
            if dies == "deleted":
                await to_thread.run_sync(lambda: _aws(simulator, "sqs").delete_queue(QueueUrl=queue_url))
            for _ in range(3):
                arn = simulator.start_build(pipeline)
                polls = simulator.call_count("GetImage")
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(partial(ib.wait, arn, timeout=60))
                    # The queue is only called while somebody waits.
                    while simulator.call_count("GetImage") == polls or not caplog.records:
                        await anyio.sleep(0.01)
                    await to_thread.run_sync(simulator.advance, 7200)

    pipeline = simulator.create_pipeline("demo")
    with caplog.at_level(logging.WARNING, "aioimagebuilder"):
        anyio.run(main, backend=backend)
    (warning,) = [each for each in caplog.records if each.name == "aioimagebuilder"]
    assert "Polling as without hints" in warning.message


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_short_read_timeout_does_not_end_long_polls(simulator: Simulator, backend):
    (queue_url,) = _set_up(simulator)

    async def main():
        arguments = SessionArguments(
            **simulator.client_arguments, config=Config(read_timeout=1)
        ).with_session()
        queue = SqsQueue(SqsHints(queue_url), arguments)
        started = anyio.current_time()
        async with anyio.create_task_group() as tasks:

            async def receive() -> None:
                received.extend(await queue.receive())

            tasks.start_soon(receive)
            # Longer than the read timeout of the config.
            await anyio.sleep(2)
            await to_thread.run_sync(_put_event, simulator, image_arn())
        await queue.aclose()
        return anyio.current_time() - started

    received: list = []
    assert anyio.run(main, backend=backend) < 15
    assert len(received) == 1


@pytest.mark.parametrize(
    ("url", "endpoint_url"),
    [
        ("https://sqs.eu-central-1.amazonaws.com/123456789012/q", "https://sqs.eu-central-1.amazonaws.com"),
        ("https://eu-central-1.queue.amazonaws.com/123456789012/q", "https://sqs.eu-central-1.amazonaws.com"),
        ("https://sqs.cn-north-1.amazonaws.com.cn/1/q", "https://sqs.cn-north-1.amazonaws.com.cn"),
        ("https://vpce-1.sqs.eu-central-1.vpce.amazonaws.com/1/q", "https://sqs.eu-west-1.amazonaws.com"),
    ],
)
def test_client_of_sqs_is_in_the_region_of_the_queue(url, endpoint_url):
    async def main():
        arguments = SessionArguments(
            region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b"
        ).with_session()
        queue = SqsQueue(SqsHints(url), arguments)
        client = await queue._client()
        await queue.aclose()
        return client.meta.endpoint_url

    assert anyio.run(main) == endpoint_url
