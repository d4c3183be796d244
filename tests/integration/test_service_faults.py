"""Faults of the service, injected by the simulator."""

import pytest

from aioimagebuilder import ImageBuilder, MalformedResponseError, ObservationError
from aioimagebuilder.testing import Fault, Simulator

pytestmark = pytest.mark.asyncio

TRANSIENT_FAULTS = [
    Fault("throttle", times=2),
    Fault("throttle_bare", times=2),
    Fault("error", code="ServiceUnavailableException", status=503, times=2),
    Fault("error", status=503, body="<html>Service Unavailable</html>", times=2),
    Fault("reset", times=2),
    Fault("truncate", times=2),
    Fault("garbage", times=2),
    Fault("delay", seconds=0.3, times=1),
    Fault("not_found_yet", times=2),
    Fault("unknown_status", times=2, execution_status="FROBNICATING"),
]


@pytest.mark.parametrize("fault", TRANSIENT_FAULTS, ids=lambda fault: fault.kind)
async def test_transient_service_fault_fails_no_wait(ib: ImageBuilder, simulator: Simulator, fault):
    execution = simulator.add_execution("workflow_execution", [("RUNNING", 1.0), ("COMPLETED", None)])
    simulator.inject(fault)
    assert (await ib.wait(execution, timeout=60)).status == "COMPLETED"
    # It has applied as often as it was to.
    assert simulator.control.faults.active == []


async def test_seconds_of_throttling_fail_no_wait(ib: ImageBuilder, simulator: Simulator):
    execution = simulator.add_execution("workflow_execution", [("RUNNING", 1.0), ("COMPLETED", None)])
    simulator.inject(Fault("throttle", seconds=3.0))
    assert (await ib.wait(execution, timeout=60)).status == "COMPLETED"
    throttled = [call for call in simulator.calls if call.status == 429]
    assert 1 <= len(throttled) < len(simulator.calls)


async def test_account_rate_limit_fails_no_wait(ib: ImageBuilder, simulator: Simulator):
    ids = [
        simulator.add_execution("workflow_execution", [("RUNNING", 10.0 * n), ("COMPLETED", None)])
        for n in range(1, 11)
    ]
    # A new client makes more than one call at once.
    simulator.set_rate_limit(10, burst=1)
    results = await ib.wait_all(ids, timeout=120)
    assert [each.id for each in results] == ids
    assert 429 in [call.status for call in simulator.calls]


async def test_repeated_next_token_raises_malformed_response_error(ib: ImageBuilder, simulator: Simulator):
    pipeline = simulator.create_pipeline("demo")
    for _ in range(3):
        await ib.start_image_pipeline_execution(pipeline)
    simulator.inject(Fault("repeat_token"))
    with pytest.raises(MalformedResponseError, match="repeated a nextToken"):
        async for _ in ib.list_image_pipeline_images(pipeline, page_size=1):
            pass


async def test_garbage_until_deadline_raises_observation_error(ib: ImageBuilder, simulator: Simulator):
    execution = simulator.add_execution("workflow_execution", [("RUNNING", None)])
    simulator.inject(Fault("garbage"))
    with pytest.raises(ObservationError, match="does not identify an execution") as caught:
        await ib.wait(execution, timeout=1)
    assert isinstance(caught.value.__cause__, MalformedResponseError)
