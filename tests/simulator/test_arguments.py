"""Invalid arguments of the Python API: refused when they are given, with what they must be."""

from __future__ import annotations

import datetime as dt
import decimal
import math

import pytest

from aioimagebuilder.testing import (
    BuildScript,
    ComponentFailure,
    Control,
    Fault,
    Simulator,
    StepScript,
    WorkflowScript,
)

OUT_OF_RANGE = [math.nan, math.inf, -math.inf, -1, -1e-9, 1e300, 10**400]
WRONG_TYPES = [True, "5", "nan", [1], {}, decimal.Decimal(5), dt.timedelta(seconds=5), 1j, b"5", object()]
NUMBERS = {
    "time_scale": lambda value: Simulator(time_scale=value),
    "rate_limit": lambda value: Simulator(rate_limit=value),
    "burst": lambda value: Simulator(rate_limit=5, burst=value),
    "burst_without_limit": lambda value: Simulator(burst=value),
    "start": lambda value: Simulator(start=value),
    "port": lambda value: Simulator(port=value),
    "control": lambda value: Control(time_scale=value),
    "advance": lambda value: Simulator().advance(value),
    "set_time_scale": lambda value: Simulator().set_time_scale(value),
    "set_rate_limit": lambda value: Simulator().set_rate_limit(value),
    "set_burst": lambda value: Simulator().set_rate_limit(5, burst=value),
    "set_burst_without_limit": lambda value: Simulator().set_rate_limit(None, burst=value),
    "schedule": lambda value: Simulator().add_execution("image", [("BUILDING", value)]),
    "seconds": lambda value: Simulator().run_lifecycle_policy("arn", seconds=value),
    **{
        f"BuildScript.{name}": lambda value, name=name: BuildScript(**{name: value})
        for name in (
            "pace",
            "pending",
            "creating",
            "distributing",
            "integrating",
            "reopening",
            "cancelling",
            "log_delay",
            "log_lines",
        )
    },
    **{
        f"StepScript.{name}": lambda value, name=name: StepScript(**{name: value})
        for name in ("duration", "timeout_seconds", "max_attempts", "failed_attempts", "retry_delay")
    },
    "WorkflowScript.pending": lambda value: WorkflowScript(pending=value),
    **{
        f"Fault.{name}": lambda value, name=name: Fault("delay", **{name: value})
        for name in ("times", "seconds", "probability", "status", "lag")
    },
}
INTEGERS = {"port", "BuildScript.log_lines", "Fault.times", "Fault.status"} | {
    f"StepScript.{name}" for name in ("timeout_seconds", "max_attempts", "failed_attempts")
}


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize(
    "value", OUT_OF_RANGE, ids=["nan", "inf", "-inf", "minus-one", "minus-little", "large", "400-digits"]
)
def test_number_out_of_range_is_value_error(name, value):
    error = TypeError if name in INTEGERS and isinstance(value, float) else ValueError
    with pytest.raises(error, match=r"must be .*number (from|above)|schedule must be"):
        NUMBERS[name](value)


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", WRONG_TYPES, ids=lambda value: type(value).__name__)
def test_number_of_wrong_type_is_type_error(name, value):
    with pytest.raises(TypeError, match="must be"):
        NUMBERS[name](value)


@pytest.mark.parametrize("value", [0, 0.0])
@pytest.mark.parametrize("name", ["rate_limit", "burst", "set_rate_limit", "set_burst_without_limit"])
def test_zero_is_no_rate(name, value):
    with pytest.raises(ValueError, match="must be a number"):
        NUMBERS[name](value)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Fault("throttle", identifiers="wf-1"), "Fault.identifiers must be a list"),
        (lambda: Fault("throttle", identifiers=[1]), "Fault.identifiers must be a list"),
        (lambda: Fault(["throttle"]), "Fault.kind must be"),
        (lambda: Fault("throttle", performed="yes"), "Fault.performed must be a boolean"),
        (lambda: Fault("error", code="a\r\nb"), "Fault.code must be a string that matches"),
        (lambda: Fault("error", body=b"bytes"), "Fault.body must be a string or None"),
        (lambda: Fault("error", status=100), "Fault.status must be a whole number from 200 to 599"),
        (lambda: Fault("error", status=503.0), "Fault.status must be a whole number"),
        (lambda: BuildScript(steps=[StepScript()]), "BuildScript.steps must be an object"),
        (
            lambda: BuildScript(steps={"A": "fails"}),
            "BuildScript.steps must be an object, each value a StepScript",
        ),
        (lambda: BuildScript(steps={1: StepScript()}), "BuildScript.steps must be"),
        (lambda: BuildScript(workflows={"TEST": StepScript()}), "each value a WorkflowScript"),
        (lambda: BuildScript(rollback=None), "BuildScript.rollback must be a boolean"),
        (lambda: BuildScript(failed_regions={"eu-west-1": None}), "BuildScript.failed_regions must be"),
        (lambda: BuildScript(reason=""), "BuildScript.reason must be a string of 1 to 1,024 characters"),
        (lambda: BuildScript.failing_step("A", "x" * 501), "StepScript.message must be a string of 0 to 500"),
        (lambda: BuildScript.failing_step("A", pace=math.nan), "BuildScript.pace must be"),
        (lambda: StepScript(log_lines="one"), "StepScript.log_lines must be a list"),
        (lambda: StepScript(log_lines=[1]), "StepScript.log_lines must be a list"),
        (
            lambda: StepScript(on_failure="ABORT"),
            "StepScript.on_failure must be 'Abort' or 'Continue' or None",
        ),
        (lambda: StepScript(outputs={"a": math.nan}), "StepScript.outputs must be"),
        (lambda: StepScript(outputs={"a": object()}), "StepScript.outputs must be"),
        (lambda: StepScript(outputs={"a": {1: 2}}), "StepScript.outputs must be"),
        (lambda: StepScript(component_failure="no"), "StepScript.component_failure must be"),
        (lambda: ComponentFailure(component_arn="nginx"), "ComponentFailure.component_arn must be"),
        (lambda: ComponentFailure(error=None), "ComponentFailure.error must be"),
        (lambda: WorkflowScript(status=5), "WorkflowScript.status must be a string or None"),
        (lambda: Simulator(region_name="nowhere"), "region_name must be"),
        (lambda: Simulator(region_name=None), "region_name must be"),
        (lambda: Simulator().inject("throttle"), "fault must be a Fault"),
        (lambda: Simulator().script({"pace": 1}), "script must be a BuildScript"),
        (lambda: Simulator().script(BuildScript(), recipe=5), "recipe must be a string or None"),
        (lambda: Simulator().script(BuildScript(), recipe="arn:"), "neither the name nor the ARN"),
        (lambda: Simulator().script(BuildScript(), default=1), "default must be a boolean"),
        (lambda: Simulator().call_count(["GetImage"]), "operation must be a string or None"),
        (lambda: Simulator().start_build(None), "pipeline_arn must be a string"),
        (lambda: Simulator().create_pipeline(b"demo"), "name must be a string"),
        (lambda: Simulator().create_pipeline(regions="eu-west-1"), "regions must be a list"),
        (lambda: Simulator().create_pipeline(workflows=["build"]), "workflows must be a list"),
        (lambda: Simulator().create_workflow("x", None), "data must be a string"),
        (lambda: Simulator().add_execution("image", "AVAILABLE"), "schedule must be a list"),
        (lambda: Simulator().add_execution("image", [("A", 1)], name=object()), "name must be a JSON value"),
        (lambda: Simulator().add_execution("image", [("A", 1)], name=5), "image.name='5'"),
        (
            lambda: Simulator().add_execution("workflow_execution", [("A", 1)], imageBuildVersionArn={}),
            "Arn must",
        ),
        (
            lambda: Simulator().add_execution("lifecycle_execution", [("A", 1)], lifecyclePolicyArn=5),
            "lifecyclePolicyArn='5'",
        ),
        (lambda: Simulator().run_lifecycle_policy("policy"), "'policy' is not the ARN of a lifecycle policy"),
    ],
)
def test_invalid_argument_says_what_it_must_be(make, message):
    with pytest.raises((TypeError, ValueError), match=message):
        make()


def nest(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("depth", [40, 100_000])
def test_deep_outputs_are_refused(depth):
    with pytest.raises(ValueError, match="outputs must be an object"):
        StepScript(outputs={"a": nest(depth)})


def test_limits_themselves_are_accepted():
    simulator = Simulator(time_scale=0, rate_limit=1e-9, burst=1, port=65535, start=0)
    simulator.set_time_scale(1_000_000_000)
    simulator.set_time_scale(0)
    for _ in range(300):
        simulator.advance(1_000_000_000)
    simulator.set_rate_limit(1e9, burst=1e9)
    longest = StepScript(duration=1e9, failed_attempts=3, retry_delay=1e9, timeout_seconds=10**9)
    simulator.script(BuildScript(pace=1_000_000, steps={"LaunchBuildInstance": longest}, creating=1e9))
    arn = simulator.start_build(simulator.create_pipeline())
    image = simulator.control.call("GetImage", imageBuildVersionArn=arn)["image"]
    assert image["state"]["status"] == "PENDING"
    assert image["dateCreated"] == "9000-01-01T00:00:00.000Z"
