"""Every operation on executions, called by a real client over HTTP."""

from datetime import UTC, datetime, timedelta

import pytest

from aioimagebuilder import (
    ExecutionCancelledError,
    ExecutionFailedError,
    ImageBuilder,
    ImageStatus,
    LifecycleExecutionStatus,
    Outcome,
    WorkflowStepActionType,
    WorkflowStepExecutionStatus,
)
from aioimagebuilder.testing import BuildScript, Simulator

pytestmark = pytest.mark.asyncio


@pytest.fixture
def arns(simulator: Simulator) -> dict[str, str]:
    pipeline = simulator.create_pipeline("demo")
    members = simulator.control.call("GetImagePipeline", imagePipelineArn=pipeline)["imagePipeline"]
    return {
        "pipeline": pipeline,
        "recipe": members["imageRecipeArn"],
        "infrastructure": members["infrastructureConfigurationArn"],
        "distribution": members["distributionConfigurationArn"],
    }


async def test_get_and_list_return_same_execution(ib: ImageBuilder, arns):
    arn = await ib.start_image_pipeline_execution(arns["pipeline"], tags={"team": "web"})
    image = await ib.wait_for_image(arn, timeout=60)
    assert image == await ib.get_image(arn)
    assert image.raw["tags"] == {"team": "web"}
    version, _, _ = arn.rpartition("/")
    for rows in (
        ib.list_image_build_versions(version),
        ib.list_image_build_versions(),
        ib.list_image_pipeline_images(arns["pipeline"], page_size=1),
    ):
        assert [(each.arn, each.status, each.amis) async for each in rows] == [
            (arn, image.status, image.amis)
        ]
    workflows = [row async for row in ib.list_workflow_executions(arn, page_size=1)]
    assert [str(row.type) for row in workflows] == ["BUILD", "TEST"]
    for row in workflows:
        found = await ib.get_workflow_execution(row.id)
        assert (found.status, found.type, found.image_build_version_arn) == (row.status, row.type, arn)
        assert (found.start_time, found.end_time) == (row.start_time, row.end_time)
        assert found.start_time.tzinfo is UTC
        assert found.request_id
        steps = [step_row async for step_row in ib.list_workflow_step_executions(row.id)]
        assert len(steps) == found.total_step_count
        for step_row in steps:
            step = await ib.get_workflow_step_execution(step_row.id)
            assert (step.name, step.status, step.outputs) == (
                step_row.name,
                step_row.status,
                step_row.outputs,
            )
            assert step.workflow_execution_id == row.id


async def test_create_image_with_same_token_builds_once(ib: ImageBuilder, arns):
    async def create(token: str | None) -> str:
        return await ib.create_image(
            arns["infrastructure"],
            image_recipe_arn=arns["recipe"],
            distribution_configuration_arn=arns["distribution"],
            image_tests_configuration={"imageTestsEnabled": False, "timeoutMinutes": 60},
            client_token=token,
        )

    first = await create("deploy-42")
    assert await create("deploy-42") == first
    assert await create(None) != first
    await ib.wait_for_image(first, timeout=60)
    assert [str(each.type) async for each in ib.list_workflow_executions(first)] == ["BUILD"]


async def test_cancel_image_creation_cancels_build(ib: ImageBuilder, arns):
    arn = await ib.start_image_pipeline_execution(arns["pipeline"])
    async for image in ib.watch(arn, timeout=60):
        if image.status == ImageStatus.BUILDING:
            assert await ib.cancel_image_creation(arn) == arn
            break
    with pytest.raises(ExecutionCancelledError):
        await ib.wait_for_image(arn, timeout=60)


async def test_retry_image_reruns_failed_test_in_place(ib: ImageBuilder, simulator: Simulator, arns):
    simulator.script(BuildScript.failing_step("LaunchTestInstance", "no capacity"))
    arn = await ib.start_image_pipeline_execution(arns["pipeline"])
    with pytest.raises(ExecutionFailedError, match="no capacity"):
        await ib.wait_for_image(arn, timeout=60)
    assert await ib.retry_image(arn) == arn
    assert (await ib.wait_for_image(arn, timeout=60)).status == ImageStatus.AVAILABLE
    rows = [(str(each.type), each.retried) async for each in ib.list_workflow_executions(arn)]
    assert sorted(rows, key=str) == sorted([("BUILD", False), ("TEST", True), ("TEST", False)], key=str)


@pytest.mark.parametrize(
    ("action", "outcome"),
    [(WorkflowStepActionType.RESUME, Outcome.SUCCEEDED), (WorkflowStepActionType.STOP, Outcome.FAILED)],
)
async def test_waiting_step_is_listed_and_answered(
    ib: ImageBuilder, simulator: Simulator, arns, action, outcome
):
    simulator.script(BuildScript.waiting("ApplyBuildComponents"))
    arn = await ib.start_image_pipeline_execution(arns["pipeline"])
    waiting = []
    while not waiting:
        waiting = [each async for each in ib.list_waiting_workflow_steps()]
    (step,) = waiting
    assert (step.name, step.image_build_version_arn, step.status) == ("ApplyBuildComponents", arn, None)
    assert await ib.send_workflow_step_action(step.id, arn, action, reason="inspected") == step.id
    assert (await ib.wait_for_image(arn, timeout=60, check=False)).outcome == outcome
    ended = await ib.wait_for_workflow_step(step.id, timeout=60, check=False)
    assert ended.status == (
        WorkflowStepExecutionStatus.COMPLETED
        if outcome == Outcome.SUCCEEDED
        else WorkflowStepExecutionStatus.FAILED
    )


async def test_distribute_and_import_create_new_images(ib: ImageBuilder, arns):
    role = "ImageBuilderRole"
    built = await ib.start_image_pipeline_execution(arns["pipeline"])
    await ib.wait_for_image(built, timeout=60)
    distributed = await ib.distribute_image(built, arns["distribution"], role)
    from_vm = await ib.import_vm_image("imported-vm", "1.0.0", "Linux", "import-ami-0123456789abcdef0")
    from_disk = await ib.import_disk_image(
        "imported-disk",
        "1.0.0",
        "Windows",
        "Microsoft Windows 11",
        arns["infrastructure"],
        "s3://bucket/windows.iso",
    )
    images = await ib.wait_all([distributed, from_vm, from_disk], timeout=60)
    assert [each.id for each in images] == [distributed, from_vm, from_disk]
    assert {each.outcome for each in images} == {Outcome.SUCCEEDED}
    assert str(images[1].build_type) == "IMPORT"
    assert distributed != built


async def test_state_update_is_immediate_or_lifecycle_execution(ib: ImageBuilder, arns):
    arn = await ib.start_image_pipeline_execution(arns["pipeline"])
    await ib.wait_for_image(arn, timeout=60)
    assert await ib.start_resource_state_update(arn, ImageStatus.DEPRECATED) is None
    assert (await ib.get_image(arn)).status == ImageStatus.DEPRECATED
    started = await ib.start_resource_state_update(
        arn,
        ImageStatus.DISABLED,
        execution_role="LifecycleRole",
        include_resources={"amis": True},
    )
    assert started is not None
    ended = await ib.wait_for_lifecycle_execution(started, timeout=60)
    assert (ended.outcome, ended.lifecycle_policy_arn) == (Outcome.SUCCEEDED, None)
    assert ended.start_time.tzinfo is UTC
    assert [each.id async for each in ib.list_lifecycle_executions(arn)] == [started]
    resources = [each async for each in ib.list_lifecycle_execution_resources(started)]
    assert resources
    assert {str(each.state.status) for each in resources} == {"SUCCESS"}


async def test_scheduled_lifecycle_execution_is_cancelled(ib: ImageBuilder, simulator: Simulator, arns):
    arn = await ib.start_image_pipeline_execution(arns["pipeline"])
    await ib.wait_for_image(arn, timeout=60)
    started = await ib.start_resource_state_update(
        arn,
        ImageStatus.DEPRECATED,
        execution_role="LifecycleRole",
        include_resources={"amis": True},
        update_at=datetime.fromtimestamp(simulator.now(), UTC) + timedelta(days=2),
    )
    assert started is not None
    assert (await ib.get_lifecycle_execution(started)).status == LifecycleExecutionStatus.IN_PROGRESS
    assert await ib.cancel_lifecycle_execution(started) == started
    with pytest.raises(ExecutionCancelledError):
        await ib.wait(started, timeout=60)


async def test_raw_excludes_members_added_by_botocore(ib: ImageBuilder, simulator: Simulator):
    execution = simulator.add_execution("workflow_execution", [("RUNNING", None)])
    assert (await ib.get_workflow_execution(execution)).raw == {}
