"""What ends a wait has every member that a Get returns, however it was read."""

import dataclasses

import anyio
import botocore.session
import pytest

from aioimagebuilder import ImageBuilder, WaitTimeoutError
from aioimagebuilder.models.kinds import KINDS, ExecutionKind
from support.scripted_service import ScriptedService, aws_error, image_arn, workflow_id

MODEL = botocore.session.get_session().get_service_model("imagebuilder")
POLICY = "arn:aws:imagebuilder:us-east-1:123456789012:lifecycle-policy/demo"
PIPELINE = "arn:aws:imagebuilder:us-east-1:123456789012:image-pipeline/demo"
# Members of GetImage that rows of lists lack.
GET_ONLY = {
    "sourcePipelineArn": PIPELINE,
    "sourcePipelineName": "demo",
    "executionRole": "role",
    "imageRecipe": {"name": "demo"},
    "infrastructureConfiguration": {"name": "demo"},
}


@pytest.mark.parametrize("kind", ExecutionKind)
def test_complete_lists_have_every_member_of_a_get(kind):
    get, listing = KINDS[kind].get, KINDS[kind].list
    found = MODEL.operation_model(get.operation).output_shape
    found = found.members[get.output] if get.output else found
    rows = MODEL.operation_model(listing.operation).output_shape
    members = {*rows.members[listing.output].member.members, *listing.shared}
    assert listing.is_complete == (found.members.keys() <= members)
    assert set(listing.shared) <= rows.members.keys()


def _images(service: ScriptedService) -> list[str]:
    arns = [
        service.image((0, "BUILDING"), (60, "AVAILABLE"), number=number, **GET_ONLY) for number in range(1, 9)
    ]
    service.get_only = set(GET_ONLY)
    return arns


def _steps(service: ScriptedService) -> list[str]:
    members = {"onFailure": "Abort", "timeoutSeconds": 3600}
    service.get_only = set(members)
    return [
        service.step(
            (0, "RUNNING"), (60, "COMPLETED"), number=n, workflowExecutionId=workflow_id(1), **members
        )
        for n in range(1, 9)
    ]


def _lifecycle_runs(service: ScriptedService) -> list[str]:
    return [
        service.lifecycle((0, "IN_PROGRESS"), (60, "SUCCESS"), number=n, lifecyclePolicyArn=POLICY)
        for n in range(1, 9)
    ]


def _workflows(service: ScriptedService) -> list[str]:
    return [
        service.workflow((0, "RUNNING"), (60, "COMPLETED"), number=n, imageBuildVersionArn=image_arn())
        for n in range(1, 9)
    ]


KIND_OF_IDS = pytest.mark.parametrize("create", [_images, _steps, _lifecycle_runs, _workflows])


@KIND_OF_IDS
@pytest.mark.parametrize("timeout", [60.5, 600, None])
def test_ends_of_many_are_those_of_each_alone(run, create, timeout):
    async def main():
        service = ScriptedService()
        ids = create(service)
        async with ImageBuilder(client=service) as ib:
            together = await ib.wait_all(ids, timeout=timeout)
        assert any(call.operation.startswith("list_") for call in service.calls)
        alone = []
        for each in ids:
            async with ImageBuilder(client=service) as ib:
                alone.append(await ib.wait(each, timeout=600))
        assert [dataclasses.asdict(each) for each in together] == [dataclasses.asdict(each) for each in alone]

    run(main)


@pytest.mark.parametrize("fault", [aws_error("ForbiddenException", 403), aws_error("ServiceException", 500)])
@pytest.mark.parametrize("timeout", [70, 600])
def test_end_in_a_list_is_not_lost_if_it_cannot_be_read_whole(run, fault, timeout):
    async def main():
        service = ScriptedService()
        arns = _images(service)
        service.faults = {"get_image": lambda now: fault if now > 60 else None}
        async with ImageBuilder(client=service) as ib:
            found = await ib.wait_all(arns, timeout=timeout)
        assert {str(each.status) for each in found} == {"AVAILABLE"}
        # Without what only a Get returns.
        assert {each.source_pipeline_arn for each in found} == {None}

    run(main)


def test_get_that_contradicts_the_list_decides(run):
    async def main():
        service = ScriptedService()
        arns = _images(service)
        service.lists_lead = 30
        async with ImageBuilder(client=service) as ib:
            with pytest.raises(ExceptionGroup) as caught:
                await ib.wait_all(arns, timeout=50)
        assert all(isinstance(each, WaitTimeoutError) for each in caught.value.exceptions)

    run(main)


def test_watch_beside_others_loses_no_member(run):
    async def main():
        service = ScriptedService()
        arns = [service.image((0, "BUILDING"), (500, "AVAILABLE"), number=n, **GET_ONLY) for n in range(1, 4)]
        service.get_only = set(GET_ONLY)
        seen: dict[str, list[str | None]] = {arn: [] for arn in arns}

        async def watch(arn: str) -> None:
            async for image in ib.watch(arn):
                seen[arn].append(image.source_pipeline_arn)

        async with ImageBuilder(client=service) as ib:
            for arn in arns:
                await ib.get_image(arn)
            # Read alone first, by a Get.
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(watch, arns[0])
                await anyio.sleep(60)
                for arn in arns[1:]:
                    tasks.start_soon(watch, arn)
        assert service.count("list_image_build_versions") > 0
        assert seen[arns[0]] == [PIPELINE, PIPELINE]

    run(main)


def test_response_about_another_execution_is_not_believed(run):
    async def main():
        service = ScriptedService()
        identifier = service.workflow((0, "RUNNING"), (100, "COMPLETED"), number=1)
        other = service.workflow((0, "FAILED"), number=2)
        get = service.scripts[identifier].at

        def at(now: float) -> dict | None:
            return service.scripts[other].at(now) if now < 50 else get(now)

        service.scripts[identifier].at = at
        async with ImageBuilder(client=service) as ib:
            assert (await ib.wait(identifier, timeout=600)).id == identifier

    run(main)


def test_nothing_is_read_after_the_last_poll_timed_out(run):
    async def main():
        # The list of the last poll shows the ends, and the Gets for the whole of them hang.
        service = ScriptedService(hang=lambda now: 10_000 if now > 60.505 else 0)
        arns = _images(service)
        async with ImageBuilder(client=service) as ib, ib.as_completed(arns, timeout=60.5) as ended:
            assert (await anext(ended)).status == "AVAILABLE"
            assert service.now == pytest.approx(70.5, abs=0.1)
            # A slow consumer has yet to receive the others.
            await anyio.sleep(0.1)
            assert service.in_flight == 0
            assert [image.status async for image in ended] == ["AVAILABLE"] * (len(arns) - 1)

    run(main)
