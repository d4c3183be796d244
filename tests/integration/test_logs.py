"""The logs of builds and pipelines, read over HTTP from moto's CloudWatch Logs."""

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

LOG_CADENCE = {"min_delay": 0.02, "max_delay": 0.1}
ON_HTTPX = AioConfig(http_session_cls=HttpxSession)
LINES = 10_000


def throttle(**members) -> Fault:
    return Fault("throttle", service="logs", operation="GetLogEvents", **members)


def log_call_codes(simulator: Simulator) -> list[str | None]:
    return [call.code for call in simulator.calls if call.service == "logs"]


def read_with_boto3(simulator: Simulator, group: str, stream: str = "1.0.0/1") -> list[str]:
    """Return the messages of a log stream."""
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
def test_followed_log_has_each_line_once_and_in_order(simulator: Simulator, backend, config):
    # The stream appears late, and every third read of it is throttled.
    simulator.set_time_scale(300)
    simulator.script(BuildScript(log_lines=LINES, log_delay=120))
    pipeline = simulator.create_pipeline("Web Server")
    simulator.inject(throttle(probability=0.33))

    async def main() -> list[LogLine]:
        async with ImageBuilder(**simulator.client_arguments, **CADENCE, config=config) as ib:
            arn = await ib.start_image_pipeline_execution(pipeline)
            return [line async for line in ib.logs(arn, follow=True, **LOG_CADENCE)]

    lines = anyio.run(main, backend=backend)
    texts = [line.message for line in lines]
    codes = log_call_codes(simulator)
    assert [text for text in texts if text.startswith("Stdout")] == [
        f"Stdout: line {number} of {LINES}" for number in range(1, LINES + 1)
    ]
    assert texts[-1].startswith("Image transitioned to AVAILABLE")
    assert [line.timestamp for line in lines] == sorted(line.timestamp for line in lines)
    # The number of throttles varies: a busy machine reads more lines per call.
    assert "ThrottlingException" in codes
    simulator.clear_faults()
    assert texts == read_with_boto3(simulator, "/aws/imagebuilder/Web Server")


def test_blocking_client_reads_same_log(simulator: Simulator):
    with blocking.ImageBuilder(**simulator.client_arguments, **CADENCE) as ib:
        arn = ib.start_image_pipeline_execution(simulator.create_pipeline("demo"))
        with ib.logs(arn, follow=True, **LOG_CADENCE) as lines:
            texts = [line.message for line in lines]
        assert texts == [line.message for line in ib.logs(arn)]
    assert texts[-1].startswith("Image transitioned to AVAILABLE")


@pytest.mark.asyncio
async def test_log_without_follow_ends_with_present_lines(ib: ImageBuilder, simulator: Simulator):
    simulator.set_time_scale(0)
    simulator.script(BuildScript(log_lines=3 * LINES))
    arn = simulator.start_build(simulator.create_pipeline("demo", log_group="/aws/imagebuilder/own"))
    assert [line.message async for line in ib.logs(arn)] == [
        f"Image transitioned to PENDING state for Image ARN: {arn}"
    ]
    simulator.advance(3600)
    texts = [line.message async for line in ib.logs(arn)]
    assert len(texts) > 3 * LINES
    assert texts == read_with_boto3(simulator, "/aws/imagebuilder/own")


@pytest.mark.asyncio
async def test_build_without_log_stream_has_no_lines(ib: ImageBuilder, simulator: Simulator):
    simulator.script(BuildScript(log_stream=False))
    arn = simulator.start_build(simulator.create_pipeline("demo"))
    assert [line async for line in ib.logs(arn)] == []
    assert [line async for line in ib.logs(arn, follow=True, **LOG_CADENCE)] == []
    assert (await ib.get_image(arn)).is_terminal


@pytest.mark.asyncio
async def test_since_omits_earlier_lines(ib: ImageBuilder, simulator: Simulator):
    simulator.set_time_scale(0)
    arn = simulator.start_build(simulator.create_pipeline("demo"))
    simulator.advance(3600)
    all_lines = [line async for line in ib.logs(arn)]
    since = all_lines[5].timestamp
    assert [line async for line in ib.logs(arn, since=since)] == all_lines[5:]
    after = since + timedelta(microseconds=1)
    assert [line async for line in ib.logs(arn, since=after)] == all_lines[6:]
    with pytest.raises(ValueError, match="time zone"):
        ib.logs(arn, since=datetime(2026, 9, 9))  # noqa: DTZ001 - is to be rejected


@pytest.mark.asyncio
async def test_expired_token_neither_loses_nor_repeats_lines(ib: ImageBuilder, simulator: Simulator):
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
    async for line in ib.logs(arn, follow=True, **LOG_CADENCE):
        texts.append(line.message)
        if texts == read_with_boto3(simulator, "/aws/imagebuilder/demo"):
            if log_call_codes(simulator).count("InvalidParameterException") < 3:
                simulator.inject(expired)
            # Lines before and after the token have the same millisecond.
            simulator.advance(250)
    assert log_call_codes(simulator).count("InvalidParameterException") == 3
    assert texts == read_with_boto3(simulator, "/aws/imagebuilder/demo")


@pytest.mark.asyncio
async def test_denied_log_raises_access_denied_exception(ib: ImageBuilder, simulator: Simulator):
    denied = Fault(
        "error", service="logs", code="AccessDeniedException", status=400, message="Not authorized."
    )
    simulator.inject(denied)
    arn = simulator.start_build(simulator.create_pipeline("demo"))
    for follow in (False, True):
        async with aclosing(ib.logs(arn, follow=follow)) as lines:
            with pytest.raises(
                AccessDeniedException, match=r"GetLogEvents: .*Not authorized\. Check the IAM"
            ):
                await anext(lines)
    assert (await ib.wait(arn, timeout=60)).outcome == "succeeded"


@pytest.mark.asyncio
@pytest.mark.parametrize(("fault", "status"), [("reset", 0), ("error", 500)])
async def test_log_is_followed_through_faults_while_build_runs(simulator: Simulator, fault, status):
    # A single read is not retried here, so only following can continue.
    backoff = Backoff(stop=tenacity.stop_after_attempt(1))
    simulator.set_time_scale(300)
    simulator.inject(Fault(fault, service="logs", times=3))
    async with ImageBuilder(**simulator.client_arguments, **CADENCE, backoff=backoff) as ib:
        arn = simulator.start_build(simulator.create_pipeline("demo"))
        texts = [line.message async for line in ib.logs(arn, follow=True, **LOG_CADENCE)]
    assert {call.status for call in simulator.calls if call.service == "logs"} == {status, 200}
    assert texts == read_with_boto3(simulator, "/aws/imagebuilder/demo")


@pytest.mark.asyncio
@pytest.mark.parametrize("leave", ["close", "cancel"])
async def test_leaving_followed_log_stops_polling(ib: ImageBuilder, simulator: Simulator, leave):
    simulator.set_time_scale(0)
    arn = simulator.start_build(simulator.create_pipeline("demo"))
    async with aclosing(ib.logs(arn, follow=True, **LOG_CADENCE)) as lines:
        assert "PENDING" in (await anext(lines)).message
        assert not ib._parts.poller.is_idle
        if leave == "cancel":
            with anyio.move_on_after(0.3) as scope:
                await anext(lines)
            assert scope.cancelled_caught
        else:
            await lines.aclose()
        with anyio.fail_after(30):
            while not ib._parts.poller.is_idle:
                await anyio.sleep(0.01)


@pytest.mark.asyncio
async def test_closing_client_ends_followed_log(simulator: Simulator):
    simulator.set_time_scale(0)
    arn = simulator.start_build(simulator.create_pipeline("demo"))
    async with ImageBuilder(**simulator.client_arguments, **CADENCE) as ib:
        lines = ib.logs(arn, follow=True, min_delay=5)
        await anext(lines)
        await ib.aclose()
        with anyio.fail_after(4), pytest.raises(ObservationError, match="the client was closed"):
            await anext(lines)


@pytest.mark.asyncio
async def test_cloudwatch_client_is_opened_on_first_read(ib: ImageBuilder, simulator: Simulator):
    arn = simulator.start_build(simulator.create_pipeline("demo"))
    await ib.wait(arn, timeout=60)
    ib.logs(arn)
    assert ib._parts.cloudwatch._open is None
    assert [line async for line in ib.logs(arn)]
    assert ib._parts.cloudwatch._open is not None


@pytest.mark.asyncio
async def test_logs_of_given_client_need_given_logs_client(simulator: Simulator):
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
            async with aclosing(ib.logs(arn)) as lines:
                assert "PENDING" in (await anext(lines)).message
        assert (await logs_client.describe_log_groups())["logGroups"]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("endpoint_url", "logs_endpoint_url"),
    [
        (None, "https://logs.eu-west-1.amazonaws.com"),
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
        (
            "https://vpce-1-2.imagebuilder.eu-west-1.vpce.amazonaws.com",
            "https://logs.eu-west-1.amazonaws.com",
        ),
    ],
    ids=["default", "simulator", "vpc-endpoint"],
)
async def test_imagebuilder_endpoint_is_not_used_for_logs(endpoint_url, logs_endpoint_url):
    arguments = SessionArguments(
        region_name="eu-west-1", endpoint_url=endpoint_url, aws_access_key_id="a", aws_secret_access_key="b"
    ).with_session()
    async with AsyncExitStack() as stack:
        client = await arguments.opener("logs")(stack)
        assert client.meta.endpoint_url == logs_endpoint_url


@pytest.mark.asyncio
async def test_pipeline_log_has_one_stream_per_day():
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
            async for line in ib.logs(pipeline, since=yesterday, follow=True, **LOG_CADENCE):
                texts.append(line.message)
                if len(texts) == 2:
                    arns.append(simulator.start_build(pipeline))
                if len(texts) == 3:
                    break
            assert [text.rpartition(" ")[2] for text in texts] == arns


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("arn", "message"),
    [
        (
            "wf-12345678-1234-1234-1234-123456789012",
            "names a workflow execution: expected the id of an image",
        ),
        ("arn:aws:imagebuilder:eu-west-1:123456789012:image/demo/1.0.0/1", "is in region eu-west-1"),
    ],
    ids=["workflow", "region"],
)
async def test_invalid_log_arguments_raise_before_any_request(ib: ImageBuilder, simulator, arn, message):
    with pytest.raises(ValueError, match=message):
        ib.logs(arn)
    with pytest.raises(ValueError, match="min_delay"):
        ib.logs("arn:aws:imagebuilder:us-east-1:123456789012:image/demo/1.0.0/1", min_delay=99)
    assert simulator.calls == []
