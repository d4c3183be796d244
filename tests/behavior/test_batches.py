"""Batches: how few calls many waits cost, and which executions are still read by Gets."""

import random

import anyio
import pytest
from botocore.exceptions import EndpointConnectionError

from aioimagebuilder import ImageBuilder
from support.scripted_service import ScriptedService, aws_error, image_arn, throttle, workflow_id


def _add_executions(service: ScriptedService, images: int, per_image: int, end: float = 100) -> list[str]:
    ids = []
    for number in range(images):
        arn = service.image((0, "BUILDING"), (end + 1, "AVAILABLE"), number=1, name=f"image-{number}")
        ids += [
            service.workflow(
                (0, "RUNNING"), (end, "COMPLETED"), number=number * per_image + each, imageBuildVersionArn=arn
            )
            for each in range(per_image)
        ]
    return ids


def test_executions_of_one_image_share_a_list(run):
    async def main():
        service = ScriptedService()
        ids = _add_executions(service, images=1, per_image=5)
        async with ImageBuilder(client=service) as ib:
            results = await ib.wait_all(ids, timeout=600)
        assert [each.id for each in results] == ids
        # The first responses contain the image. From then on, each poll is one list.
        assert service.count("get_workflow_execution") <= 5
        assert service.count("list_workflow_executions") <= 12
        assert len(service.calls) < 18

    run(main)


def test_search_of_running_builds_finds_images_of_executions(run):
    async def main():
        service = ScriptedService()
        ids = _add_executions(service, images=30, per_image=10)
        async with ImageBuilder(client=service, min_delay=200, max_delay=200) as ib:
            with anyio.move_on_after(90):
                await ib.wait_all(ids, timeout=None)
        # Two pages of builds, one list for each build, and Gets only while these are in flight.
        assert service.count("list_image_build_versions") == 2
        assert service.count("list_workflow_executions") <= 30 + 2
        assert service.count("get_workflow_execution") <= 8

    run(main)


def test_single_execution_of_an_image_is_read_by_gets(run):
    async def main():
        service = ScriptedService()
        (only,) = _add_executions(service, images=1, per_image=1)
        async with ImageBuilder(client=service) as ib:
            await ib.wait(only, timeout=600)
        assert service.count("get_workflow_execution") == len(service.calls)

    run(main)


def test_images_share_pages_of_their_version_or_account(run):
    async def main():
        for names in (lambda _: "one", lambda number: f"image-{number}"):
            service = ScriptedService()
            arns = [
                service.image((0, "BUILDING"), (100, "AVAILABLE"), number=number, name=names(number))
                for number in range(1, 101)
            ]
            async with ImageBuilder(client=service) as ib:
                results = await ib.wait_all(arns, timeout=600)
            assert [each.id for each in results] == arns
            # Each end is read by one Get, since a row lacks members.
            assert 100 <= service.count("get_image") < 110
            assert len(service.calls) < 160

    run(main)


def test_steps_and_lifecycle_executions_share_lists(run):
    async def main():
        service = ScriptedService()
        policy = "arn:aws:imagebuilder:us-east-1:123456789012:lifecycle-policy/demo"
        steps = [
            service.step((0, "RUNNING"), (60, "COMPLETED"), number=n, workflowExecutionId=workflow_id(1))
            for n in range(10)
        ]
        runs = [
            service.lifecycle((0, "IN_PROGRESS"), (60, "SUCCESS"), number=n, lifecyclePolicyArn=policy)
            for n in range(10)
        ]
        async with ImageBuilder(client=service) as ib:
            results = await ib.wait_all([*steps, *runs], timeout=600)
        assert [each.id for each in results] == [*steps, *runs]
        assert service.count("list_workflow_step_executions") > 0
        assert service.count("list_lifecycle_executions") > 0
        # The parent is only known from a response, so each may be read once by a Get. The end of a step is
        # read by another one, since a row lacks members.
        assert service.count("get_workflow_step_execution") <= 20
        assert service.count("get_lifecycle_execution") <= 10

    run(main)


def test_execution_missing_from_list_is_read_by_get(run):
    async def main():
        service = ScriptedService()
        ids = _add_executions(service, images=1, per_image=5)
        service.hidden = {ids[3]}
        async with ImageBuilder(client=service) as ib:
            results = await ib.wait_all(ids, timeout=600)
        assert {str(each.status) for each in results} == {"COMPLETED"}
        read = {call.params["workflowExecutionId"] for call in service.calls if "get_" in call.operation}
        assert ids[3] in read

    run(main)


def test_execution_missing_from_last_list_is_read_by_get(run):
    async def main():
        service = ScriptedService()
        ids = _add_executions(service, images=1, per_image=5, end=49.9)
        async with ImageBuilder(client=service, min_delay=20, max_delay=20) as ib:
            async with anyio.create_task_group() as tasks:
                results: list = []

                async def waiting() -> None:
                    results.extend(await ib.wait_all(ids, timeout=50))

                tasks.start_soon(waiting)
                await anyio.sleep(45)
                service.hidden = {ids[3]}
        assert {str(each.status) for each in results} == {"COMPLETED"}
        assert [call.operation for call in service.calls if call.time >= 49] == [
            "list_workflow_executions",
            "get_workflow_execution",
        ]

    run(main)


@pytest.mark.parametrize(
    "error",
    [
        aws_error("ForbiddenException", 403),
        aws_error("InvalidRequestException", 400),
        aws_error("ResourceNotFoundException", 404),
    ],
)
def test_rejected_list_fails_no_wait(run, error):
    async def main():
        service = ScriptedService()
        ids = _add_executions(service, images=2, per_image=10)

        def reject(operation, params, now):
            raise error

        service._list = reject
        async with ImageBuilder(client=service) as ib:
            results = await ib.wait_all(ids, timeout=600)
            assert {str(each.status) for each in results} == {"COMPLETED"}
        lists = len([call for call in service.calls if call.operation.startswith("list_")])
        assert 0 < lists <= 4

    run(main)


def test_contradictory_list_does_not_end_the_wait(run):
    async def main():
        service = ScriptedService()
        ids = _add_executions(service, images=1, per_image=3, end=10_000)
        for identifier in ids:
            script = service.scripts[identifier]
            script.states = [(at, {**members, "totalStepsSucceeded": 5}) for at, members in script.states]
        list_rows = service._list

        def contradict(operation, params, now):
            page = list_rows(operation, params, now)
            for row in page.get("workflowExecutions", ()) if now > 60 else ():
                if row["workflowExecutionId"] == ids[1]:
                    page["workflowExecutions"] = [
                        {**each, "status": "FAILED", "totalStepsSucceeded": 2} if each is row else each
                        for each in page["workflowExecutions"]
                    ]
            return page

        service._list = contradict
        async with ImageBuilder(client=service) as ib:
            with anyio.move_on_after(600) as scope:
                await ib.wait_all(ids, timeout=None)
        assert scope.cancelled_caught
        late = [call for call in service.calls if call.time > 60]
        first = [call.operation for call in late].index("list_workflow_executions")
        assert late[first + 1].operation == "get_workflow_execution"
        # From then on, it alone is read by Gets.
        gets = [call for call in late if call.operation == "get_workflow_execution"]
        assert len(gets) > 5
        assert {call.params["workflowExecutionId"] for call in gets} == {ids[1]}

    run(main)


def test_cancelled_wait_in_flight_does_not_affect_its_batch(run):
    async def main():
        service = ScriptedService(page_size=200)
        ids = _add_executions(service, images=1, per_image=200, end=0)
        for identifier in ids:
            service.scripts[identifier].states = [
                (0, {**service.scripts[identifier].at(0), "status": "RUNNING"}),
                (50, service.scripts[identifier].at(0)),
            ]
        results: list = []
        scopes: list[anyio.CancelScope] = []

        async def waiting(ib: ImageBuilder, identifier: str) -> None:
            with anyio.CancelScope() as scope:
                scopes.append(scope)
                results.append(await ib.wait(identifier, timeout=600))

        async with ImageBuilder(client=service, min_delay=60, max_delay=60) as ib:
            async with anyio.create_task_group() as tasks:
                for identifier in ids:
                    tasks.start_soon(waiting, ib, identifier)
                await anyio.sleep(50)
                service.latency = 5
                calls = len(service.calls)
                while len(service.calls) == calls:
                    await anyio.sleep(0.5)
                assert service.calls[-1].operation == "list_workflow_executions"
                scopes[7].cancel()
        assert len(results) == 199
        # A few were first read by Gets, so they are due at another time once more.
        assert len(service.calls) - calls <= 3

    run(main)


def test_new_wait_is_not_starved_under_a_low_rate_limit(run):
    async def main():
        bucket = {"at": 0.0, "tokens": 2.0}

        def limit(now: float):
            bucket["tokens"] = min(2.0, bucket["tokens"] + 2.0 * (now - bucket["at"]))
            bucket["at"] = now
            if bucket["tokens"] < 1:
                return throttle()
            bucket["tokens"] -= 1
            return None

        service = ScriptedService(fault=limit)
        others = _add_executions(service, images=20, per_image=2, end=100_000)
        added = service.workflow((0, "COMPLETED"), number=9999, imageBuildVersionArn=image_arn(77))
        async with ImageBuilder(client=service, min_delay=1, max_delay=2) as ib:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(lambda: ib.wait_all(others, timeout=None))
                await anyio.sleep(200)
                start = anyio.current_time()
                await ib.wait(added, timeout=None)
                # Reading all 20 images takes 10 s at two calls a second.
                assert anyio.current_time() - start < 30
                tasks.cancel_scope.cancel()

    run(main)


@pytest.mark.parametrize("seed", range(3))
def test_thousand_waits_cancelled_randomly_affect_no_others(run, seed):
    async def main():
        rng = random.Random(seed)
        service = ScriptedService()
        ids = []
        for number in range(100):
            arn = service.image((0, "BUILDING"), (400, "AVAILABLE"), name=f"image-{number}")
            ids += [
                service.workflow(
                    (0, "RUNNING"),
                    (rng.uniform(0, 300), "COMPLETED"),
                    number=number * 10 + each,
                    imageBuildVersionArn=arn,
                )
                for each in range(10)
            ]
        ended: dict[int, str] = {}

        async def waiting(ib: ImageBuilder, number: int, timeout: float) -> None:
            await anyio.sleep(rng.uniform(0, 200))
            with anyio.move_on_after(timeout) as scope:
                ended[number] = str((await ib.wait(rng.choice(ids), timeout=None)).status)
            if scope.cancelled_caught:
                ended[number] = "cancelled"

        async with ImageBuilder(client=service) as ib:
            async with anyio.create_task_group() as tasks:
                for number in range(1000):
                    timeout = rng.uniform(0, 100) if number % 3 else 10_000.0
                    tasks.start_soon(waiting, ib, number, timeout)
            # The background task ends at its next step after the last wait.
            await anyio.sleep(0.1)
            assert ib._parts.poller.is_idle
        assert len(ended) == 1000
        assert {ended[number] for number in range(0, 1000, 3)} == {"COMPLETED"}
        assert set(ended.values()) == {"COMPLETED", "cancelled"}
        assert service.in_flight == 0

    run(main)


def test_crashed_search_is_logged_and_fails_no_wait(run, caplog):
    class Broken(ScriptedService):
        def _list(self, operation: str, params: dict, now: float) -> dict:
            raise AssertionError("a bug of the given client")

    async def main():
        service = Broken()
        ids = [service.workflow((0, "RUNNING"), (60, "COMPLETED"), number=number) for number in range(1, 121)]
        async with ImageBuilder(client=service) as ib:
            assert {each.status for each in await ib.wait_all(ids, timeout=600)} == {"COMPLETED"}

    run(main)
    assert "Listing images to find executions failed" in caplog.text
    assert "a bug of the given client" in caplog.text


@pytest.mark.parametrize(
    "fault",
    [
        aws_error("ServiceUnavailableException", 503),
        EndpointConnectionError(endpoint_url="https://list.invalid"),
        aws_error("MovedPermanently", 301),
        throttle(),
    ],
)
def test_list_that_keeps_failing_is_replaced_by_gets(run, fault):
    async def main():
        service = ScriptedService()
        ids = _add_executions(service, images=1, per_image=6)
        service.faults = {"list_workflow_executions": lambda now: fault if now > 1 else None}
        async with ImageBuilder(client=service) as ib:
            found = await ib.wait_all(ids, timeout=900)
        assert {str(each.status) for each in found} == {"COMPLETED"}

    run(main)


def test_list_is_used_again_after_a_while(run):
    async def main():
        service = ScriptedService()
        ids = [
            service.workflow((0, "RUNNING"), (1000, "COMPLETED"), number=n, imageBuildVersionArn=image_arn())
            for n in range(1, 11)
        ]
        fault = aws_error("ServiceUnavailableException", 503)
        service.faults = {"list_workflow_executions": lambda now: fault if 100 < now < 120 else None}
        async with ImageBuilder(client=service) as ib:
            await ib.wait_all(ids, timeout=None)
        lists = [each.time for each in service.calls if each.operation == "list_workflow_executions"]
        gets = [each.time for each in service.calls if each.operation == "get_workflow_execution"]
        assert not any(120 < time < 160 for time in lists)
        assert any(120 < time < 160 for time in gets)
        assert not any(220 < time < 1000 for time in gets)

    run(main)
