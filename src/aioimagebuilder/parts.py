"""The parts of an open client, and how they are put together."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass

from .aws.backoff import Backoff
from .aws.call import AwsClient, Caller
from .aws.cloudwatch import CloudWatchLogs, OpenClient
from .aws.session import SessionArguments
from .diagnosis.diagnoser import Diagnoser
from .polling.build_history import BuildHistory
from .polling.build_observer import BuildObserver
from .polling.build_records import BuildRecords
from .polling.estimator import Estimator
from .polling.pace import PaceName, create_pace
from .polling.poller import Poller
from .polling.step_inspector import StepInspector


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of an open client; closing the stack closes them."""

    caller: Caller
    poller: Poller
    inspector: StepInspector
    cloudwatch: CloudWatchLogs
    diagnoser: Diagnoser
    stack: AsyncExitStack


async def open_parts(
    arguments: SessionArguments,
    *,
    client: AwsClient | None,
    logs_client: AwsClient | None,
    backoff: Backoff,
    not_found_grace: float,
    pace: PaceName,
    history: BuildHistory,
) -> Parts:
    """Open the parts of a client.

    Args:
        arguments: How sessions and clients are created.
        client: A client of Image Builder to use instead.
        logs_client: A client of CloudWatch Logs to use instead.
        backoff: How calls are retried.
        not_found_grace: Seconds for which the service may not know an id that was never read.
        pace: How soon an execution is polled again.
        history: Where builds that have ended are kept.
    """
    async with AsyncExitStack() as stack:
        open_logs_client = None if logs_client is None else _given(logs_client)
        ca_bundle = None
        if client is None:
            # A session reads botocore's files, which a given client does not need.
            arguments = arguments.with_session()
            client, ca_bundle = await arguments.open_client(stack), arguments.ca_bundle
            open_logs_client = open_logs_client or arguments.open_logs_client
        caller = Caller(client, backoff, ca_bundle=ca_bundle)
        cloudwatch = CloudWatchLogs(open_logs_client, backoff, ca_bundle=ca_bundle)
        stack.push_async_callback(cloudwatch.aclose)
        inspector = StepInspector(caller)
        stack.push_async_callback(inspector.aclose)
        records = BuildRecords(history)
        stack.push_async_callback(records.aclose)
        observer = BuildObserver(records)
        estimator = Estimator(caller, observer, records, observes_all=pace == "forecast")
        stack.push_async_callback(estimator.aclose)
        poller = Poller(
            caller, create_pace(pace, observer), estimator, backoff, not_found_grace=not_found_grace
        )
        stack.push_async_callback(poller.aclose)
        diagnoser = Diagnoser(caller, cloudwatch, backoff)
        return Parts(caller, poller, inspector, cloudwatch, diagnoser, stack.pop_all())


def _given(client: AwsClient) -> OpenClient:
    async def open_client(_: AsyncExitStack) -> AwsClient:
        return client

    return open_client
