"""Opening and closing a client, invalid arguments, and the errors of single calls."""

import asyncio
import re
import time
from importlib import import_module

import anyio
import boto3
import pytest
from aiobotocore.config import AioConfig
from aiobotocore.credentials import AioCredentialResolver, AioCredentials
from aiobotocore.session import AioSession, get_session
from tenacity import wait_none

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
    """An AWS environment that is isolated from the one of this machine."""
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


async def test_client_is_configured_by_environment(environment, execution):
    environment.setenv("AWS_DEFAULT_REGION", "us-east-1")
    environment.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    environment.setenv("AWS_SECRET_ACCESS_KEY", "simulated")
    async with ImageBuilder(**CADENCE) as ib:
        assert (await ib.wait(execution, timeout=30)).status == "COMPLETED"


async def test_client_is_configured_by_profile(environment, execution):
    async with ImageBuilder(profile_name="builds", **CADENCE) as ib:
        assert (await ib.wait(execution, timeout=30)).status == "COMPLETED"


async def test_client_is_configured_by_session(environment, execution):
    async with ImageBuilder(session=AioSession(profile="builds"), **CADENCE) as ib:
        assert (await ib.wait(execution, timeout=30)).status == "COMPLETED"


async def test_given_client_is_used_and_left_open(simulator: Simulator, execution):
    config = AioConfig(retries={"total_max_attempts": 1})
    async with AioSession().create_client(
        "imagebuilder", config=config, **simulator.client_arguments
    ) as client:
        async with ImageBuilder(client=client, **CADENCE) as ib:
            assert (await ib.wait(execution, timeout=30)).status == "COMPLETED"
        response = await client.get_workflow_execution(workflowExecutionId=execution)
        assert response["status"] == "COMPLETED"


async def test_wait_with_closed_given_client_raises_at_once(simulator: Simulator, execution):
    async with AioSession().create_client("imagebuilder", **simulator.client_arguments) as client:
        await client.get_workflow_execution(workflowExecutionId=execution)
    async with ImageBuilder(client=client) as ib:
        with anyio.fail_after(3), pytest.raises(ObservationError, match="Is the client closed already"):
            await ib.wait(execution, timeout=None)


@pytest.mark.parametrize(
    "arguments",
    [{"region_name": "us-east-1"}, {"profile_name": "builds"}, {"config": AioConfig()}],
    ids=["region", "profile", "config"],
)
async def test_given_client_excludes_session_arguments(arguments):
    with pytest.raises(ValueError, match="client= alone"):
        ImageBuilder(client=object(), **arguments)


async def test_given_session_excludes_profile():
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
    ids=["no-recipe", "two-recipes"],
)
async def test_create_image_requires_exactly_one_recipe(ib: ImageBuilder, simulator: Simulator, recipes):
    infrastructure = "arn:aws:imagebuilder:us-east-1:123456789012:infrastructure-configuration/demo"
    with pytest.raises(ValueError, match="either image_recipe_arn or container_recipe_arn"):
        await ib.create_image(infrastructure, **recipes)
    assert simulator.call_count() == 0


async def test_retries_of_given_config_are_ignored(simulator: Simulator, execution):
    simulator.inject(Fault("throttle", times=1))
    config = AioConfig(retries={"max_attempts": 9, "mode": "legacy"}, read_timeout=7)
    attempts = []
    backoff = Backoff(before_sleep=lambda state: attempts.append(state.attempt_number))
    async with ImageBuilder(**simulator.client_arguments, config=config, backoff=backoff) as ib:
        await ib.get_workflow_execution(execution)
        assert ib._caller._client.meta.config.read_timeout == 7
    assert attempts == [1]
    assert simulator.call_count() == 2


async def test_opening_twice_or_use_before_opening_raises(simulator: Simulator):
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
    ("identifier", "message"),
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
    ids=["empty", "short", "long", "newline", "instance", "no-build-number", "pipeline", "s3", "region"],
)
async def test_invalid_id_raises_before_any_request(ib, simulator, identifier, message):
    for call in (
        lambda: ib.wait(identifier, timeout=None),
        lambda: ib.wait_all([workflow_id(), identifier], timeout=None),
    ):
        with pytest.raises(ValueError, match=re.escape(message)) as caught:
            await call()
        assert len(str(caught.value)) < 900
    with pytest.raises(ValueError, match=re.escape(message)):
        ib.watch(identifier)
    with pytest.raises(ValueError, match=re.escape(message)):
        ib.as_completed([identifier], timeout=None)
    assert simulator.calls == []


async def test_id_of_wrong_kind_or_type_raises_before_any_request(ib: ImageBuilder, simulator: Simulator):
    with pytest.raises(ValueError, match="names a workflow execution: expected the id of an image"):
        await ib.wait_for_image(workflow_id(), timeout=None)
    with pytest.raises(ValueError, match="names an image: expected the id of an image pipeline"):
        await ib.start_image_pipeline_execution(IMAGE)
    with pytest.raises(TypeError, match="must be a str, not int"):
        await ib.wait(42, timeout=None)
    with pytest.raises(TypeError, match="pass \\['wf-"):
        await ib.wait_all(workflow_id(), timeout=None)
    assert simulator.calls == []


@pytest.mark.parametrize("timeout", [-1, -0.001, float("nan"), float("inf"), 10**400, -(10**400)])
async def test_invalid_timeout_raises_before_any_request(ib: ImageBuilder, simulator: Simulator, timeout):
    with pytest.raises(ValueError, match="timeout must be a finite number of seconds of at least 0"):
        await ib.wait(workflow_id(), timeout=timeout)
    with pytest.raises(TypeError, match="timeout must be seconds or a timedelta, not str"):
        await ib.wait(workflow_id(), timeout="90m")
    assert simulator.calls == []


@pytest.mark.parametrize(
    "delays", [{"min_delay": 0}, {"min_delay": 40}, {"max_delay": 1}, {"max_delay": float("inf")}]
)
async def test_invalid_delay_raises_value_error(delays):
    with pytest.raises(ValueError, match="delay"):
        ImageBuilder(region_name="us-east-1", **delays)


async def test_missing_region_or_credentials_raise_on_opening(environment):
    with pytest.raises(ValueError, match="pass region_name="):
        await ImageBuilder().__aenter__()
    with pytest.raises(ValueError, match="missing"):
        await ImageBuilder(profile_name="missing").__aenter__()
    with pytest.raises(CredentialsError, match="Set AWS credentials"):
        await ImageBuilder(region_name="us-east-1").__aenter__()
    with pytest.raises(CredentialsError, match="Partial credentials"):
        await ImageBuilder(region_name="us-east-1", aws_access_key_id="AKIA").__aenter__()


async def test_region_of_the_environment_is_used(environment, monkeypatch, tmp_path):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    config = tmp_path / "config"
    config.write_text("[default]\nregion = eu-west-1\n")

    async def region(**arguments: object) -> str:
        async with ImageBuilder(**arguments) as ib:
            return ib._caller.region

    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    assert await region() == "eu-west-1"
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-2")
    assert await region() == "eu-west-2"
    monkeypatch.setenv("AWS_REGION", "eu-west-3")
    assert await region() == "eu-west-3"
    assert await region(region_name="us-east-1") == "us-east-1"
    session = get_session()
    session.set_config_variable("region", "us-west-2")
    assert await region(session=session) == "us-west-2"


async def test_credentials_found_only_by_a_second_search_are_not_assumed(environment, monkeypatch):
    """The client would be created without credentials, and stay so."""
    session = get_session()
    answers = iter([None, AioCredentials("AKIA", "secret"), AioCredentials("AKIA", "secret")])

    class Provider(AioCredentialResolver):
        async def load_credentials(self):
            return next(answers)

    session.register_component("credential_provider", Provider([]))
    with pytest.raises(CredentialsError):
        await ImageBuilder(region_name="us-east-1", session=session).__aenter__()


@pytest.mark.parametrize("argument", ["client", "logs_client"])
async def test_client_of_another_library_or_service_is_refused_by_name(simulator: Simulator, argument):
    service = {"client": "imagebuilder", "logs_client": "logs"}[argument]
    with pytest.raises(TypeError, match=rf"{argument}= must be .*not botocore.client"):
        ImageBuilder(**{argument: boto3.client(service, **simulator.client_arguments)})
    async with get_session().create_client("ec2", **simulator.client_arguments) as client:
        with pytest.raises(ValueError, match=f"{argument}= must be a client of {service}, not .*EC2"):
            ImageBuilder(**{argument: client})
    creator = get_session().create_client(service, **simulator.client_arguments)
    with pytest.raises(TypeError, match=f"{argument}= must be an open client.*ClientCreatorContext"):
        ImageBuilder(**{argument: creator})
    async with creator:
        pass


async def test_empty_client_token_is_refused(ib: ImageBuilder, simulator: Simulator):
    pipeline = simulator.create_pipeline("demo")
    before = len(simulator.calls)
    for call in (ib.build(pipeline, timeout=5, client_token=""), ib.retry_image(IMAGE, client_token="")):
        with pytest.raises(ValueError, match="clientToken"):
            await call
    assert len(simulator.calls) == before


@pytest.mark.parametrize(
    "arguments",
    [
        {"backoff": 5},
        {"backoff": wait_none()},
        {"config": {}},
        {"session": "x"},
    ],
)
async def test_argument_of_wrong_type_is_refused_by_name(arguments):
    with pytest.raises(TypeError, match=next(iter(arguments))):
        ImageBuilder(region_name="us-east-1", **arguments)


@pytest.mark.parametrize("name", ["throttled", "transient", "retry", "stop", "before_sleep"])
async def test_backoff_refuses_what_is_no_strategy(name):
    with pytest.raises(TypeError, match=rf"Backoff\.{name} must be a strategy of tenacity, not 5"):
        Backoff(**{name: 5})


async def test_time_without_a_type_is_refused(ib: ImageBuilder):
    with pytest.raises(TypeError, match="since must be a datetime, not str"):
        ib.logs(IMAGE, since="5")


@pytest.mark.parametrize("module", ["boto3", "botocore.session"])
async def test_session_of_another_library_is_refused_by_name(module):
    session = getattr(import_module(module), "Session")()  # noqa: B009
    with pytest.raises(TypeError, match=rf"session= must be a session of aiobotocore, not {module}"):
        ImageBuilder(session=session)


async def test_invalid_endpoint_url_raises_on_opening(simulator: Simulator):
    arguments = simulator.client_arguments | {"endpoint_url": "not-a-url"}
    with pytest.raises(ValueError, match="not-a-url"):
        await ImageBuilder(**arguments).__aenter__()


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:99999", "http://127.0.0.1:abc", "ftp://example.com", "http://", "http://[::1"]
)
@pytest.mark.parametrize("source", ["argument", "environment", "config"])
async def test_invalid_address_raises_on_opening(environment, simulator, tmp_path, monkeypatch, url, source):
    arguments = dict(simulator.client_arguments)
    if source != "argument":
        del arguments["endpoint_url"]
        monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    if source == "config":
        (tmp_path / "config").write_text(f"[default]\nendpoint_url = {url}\n")
    elif source == "environment":
        monkeypatch.setenv("AWS_ENDPOINT_URL_IMAGEBUILDER", url)
    else:
        arguments["endpoint_url"] = url
    with pytest.raises(ValueError, match=f"{re.escape(url)}|Invalid IPv6 URL"):
        await ImageBuilder(**arguments).__aenter__()


@pytest.mark.parametrize(
    "url",
    ["::::", "http://u:p@127.0.0.1:99999", "foo://u:p@127.0.0.1:9", "http://user:secret/pw@127.0.0.1:1"],
)
async def test_invalid_proxy_raises_on_opening(simulator: Simulator, monkeypatch, url):
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    arguments = {**simulator.client_arguments, "endpoint_url": "http://example.invalid"}
    with pytest.raises(ValueError, match=r"proxy for http .*HTTP_PROXY.* is not an http") as caught:
        await ImageBuilder(**arguments, config=AioConfig(proxies={"http": url})).__aenter__()
    assert "secret" not in str(caught.value)
    monkeypatch.setenv("HTTP_PROXY", url)
    with pytest.raises(ValueError, match="proxy for http"):
        await ImageBuilder(**arguments).__aenter__()


async def test_unreachable_endpoint_raises_at_deadline(simulator: Simulator):
    arguments = simulator.client_arguments | {"endpoint_url": "http://127.0.0.1:1"}
    async with ImageBuilder(**arguments) as ib:
        started = time.monotonic()
        with pytest.raises(
            ObservationError, match="Check the region, endpoint_url and the network"
        ) as caught:
            await ib.wait(workflow_id(), timeout=0.5)
        assert time.monotonic() - started < 5
    assert isinstance(caught.value.__cause__, ConnectionFailedError)


async def test_operation_errors_have_details_and_advice(ib: ImageBuilder, simulator: Simulator):
    with pytest.raises(ResourceNotFoundException) as caught:
        await ib.get_workflow_execution(workflow_id())
    error = caught.value
    assert (error.operation, error.status_code) == ("GetWorkflowExecution", 404)
    assert error.request_id
    assert type(error.__cause__).__name__ == "ResourceNotFoundException"
    simulator.inject(Fault("error", code="ForbiddenException", status=403, message="not authorized"))
    with pytest.raises(ForbiddenException, match=r"not authorized\. Check the IAM permissions"):
        await ib.get_workflow_execution(workflow_id())


async def test_start_with_lost_response_starts_one_build(ib: ImageBuilder, simulator: Simulator):
    pipeline = simulator.create_pipeline("demo")
    simulator.inject(Fault("reset", operation="StartImagePipelineExecution", times=1, performed=True))
    arn = await ib.start_image_pipeline_execution(pipeline)
    assert simulator.call_count("StartImagePipelineExecution") == 2
    assert [each.arn async for each in ib.list_image_pipeline_images(pipeline)] == [arn]


async def test_client_token_of_another_build_is_rejected(ib: ImageBuilder, simulator: Simulator):
    await ib.start_image_pipeline_execution(simulator.create_pipeline("one"), client_token="t")
    other = simulator.create_pipeline("two")
    with pytest.raises(IdempotentParameterMismatchException, match="Use another client_token"):
        await ib.start_image_pipeline_execution(other, client_token="t")


async def test_closing_client_leaves_no_task_or_socket(simulator: Simulator, execution):
    async with ImageBuilder(**simulator.client_arguments) as ib, anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: ib.wait(execution, timeout=None))
        while not simulator.calls:
            await anyio.sleep(0.01)
        tasks.cancel_scope.cancel()
    # pytest turns warnings of unclosed sockets and pending tasks into errors.
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_repr_shows_no_credentials():
    ib = ImageBuilder(
        region_name="us-east-1",
        aws_access_key_id="MARKED-KEY",
        aws_secret_access_key="MARKED-SECRET",
        aws_session_token="MARKED-TOKEN",
    )
    assert "MARKED" not in repr(vars(ib))
