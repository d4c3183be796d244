"""`get_waiter`: compared with botocore's own waiter, which polls the same service by the same model."""

import sys
from datetime import UTC, datetime
from itertools import pairwise

import anyio
import pytest
from aiobotocore.waiter import AnyioWaiter, NormalizedOperationMethod
from botocore import xform_name
from botocore.exceptions import ParamValidationError, WaiterError
from botocore.session import Session
from botocore.validate import validate_parameters
from botocore.waiter import SingleWaiterConfig, WaiterModel

from aioimagebuilder import (
    ClientClosedError,
    ExecutionFailedError,
    ImageBuilder,
    ObservationError,
    WaitTimeoutError,
)
from aioimagebuilder.models.kinds import KINDS
from aioimagebuilder.waiting.botocore_waiters import create_models
from support.scripted_service import REGION, UNKNOWN, ScriptedService, aws_error, image_arn, throttle

WAITERS = {
    "image_available": ("image", "imageBuildVersionArn"),
    "lifecycle_execution_succeeded": ("lifecycle", "lifecycleExecutionId"),
    "workflow_execution_completed": ("workflow", "workflowExecutionId"),
    "workflow_step_execution_completed": ("step", "stepExecutionId"),
}
STATUSES = [(xform_name(row.waiter), status) for row in KINDS.values() for status in [*row.statuses, UNKNOWN]]


def _botocore_waiter(ib: ImageBuilder, service: ScriptedService, name: str) -> AnyioWaiter:
    config = ib.get_waiter(name).config
    method = getattr(service, xform_name(config.operation))
    return AnyioWaiter(ib.get_waiter(name).name, config, NormalizedOperationMethod(method))


async def _failure(waiting) -> WaiterError:
    with pytest.raises(WaiterError) as caught:
        await waiting
    return caught.value


async def _result(waiting) -> tuple[str | None, dict]:
    """Return the message of the error, if there is one, and the response."""
    try:
        return None, _members(await waiting)
    except WaiterError as error:
        return str(error), _members(error.last_response)


def _members(response: dict) -> dict:
    return {name: value for name, value in response.items() if name != "ResponseMetadata"}


@pytest.mark.parametrize(("name", "status"), STATUSES)
def test_waiter_ends_like_that_of_botocore_in_every_status(run, name, status):
    async def main():
        kind, parameter = WAITERS[name]
        service = ScriptedService()
        arguments = {
            parameter: getattr(service, kind)((0, status)),
            "WaiterConfig": {"Delay": 5, "MaxAttempts": 3},
        }
        async with ImageBuilder(client=service) as ib:
            ours = await _result(ib.get_waiter(name).wait(**arguments))
            theirs = await _result(_botocore_waiter(ib, service, name).wait(**arguments))
        assert ours == theirs

    run(main)


@pytest.mark.parametrize("attempts", [(1, 3), (3, 3), (None, 3), (None, None), (2, None)])
def test_failed_step_with_attempts_left_is_polled_again(run, attempts):
    async def main():
        service = ScriptedService()
        numbers = zip(("attemptNumber", "maxAttempts"), attempts, strict=True)
        step = service.step((0, "FAILED"), **{name: each for name, each in numbers if each})
        arguments = {"stepExecutionId": step, "WaiterConfig": {"Delay": 5, "MaxAttempts": 2}}
        async with ImageBuilder(client=service) as ib:
            name = "workflow_step_execution_completed"
            error = await _failure(ib.get_waiter(name).wait(**arguments))
            theirs = await _failure(_botocore_waiter(ib, service, name).wait(**arguments))
        is_final = attempts not in {(1, 3), (None, 3)}
        assert ("terminal failure" in str(error)) is ("terminal failure" in str(theirs)) is is_final

    run(main)


@pytest.mark.parametrize(
    ("delay", "attempts"), [(60, 1), (60, 2), (15, 40), (0.5, 3), (60, 360), (None, None)]
)
def test_last_poll_is_made_when_botocore_makes_it(run, delay, attempts):
    async def main():
        service, other = ScriptedService(latency=0), ScriptedService(latency=0)
        config = {} if delay is None else {"WaiterConfig": {"Delay": delay, "MaxAttempts": attempts}}
        async with ImageBuilder(client=service) as ib:
            waiter = ib.get_waiter("workflow_execution_completed")
            error = await _failure(
                waiter.wait(workflowExecutionId=service.workflow((0, "RUNNING")), **config)
            )
            theirs = _botocore_waiter(ib, other, "workflow_execution_completed")
            await _failure(theirs.wait(workflowExecutionId=other.workflow((0, "RUNNING")), **config))
        assert service.times[-1] == pytest.approx(other.times[-1], abs=0.001)
        assert len(other.times) <= len(service.times) <= 1.1 * len(other.times)
        shortest = (delay or 60) * 0.9 - 0.001
        assert all(later - earlier >= shortest for earlier, later in pairwise(service.times))
        assert str(error) == "Waiter WorkflowExecutionCompleted failed: Max attempts exceeded"
        assert error.last_response["status"] == "RUNNING"
        assert type(error.__cause__) is WaitTimeoutError

    run(main)


def test_defaults_are_those_of_aws_and_may_be_set_as_in_botocore(run):
    async def main():
        service = ScriptedService()
        async with ImageBuilder(client=service) as ib:
            waiter = ib.get_waiter("image_available")
            assert (waiter.config.delay, waiter.config.max_attempts) == (60, 360)
            waiter.config.delay, waiter.config.max_attempts = 10, 3
            await _failure(waiter.wait(imageBuildVersionArn=service.image((0, "BUILDING"))))
            assert service.times == pytest.approx([0, 10, 20], abs=1)
            assert service.times[-1] == pytest.approx(20, abs=0.001)
            assert ib.get_waiter("image_available").config.delay == 60

    run(main)


def test_throttles_and_outages_fail_no_waiter(run):
    async def main():
        service = ScriptedService()
        arn = service.image((0, "BUILDING"), (600, "AVAILABLE"))
        errors = [throttle(), aws_error("ServiceException", 500), aws_error("Unknown", 502)]
        service.fault = lambda now: errors[int(now) % 3] if now < 500 else None
        async with ImageBuilder(client=service) as ib:
            response = await ib.get_waiter("image_available").wait(imageBuildVersionArn=arn)
        assert response["image"]["state"]["status"] == "AVAILABLE"

    run(main)


def test_waiters_share_polls_with_waits(run):
    async def main():
        service = ScriptedService()
        arn = service.image((0, "BUILDING"), (300, "AVAILABLE"))
        async with (
            ImageBuilder(client=service, min_delay=60, max_delay=60) as ib,
            anyio.create_task_group() as tasks,
        ):
            for _ in range(100):
                tasks.start_soon(lambda: ib.get_waiter("image_available").wait(imageBuildVersionArn=arn))
            tasks.start_soon(lambda: ib.wait(arn, timeout=None))
        assert len(service.calls) <= 7

    run(main)


def test_failure_has_the_response_and_the_error_of_the_library(run):
    async def main():
        service = ScriptedService()
        failure = {"failureContext": {"failedStep": {"stepExecutionId": "step-1"}}, "unknown": [1]}
        arn = service.image((0, "BUILDING"), (90, "FAILED"), reason="no space", imageRecipe={"name": "web"})
        service.scripts[arn].states[1][1]["state"] |= failure
        async with ImageBuilder(client=service) as ib:
            error = await _failure(ib.get_waiter("image_available").wait(imageBuildVersionArn=arn))
        assert error.last_response == {
            "image": {
                "arn": arn,
                "state": {"status": "FAILED", "reason": "no space", **failure},
                "imageRecipe": {"name": "web"},
            },
            "ResponseMetadata": {"HTTPStatusCode": 200},
        }
        cause = error.__cause__
        assert isinstance(cause, ExecutionFailedError)
        assert (cause.identifier, cause.execution.reason, cause.polls) == (arn, "no space", 3)

    run(main)


def test_times_in_a_response_have_the_types_of_botocore(run):
    async def main():
        service = ScriptedService()
        moment = datetime(2026, 9, 9, 18, 53, 28, 500_000, UTC)
        text = "2026-09-09T18:53:28.500Z"
        workflow = service.workflow((0, "COMPLETED"), startTime=text)
        image = service.image((0, "AVAILABLE"), dateCreated=text, deprecationTime=moment)
        lifecycle = service.lifecycle((0, "SUCCESS"), startTime=moment)
        async with ImageBuilder(client=service) as ib:
            completed = await ib.get_waiter("workflow_execution_completed").wait(workflowExecutionId=workflow)
            assert completed["startTime"] == text
            available = (await ib.get_waiter("image_available").wait(imageBuildVersionArn=image))["image"]
            assert (available["dateCreated"], available["deprecationTime"]) == (text, moment)
            waiter = ib.get_waiter("lifecycle_execution_succeeded")
            ended = await waiter.wait(lifecycleExecutionId=lifecycle)
            assert ended["lifecycleExecution"]["startTime"] == moment

    run(main)


@pytest.mark.parametrize("name", WAITERS)
@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("AccessDeniedException", 403),
        ("ForbiddenException", 403),
        ("InvalidParameterValueException", 400),
        ("ResourceNotFoundException", 404),
        ("ExpiredTokenException", 403),
    ],
)
def test_unobservable_execution_is_reported_as_by_botocore(run, name, code, status):
    async def main():
        kind, parameter = WAITERS[name]
        service = ScriptedService(fault=lambda _: aws_error(code, status, message="not today"))
        arguments = {parameter: getattr(service, kind)((0, "RUNNING"))}
        async with ImageBuilder(client=service) as ib:
            error = await _failure(ib.get_waiter(name).wait(**arguments))
            theirs = await _failure(_botocore_waiter(ib, service, name).wait(**arguments))
        assert str(error) == str(theirs)
        assert str(error).endswith(f" failed: An error occurred ({code}): not today")
        assert error.last_response == theirs.last_response
        assert isinstance(error.__cause__, ObservationError)

    run(main)


def test_secrets_in_an_error_of_the_service_are_redacted(run):
    async def main():
        message = "Authorization=AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20261125/us-east-1"
        service = ScriptedService(fault=lambda _: aws_error("AccessDeniedException", 403, message=message))
        async with ImageBuilder(client=service) as ib:
            error = await _failure(ib.get_waiter("image_available").wait(imageBuildVersionArn=image_arn()))
        assert "AKIAIOSFODNN7EXAMPLE" not in f"{error} {error!r} {error.last_response}"
        assert error.last_response["Error"]["Message"].startswith("Authorization=")

    run(main)


@pytest.mark.parametrize("code", ["AccessDeniedException", "Odd\r\nCode"])
def test_error_of_the_service_is_put_on_one_line(run, code):
    async def main():
        message = "no:\n  aws_secret_access_key=abc/def\u2028\twhy\x1b[2J\n"
        service = ScriptedService(fault=lambda _: aws_error(code, 403, message=message))
        async with ImageBuilder(client=service) as ib:
            error = await _failure(ib.get_waiter("image_available").wait(imageBuildVersionArn=image_arn()))
        assert str(error).isprintable()
        assert str(error).endswith("): no:   aws_secret_access_key=[redacted]  why [2J")
        assert error.last_response["Error"]["Message"] == message.replace("abc/def", "[redacted]")

    run(main)


def test_throttles_up_to_the_deadline_are_the_reason(run):
    async def main():
        service = ScriptedService(fault=lambda _: throttle())
        waiter_config = {"Delay": 10, "MaxAttempts": 4}
        async with ImageBuilder(client=service) as ib:
            waiting = ib.get_waiter("image_available").wait(
                imageBuildVersionArn=image_arn(), WaiterConfig=waiter_config
            )
            error = await _failure(waiting)
        assert "An error occurred (CallRateLimitExceededException): " in str(error)
        assert error.last_response["Error"]["Code"] == "CallRateLimitExceededException"
        assert error.__cause__.elapsed >= 30

    run(main)


def test_closing_the_client_fails_a_waiter(run):
    async def main():
        service = ScriptedService()
        arn = service.image((0, "BUILDING"))
        errors = []

        async def wait() -> None:
            errors.append(await _failure(ib.get_waiter("image_available").wait(imageBuildVersionArn=arn)))

        async with anyio.create_task_group() as tasks:
            async with ImageBuilder(client=service) as ib:
                tasks.start_soon(wait)
                await anyio.sleep(100)
        assert isinstance(errors[0].__cause__, ClientClosedError)
        assert errors[0].last_response["image"]["state"] == {"status": "BUILDING"}

    run(main)


@pytest.mark.parametrize("name", WAITERS)
@pytest.mark.parametrize("change", ["missing", "unknown", "number", "None", "bytes"])
def test_arguments_are_validated_as_by_botocore(run, name, change):
    async def main():
        parameter = WAITERS[name][1]
        value = {"number": 1, "None": None, "bytes": b"wf"}.get(change, "x")
        arguments = {} if change == "missing" else {parameter: value}
        if change == "unknown":
            arguments["timeout"] = 5
        operation = ImageBuilder().get_waiter(name).config.operation
        shape = Session().get_service_model("imagebuilder").operation_model(operation).input_shape
        with pytest.raises(ParamValidationError) as theirs:
            validate_parameters(arguments, shape)
        service = ScriptedService()
        async with ImageBuilder(client=service) as ib:
            with pytest.raises(ParamValidationError) as ours:
                await ib.get_waiter(name).wait(**arguments)
        assert str(ours.value) == str(theirs.value)
        assert service.calls == []

    run(main)


@pytest.mark.parametrize("value", ["", "ami-1", "wf-1", "arn:aws:s3:::x", "demo/1.0.0/1", "a\nb"])
def test_service_decides_about_an_id_that_names_nothing(run, value):
    async def main():
        service = ScriptedService(fault=lambda _: aws_error("InvalidParameterValueException", 400))
        async with ImageBuilder(client=service) as ib:
            error = await _failure(ib.get_waiter("image_available").wait(imageBuildVersionArn=value))
        assert "An error occurred (InvalidParameterValueException)" in str(error)
        assert all(each.params == {"imageBuildVersionArn": value} for each in service.calls)

    run(main)


def test_one_word_as_the_id_of_several_kinds_is_asked_for_as_each(run):
    async def main():
        service = ScriptedService(fault=lambda _: aws_error("InvalidParameterValueException", 400))
        async with ImageBuilder(client=service) as ib, anyio.create_task_group() as tasks:
            for name, (_, parameter) in WAITERS.items():
                waiting = ib.get_waiter(name).wait(**{parameter: "foo"})
                tasks.start_soon(_failure, waiting)
        asked = {each.operation: each.params for each in service.calls}
        assert asked == {xform_name(row.get.operation): {row.get.parameter: "foo"} for row in KINDS.values()}

    run(main)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (image_arn().rpartition("/")[0], "append the build number"),
        (image_arn(region="eu-west-1"), f"in region eu-west-1, but this client is for {REGION}"),
        ("wf-12345678-1234-1234-1234-123456789012", "names a workflow execution"),
    ],
)
def test_id_of_something_else_is_rejected_before_anything_is_sent(run, value, message):
    async def main():
        service = ScriptedService()
        async with ImageBuilder(client=service) as ib:
            with pytest.raises(ParamValidationError, match="Parameter validation failed") as caught:
                await ib.get_waiter("image_available").wait(imageBuildVersionArn=value)
        assert message in str(caught.value)
        assert service.calls == []

    run(main)


@pytest.mark.parametrize(
    ("config", "error", "message"),
    [
        (
            {"Delay": 0},
            ValueError,
            "Delay and MaxAttempts in WaiterConfig must be more than 0, not 0 and 360",
        ),
        ({"Delay": -1}, ValueError, "Delay in WaiterConfig must be a finite number"),
        ({"Delay": float("nan")}, ValueError, "Delay in WaiterConfig must be a finite number"),
        ({"Delay": 10**400}, ValueError, "Delay in WaiterConfig must be a finite number"),
        ({"Delay": 1e308}, ValueError, "must be a finite number"),
        ({"Delay": True}, TypeError, "Delay in WaiterConfig must be seconds"),
        ({"Delay": "5"}, TypeError, "Delay in WaiterConfig must be seconds"),
        ({"Delay": None}, TypeError, "Delay in WaiterConfig must be seconds"),
        ({"MaxAttempts": 0}, ValueError, "must be more than 0, not 60 and 0"),
        ({"MaxAttempts": -3}, ValueError, "must be more than 0, not 60 and -3"),
        ({"MaxAttempts": True}, TypeError, "MaxAttempts in WaiterConfig must be an int, not bool"),
        ({"MaxAttempts": 2.0}, TypeError, "MaxAttempts in WaiterConfig must be an int, not float"),
        ({"MaxAttempts": "3"}, TypeError, "MaxAttempts in WaiterConfig must be an int, not str"),
        ({"delay": 5}, TypeError, "Unknown key 'delay' in WaiterConfig: expected Delay, MaxAttempts"),
        (None, TypeError, "WaiterConfig must be a dict, not NoneType"),
        ([("Delay", 5)], TypeError, "WaiterConfig must be a dict, not list"),
    ],
)
def test_invalid_waiter_config_raises_before_anything_is_sent(run, config, error, message):
    async def main():
        service = ScriptedService()
        arn = service.image((0, "AVAILABLE"))
        async with ImageBuilder(client=service) as ib:
            with pytest.raises(error) as caught:
                await ib.get_waiter("image_available").wait(imageBuildVersionArn=arn, WaiterConfig=config)
        assert message in str(caught.value)
        assert service.calls == []

    run(main)


@pytest.mark.parametrize("attempts", [sys.maxsize, 10**400])
def test_huge_number_of_attempts_has_no_practical_limit(run, attempts):
    async def main():
        service = ScriptedService()
        arn = service.image((0, "BUILDING"), (10_000_000, "AVAILABLE"))
        async with ImageBuilder(client=service) as ib:
            config = {"Delay": 100_000, "MaxAttempts": attempts}
            await ib.get_waiter("image_available").wait(imageBuildVersionArn=arn, WaiterConfig=config)

    run(main)


@pytest.mark.parametrize("name", ["ImageAvailable", "image_exists", "", None])
def test_unknown_waiter_is_reported_as_by_botocore(name):
    with pytest.raises(ValueError, match=f"^Waiter does not exist: {name}$"):
        ImageBuilder().get_waiter(name)


def test_waiter_names_are_all_accepted():
    ib = ImageBuilder()
    assert ib.waiter_names == list(WAITERS)
    assert [xform_name(ib.get_waiter(name).name) for name in ib.waiter_names] == ib.waiter_names


def test_models_are_valid_for_botocore_and_name_members_of_the_service():
    models = create_models()
    assert WaiterModel({"version": 2, "waiters": models}).waiter_names == sorted(
        {row.waiter for row in KINDS.values()} - {"ImageAvailable"}
    )
    service = Session().get_service_model("imagebuilder")
    for model in models.values():
        shape = service.operation_model(model["operation"]).output_shape
        for each in SingleWaiterConfig(model).acceptors:
            assert each.state in {"success", "failure", "retry"}
            if each.matcher == "error":
                assert each.expected in service.shape_names
        path = next(each.argument for each in SingleWaiterConfig(model).acceptors if each.state == "success")
        for name in path.split("."):
            shape = shape.members[name]
        missing = {"WAITING", "TIMED_OUT"}  # in the user guide only
        expected = {each["expected"] for each in model["acceptors"] if each.get("argument") == path}
        assert expected - missing <= set(shape.enum)
