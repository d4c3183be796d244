"""The logs of builds and pipelines, followed over the real wire from moto's CloudWatch Logs."""

from contextlib import AsyncExitStack, aclosing
from datetime import UTC, datetime, timedelta

import anyio
import boto3
import pytest
import tenacity
from aiobotocore.config import AioConfig
from aiobotocore.httpxsession import HttpxSession
from aiobotocore.session import AioSession

from aioimagebuilder import AccessDeniedException, Backoff, ImageBuilder, LogLine, ObservationError, blocking
from aioimagebuilder.aws.session import SessionArguments
from aioimagebuilder.testing import BuildScript, Fault, Simulator

from .conftest import CADENCE

PACE = {"min_delay": 0.02, "max_delay": 0.1}
ON_HTTPX = AioConfig(http_session_cls=HttpxSession)
LINES = 10_000


def throttle(**members) -> Fault:
    return Fault("throttle", service="logs", operation="GetLogEvents", **members)


def log_calls(simulator: Simulator) -> list[str | None]:
    return [call.code for call in simulator.calls if call.service == "logs"]


def written(simulator: Simulator, group: str, stream: str = "1.0.0/1") -> list[str]:
    """What the log holds, read by boto3 page by page."""
    client = boto3.client("logs", **simulator.client_arguments)
    texts, token, names = [], None, {"logGroupName": group, "logStreamName": stream, "startFromHead": True}
    while True:
        page = client.get_log_events(**names, **({"nextToken": token} if token else {}))
        texts += [event["message"] for event in page["events"]]
        if page["nextForwardToken"] == token:
            client.close()
            return texts
        token = page["nextForwardToken"]


@pytest.mark.parametrize(
    ("backend", "config"),
    [
        pytest.param("asyncio", None, id="asyncio-aiohttp"),
        pytest.param("asyncio", ON_HTTPX, id="asyncio-httpx2"),
        pytest.param("trio", None, id="trio-httpx2"),
    ],
)
def test_ten_thousand_lines_are_followed_each_once_and_in_order(simulator: Simulator, backend, config):
    # The stream comes late, and every third read of it is throttled.
    simulator.set_time_scale(300)
    simulator.script(BuildScript(log_lines=LINES, log_delay=120))
    pipeline = simulator.create_pipeline("Web Server")
    simulator.inject(throttle(probability=0.33))

    async def main() -> list[LogLine]:
        async with ImageBuilder(**simulator.client_arguments, **CADENCE, config=config) as ib:
            arn = await ib.start_image_pipeline_execution(pipeline)
            return [line async for line in ib.logs(arn, follow=True, **PACE)]

    lines = anyio.run(main, backend=backend)
    texts = [line.message for line in lines]
    codes = log_calls(simulator)
    assert [text for text in texts if text.startswith("Stdout")] == [
        f"Stdout: line {number} of {LINES}" for number in range(1, LINES + 1)
    ]
    assert texts[-1].startswith("Image transitioned to AVAILABLE")
    assert [line.timestamp for line in lines] == sorted(line.timestamp for line in lines)
    # A machine that is busy reads more lines with fewer calls.
    assert "ThrottlingException" in codes
    simulator.clear_faults()
    assert texts == written(simulator, "/aws/imagebuilder/Web Server")


def test_the_blocking_face_reads_the_same(simulator: Simulator):
    with blocking.ImageBuilder(**simulator.client_arguments, **CADENCE) as ib:
        arn = ib.start_image_pipeline_execution(simulator.create_pipeline("demo"))
        with ib.logs(arn, follow=True, **PACE) as lines:
            texts = [line.message for line in lines]
        assert texts == [line.message for line in ib.logs(arn)]
    assert texts[-1].startswith("Image transitioned to AVAILABLE")


@pytest.mark.asyncio
async def test_what_there_is_now_is_read_without_waiting(ib: ImageBuilder, simulator: Simulator):
    simulator.set_time_scale(0)
    simulator.script(BuildScript(log_lines=3 * LINES))
    arn = simulator.start_build(simulator.create_pipeline("demo", log_group="/aws/imagebuilder/own"))
    assert [line.message async for line in ib.logs(arn)] == [
        f"Image transitioned to PENDING state for Image ARN: {arn}"
    ]
    simulator.advance(3600)
    texts = [line.message async for line in ib.logs(arn)]
    assert len(texts) > 3 * LINES
    assert texts == written(simulator, "/aws/imagebuilder/own")


@pytest.mark.asyncio
async def test_a_build_that_writes_no_log_has_no_lines(ib: ImageBuilder, simulator: Simulator):
    simulator.script(BuildScript(log_stream=False))
    arn = simulator.start_build(simulator.create_pipeline("demo"))
    assert [line async for line in ib.logs(arn)] == []
    assert [line async for line in ib.logs(arn, follow=True, **PACE)] == []
    assert (await ib.get_image(arn)).is_terminal


@pytest.mark.asyncio
async def test_a_start_time_leaves_out_what_came_before(ib: ImageBuilder, simulator: Simulator):
    simulator.set_time_scale(0)
    arn = simulator.start_build(simulator.create_pipeline("demo"))
    simulator.advance(3600)
    everything = [line async for line in ib.logs(arn)]
    since = everything[5].timestamp
    assert [line async for line in ib.logs(arn, since=since)] == everything[5:]
    after = since + timedelta(microseconds=1)
    assert [line async for line in ib.logs(arn, since=after)] == everything[6:]
    with pytest.raises(ValueError, match="time zone"):
        ib.logs(arn, since=datetime(2026, 9, 9))  # noqa: DTZ001 - that is the point


@pytest.mark.asyncio
async def test_a_token_that_has_expired_neither_loses_nor_repeats_a_line(
    ib: ImageBuilder, simulator: Simulator
):
    simulator.script(BuildScript(log_lines=200))
    expired = Fault(
        "error",
        service="logs",
        code="InvalidParameterException",
        status=400,
        message="The specified nextToken is invalid.",
        times=1,
    )
    simulator.set_time_scale(0)
    arn = simulator.start_build(simulator.create_pipeline("demo"))
    texts: list[str] = []
    async for line in ib.logs(arn, follow=True, **PACE):
        texts.append(line.message)
        if texts == written(simulator, "/aws/imagebuilder/demo"):
            if log_calls(simulator).count("InvalidParameterException") < 3:
                simulator.inject(expired)
            # Lines of the same millisecond stand on both sides of the token.
            simulator.advance(250)
    assert log_calls(simulator).count("InvalidParameterException") == 3
    assert texts == written(simulator, "/aws/imagebuilder/demo")


@pytest.mark.asyncio
async def test_a_log_that_may_not_be_read_is_told(ib: ImageBuilder, simulator: Simulator):
    denied = Fault("error", service="logs", code="AccessDeniedException", status=400, message="Not you.")
    simulator.inject(denied)
    arn = simulator.start_build(simulator.create_pipeline("demo"))
    for follow in (False, True):
        with pytest.raises(AccessDeniedException, match=r"GetLogEvents: .*Not you\. Check the IAM"):
            await anext(ib.logs(arn, follow=follow))
    assert (await ib.wait(arn, timeout=60)).outcome == "succeeded"


@pytest.mark.asyncio
@pytest.mark.parametrize("fault", ["reset", "error"])
async def test_while_the_build_goes_on_its_log_is_not_given_up(simulator: Simulator, fault):
    # Retries within the one read give up at once here: following goes on all the same.
    backoff = Backoff(stop=tenacity.stop_after_attempt(1))
    simulator.set_time_scale(300)
    simulator.inject(Fault(fault, service="logs", seconds=1.0))
    async with ImageBuilder(**simulator.client_arguments, **CADENCE, backoff=backoff) as ib:
        arn = simulator.start_build(simulator.create_pipeline("demo"))
        texts = [line.message async for line in ib.logs(arn, follow=True, **PACE)]
    assert texts == written(simulator, "/aws/imagebuilder/demo")


@pytest.mark.asyncio
async def test_leaving_in_the_middle_leaves_nothing_behind(ib: ImageBuilder, simulator: Simulator):
    simulator.set_time_scale(0)
    arn = simulator.start_build(simulator.create_pipeline("demo"))
    async with aclosing(ib.logs(arn, follow=True, **PACE)) as lines:
        assert "PENDING" in (await anext(lines)).message
    with anyio.move_on_after(0.3) as scope:
        async for _ in ib.logs(arn, follow=True, **PACE):
            pass
    assert scope.cancelled_caught
    assert not ib._parts.poller._targets


@pytest.mark.asyncio
async def test_closing_the_client_ends_who_follows(simulator: Simulator):
    simulator.set_time_scale(0)
    arn = simulator.start_build(simulator.create_pipeline("demo"))
    async with ImageBuilder(**simulator.client_arguments, **CADENCE) as ib:
        lines = ib.logs(arn, follow=True, min_delay=5)
        await anext(lines)
        await ib.aclose()
        with anyio.fail_after(4), pytest.raises(ObservationError, match="the client was closed"):
            await anext(lines)


@pytest.mark.asyncio
async def test_cloudwatch_is_left_alone_until_somebody_asks(ib: ImageBuilder, simulator: Simulator):
    arn = simulator.start_build(simulator.create_pipeline("demo"))
    await ib.wait(arn, timeout=60)
    ib.logs(arn)
    assert ib._parts.cloudwatch._open is None
    assert [line async for line in ib.logs(arn)]
    assert ib._parts.cloudwatch._open is not None


@pytest.mark.asyncio
async def test_a_given_client_needs_one_of_logs_beside_it(simulator: Simulator):
    arn = simulator.start_build(simulator.create_pipeline("demo"))
    session, arguments = AioSession(), simulator.client_arguments
    async with (
        session.create_client("imagebuilder", **arguments) as client,
        session.create_client("logs", **arguments) as logs_client,
    ):
        async with ImageBuilder(client=client) as ib:
            with pytest.raises(ValueError, match="also pass logs_client="):
                ib.logs(arn)
        async with ImageBuilder(client=client, logs_client=logs_client) as ib:
            assert "PENDING" in (await anext(ib.logs(arn))).message
        assert (await logs_client.describe_log_groups())["logGroups"]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("endpoint_url", "used"),
    [
        (None, "https://logs.eu-west-1.amazonaws.com"),
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
        (
            "https://vpce-1-2.imagebuilder.eu-west-1.vpce.amazonaws.com",
            "https://logs.eu-west-1.amazonaws.com",
        ),
    ],
)
async def test_an_endpoint_of_image_builder_alone_is_not_asked_for_logs(endpoint_url, used):
    arguments = SessionArguments(
        region_name="eu-west-1", endpoint_url=endpoint_url, aws_access_key_id="a", aws_secret_access_key="b"
    )
    async with AsyncExitStack() as stack:
        client = await arguments.open_logs_client(stack)
        assert client.meta.endpoint_url == used


@pytest.mark.asyncio
async def test_a_pipeline_has_a_stream_a_day():
    yesterday = (datetime.now(UTC) - timedelta(days=1)).replace(microsecond=0)
    with Simulator(time_scale=0, start=yesterday.timestamp()) as simulator:
        pipeline = simulator.create_pipeline("Web Server")
        arns = [simulator.start_build(pipeline)]
        simulator.advance(24 * 3600)
        arns += [simulator.start_build(pipeline)]
        async with ImageBuilder(**simulator.client_arguments) as ib:
            texts = [line.message async for line in ib.logs(pipeline, since=yesterday)]
            assert [text.rpartition(" ")[2] for text in texts] == arns
            assert len([line async for line in ib.logs(pipeline)]) == 1
            texts = []
            async for line in ib.logs(pipeline, since=yesterday, follow=True, **PACE):
                texts.append(line.message)
                if len(texts) == 2:
                    arns.append(simulator.start_build(pipeline))
                if len(texts) == 3:
                    break
            assert [text.rpartition(" ")[2] for text in texts] == arns


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("arn", "says"),
    [
        (
            "wf-12345678-1234-1234-1234-123456789012",
            "names a workflow execution: expected the id of an image",
        ),
        ("arn:aws:imagebuilder:eu-west-1:123456789012:image/demo/1.0.0/1", "is in region eu-west-1"),
    ],
)
async def test_what_has_no_log_is_told_before_anything_is_sent(ib: ImageBuilder, simulator, arn, says):
    with pytest.raises(ValueError, match=says):
        ib.logs(arn)
    with pytest.raises(ValueError, match="min_delay"):
        ib.logs("arn:aws:imagebuilder:us-east-1:123456789012:image/demo/1.0.0/1", min_delay=99)
    assert simulator.calls == []
