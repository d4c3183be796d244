"""A complete build over HTTP, on every event loop and HTTP client."""

import anyio
import pytest
from aiobotocore.config import AioConfig
from aiobotocore.httpxsession import HttpxSession

from aioimagebuilder import ImageBuilder, Outcome, blocking
from aioimagebuilder.testing import Simulator

from .conftest import CADENCE

ON_HTTPX = AioConfig(http_session_cls=HttpxSession)


@pytest.mark.parametrize(
    ("backend", "config"),
    [
        pytest.param("asyncio", None, id="asyncio-aiohttp"),
        pytest.param("asyncio", ON_HTTPX, id="asyncio-httpx2"),
        pytest.param("trio", None, id="trio-httpx2"),
    ],
)
def test_build_and_its_executions_are_awaited(simulator: Simulator, backend, config):
    pipeline = simulator.create_pipeline("Web Server", regions=("us-east-1", "eu-west-1"))

    async def main():
        async with ImageBuilder(**simulator.client_arguments, **CADENCE, config=config) as ib:
            arn = await ib.start_image_pipeline_execution(pipeline)
            states = [str(image.status) async for image in ib.watch(arn, timeout=60)]
            image = await ib.wait_for_image(arn, timeout=0)
            workflows = [each async for each in ib.list_workflow_executions(arn)]
            ended = await ib.wait_all([each.id for each in workflows], timeout=60)
            steps = [each async for each in ib.list_workflow_step_executions(workflows[0].id, page_size=3)]
            return states, image, ended, steps

    states, image, ended, steps = anyio.run(main, backend=backend)
    all_states = ["PENDING", "CREATING", "BUILDING", "TESTING", "DISTRIBUTING", "AVAILABLE"]
    assert states == [status for status in all_states if status in states]
    assert {"BUILDING", "AVAILABLE"} <= set(states)
    assert {ami.region for ami in image.amis} == {"us-east-1", "eu-west-1"}
    assert [(str(each.type), each.outcome) for each in ended] == [
        ("BUILD", Outcome.SUCCEEDED),
        ("TEST", Outcome.SUCCEEDED),
    ]
    assert ended[0].progress.steps_done == ended[0].total_step_count == 7
    assert [step.name for step in steps][:2] == ["LaunchBuildInstance", "ApplyBuildComponents"]
    assert {step.image_build_version_arn for step in steps} == {image.arn}


def test_blocking_client_awaits_build_and_its_executions(simulator: Simulator):
    pipeline = simulator.create_pipeline("demo")
    with blocking.ImageBuilder(**simulator.client_arguments, **CADENCE) as ib:
        arn = ib.start_image_pipeline_execution(pipeline)
        states = [str(image.status) for image in ib.watch(arn, timeout=60)]
        assert states[-1] == "AVAILABLE"
        workflows = [each.id for each in ib.list_workflow_executions(arn)]
        assert [each.id for each in ib.wait_all(workflows, timeout=60)] == workflows
        assert {each.id for each in ib.as_completed(workflows, timeout=60)} == set(workflows)
        assert ib.wait_for_image(arn, timeout=60).amis
