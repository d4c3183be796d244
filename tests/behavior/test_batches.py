"""Polls that are shared: how few calls many waits cost, and that no list is trusted more than a Get."""

import random

import anyio
import pytest

from aioimagebuilder import ImageBuilder
from support.scripted_service import ScriptedService, aws_error, image_arn, throttle, workflow_id


def _herd(service: ScriptedService, images: int, each: int, ends: float = 100) -> list[str]:
    ids = []
    for number in range(images):
        arn = service.image((0, "BUILDING"), (ends + 1, "AVAILABLE"), number=1, name=f"image-{number}")
        ids += [
            service.workflow(
                (0, "RUNNING"),
                (ends, "COMPLETED"),
                number=number * each + step,
                imageBuildVersionArn=arn,
            )
            for step in range(each)
        ]
    return ids


def test_executions_of_one_image_are_one_list(run):
    async def main():
        service = ScriptedService()
        ids = _herd(service, images=1, each=5)
        async with ImageBuilder(client=service) as ib:
            results = await ib.wait_all(ids, timeout=600)
        assert [each.id for each in results] == ids
        # The first answers tell that they belong together; from there on it is a list a time.
        assert service.count("get_workflow_execution") <= 5
        assert service.count("list_workflow_executions") <= 12
        assert len(service.calls) < 18

    run(main)


def test_a_herd_is_found_by_the_accounts_running_builds(run):
    async def main():
        service = ScriptedService()
        ids = _herd(service, images=30, each=10)
        async with ImageBuilder(client=service, min_delay=200, max_delay=200) as ib:
            with anyio.move_on_after(90):
                await ib.wait_all(ids, timeout=None)
        # A page of 25 builds for 250 executions, and a list for each build; the few Gets are those that were
        # made while the pages were under way.
        assert service.count("list_image_build_versions") == 2
        assert service.count("list_workflow_executions") <= 30 + 2
        assert service.count("get_workflow_execution") <= 8

    run(main)


def test_one_execution_of_an_image_is_a_get_each_time(run):
    async def main():
        service = ScriptedService()
        (only,) = _herd(service, images=1, each=1)
        async with ImageBuilder(client=service) as ib:
            await ib.wait(only, timeout=600)
        assert service.count("get_workflow_execution") == len(service.calls)

    run(main)


def test_images_share_the_pages_of_their_version_or_of_the_account(run):
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
            assert service.count("get_image") < 10
            assert len(service.calls) < 60

    run(main)


def test_steps_of_one_workflow_and_runs_of_one_policy_are_one_list(run):
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
        # Nothing but an answer tells where these belong, so each is asked for once.
        assert service.count("get_workflow_step_execution") <= 10
        assert service.count("get_lifecycle_execution") <= 10

    run(main)


def test_what_a_list_lacks_is_asked_for_by_itself(run):
    async def main():
        service = ScriptedService()
        ids = _herd(service, images=1, each=5)
        service.hidden = {ids[3]}
        async with ImageBuilder(client=service) as ib:
            results = await ib.wait_all(ids, timeout=600)
        assert {str(each.status) for each in results} == {"COMPLETED"}
        asked = {call.params["workflowExecutionId"] for call in service.calls if "get_" in call.operation}
        assert ids[3] in asked

    run(main)


def test_what_the_last_list_lacks_gets_a_last_poll_of_its_own(run):
    async def main():
        service = ScriptedService()
        ids = _herd(service, images=1, each=5, ends=49.9)
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
    "refusal",
    [
        aws_error("ForbiddenException", 403),
        aws_error("InvalidRequestException", 400),
        aws_error("ResourceNotFoundException", 404),
    ],
)
def test_a_list_that_is_refused_harms_no_wait(run, refusal):
    async def main():
        service = ScriptedService()
        ids = _herd(service, images=2, each=10)

        def refuse(operation, params, now):
            raise refusal

        service._list = refuse
        async with ImageBuilder(client=service) as ib:
            results = await ib.wait_all(ids, timeout=600)
            assert {str(each.status) for each in results} == {"COMPLETED"}
        lists = len([call for call in service.calls if call.operation.startswith("list_")])
        assert 0 < lists <= 4

    run(main)


def test_an_end_that_a_list_tells_in_contradiction_to_what_was_seen_is_confirmed_by_a_get(run):
    async def main():
        service = ScriptedService()
        ids = _herd(service, images=1, each=3, ends=10_000)
        for identifier in ids:
            script = service.scripts[identifier]
            script.states = [(at, {**members, "totalStepsSucceeded": 5}) for at, members in script.states]
        answer = service._list

        def lie(operation, params, now):
            page = answer(operation, params, now)
            for row in page.get("workflowExecutions", ()) if now > 60 else ():
                if row["workflowExecutionId"] == ids[1]:
                    page["workflowExecutions"] = [
                        {**each, "status": "FAILED", "totalStepsSucceeded": 2} if each is row else each
                        for each in page["workflowExecutions"]
                    ]
            return page

        service._list = lie
        async with ImageBuilder(client=service) as ib:
            with anyio.move_on_after(600) as scope:
                await ib.wait_all(ids, timeout=None)
        assert scope.cancelled_caught

    run(main)


def test_one_of_200_in_a_batch_who_is_cancelled_in_flight_costs_the_others_nothing(run):
    async def main():
        service = ScriptedService(page_size=200)
        ids = _herd(service, images=1, each=200, ends=0)
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
        # A few were read by themselves at first, and so are due apart from the others once more.
        assert len(service.calls) - calls <= 3

    run(main)


def test_a_newcomer_is_not_starved_by_a_herd_under_a_low_limit(run):
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
        herd = _herd(service, images=20, each=2, ends=100_000)
        newcomer = service.workflow((0, "COMPLETED"), number=9999, imageBuildVersionArn=image_arn(77))
        async with ImageBuilder(client=service, min_delay=1, max_delay=2) as ib:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(lambda: ib.wait_all(herd, timeout=None))
                await anyio.sleep(200)
                began = anyio.current_time()
                await ib.wait(newcomer, timeout=None)
                # 20 images take 10 s a round at two calls a second; it waits its turn, and no longer.
                assert anyio.current_time() - began < 30
                tasks.cancel_scope.cancel()

    run(main)


@pytest.mark.parametrize("seed", range(3))
def test_a_thousand_waits_cancelled_at_random_moments_harm_no_other(run, seed):
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

        async def waiting(ib: ImageBuilder, number: int, patience: float) -> None:
            await anyio.sleep(rng.uniform(0, 200))
            with anyio.move_on_after(patience) as scope:
                ended[number] = str((await ib.wait(rng.choice(ids), timeout=None)).status)
            if scope.cancelled_caught:
                ended[number] = "cancelled"

        async with ImageBuilder(client=service) as ib:
            async with anyio.create_task_group() as tasks:
                for number in range(1000):
                    patience = rng.uniform(0, 100) if number % 3 else 10_000.0
                    tasks.start_soon(waiting, ib, number, patience)
            # The last to leave ends the background task at its next step.
            await anyio.sleep(0.1)
            assert ib._parts.poller.is_idle
        assert len(ended) == 1000
        assert {ended[number] for number in range(0, 1000, 3)} == {"COMPLETED"}
        assert set(ended.values()) == {"COMPLETED", "cancelled"}
        assert service.in_flight == 0

    run(main)


def test_a_search_that_breaks_is_logged_and_fails_no_wait(run, caplog):
    class Broken(ScriptedService):
        def _list(self, operation: str, params: dict, now: float) -> dict:
            raise AssertionError("a bug of the client that was handed in")

    async def main():
        service = Broken()
        ids = [service.workflow((0, "RUNNING"), (60, "COMPLETED"), number=number) for number in range(1, 121)]
        async with ImageBuilder(client=service) as ib:
            assert all(each.is_terminal for each in await ib.wait_all(ids, timeout=600))

    run(main)
    assert "The search for images failed" in caplog.text
    assert "a bug of the client" in caplog.text
