"""The next image of a pipeline, and all new ones, on virtual time."""

from datetime import UTC, datetime, timedelta

import anyio
import pytest

from aioimagebuilder import (
    ClientClosedError,
    ExecutionFailedError,
    ExecutionNotFoundError,
    Image,
    ImageBuilder,
    ObservationError,
    SqsHints,
    WaitingForActionError,
    WaitTimeoutError,
)
from support.scripted_queue import URL, ScriptedQueue, image_event
from support.scripted_service import PIPELINE, ScriptedService, aws_error, image_arn, throttle

LIST = "list_image_pipeline_images"
NOT_FOUND = aws_error("ResourceNotFoundException", 404)
# The service's clock is years behind that of the machine.
BEGIN = datetime(2020, 1, 1, tzinfo=UTC)


def _image(
    service: ScriptedService, number: int, at: float, *states: tuple[float, str], created: float | None = None
) -> str:
    """Script an image created at this time, on the service's clock at `created`, and return its ARN."""
    date = (BEGIN + timedelta(seconds=at if created is None else created)).isoformat()
    schedule = [(at, "PENDING"), *((at + after, status) for after, status in states)]
    return service.image(*schedule, number=number, sourcePipelineArn=PIPELINE, dateCreated=date)


def _built(service: ScriptedService, count: int) -> None:
    """Script images that were built before the test."""
    for number in range(1, count + 1):
        _image(service, number, 0, (0, "AVAILABLE"), created=number - 10_000)


def test_next_image_is_returned_when_it_has_ended(run):
    async def main():
        service = ScriptedService()
        _built(service, 3)
        _image(service, 4, 0, (500, "AVAILABLE"), created=-60)
        arn = _image(service, 5, 100, (60, "BUILDING"), (600, "AVAILABLE"))
        _image(service, 6, 200, (300, "AVAILABLE"))
        async with ImageBuilder(client=service) as ib:
            image = await ib.wait_for_next_image(PIPELINE, timeout=3600)
            assert (image.id, str(image.status)) == (arn, "AVAILABLE")
            assert service.now >= 700
            lists = service.count(LIST)
            assert lists <= 100 / 5 + 2
            await anyio.sleep(600)
            assert service.count(LIST) == lists
            assert ib._parts.pipelines.is_idle

    run(main)


@pytest.mark.parametrize("as_image", [True, False], ids=["image", "arn"])
def test_next_image_after_an_image_is_the_one_created_next(run, as_image):
    async def main():
        service = ScriptedService(newest_first=True)
        arns = [_image(service, number, 0, (0, "AVAILABLE"), created=number) for number in (1, 2, 3, 4)]
        async with ImageBuilder(client=service) as ib:
            after = await ib.get_image(arns[1]) if as_image else arns[1]
            assert (await ib.wait_for_next_image(PIPELINE, after=after, timeout=0)).id == arns[2]
            with pytest.raises(WaitTimeoutError, match=r"Image pipeline .* has not made a new image"):
                await ib.wait_for_next_image(PIPELINE, after=arns[3], timeout=0)

    run(main)


def test_next_image_after_a_deleted_image_is_found(run):
    async def main():
        service = ScriptedService()
        arns = [_image(service, number, 0, (0, "AVAILABLE"), created=number) for number in (1, 2, 3)]
        async with ImageBuilder(client=service) as ib:
            deleted = await ib.get_image(arns[1])
            del service.scripts[arns[1]]
            for after in (deleted, arns[1]):
                assert (await ib.wait_for_next_image(PIPELINE, after=after, timeout=0)).id == arns[2]

    run(main)


def test_image_that_is_listed_late_is_not_its_own_successor(run):
    async def main():
        service = ScriptedService()
        _built(service, 1)
        started = _image(service, 2, 30)
        successor = _image(service, 3, 90, (60, "AVAILABLE"))
        async with ImageBuilder(client=service) as ib:
            image = await ib.wait_for_next_image(PIPELINE, after=started, timeout=600)
        assert image.id == successor

    run(main)


@pytest.mark.parametrize(("status", "error"), [("FAILED", ExecutionFailedError), ("AVAILABLE", None)])
def test_outcome_of_next_image_is_that_of_a_wait(run, status, error):
    async def main():
        service = ScriptedService()
        arn = _image(service, 1, 20, (60, status))
        async with ImageBuilder(client=service) as ib:
            if error is None:
                assert (await ib.wait_for_next_image(PIPELINE, timeout=600)).id == arn
                return
            with pytest.raises(error) as caught:
                await ib.wait_for_next_image(PIPELINE, timeout=600)
            assert caught.value.identifier == arn

    run(main)


def test_unchecked_failure_of_next_image_is_returned(run):
    async def main():
        service = ScriptedService()
        _image(service, 1, 20, (60, "FAILED"))
        async with ImageBuilder(client=service) as ib:
            assert (await ib.wait_for_next_image(PIPELINE, timeout=600, check=False)).status == "FAILED"

    run(main)


def test_one_deadline_covers_appearance_and_build(run):
    async def main():
        service = ScriptedService()
        arn = _image(service, 1, 50)
        async with ImageBuilder(client=service) as ib:
            for timeout, identifier in ((40, PIPELINE), (100, arn)):
                begin = anyio.current_time()
                with pytest.raises(WaitTimeoutError) as caught:
                    await ib.wait_for_next_image(PIPELINE, timeout=timeout)
                assert caught.value.identifier == identifier
                assert anyio.current_time() - begin == pytest.approx(timeout, abs=0.2)
                service.started = anyio.current_time()

    run(main)


def test_next_image_is_cancelled_at_the_deadline_if_it_has_appeared(run):
    async def main():
        service = ScriptedService()
        arn = _image(service, 1, 50)

        def cancel(params: dict, now: float) -> dict:
            service.scripts[arn].states.append((now + 5, {"arn": arn, "state": {"status": "CANCELLED"}}))
            return {"imageBuildVersionArn": params["imageBuildVersionArn"]}

        service.actions["cancel_image_creation"] = cancel
        async with ImageBuilder(client=service) as ib:
            with pytest.raises(WaitTimeoutError, match="it was cancelled at the deadline"):
                await ib.wait_for_next_image(PIPELINE, timeout=100, on_timeout="cancel")

    run(main)


def test_waiting_step_of_next_image_is_raised(run):
    async def main():
        service = ScriptedService()
        arn = _image(service, 1, 20, (60, "TESTING"))
        service.step((100, "WAITING"), imageBuildVersionArn=arn)
        async with ImageBuilder(client=service) as ib:
            with pytest.raises(WaitingForActionError) as caught:
                await ib.wait_for_next_image(PIPELINE, timeout=600, on_waiting_step="raise")
        assert (caught.value.identifier, service.count("list_waiting_workflow_steps") > 0) == (arn, True)

    run(main)


def test_watch_gives_each_new_image_once_in_order(run):
    async def main():
        service = ScriptedService(newest_first=True)
        _built(service, 2)
        # The last two appear between two polls; the last but one vanishes soon.
        expected = [_image(service, 3 + i, at) for i, at in enumerate((100, 400, 401, 402))]
        found: list[str] = []
        async with ImageBuilder(client=service) as ib:
            with pytest.raises(WaitTimeoutError, match="has not made another image"):
                async for image in ib.watch_pipeline(PIPELINE, timeout=1000):
                    found.append(image.id)
                    service.scripts.pop(image.id, None)
        assert found == expected

    run(main)


def test_slow_consumer_of_a_pipeline_misses_no_image(run):
    async def main():
        service = ScriptedService()
        expected = [_image(service, number, 50 * number) for number in range(1, 9)]
        async with ImageBuilder(client=service) as ib, ib.watch_pipeline(PIPELINE) as watch:
            found = [(await anext(watch)).id]
            await anyio.sleep(1000)
            found += [(await anext(watch)).id for _ in expected[1:]]
        assert found == expected

    run(main)


def test_running_images_are_given_first_if_requested(run):
    async def main():
        service = ScriptedService(newest_first=True)
        _built(service, 2)
        running = [_image(service, number, 0, created=number) for number in (3, 4)]
        new = _image(service, 5, 60)
        async with ImageBuilder(client=service) as ib:
            watch = ib.watch_pipeline(PIPELINE, include_running=True)
            assert [(await anext(watch)).id for _ in range(3)] == [*running, new]

    run(main)


def test_watchers_of_a_pipeline_share_its_polls(run):
    async def main():
        service = ScriptedService()
        _built(service, 1)
        arn = _image(service, 2, 100, (60, "AVAILABLE"))
        found: list[str] = []

        async def wait(ib: ImageBuilder) -> None:
            found.append((await ib.wait_for_next_image(PIPELINE, timeout=600)).id)

        async with ImageBuilder(client=service) as ib, anyio.create_task_group() as tasks:
            for _ in range(200):
                tasks.start_soon(wait, ib)
        assert found == [arn] * 200
        assert service.count(LIST) <= 100 / 5 + 2
        assert service.count("get_image") <= 60 / 5 + 2

    run(main)


def test_result_does_not_depend_on_earlier_watchers(run):
    """A subscriber starts with a poll of its own: what others have not seen yet is not new to it."""

    async def main():
        service = ScriptedService()
        first, second = _image(service, 1, 20.5, (0, "AVAILABLE")), _image(service, 2, 60, (0, "AVAILABLE"))
        async with ImageBuilder(client=service, min_delay=15, max_delay=15) as ib:
            watch = ib.watch_pipeline(PIPELINE)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(anext, watch)
                await anyio.sleep(21)
                image = await ib.wait_for_next_image(PIPELINE, timeout=600)
            assert image.id == second
            assert (await anext(watch)).id == second
            assert service.scripts[first]

    run(main)


def test_pipeline_that_does_not_exist_raises_at_once(run):
    async def main():
        service = ScriptedService(faults={LIST: lambda _: NOT_FOUND})
        async with ImageBuilder(client=service) as ib:
            with pytest.raises(ExecutionNotFoundError, match=f"{PIPELINE} does not exist") as caught:
                await ib.wait_for_next_image(PIPELINE, timeout=600)
            assert (caught.value.identifier, caught.value.polls) == (PIPELINE, 1)
            assert service.now < 1

    run(main)


def test_pipeline_that_is_deleted_raises_in_every_watch(run):
    async def main():
        service = ScriptedService(faults={LIST: lambda now: NOT_FOUND if now > 100 else None})
        errors: list[str] = []

        async def watch(ib: ImageBuilder) -> None:
            with pytest.raises(ExecutionNotFoundError, match="no longer exists") as caught:
                await anext(ib.watch_pipeline(PIPELINE))
            errors.append(caught.value.identifier)

        async with ImageBuilder(client=service) as ib, anyio.create_task_group() as tasks:
            tasks.start_soon(watch, ib)
            tasks.start_soon(watch, ib)
        assert errors == [PIPELINE] * 2
        assert service.now < 100 + 31

    run(main)


@pytest.mark.parametrize(
    "fault",
    [
        throttle(),
        aws_error("ServiceUnavailableException", 503),
        aws_error("InvalidPaginationTokenException", 400),
    ],
    ids=["throttle", "unavailable", "token"],
)
def test_temporary_faults_fail_no_watch_and_lose_no_image(run, fault):
    async def main():
        service = ScriptedService(faults={LIST: lambda now: fault if 60 < now < 1800 else None})
        _built(service, 1)
        expected = [_image(service, 2, 600), _image(service, 3, 1000)]
        async with ImageBuilder(client=service) as ib:
            watch = ib.watch_pipeline(PIPELINE)
            assert [(await anext(watch)).id for _ in expected] == expected
            assert service.now < 1800 + 60

    run(main)


def test_denied_list_raises_observation_error(run):
    async def main():
        service = ScriptedService(faults={LIST: lambda _: aws_error("AccessDeniedException", 403)})
        async with ImageBuilder(client=service) as ib:
            with pytest.raises(ObservationError, match=r"could not be observed .*AccessDenied|IAM"):
                await ib.wait_for_next_image(PIPELINE, timeout=600)
            assert service.now < 1

    run(main)


def test_pipeline_throttled_until_the_deadline_is_an_observation_error(run):
    async def main():
        service = ScriptedService(faults={LIST: lambda _: throttle()})
        async with ImageBuilder(client=service) as ib:
            with pytest.raises(ObservationError) as caught:
                await ib.wait_for_next_image(PIPELINE, timeout=90)
            assert not isinstance(caught.value, WaitTimeoutError)
            assert caught.value.throttles > 2
            assert 90 <= caught.value.elapsed <= 100

    run(main)


def test_closing_the_client_ends_the_watches_of_pipelines(run):
    async def main():
        service = ScriptedService()
        ib = ImageBuilder(client=service)
        await ib.__aenter__()
        watch = ib.watch_pipeline(PIPELINE)

        async def consume() -> None:
            with pytest.raises(ClientClosedError):
                await anext(watch)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(consume)
            await anyio.sleep(60)
            await ib.aclose()
        assert service.in_flight == 0

    run(main)


@pytest.mark.parametrize("newest_first", [True, False])
def test_long_list_is_read_whole_only_now_and_then(run, newest_first):
    async def main():
        service = ScriptedService(newest_first=newest_first)
        _built(service, 1000)
        expected = [_image(service, 1000 + number, 900 * number) for number in range(1, 5)]
        async with ImageBuilder(client=service) as ib:
            watch, lags = ib.watch_pipeline(PIPELINE), []
            for number, arn in enumerate(expected, 1):
                assert (await anext(watch)).id == arn
                lags.append(service.now - 900 * number)
        # 40 pages once, and with each poll in the mean two calls.
        polls = service.now / 17
        assert service.count(LIST) < 40 + 3 * polls
        assert max(lags) < 45

    run(main)


def test_long_list_without_order_is_polled_less_often(run):
    async def main():
        service = ScriptedService()
        _built(service, 500)
        scripts = list(service.scripts.items())
        arn = _image(service, 501, 100)
        service.scripts = dict([*scripts[250:], (arn, service.scripts[arn]), *scripts[:250]])
        async with ImageBuilder(client=service) as ib:
            assert (await anext(ib.watch_pipeline(PIPELINE))).id == arn
            # 20 pages, and 20 delays of up to 30 s between two polls.
            assert service.now < 100 + 20 * 31
        assert service.count(LIST) < 20 * (2 + service.now / 100)

    run(main)


def test_images_shifted_by_a_deletion_are_not_new(run):
    async def main():
        service = ScriptedService(page_size=5)
        _built(service, 20)
        victims = [image_arn(number) for number in range(1, 4)]

        def delete_while_listing(_: float) -> None:
            if victims and service.count(LIST) in {2, 3, 4}:
                service.scripts.pop(victims.pop(0), None)

        service.faults[LIST] = delete_while_listing
        new = _image(service, 21, 2000)
        async with ImageBuilder(client=service) as ib:
            assert (await anext(ib.watch_pipeline(PIPELINE))).id == new

    run(main)


def test_image_of_a_reused_build_number_is_new(run):
    async def main():
        service = ScriptedService()
        arn = _image(service, 1, 0, (0, "AVAILABLE"), created=-100)
        async with ImageBuilder(client=service) as ib:
            watch = ib.watch_pipeline(PIPELINE)
            async with anyio.create_task_group() as tasks:

                async def rebuild() -> None:
                    await anyio.sleep(100)
                    del service.scripts[arn]
                    await anyio.sleep(200)
                    _image(service, 1, 300)

                tasks.start_soon(rebuild)
                image = await anext(watch)
            assert (image.id, str(image.status)) == (arn, "PENDING")

    run(main)


def test_hint_of_an_unknown_image_makes_one_poll_at_once(run):
    async def main():
        service = ScriptedService()
        queue = ScriptedQueue(service)
        _built(service, 1)
        arn = _image(service, 2, 1000)
        for at, each in ((900, image_arn(1)), (1001, arn), (1003, arn)):
            queue.send(at, image_event(each, "BUILDING", number=at))
        hints = SqsHints(URL, client=queue)
        async with ImageBuilder(client=service, min_delay=1200, max_delay=1200, hints=hints) as ib:
            async with ib.watch_pipeline(PIPELINE) as watch:
                assert (await anext(watch)).id == arn
                assert service.now == pytest.approx(1001, abs=0.5)
                await anyio.sleep(100)
                # The first poll, and that of the hint: the other events are about images that are known.
                assert service.count(LIST) == 2
            received = len(queue.calls)
            await anyio.sleep(100)
            assert len(queue.calls) == received

    run(main)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"pipeline_arn": image_arn()}, ValueError),
        ({"pipeline_arn": "demo"}, ValueError),
        ({"pipeline_arn": PIPELINE, "after": PIPELINE}, ValueError),
        ({"pipeline_arn": PIPELINE, "after": image_arn(region="eu-west-1")}, ValueError),
        ({"pipeline_arn": PIPELINE, "after": 3}, TypeError),
        ({"pipeline_arn": PIPELINE, "after": Image()}, TypeError),
        ({"pipeline_arn": PIPELINE, "min_delay": 0}, ValueError),
    ],
)
def test_invalid_arguments_raise_before_any_request(run, arguments, error):
    async def main():
        service = ScriptedService()
        async with ImageBuilder(client=service) as ib:
            with pytest.raises(error):
                await ib.wait_for_next_image(timeout=1, **arguments)
            with pytest.raises(error):
                ib.watch_pipeline(**arguments)
        assert not service.calls

    run(main)
