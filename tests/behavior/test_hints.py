"""Push hints: how soon a wait ends, what it costs, and that no queue fails, delays or ends a wait."""

import asyncio
import itertools
import json
import logging
import math
import statistics
from contextlib import asynccontextmanager
from types import SimpleNamespace

import anyio
import pytest
from aiobotocore.session import AioSession

from aioimagebuilder import Image, ImageBuilder, SqsHints, WaitTimeoutError, blocking
from aioimagebuilder.aws.session import SessionArguments
from aioimagebuilder.aws.sqs import SqsQueue
from aioimagebuilder.polling.hints import HintReceiver
from support.scripted_queue import URL, ScriptedQueue, image_event, step_event
from support.scripted_service import (
    REGION,
    Scripted,
    ScriptedService,
    aws_error,
    image_arn,
    step_id,
    throttle,
    workflow_id,
)
from support.virtual_time import jump

BUILD = ((0, "PENDING"), (20, "BUILDING"), (1500, "TESTING"), (2100, "DISTRIBUTING"), (2400, "AVAILABLE"))
GONE = aws_error("AWS.SimpleQueueService.NonExistentQueue", 400, operation="ReceiveMessage")
DENIED = aws_error("AccessDenied", 403, operation="ReceiveMessage")
BROKEN = aws_error("InternalError", 500, operation="ReceiveMessage")
THROTTLED = aws_error("RequestThrottled", 403, operation="ReceiveMessage")


@asynccontextmanager
async def open_client(service: ScriptedService, queue: ScriptedQueue, **options):
    async with ImageBuilder(client=service, hints=SqsHints(URL, client=queue), **options) as ib:
        yield ib


def add_build(service: ScriptedService, start: float = 0, number: int = 1) -> str:
    return service.image(*((start + at, status) for at, status in BUILD), number=number)


async def prove(ib: ImageBuilder, service: ScriptedService, queue: ScriptedQueue) -> None:
    """Make the hints of a client proven, by a build that they announce."""
    now = service.now
    arn = service.image(
        (now, "PENDING"), (now + 5, "BUILDING"), (now + 10, "TESTING"), (now + 15, "AVAILABLE"), number=999
    )
    queue.announce(arn)
    await ib.wait(arn, timeout=None)


def test_hint_ends_the_wait_at_once(run):
    async def main():
        service = ScriptedService()
        queue = ScriptedQueue(service)
        arn = add_build(service)
        queue.announce(arn)
        async with open_client(service, queue) as ib:
            await ib.wait(arn, timeout=None)
            assert service.now == pytest.approx(2400.5, abs=0.2)
        assert len(queue.deleted) == 4

    run(main)


@pytest.mark.parametrize("is_envelope", [False, True])
def test_hint_through_sns_ends_the_wait_at_once(run, is_envelope):
    async def main():
        service = ScriptedService()
        queue = ScriptedQueue(service)
        arn = service.image((0, "BUILDING"), (110, "AVAILABLE"))
        event = json.dumps(image_event(arn, "AVAILABLE"))
        queue.send(111, json.dumps({"Type": "Notification", "Message": event}) if is_envelope else event)
        async with open_client(service, queue, min_delay=50, max_delay=50) as ib:
            await ib.wait(arn, timeout=None)
            assert service.now == pytest.approx(111, abs=0.2)

    run(main)


def test_hint_polls_workflows_and_steps_of_the_image(run):
    async def main():
        service = ScriptedService()
        queue = ScriptedQueue(service)
        arn, other = image_arn(1), image_arn(2)
        ids = [
            service.workflow((0, "RUNNING"), (110, "COMPLETED"), imageBuildVersionArn=arn),
            service.step((0, "RUNNING"), (110, "COMPLETED"), imageBuildVersionArn=arn),
        ]
        elsewhere = service.workflow((0, "RUNNING"), (110, "COMPLETED"), number=2, imageBuildVersionArn=other)
        queue.send(111, image_event(arn, "TESTING"))
        ended = {}
        async with open_client(service, queue, min_delay=50, max_delay=50) as ib:
            async for each in ib.as_completed([*ids, elsewhere], timeout=None):
                ended[each.id] = service.now
        assert [ended[each] for each in ids] == pytest.approx([111, 111], abs=0.3)
        assert ended[elsewhere] > 140

    run(main)


@pytest.mark.parametrize("watched", ["image", "workflow"])
def test_hint_of_a_waiting_step_shows_it_at_once(run, watched):
    async def main():
        service = ScriptedService()
        queue = ScriptedQueue(service)
        arn = service.image((0, "BUILDING"))
        workflow = service.workflow((0, "RUNNING"), imageBuildVersionArn=arn)
        members = {"stepExecutionId": step_id(), "workflowExecutionId": workflow, "imageBuildVersionArn": arn}
        service.scripts[step_id()] = Scripted(
            [(0, {**members, "status": "PENDING"}), (110, {**members, "status": "WAITING"})]
        )
        queue.send(111, step_event(arn, workflow, step_id()))
        async with open_client(service, queue, min_delay=50, max_delay=50) as ib:
            async with ib.watch(arn if watched == "image" else workflow) as watch:
                assert not (await anext(watch)).progress.waiting_steps
                assert (await anext(watch)).progress.waiting_steps
                assert service.now == pytest.approx(111, abs=0.3)

    run(main)


def test_read_that_lags_behind_its_hint_is_repeated_soon(run):
    async def main():
        service = ScriptedService()
        queue = ScriptedQueue(service)
        arn = service.image((0, "BUILDING"), (111, "AVAILABLE"))
        queue.send(110, image_event(arn, "AVAILABLE"))
        async with open_client(service, queue, min_delay=50, max_delay=50) as ib:
            await ib.wait(arn, timeout=None)
            assert service.now == pytest.approx(112, abs=0.3)

    run(main)


def test_hint_during_a_read_causes_another_one(run):
    async def main():
        service = ScriptedService(latency=3.0)
        queue = ScriptedQueue(service)
        arn = service.image((0, "BUILDING"), (54, "AVAILABLE"))
        # The second read is sent at 53 s, and its response is from then.
        service.hang = lambda now: 20.0 if now > 50 else 0.0
        queue.send(54.5, image_event(arn, "AVAILABLE"))
        async with open_client(service, queue, min_delay=50, max_delay=50) as ib:
            await ib.wait(arn, timeout=None)
        assert len(service.calls) == 3
        assert service.calls[2].time - service.calls[1].time < 25

    run(main)


@pytest.mark.parametrize("pace", ["smithy", "forecast"])
def test_proven_hints_cut_the_calls_of_a_wait(run, pace):
    async def main():
        service = ScriptedService()
        queue = ScriptedQueue(service)
        costs, lateness = [], []
        async with open_client(service, queue, pace=pace) as ib:
            await prove(ib, service, queue)
            for number in range(1, 31):
                arn = add_build(service, service.now, number)
                queue.announce(arn, delay=0.2)
                before, end = len(service.calls), service.now + 2400
                await ib.wait(arn, timeout=None)
                costs.append(len(service.calls) - before)
                lateness.append(service.now - end)
        assert statistics.mean(costs) <= 20
        assert max(lateness) <= 1

    run(main)


def test_unproven_hints_leave_the_cadence_as_it_is(run):
    async def main():
        service = ScriptedService()
        queue = ScriptedQueue(service)
        arn = service.image((0, "BUILDING"), (2400, "AVAILABLE"))
        async with open_client(service, queue) as ib:
            await ib.wait(arn, timeout=None)
        times = service.times
        assert max(b - a for a, b in itertools.pairwise(times)) <= 30.1

    run(main)


@pytest.mark.parametrize("option", [{"detail": "steps"}, {}])
def test_watch_keeps_its_cadence_while_hints_are_proven(run, option):
    async def main():
        service = ScriptedService()
        queue = ScriptedQueue(service)
        async with open_client(service, queue) as ib:
            await prove(ib, service, queue)
            before = len(service.calls)
            arn = service.image((0, "BUILDING"), (service.now + 1200, "AVAILABLE"))
            async for _ in ib.watch(arn, **option):
                pass
        times = [call.time for call in service.calls[before:] if call.operation == "get_image"]
        assert max(b - a for a, b in itertools.pairwise(times)) <= 30.1

    run(main)


def test_executions_of_other_kinds_keep_their_cadence(run):
    async def main():
        service = ScriptedService()
        queue = ScriptedQueue(service)
        async with open_client(service, queue) as ib:
            await prove(ib, service, queue)
            before = len(service.calls)
            workflow = service.workflow((0, "RUNNING"), (service.now + 1200, "COMPLETED"))
            await ib.wait(workflow, timeout=None)
        times = [call.time for call in service.calls[before:]]
        assert max(b - a for a, b in itertools.pairwise(times)) <= 30.1

    run(main)


def test_lost_event_delays_a_wait_once(run, caplog):
    async def main():
        service = ScriptedService()
        queue = ScriptedQueue(service)
        lateness = []
        async with open_client(service, queue) as ib:
            await prove(ib, service, queue)
            for number in range(1, 4):
                # Nothing is announced any more.
                end = service.now + 1000
                arn = service.image(
                    (0, "BUILDING"), (service.now + 500, "TESTING"), (end, "AVAILABLE"), number=number
                )
                await ib.wait(arn, timeout=None)
                lateness.append(service.now - end)
                await anyio.sleep(60)
        assert max(lateness) <= 31

    with caplog.at_level(logging.WARNING, "aioimagebuilder"):
        run(main)
    assert [record.message for record in caplog.records if "without hints" in record.message] == [
        record.message for record in caplog.records
    ]
    assert len(caplog.records) == 1


def test_lost_end_delays_one_wait_by_the_hinted_delay(run):
    async def main():
        service = ScriptedService()
        queue = ScriptedQueue(service)
        lateness = []
        async with open_client(service, queue) as ib:
            await prove(ib, service, queue)
            for number in range(1, 20):
                end = service.now + 1000
                arn = service.image((0, "DISTRIBUTING"), (end, "AVAILABLE"), number=number)
                await ib.wait(arn, timeout=None)
                lateness.append(service.now - end)
        assert 31 < lateness[0] <= 300
        assert max(lateness[1:]) <= 31

    run(main)


@pytest.mark.parametrize("pace", ["smithy", "forecast"])
def test_doubt_shortens_the_delays_of_all_images(run, pace):
    async def main():
        service = ScriptedService()
        queue = ScriptedQueue(service)
        async with open_client(service, queue, pace=pace) as ib:
            await prove(ib, service, queue)
            start = service.now
            arns = [service.image((0, "BUILDING"), number=number) for number in range(1, 11)]
            with anyio.move_on_after(600):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(lambda: ib.wait_all(arns, timeout=None))
                    await anyio.sleep(400)
                    assert len([call for call in service.calls if call.time > start + 200]) < 30
                    queue.fault = lambda _: BROKEN
                    await anyio.sleep(25)
                    doubted = service.now
                    await anyio.sleep(35)
                    assert any(call.time > doubted for call in service.calls)

    run(main)


@pytest.mark.parametrize("error", [GONE, DENIED, BROKEN, THROTTLED, OSError("broken")])
def test_failing_queue_changes_no_wait_and_warns_once(run, caplog, error):
    async def main():
        lateness, costs = [], []
        service = ScriptedService()
        queue = ScriptedQueue(service, fault=lambda _: error)
        async with open_client(service, queue) as ib:
            for number in range(1, 11):
                end = service.now + 1200
                arn = service.image((0, "BUILDING"), (end, "AVAILABLE"), number=number)
                before = len(service.calls)
                await ib.wait(arn, timeout=None)
                costs.append(len(service.calls) - before)
                lateness.append(service.now - end)
        assert max(lateness) <= 31
        assert 60 <= statistics.mean(costs) <= 85
        # The pauses grow up to a quarter of an hour.
        assert len(queue.calls) < 30

    with caplog.at_level(logging.WARNING, "aioimagebuilder"):
        run(main)
    assert len(caplog.records) == 1
    assert URL in caplog.text


def test_queue_that_recovers_is_used_again(run):
    async def main():
        service = ScriptedService()
        queue = ScriptedQueue(service, fault=lambda now: BROKEN if now < 300 else None)
        arn = add_build(service)
        queue.announce(arn)
        async with open_client(service, queue) as ib:
            await ib.wait(arn, timeout=None)
            assert service.now == pytest.approx(2400.5, abs=0.2)

    run(main)


def test_messages_that_cannot_be_deleted_are_no_new_hints(run):
    async def main():
        service = ScriptedService()
        queue = ScriptedQueue(service, delete_fault=lambda _: DENIED)
        arn = service.image((0, "BUILDING"), (600, "AVAILABLE"))
        for at in range(100, 400, 30):
            queue.send(at, image_event(arn, "TESTING"))
        async with open_client(service, queue, min_delay=50, max_delay=50) as ib:
            await ib.wait(arn, timeout=None)
        assert len(service.calls) <= 13 + 2

    run(main)


class UndeletableQueue(ScriptedQueue):
    """Returns one message again and again, and does not delete it, although the calls succeed."""

    async def receive_message(self, **params: object) -> dict:
        await super().receive_message(**{**params, "WaitTimeSeconds": 0})
        return {"Messages": [{"Body": "{}", "ReceiptHandle": "1"}]}

    async def delete_message_batch(self, **_: object) -> dict:
        await anyio.sleep(0.01)
        return {"Failed": [{"Id": "0", "SenderFault": True, "Code": "ReceiptHandleIsInvalid"}]}


def test_message_that_returns_at_once_is_received_once_a_second(run):
    async def main():
        service = ScriptedService()
        queue = UndeletableQueue(service)
        async with open_client(service, queue) as ib:
            with pytest.raises(WaitTimeoutError):
                await ib.wait(service.image((0, "BUILDING")), timeout=60)
        assert len(queue.calls) <= 62

    run(main)


@pytest.mark.parametrize(
    "message",
    [
        "",
        "not JSON",
        "[]",
        "[" * 100_000,
        "1" * 10_000,
        json.dumps({"Type": "Notification", "Message": {}}),
        json.dumps(image_event(image_arn(1), "AVAILABLE", resources=None)),
        json.dumps(image_event(image_arn(1), "AVAILABLE", resources=[1, None, {}])),
        json.dumps(image_event(image_arn(1), "AVAILABLE", source="aws.ec2")),
        json.dumps(image_event(image_arn(1), "AVAILABLE", **{"detail-type": "AWS API Call via CloudTrail"})),
        json.dumps(image_event(image_arn(1), "AVAILABLE", account="999999999999")),
        json.dumps(image_event(image_arn(1), "AVAILABLE", region="eu-west-1")),
        json.dumps(image_event(image_arn(1, region="eu-west-1"), "AVAILABLE")),
        json.dumps(image_event(image_arn(2), "AVAILABLE")),
        json.dumps(image_event(image_arn(1), "AVAILABLE", padding="x" * 200_000)),
    ],
)
def test_message_about_nothing_awaited_is_ignored(run, caplog, message):
    async def main():
        service = ScriptedService()
        queue = ScriptedQueue(service)
        arn = service.image((0, "BUILDING"), (600, "AVAILABLE"))
        queue.send(110, message)
        async with open_client(service, queue, min_delay=50, max_delay=50) as ib:
            await ib.wait(arn, timeout=None)
        assert len(service.calls) == 13
        assert len(queue.deleted) == 1

    with caplog.at_level(logging.WARNING, "aioimagebuilder"):
        run(main)
    assert not caplog.records


def test_flood_of_lies_costs_a_bounded_number_of_calls(run):
    async def main():
        service = ScriptedService()
        queue = ScriptedQueue(service)
        arn = service.image((0, "BUILDING"), (600, "AVAILABLE"))
        for number in range(3000):
            queue.send(100 + number / 10, image_event(arn, "TESTING", number))
        async with open_client(service, queue, min_delay=50, max_delay=50) as ib:
            await ib.wait(arn, timeout=None)
            assert service.now < 651
        assert len(service.calls) <= 13 + 2 * 300 / 50 + 2

    run(main)


def test_flood_of_waiting_steps_costs_a_bounded_number_of_calls(run):
    async def main():
        service = ScriptedService()
        queue = ScriptedQueue(service)
        arn = service.image((0, "BUILDING"), (600, "AVAILABLE"))
        for number in range(3000):
            event = step_event(arn, workflow_id(), step_id()) | {"id": str(number)}
            queue.send(100 + number / 10, event)
        async with open_client(service, queue, min_delay=50, max_delay=50) as ib:
            async for _ in ib.watch(arn):
                pass
        assert service.count("list_waiting_workflow_steps") <= 7 + 2 * 300 / 50 + 2

    run(main)


def test_hint_soon_after_the_last_wait_is_in_time(run, caplog):
    async def main():
        service = ScriptedService()
        queue = ScriptedQueue(service)
        async with open_client(service, queue, min_delay=50, max_delay=50) as ib:
            for number in range(1, 6):
                # A poll finds the end a moment before the hint arrives.
                arn = service.image((0, "BUILDING"), (service.now + 45, "AVAILABLE"), number=number)
                queue.announce(arn, delay=lambda status: 8 if status == "AVAILABLE" else None)
                await ib.wait(arn, timeout=None)
                await anyio.sleep(60)

    with caplog.at_level(logging.INFO, "aioimagebuilder"):
        run(main)
    assert ["proven" in record.message for record in caplog.records] == [True]


def test_receiver_that_stops_and_starts_at_once_continues(run):
    async def main():
        service = ScriptedService()
        queue = ScriptedQueue(service)
        received = []
        receiver = HintReceiver(SqsQueue(SqsHints(URL, client=queue), SessionArguments()), REGION, 300)
        receiver.connect(lambda hint: bool(received.append(hint)), lambda: None)
        receiver.start(main)
        await anyio.sleep(1)
        for number in (1, 2):
            states = [
                Image.parse({"arn": image_arn(number), "state": {"status": status}})
                for status in ("BUILDING", "TESTING")
            ]
            receiver.found(states[1], states[0])
        # The time for their hints is over before the receiver stops.
        jump(11)
        receiver.stop(main)
        receiver.start(main)
        queue.send(100, image_event(image_arn(), "TESTING"))
        await anyio.sleep(100)
        await receiver.aclose()
        assert len(received) == 1

    run(main)


def test_hints_of_states_already_seen_cost_no_call(run):
    async def main():
        service = ScriptedService()
        queue = ScriptedQueue(service)
        arn = service.image((0, "TESTING"), (600, "AVAILABLE"))
        for number, status in enumerate(["BUILDING", "TESTING", "BUILDING"]):
            queue.send(100 + number, image_event(arn, status, number))
        async with open_client(service, queue, min_delay=50, max_delay=50) as ib:
            await ib.wait(arn, timeout=None)
        assert len(service.calls) == 13

    run(main)


def test_hint_does_not_poll_in_a_pause_of_the_service(run):
    async def main():
        service = ScriptedService()
        queue = ScriptedQueue(service)
        arn = service.image((0, "BUILDING"), (60, "AVAILABLE"))
        service.fault = lambda now: throttle(headers={"retry-after": "60"}) if 49 < now < 100 else None
        queue.send(61, image_event(arn, "AVAILABLE"))
        async with open_client(service, queue, min_delay=50, max_delay=50) as ib:
            await ib.wait(arn, timeout=None)
        assert [call.time for call in service.calls if 51 < call.time < 109] == []

    run(main)


def test_hint_in_a_pause_leaves_the_last_poll_at_the_deadline(run):
    async def main():
        service = ScriptedService()
        queue = ScriptedQueue(service)
        arn = service.image((0, "BUILDING"), (60, "AVAILABLE"), number=1)
        throttled = service.image((0, "BUILDING"), number=2)
        service.fault = lambda now: throttle(headers={"retry-after": "60"}) if 9 < now < 11 else None
        queue.send(20, image_event(arn, "TESTING"))
        async with open_client(service, queue, min_delay=30, max_delay=30) as ib:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(lambda: ib.wait(arn, timeout=62))
                await anyio.sleep(10)
                with pytest.raises(WaitTimeoutError):
                    await ib.wait(throttled, timeout=55)
        assert [call.time for call in service.calls if call.params["imageBuildVersionArn"] == arn] == (
            pytest.approx([0, 62], abs=0.1)
        )

    run(main)


def test_queue_is_called_only_while_a_hint_can_help(run):
    async def main():
        service = ScriptedService()
        queue = ScriptedQueue(service)
        policy = "arn:aws:imagebuilder:us-east-1:123456789012:lifecycle-policy/demo"
        run_id = service.lifecycle((0, "IN_PROGRESS"), (600, "SUCCESS"), lifecyclePolicyArn=policy)
        arn = service.image((0, "BUILDING"), (900, "AVAILABLE"))
        async with open_client(service, queue) as ib:
            await ib.get_image(arn)
            await ib.wait(run_id, timeout=None)
            assert queue.calls == []
            await ib.wait(arn, timeout=None)
            assert len(queue.calls) > 10
            await anyio.sleep(11)
            assert queue.in_flight == 0
            calls = len(queue.calls)
            await anyio.sleep(600)
            assert len(queue.calls) == calls

    run(main)


def test_closing_the_client_ends_the_long_poll(run):
    async def main():
        service = ScriptedService()
        queue = ScriptedQueue(service)
        arn = service.image((0, "BUILDING"))
        async with anyio.create_task_group() as tasks:
            async with open_client(service, queue) as ib:

                async def waiting() -> None:
                    with pytest.raises(Exception, match="closed"):
                        await ib.wait(arn, timeout=None)

                tasks.start_soon(waiting)
                await anyio.sleep(30)
                assert queue.in_flight == 1
                before = service.now
            assert service.now == before
            assert queue.in_flight == 0

    run(main)


class ScriptedSession(AioSession):
    """Opens scripted clients, by service, and records which were closed."""

    def __init__(self, **clients: object) -> None:
        super().__init__()
        self.clients = clients
        self.closed: list[str] = []

    @asynccontextmanager
    async def create_client(self, service_name, **_):
        client = self.clients[service_name]
        client.meta = SimpleNamespace(region_name=REGION, endpoint_url="https://aws.example")
        yield client
        self.closed.append(service_name)


@pytest.mark.parametrize("steps", range(1, 8))
def test_cancelled_close_leaves_no_client_of_sqs_open(steps):
    async def main():
        service = ScriptedService()
        queue = ScriptedQueue(service)
        session = ScriptedSession(imagebuilder=service, sqs=queue)
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        ib = await ImageBuilder(session=session, region_name=REGION, hints=SqsHints(URL), **keys).__aenter__()
        waiting = asyncio.create_task(ib.wait(service.image((0, "BUILDING")), timeout=None))
        while not queue.in_flight:
            await anyio.sleep(0.01)
        closing = asyncio.create_task(ib.aclose())
        for _ in range(steps):
            await asyncio.sleep(0)
        closing.cancel()
        await asyncio.gather(closing, waiting, return_exceptions=True)
        assert "sqs" in session.closed
        assert queue.in_flight == 0

    # In real time, since files are read in a thread.
    anyio.run(main)


@pytest.mark.parametrize("pace", ["smithy", "forecast"])
def test_deadline_with_proven_hints_ends_as_without(run, pace):
    async def main():
        service = ScriptedService()
        queue = ScriptedQueue(service)
        async with open_client(service, queue, pace=pace) as ib:
            await prove(ib, service, queue)
            end = service.now + 1000
            service.hang = lambda now: math.inf if now > end - 1 else 0.0
            arn = service.image((0, "BUILDING"))
            with pytest.raises(WaitTimeoutError):
                await ib.wait(arn, timeout=1000)
            assert service.now == pytest.approx(end + 10, abs=0.1)

    run(main)


def test_hints_need_a_client_of_sqs_with_a_given_client():
    with pytest.raises(ValueError, match=r"SqsHints\(queue_url, client=…\)"):
        ImageBuilder(client=ScriptedService(), hints=SqsHints(URL))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hints",
        "https://",
        "https://host",
        "https://u:p@host/1/q",
        "ftp://h/1/q",
        "https://h:99999/1/q",
        "https://h:x/1/q",
    ],
)
def test_malformed_queue_url_is_rejected(url):
    with pytest.raises(ValueError, match="not that of an SQS queue"):
        SqsHints(url)


def test_blocking_client_rejects_hints_with_an_open_client():
    with pytest.raises(ValueError, match="another event loop"):
        blocking.ImageBuilder(hints=SqsHints(URL, client=ScriptedQueue(ScriptedService())))


@pytest.mark.parametrize("hints", [URL, 1, object()])
def test_hints_of_another_type_are_rejected(hints):
    with pytest.raises(TypeError, match="hints must be an SqsHints"):
        ImageBuilder(hints=hints)
