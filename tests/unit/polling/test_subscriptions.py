"""Subscriptions, and the delivery of updates to their consumers."""

import math

import anyio
import pytest

from aioimagebuilder import WorkflowExecution
from aioimagebuilder.models.identifiers import Identifier
from aioimagebuilder.polling.schedule import Cadence
from aioimagebuilder.polling.subscriptions import EndReason, Subscription, Target, UpdateQueue
from support.scripted_service import workflow_id

BACKEND = pytest.mark.parametrize("backend", ["asyncio", "trio"])


def _subscription(queue: UpdateQueue) -> Subscription:
    return Subscription(Target(Identifier.parse(workflow_id()), 0.0), Cadence(), math.inf, queue, 0.0)


def test_subscription_ends_once_for_its_first_reason():
    queue = UpdateQueue(wants_changes=True)
    subscription = _subscription(queue)
    failure = ValueError("first")
    subscription.end(EndReason.FAILURE, 5.0, failure)
    subscription.end(EndReason.CLOSED, 6.0)
    assert (subscription.end_reason, subscription.ended_at, subscription.failure) == (
        EndReason.FAILURE,
        5.0,
        failure,
    )
    assert queue.pop() is subscription
    assert queue.pop() is None


@pytest.mark.parametrize("is_delivered_first", [True, False])
def test_terminal_state_replaces_a_simultaneous_end(is_delivered_first):
    queue = UpdateQueue(wants_changes=True)
    subscription = _subscription(queue)
    state = WorkflowExecution.parse({"workflowExecutionId": "wf-1", "status": "COMPLETED"})
    actions = [
        lambda: subscription.deliver(state, is_news=True),
        lambda: subscription.end(EndReason.DEADLINE, 5.0),
    ]
    for action in actions if is_delivered_first else reversed(actions):
        action()
    assert queue.pop() is subscription
    assert subscription.pop_update() is state
    assert queue.pop() is None


@pytest.mark.parametrize("wants_changes", [True, False])
def test_end_is_delivered_after_the_last_state(wants_changes):
    queue = UpdateQueue(wants_changes=wants_changes)
    subscription = _subscription(queue)
    state = WorkflowExecution.parse({"workflowExecutionId": "wf-1", "status": "RUNNING"})
    subscription.deliver(state, is_news=True)
    subscription.end(EndReason.DEADLINE, 5.0)
    assert (queue.pop(), subscription.pop_update()) == (subscription, state)
    assert (queue.pop(), subscription.pop_update(), subscription.end_reason) == (
        subscription,
        None,
        EndReason.DEADLINE,
    )
    assert queue.pop() is None


def test_newer_state_replaces_one_not_received():
    queue = UpdateQueue(wants_changes=True)
    subscription = _subscription(queue)
    states = [
        WorkflowExecution(workflow_execution_id="wf-1", total_steps_succeeded=number) for number in range(3)
    ]
    for state in states:
        subscription.deliver(state, is_news=True)
    assert queue.pop() is subscription
    assert subscription.pop_update() is states[-1]
    assert subscription.pop_update() is None
    subscription.deliver(states[-1], is_news=False)
    assert (queue.pop(), subscription.pop_update()) == (None, None)


def test_first_state_is_delivered_even_if_it_is_not_news():
    queue = UpdateQueue(wants_changes=True)
    subscription = _subscription(queue)
    state = WorkflowExecution(workflow_execution_id="wf-1")
    subscription.deliver(state, is_news=False)
    assert queue.pop() is subscription
    assert subscription.pop_update() is state


def test_queue_without_changes_receives_only_terminal_states():
    queue = UpdateQueue(wants_changes=False)
    subscription = _subscription(queue)
    states = [
        WorkflowExecution.parse({"workflowExecutionId": "wf-1", "status": status})
        for status in ("PENDING", "RUNNING", "COMPLETED")
    ]
    subscription.deliver(states[0], is_news=True)
    subscription.deliver(states[1], is_news=True)
    assert queue.pop() is None
    subscription.deliver(states[2], is_news=True)
    assert (queue.pop(), subscription.pop_update()) == (subscription, states[2])


@BACKEND
def test_wait_on_a_nonempty_queue_returns_at_once(backend):
    async def main():
        queue = UpdateQueue(wants_changes=True)
        queue.put(_subscription(queue))
        with anyio.fail_after(5):
            await queue.wait()

    anyio.run(main, backend=backend)


@BACKEND
def test_wait_until_a_past_time_returns_at_once(backend):
    async def main():
        with anyio.fail_after(5):
            await UpdateQueue(wants_changes=True).wait(anyio.current_time() - 1)

    anyio.run(main, backend=backend)
