"""Who waits for what, and how they are told."""

import asyncio
import math

import anyio
import pytest

from aioimagebuilder import WorkflowExecution
from aioimagebuilder.aws.event_loops import Signal
from aioimagebuilder.models.identifiers import Identifier
from aioimagebuilder.polling.schedule import Cadence
from aioimagebuilder.polling.subscriptions import Ended, Mailbox, Subscription, Target
from support.scripted_service import workflow_id

BACKEND = pytest.mark.parametrize("backend", ["asyncio", "trio"])


def _subscription(mailbox: Mailbox) -> Subscription:
    return Subscription(Target(Identifier.parse(workflow_id()), 0.0), Cadence(), math.inf, mailbox, 0.0)


def test_an_end_is_told_once_and_stays_what_it_was():
    mailbox = Mailbox(takes_changes=True)
    subscription = _subscription(mailbox)
    failure = ValueError("first")
    subscription.end(Ended.FAILURE, 5.0, failure)
    subscription.end(Ended.CLOSED, 6.0)
    assert (subscription.ended, subscription.ended_at, subscription.failure) == (Ended.FAILURE, 5.0, failure)
    assert mailbox.pop() is subscription
    assert mailbox.pop() is None


@pytest.mark.parametrize("is_told_first", [True, False])
def test_an_end_in_the_instant_of_a_terminal_state_is_not_told_beside_it(is_told_first):
    mailbox = Mailbox(takes_changes=True)
    subscription = _subscription(mailbox)
    state = WorkflowExecution.parse({"workflowExecutionId": "wf-1", "status": "COMPLETED"})
    acts = [
        lambda: subscription.tell(state, is_news=True),
        lambda: subscription.end(Ended.DEADLINE, 5.0),
    ]
    for act in acts if is_told_first else reversed(acts):
        act()
    assert mailbox.pop() is subscription
    assert subscription.take() is state
    assert mailbox.pop() is None


@pytest.mark.parametrize("takes_changes", [True, False])
def test_an_end_is_told_after_the_state_before_it(takes_changes):
    mailbox = Mailbox(takes_changes=takes_changes)
    subscription = _subscription(mailbox)
    state = WorkflowExecution.parse({"workflowExecutionId": "wf-1", "status": "RUNNING"})
    subscription.tell(state, is_news=True)
    subscription.end(Ended.DEADLINE, 5.0)
    assert (mailbox.pop(), subscription.take()) == (subscription, state)
    assert (mailbox.pop(), subscription.take(), subscription.ended) == (subscription, None, Ended.DEADLINE)
    assert mailbox.pop() is None


def test_what_was_not_taken_is_replaced_by_what_is_newer():
    mailbox = Mailbox(takes_changes=True)
    subscription = _subscription(mailbox)
    states = [
        WorkflowExecution(workflow_execution_id="wf-1", total_steps_succeeded=number) for number in range(3)
    ]
    for state in states:
        subscription.tell(state, is_news=True)
    assert mailbox.pop() is subscription
    assert subscription.take() is states[-1]
    assert subscription.take() is None
    subscription.tell(states[-1], is_news=False)
    assert (mailbox.pop(), subscription.take()) == (None, None)


def test_the_present_state_is_told_though_it_is_no_news():
    mailbox = Mailbox(takes_changes=True)
    subscription = _subscription(mailbox)
    state = WorkflowExecution(workflow_execution_id="wf-1")
    subscription.tell(state, is_news=False)
    assert mailbox.pop() is subscription
    assert subscription.take() is state


def test_who_waits_for_the_end_alone_is_not_woken_before_it():
    mailbox = Mailbox(takes_changes=False)
    subscription = _subscription(mailbox)
    states = [
        WorkflowExecution.parse({"workflowExecutionId": "wf-1", "status": status})
        for status in ("PENDING", "RUNNING", "COMPLETED")
    ]
    subscription.tell(states[0], is_news=True)
    subscription.tell(states[1], is_news=True)
    assert mailbox.pop() is None
    subscription.tell(states[2], is_news=True)
    assert (mailbox.pop(), subscription.take()) == (subscription, states[2])


@BACKEND
def test_a_mailbox_that_holds_something_lets_nobody_wait(backend):
    async def main():
        mailbox = Mailbox(takes_changes=True)
        mailbox.put(_subscription(mailbox))
        with anyio.fail_after(5):
            await mailbox.wait()

    anyio.run(main, backend=backend)


def test_a_wait_for_a_time_lasts_until_then_though_the_event_loops_timers_go_off_early():
    async def main():
        asyncio.get_running_loop()._clock_resolution = 1.0
        until = anyio.current_time() + 0.05
        # The event loop does not sleep until then, since something else is ready: and so looks too soon.
        asyncio.get_running_loop().call_soon(lambda: None)
        await Signal().wait(until)
        assert anyio.current_time() >= until

    asyncio.run(main())


@BACKEND
def test_a_signal_that_is_set_is_no_wait_and_an_old_time_is_none_either(backend):
    async def main():
        signal = Signal()
        signal.set()
        signal.set()
        with anyio.fail_after(5):
            await signal.wait()
            await Signal().wait(anyio.current_time() - 1)

    anyio.run(main, backend=backend)
