"""How a client is opened and closed, and how bad input is met."""

import asyncio
import re
import time

import anyio
import pytest
from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession

from aioimagebuilder import (
    Backoff,
    ConnectionFailedError,
    CredentialsError,
    ForbiddenException,
    IdempotentParameterMismatchException,
    ImageBuilder,
    ObservationError,
    ResourceNotFoundException,
)
from aioimagebuilder.testing import Fault, Simulator
from support.scripted_service import workflow_id

from .conftest import CADENCE

pytestmark = pytest.mark.asyncio


@pytest.fixture
def execution(simulator: Simulator) -> str:
    return simulator.add_execution("workflow_execution", [("RUNNING", 20.0), ("COMPLETED", None)])


@pytest.fixture
def environment(simulator: Simulator, monkeypatch: pytest.MonkeyPatch, tmp_path) -> pytest.MonkeyPatch:
    """AWS's environment, with nothing of this machine's own in it."""
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_ENDPOINT_URL", simulator.endpoint_url)
    (tmp_path / "config").write_text("[profile builds]\nregion = us-east-1\n")
    (tmp_path / "credentials").write_text(
        "[builds]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = simulated\n"
    )
    return monkeypatch


async def test_from_the_environment(environment, execution):
    environment.setenv("AWS_DEFAULT_REGION", "us-east-1")
    environment.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    environment.setenv("AWS_SECRET_ACCESS_KEY", "simulated")
    async with ImageBuilder(**CADENCE) as ib:
        assert (await ib.wait(execution, timeout=30)).is_terminal


async def test_from_a_profile(environment, execution):
    async with ImageBuilder(profile_name="builds", **CADENCE) as ib:
        assert (await ib.wait(execution, timeout=30)).is_terminal


async def test_from_a_session(environment, execution):
    async with ImageBuilder(session=AioSession(profile="builds"), **CADENCE) as ib:
        assert (await ib.wait(execution, timeout=30)).is_terminal


async def test_from_a_client_which_is_left_open(simulator: Simulator, execution):
    config = AioConfig(retries={"total_max_attempts": 1})
    async with AioSession().create_client(
        "imagebuilder", config=config, **simulator.client_arguments
    ) as client:
        async with ImageBuilder(client=client, **CADENCE) as ib:
            assert (await ib.wait(execution, timeout=30)).is_terminal
        answer = await client.get_workflow_execution(workflowExecutionId=execution)
        assert answer["status"] == "COMPLETED"


async def test_a_given_client_that_is_closed_is_told_at_once(simulator: Simulator, execution):
    async with AioSession().create_client("imagebuilder", **simulator.client_arguments) as client:
        await client.get_workflow_execution(workflowExecutionId=execution)
    async with ImageBuilder(client=client) as ib:
        with anyio.fail_after(3), pytest.raises(ObservationError, match="Is the client closed already"):
            await ib.wait(execution, timeout=None)


@pytest.mark.parametrize(
    "arguments", [{"region_name": "us-east-1"}, {"profile_name": "builds"}, {"config": AioConfig()}]
)
async def test_a_client_excludes_what_it_has_already(arguments):
    with pytest.raises(ValueError, match="client= alone"):
        ImageBuilder(client=object(), **arguments)


async def test_a_session_has_its_profile_already():
    with pytest.raises(ValueError, match="session= or profile_name="):
        ImageBuilder(session=AioSession(), profile_name="builds")


@pytest.mark.parametrize(
    "recipes",
    [
        {},
        {
            "image_recipe_arn": "arn:aws:imagebuilder:us-east-1:123456789012:image-recipe/demo/1.0.0",
            "container_recipe_arn": "arn:aws:imagebuilder:us-east-1:123456789012:container-recipe/demo/1.0.0",
        },
    ],
)
async def test_an_image_has_one_recipe(ib: ImageBuilder, simulator: Simulator, recipes):
    where = "arn:aws:imagebuilder:us-east-1:123456789012:infrastructure-configuration/demo"
    with pytest.raises(ValueError, match="either image_recipe_arn or container_recipe_arn"):
        await ib.create_image(where, **recipes)
    assert simulator.call_count() == 0


async def test_there_is_one_retry_layer_whatever_the_callers_config_says(simulator: Simulator, execution):
    simulator.inject(Fault("throttle", times=1))
    config = AioConfig(retries={"max_attempts": 9, "mode": "legacy"}, read_timeout=7)
    seen = []
    backoff = Backoff(before_sleep=lambda state: seen.append(state.attempt_number))
    async with ImageBuilder(**simulator.client_arguments, config=config, backoff=backoff) as ib:
        await ib.get_workflow_execution(execution)
        assert ib._caller._client.meta.config.read_timeout == 7
    assert seen == [1]
    assert simulator.call_count() == 2


async def test_opening_twice_and_using_it_unopened_are_told(simulator: Simulator):
    ib = ImageBuilder(**simulator.client_arguments)
    with pytest.raises(RuntimeError, match="async with ImageBuilder"):
        await ib.get_workflow_execution(workflow_id())
    async with ib:
        with pytest.raises(RuntimeError, match="already open"):
            await ib.__aenter__()
    async with ib:
        assert [each async for each in ib.list_waiting_workflow_steps()] == []


IMAGE = "arn:aws:imagebuilder:us-east-1:123456789012:image/demo/1.0.0/1"


@pytest.mark.parametrize(
    ("identifier", "says"),
    [
        ("", "'' is not an Image Builder id"),
        ("wf-123", "'wf-123' is not an Image Builder id: expected the id of an image"),
        ("wf-" + "x" * 9000, "is not an Image Builder id"),
        (IMAGE + "\n", "is not an Image Builder id"),
        ("i-0123456789abcdef0", "is not an Image Builder id"),
        (IMAGE.rpartition("/")[0], "append the build number"),
        (
            "arn:aws:imagebuilder:us-east-1:123456789012:image-pipeline/demo",
            "start_image_pipeline_execution()",
        ),
        ("arn:aws:s3:::bucket/key", "is not an Image Builder id"),
        (IMAGE.replace("us-east-1", "eu-west-1"), 'Use ImageBuilder(region_name="eu-west-1")'),
    ],
)
async def test_a_bad_id_is_one_clear_error_before_anything_is_sent(ib, simulator, identifier, says):
    for attempt in (
        lambda: ib.wait(identifier, timeout=None),
        lambda: ib.wait_all([workflow_id(), identifier], timeout=None),
    ):
        with pytest.raises(ValueError, match=re.escape(says)) as caught:
            await attempt()
        assert len(str(caught.value)) < 900
    with pytest.raises(ValueError, match=re.escape(says)):
        ib.watch(identifier)
    with pytest.raises(ValueError, match=re.escape(says)):
        ib.as_completed([identifier], timeout=None)
    assert simulator.calls == []


async def test_an_id_of_another_kind_is_told_apart(ib: ImageBuilder, simulator: Simulator):
    with pytest.raises(ValueError, match="names a workflow execution: expected the id of an image"):
        await ib.wait_for_image(workflow_id(), timeout=None)
    with pytest.raises(ValueError, match="names an image: expected the id of an image pipeline"):
        await ib.start_image_pipeline_execution(IMAGE)
    with pytest.raises(TypeError, match="must be a str, not int"):
        await ib.wait(42, timeout=None)
    with pytest.raises(TypeError, match="pass \\['wf-"):
        await ib.wait_all(workflow_id(), timeout=None)
    assert simulator.calls == []


@pytest.mark.parametrize("timeout", [-1, -0.001, float("nan"), float("inf")])
async def test_a_timeout_that_is_none_is_refused(ib: ImageBuilder, simulator: Simulator, timeout):
    with pytest.raises(ValueError, match="timeout must be a finite number of seconds of at least 0"):
        await ib.wait(workflow_id(), timeout=timeout)
    with pytest.raises(TypeError, match="timeout must be seconds or a timedelta, not str"):
        await ib.wait(workflow_id(), timeout="90m")
    assert simulator.calls == []


@pytest.mark.parametrize(
    "delays", [{"min_delay": 0}, {"min_delay": 40}, {"max_delay": 1}, {"max_delay": float("inf")}]
)
async def test_delays_that_are_none_are_refused(delays):
    with pytest.raises(ValueError, match="delay"):
        ImageBuilder(region_name="us-east-1", **delays)


async def test_no_region_no_profile_no_credentials_are_told_on_opening(environment):
    with pytest.raises(ValueError, match="pass region_name="):
        await ImageBuilder().__aenter__()
    with pytest.raises(ValueError, match="nobody"):
        await ImageBuilder(profile_name="nobody").__aenter__()
    with pytest.raises(CredentialsError, match="Set AWS credentials"):
        await ImageBuilder(region_name="us-east-1").__aenter__()
    with pytest.raises(CredentialsError, match="Partial credentials"):
        await ImageBuilder(region_name="us-east-1", aws_access_key_id="AKIA").__aenter__()


async def test_an_endpoint_that_is_no_url_is_told_on_opening(simulator: Simulator):
    arguments = simulator.client_arguments | {"endpoint_url": "nowhere"}
    with pytest.raises(ValueError, match="nowhere"):
        await ImageBuilder(**arguments).__aenter__()


async def test_an_unreachable_endpoint_is_told_at_the_deadline(simulator: Simulator):
    arguments = simulator.client_arguments | {"endpoint_url": "http://127.0.0.1:1"}
    async with ImageBuilder(**arguments) as ib:
        started = time.monotonic()
        with pytest.raises(
            ObservationError, match="Check the region, endpoint_url and the network"
        ) as caught:
            await ib.wait(workflow_id(), timeout=0.5)
        assert time.monotonic() - started < 5
    assert isinstance(caught.value.__cause__, ConnectionFailedError)


async def test_the_errors_of_an_operation_say_what_when_and_what_to_do(
    ib: ImageBuilder, simulator: Simulator
):
    with pytest.raises(ResourceNotFoundException) as caught:
        await ib.get_workflow_execution(workflow_id())
    error = caught.value
    assert (error.operation, error.status_code) == ("GetWorkflowExecution", 404)
    assert error.request_id
    assert type(error.__cause__).__name__ == "ResourceNotFoundException"
    simulator.inject(Fault("error", code="ForbiddenException", status=403, message="not you"))
    with pytest.raises(ForbiddenException, match=r"not you\. Check the IAM permissions"):
        await ib.get_workflow_execution(workflow_id())


async def test_a_start_whose_answer_is_lost_starts_one_build(ib: ImageBuilder, simulator: Simulator):
    pipeline = simulator.create_pipeline("demo")
    lost = Fault("reset", operation="StartImagePipelineExecution", times=1, performed=True)
    simulator.inject(lost)
    arn = await ib.start_image_pipeline_execution(pipeline)
    assert simulator.call_count("StartImagePipelineExecution") == 2
    assert [each.arn async for each in ib.list_image_pipeline_images(pipeline)] == [arn]


async def test_a_token_used_for_something_else_is_refused(ib: ImageBuilder, simulator: Simulator):
    await ib.start_image_pipeline_execution(simulator.create_pipeline("one"), client_token="t")
    other = simulator.create_pipeline("two")
    with pytest.raises(IdempotentParameterMismatchException, match="Use another client_token"):
        await ib.start_image_pipeline_execution(other, client_token="t")


async def test_leaving_the_client_leaves_no_task_and_no_socket(simulator: Simulator, execution):
    async with ImageBuilder(**simulator.client_arguments) as ib, anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: ib.wait(execution, timeout=None))
        while not simulator.calls:
            await anyio.sleep(0.01)
        tasks.cancel_scope.cancel()
    # pytest turns the warnings of unclosed sockets and pending tasks into errors.
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_no_secret_shows_in_a_repr():
    ib = ImageBuilder(
        region_name="us-east-1",
        aws_access_key_id="MARKED-KEY",
        aws_secret_access_key="MARKED-SECRET",
        aws_session_token="MARKED-TOKEN",
    )
    assert "MARKED" not in repr(vars(ib))
