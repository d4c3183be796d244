"""The parts of an open client, and how they are put together."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from .aws.backoff import Backoff
from .aws.call import Caller
from .aws.cloudwatch import CloudWatchLogs
from .aws.operations import Operations
from .aws.session import SessionArguments
from .aws.sqs import SqsHints
from .diagnosis.diagnoser import Diagnoser
from .instrumentation.emitter import Emitter
from .instrumentation.events import OnEvent
from .polling.build_history import BuildHistory
from .polling.build_observer import BuildObserver
from .polling.build_records import BuildRecords
from .polling.estimator import Estimator
from .polling.hints import HintReceiver
from .polling.pace import PaceName, create_pace
from .polling.pipelines import PipelinePoller
from .polling.poller import Poller
from .polling.schedule import Cadence
from .polling.step_inspector import StepInspector
from .waiting.cancellation import Canceller
from .waiting.waiters import waiting_for_end


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of an open client; closing the stack closes them."""

    caller: Caller
    poller: Poller
    pipelines: PipelinePoller
    inspector: StepInspector
    cloudwatch: CloudWatchLogs
    diagnoser: Diagnoser
    canceller: Canceller
    stack: AsyncExitStack


async def open_parts(
    arguments: SessionArguments,
    operations: Operations,
    *,
    backoff: Backoff,
    cadence: Cadence,
    not_found_grace: float,
    pace: PaceName,
    history: BuildHistory,
    hints: SqsHints | None,
    hinted_max_delay: float,
    hooks: Sequence[OnEvent],
) -> Parts:
    """Open the parts of a client.

    Args:
        arguments: How sessions and clients are created.
        operations: The client.
        backoff: How calls are retried.
        cadence: The bounds of the delay between two polls.
        not_found_grace: Seconds for which the service may not know an id that was never read.
        pace: How soon an execution is polled again.
        history: Where builds that have ended are kept.
        hints: The queue of hints; ``None`` for none.
        hinted_max_delay: The maximum delay of images while hints are proven, in seconds.
        hooks: Receive events.
    """
    async with AsyncExitStack() as stack:
        arguments = arguments.with_session()
        client, ca_bundle = await arguments.open_client(stack), arguments.ca_bundle
        emitter = Emitter(client.meta.region_name, hooks)
        caller = Caller(client, backoff, ca_bundle=ca_bundle, emitter=emitter)
        open_logs_client = arguments.opener("logs", arguments.logs_client)
        cloudwatch = CloudWatchLogs(open_logs_client, backoff, ca_bundle=ca_bundle, emitter=emitter)
        stack.push_async_callback(cloudwatch.aclose)
        inspector = StepInspector(caller)
        stack.push_async_callback(inspector.aclose)
        records = BuildRecords(history, emitter)
        stack.push_async_callback(records.aclose)
        observer = BuildObserver(records)
        estimator = Estimator(caller, observer, records, observes_all=pace == "forecast")
        stack.push_async_callback(estimator.aclose)
        receiver = HintReceiver.of(hints, arguments, emitter, hinted_max_delay)
        if receiver is not None:
            stack.push_async_callback(receiver.aclose)
        poller = Poller(
            caller,
            create_pace(pace, observer),
            estimator,
            backoff,
            not_found_grace=not_found_grace,
            hints=receiver,
        )
        stack.push_async_callback(poller.aclose)
        pipelines = PipelinePoller(caller, backoff=backoff, hints=receiver)
        stack.push_async_callback(pipelines.aclose)
        diagnoser = Diagnoser(caller, cloudwatch, backoff)
        canceller = Canceller(operations, waiting_for_end(poller, inspector, cadence), emitter)
        return Parts(caller, poller, pipelines, inspector, cloudwatch, diagnoser, canceller, stack.pop_all())
