"""Other clients, and moto's other services, on the simulator's endpoint."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor

import boto3
import pytest
from aiobotocore.session import get_session

from aioimagebuilder.testing import Simulator
from simulator.conftest import NO_RETRIES


@pytest.mark.parametrize("service", ["sts", "sqs", "events"])
def test_moto_services_are_available(simulator, service):
    calls = {"sts": "get_caller_identity", "sqs": "list_queues", "events": "list_event_buses"}
    client = boto3.client(service, config=NO_RETRIES, **simulator.client_arguments)
    with contextlib.closing(client):
        assert getattr(client, calls[service])()["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_reset_clears_moto_services(simulator):
    client = boto3.client("sqs", config=NO_RETRIES, **simulator.client_arguments)
    with contextlib.closing(client):
        client.create_queue(QueueName="queue")
        simulator.reset()
        assert "QueueUrls" not in client.list_queues()


@pytest.mark.asyncio
async def test_aiobotocore_client_is_supported(simulator):
    pipeline = simulator.create_pipeline()
    async with get_session().create_client("imagebuilder", **simulator.client_arguments) as client:
        response = await client.start_image_pipeline_execution(imagePipelineArn=pipeline)
        image = await client.get_image(imageBuildVersionArn=response["imageBuildVersionArn"])
    assert image["image"]["state"] == {"status": "PENDING"}


def test_concurrent_threads_get_their_own_responses():
    with Simulator(time_scale=600) as simulator:
        identifiers = [
            simulator.add_execution("workflow_execution", [("RUNNING", 60), ("COMPLETED", None)])
            for _ in range(20)
        ]
        client = boto3.client("imagebuilder", config=NO_RETRIES, **simulator.client_arguments)

        def read(identifier):
            execution = client.get_workflow_execution(workflowExecutionId=identifier)
            return execution["workflowExecutionId"] == identifier

        with ThreadPoolExecutor(10) as pool:
            assert all(pool.map(read, identifiers * 5))
        assert simulator.call_count("GetWorkflowExecution") == 100
        client.close()
