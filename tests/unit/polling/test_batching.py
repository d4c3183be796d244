"""The choice of the next call, by example and by property."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aioimagebuilder import Image, LifecycleExecution, WorkflowExecution, WorkflowStepExecution
from aioimagebuilder.models.identifiers import Identifier
from aioimagebuilder.models.kinds import KINDS, ExecutionKind
from aioimagebuilder.polling.batching import Batcher, Call
from support.scripted_service import image_arn, lifecycle_id, step_id, workflow_id

WORKFLOWS = KINDS[ExecutionKind.WORKFLOW_EXECUTION].list
STEPS = KINDS[ExecutionKind.WORKFLOW_STEP_EXECUTION].list
BUILDS = KINDS[ExecutionKind.IMAGE].list
LIFECYCLE = KINDS[ExecutionKind.LIFECYCLE_EXECUTION].list


def _workflow(number: int, image: int | None = None) -> tuple[Identifier, WorkflowExecution]:
    members = {"workflowExecutionId": workflow_id(number), "status": "RUNNING"}
    if image is not None:
        members["imageBuildVersionArn"] = image_arn(image)
    return Identifier.parse(workflow_id(number)), WorkflowExecution.parse(members)


def _running_build(number: int) -> Image:
    return Image.parse({"arn": image_arn(number), "state": {"status": "BUILDING"}})


def _learn_batch(batcher: Batcher, numbers: range, image: int) -> list[Identifier]:
    found = []
    for number in numbers:
        identifier, execution = _workflow(number, image)
        batcher.learn(identifier, execution)
        found.append(identifier)
    return found


def test_nothing_due_needs_no_call():
    assert Batcher().next_call() is None


def test_single_execution_is_read_by_get():
    batcher = Batcher()
    identifier, _ = _workflow(1)
    batcher.add(identifier)
    assert batcher.next_call() == Call(None, identifier.value, identifier.kind, (identifier,))
    assert not batcher


def test_batch_is_listed_even_if_only_one_is_due():
    batcher = Batcher()
    first, second, third = _learn_batch(batcher, range(3), image=1)
    batcher.add(second)
    call = batcher.next_call()
    assert (call.listing, call.argument, call.answers) == (WORKFLOWS, image_arn(1), (second,))
    batcher.add(third)
    batcher.add(first)
    assert batcher.next_call().answers == (third, first)


def test_longest_due_is_read_first():
    batcher = Batcher()
    old = _learn_batch(batcher, range(2), image=1)
    new = _learn_batch(batcher, range(10, 12), image=2)
    for identifier in (old[0], new[0], new[1], old[1]):
        batcher.add(identifier)
    assert [batcher.next_call().argument for _ in range(2)] == [image_arn(1), image_arn(2)]


def test_known_image_is_listed_to_find_other_executions():
    batcher = Batcher()
    several = [_workflow(number)[0] for number in range(4)]
    for identifier in several:
        batcher.add(identifier)
    assert batcher.next_call().listing is None
    batcher.learn(*_workflow(0, image=7))
    call = batcher.next_call()
    assert (call.listing, call.argument, call.answers) == (WORKFLOWS, image_arn(7), ())


@pytest.mark.parametrize("others", [True, False])
def test_single_execution_is_listed_if_that_may_find_others(others):
    batcher = Batcher()
    known, unknown, sibling = (_workflow(number)[0] for number in range(3))
    batcher.learn(*_workflow(0, image=7))
    batcher.add(known)
    if others:
        batcher.add(unknown)
    batcher.learn(*_workflow(2, image=7))
    batcher.forget(sibling)
    listing = Call(WORKFLOWS, image_arn(7), known.kind, (known,), 2)
    assert batcher.next_call() == (listing if others else Call(None, known.value, known.kind, (known,)))


def test_forgotten_execution_is_neither_due_nor_read_alone():
    batcher = Batcher()
    identifier, execution = _workflow(1, image=7)
    batcher.add(identifier)
    batcher.read_alone(identifier)
    batcher.forget(identifier)
    assert not batcher
    assert batcher.next_call() is None
    batcher.learn(identifier, execution)
    assert batcher.batch_of(identifier) == (identifier.kind, image_arn(7))


def test_running_builds_are_searched_for_unknown_images():
    batcher = Batcher()
    for number in range(100):
        batcher.add(_workflow(number)[0])
    search = batcher.next_call()
    assert (search.listing, search.argument, search.answers) == (BUILDS, None, ())
    ended = Image.parse({"arn": image_arn(9), "state": {"status": "AVAILABLE"}})
    assert batcher.wants_more(search, 1, 0, [_running_build(1), ended])
    assert not batcher.wants_more(search, 2, 0, [ended])
    batcher.record_list(search, 2, 0, [_running_build(1), ended, _running_build(2)])
    assert [batcher.next_call().argument for _ in range(2)] == [image_arn(1), image_arn(2)]
    # The search is not repeated, so the others are read by Gets.
    assert batcher.next_call().listing is None


def test_image_found_by_a_get_is_listed_once():
    batcher = Batcher()
    batcher.disable(Call(BUILDS, None, ExecutionKind.IMAGE, ()), for_all=True)
    executions = [_workflow(number, image=1) for number in range(5)] + [_workflow(5, image=2)]
    for identifier, _ in executions:
        batcher.add(identifier)
    first = batcher.next_call()
    assert first.listing is None
    batcher.learn(*executions[0])
    exploring = batcher.next_call()
    assert (exploring.listing, exploring.argument) == (WORKFLOWS, image_arn(1))
    # Each row is received before the list is over.
    for identifier, execution in executions[1:5]:
        batcher.learn(identifier, execution)
        batcher.discard(identifier)
    batcher.record_list(exploring, 1, 5, [])
    batcher.add(_workflow(6, image=3)[0])
    assert batcher.next_call().listing is None


def test_search_that_finds_nothing_awaited_is_abandoned():
    batcher = Batcher()
    for number in range(100):
        batcher.add(_workflow(number)[0])
    batcher.record_list(batcher.next_call(), 1, 0, [_running_build(number) for number in range(50)])
    reads = []
    for _ in range(10):
        call = batcher.next_call()
        reads.append(call.listing)
        if call.listing is not None:
            batcher.record_list(call, 1, 0, [])
    assert reads.count(WORKFLOWS) == 4
    assert reads[-1] is None


@pytest.mark.parametrize(
    ("names", "is_of_account", "pages"), [(["one"] * 60, False, 3), ([f"n{n}" for n in range(60)], True, 3)]
)
def test_images_are_listed_if_pages_are_fewer_than_gets(names, is_of_account, pages):
    batcher = Batcher()
    for number, name in enumerate(names):
        batcher.add(Identifier.parse(image_arn(number, name)))
    call = batcher.next_call()
    assert call.listing is BUILDS
    assert (call.argument is None) is is_of_account
    assert len(call.answers) == 60
    batcher.record_list(call, pages, 60, [])
    batcher.disable(Call(BUILDS, None, call.kind, ()), for_all=not is_of_account)
    for number, name in enumerate(names[:2]):
        batcher.add(Identifier.parse(image_arn(number, name)))
    # Two Gets cost less than three pages.
    assert batcher.next_call().listing is None


def test_steps_and_lifecycle_executions_are_listed():
    batcher = Batcher()
    policy = "arn:aws:imagebuilder:us-east-1:123456789012:lifecycle-policy/demo"
    for number in range(2):
        step, lifecycle = Identifier.parse(step_id(number)), Identifier.parse(lifecycle_id(number))
        batcher.learn(
            step, WorkflowStepExecution(step_execution_id=step.value, workflow_execution_id=workflow_id(1))
        )
        batcher.learn(
            lifecycle, LifecycleExecution(lifecycle_execution_id=lifecycle.value, lifecycle_policy_arn=policy)
        )
        batcher.add(step)
        batcher.add(lifecycle)
    calls = [batcher.next_call() for _ in range(2)]
    assert [(each.listing, each.argument, len(each.answers)) for each in calls] == [
        (STEPS, workflow_id(1), 2),
        (LIFECYCLE, policy, 2),
    ]


def test_batch_is_kept_while_it_has_members():
    batcher = Batcher()
    (identifier,) = _learn_batch(batcher, range(1), image=1)
    batch = batcher.batch_of(identifier)
    assert batcher.has_members(batch)
    batcher.forget(identifier)
    assert not batcher.has_members(batch)
    image = Identifier.parse(image_arn(1))
    assert batcher.has_members(batcher.batch_of(image))


def test_step_of_an_unknown_workflow_lists_no_image():
    batcher = Batcher()
    step = Identifier.parse(step_id(1))
    batcher.add(step)
    for number in range(3):
        batcher.add(_workflow(number)[0])
    batcher.learn(*_workflow(0, image=7))
    assert batcher.next_call() == Call(None, step.value, step.kind, (step,))


def test_image_is_listed_for_two_unknown_executions_not_one():
    batcher = Batcher()
    first, second, third = (_workflow(number)[0] for number in range(3))
    for identifier in (first, second, third):
        batcher.add(identifier)
    assert batcher.next_call().answers == (first,)
    batcher.learn(*_workflow(0, image=7))
    assert batcher.next_call() == Call(WORKFLOWS, image_arn(7), second.kind, (), 25)
    batcher.learn(*_workflow(10, image=8))
    batcher.discard(second)
    assert batcher.next_call() == Call(None, third.value, third.kind, (third,))


@pytest.mark.parametrize(("executions", "pages"), [(7, None), (8, 2), (17, 3), (100, 13)])
def test_search_needs_eight_executions_and_has_bounded_pages(executions, pages):
    batcher = Batcher()
    for number in range(executions):
        batcher.add(_workflow(number)[0])
    call = batcher.next_call()
    if pages is None:
        assert call.listing is None
    else:
        assert call == Call(BUILDS, None, ExecutionKind.IMAGE, (), pages)
        assert type(call.max_pages) is int


def test_listed_image_is_not_listed_again_to_find_others():
    batcher = Batcher()
    unknown = [_workflow(number)[0] for number in range(100, 103)]
    for identifier in unknown:
        batcher.add(identifier)
    batch = _learn_batch(batcher, range(2), image=1)
    for identifier in unknown:
        batcher.discard(identifier)
    for identifier in batch:
        batcher.add(identifier)
    for identifier in unknown:
        batcher.add(identifier)
    assert batcher.next_call().answers == tuple(batch)
    assert batcher.next_call().listing is None


def test_list_is_called_unless_it_costs_more_than_it_saves():
    batcher = Batcher()
    batch = _learn_batch(batcher, range(2), image=1)
    for pages, read in ((2, WORKFLOWS), (3, None)):
        for identifier in batch:
            batcher.add(identifier)
        batcher.record_list(batcher.next_call(), pages, 2, [])
        batcher.add(batch[0])
        batcher.add(batch[1])
        assert batcher.next_call().listing is read
        for identifier in batch:
            batcher.discard(identifier)


def test_successful_list_resets_the_count_of_misses():
    batcher = Batcher()
    for number in range(100):
        batcher.add(_workflow(number)[0])
    batcher.record_list(batcher.next_call(), 1, 0, [_running_build(number) for number in range(50)])
    # Three consecutive misses are allowed.
    for found in (0, 0, 0, 1, 0, 0, 0):
        call = batcher.next_call()
        assert call.listing is WORKFLOWS
        batcher.record_list(call, 1, found, [])
    call = batcher.next_call()
    assert call.listing is WORKFLOWS
    batcher.record_list(call, 1, 0, [])
    assert batcher.next_call().listing is None


def test_list_is_read_until_all_its_answers_are_found():
    batcher = Batcher()
    for identifier in _learn_batch(batcher, range(30), image=1):
        batcher.add(identifier)
    listing = batcher.next_call()
    assert batcher.wants_more(listing, 1, 29, [])
    assert not batcher.wants_more(listing, 1, 30, [])
    # A list that looks for other executions is read to its end.
    exploring = Call(listing.listing, listing.argument, listing.kind, (), 25)
    assert batcher.wants_more(exploring, 1, 0, [])
    assert batcher.wants_more(exploring, 1, 30, [])


def test_list_without_awaited_executions_is_not_repeated():
    batcher = Batcher()
    batch = _learn_batch(batcher, range(3), image=1)
    for found, read in ((3, WORKFLOWS), (0, None)):
        for identifier in batch:
            batcher.add(identifier)
        batcher.record_list(batcher.next_call(), 1, found, [])
        for identifier in batch:
            batcher.add(identifier)
        assert batcher.next_call().listing is read
        for identifier in batch:
            batcher.discard(identifier)


@pytest.mark.parametrize(
    ("names", "is_of_account", "max_pages"), [(["one", "one"], False, 3), (["one", "other"], True, 2)]
)
def test_two_images_are_listed_and_one_is_read_by_get(names, is_of_account, max_pages):
    batcher = Batcher()
    two = [Identifier.parse(image_arn(number, name)) for number, name in enumerate(names)]
    batcher.add(two[0])
    assert batcher.next_call() == Call(None, two[0].value, two[0].kind, (two[0],))
    for identifier in two:
        batcher.add(identifier)
    argument = None if is_of_account else two[0].image_version_arn
    assert batcher.next_call() == Call(BUILDS, argument, two[0].kind, tuple(two), max_pages)


@pytest.mark.parametrize("rows", [[], [_running_build(1)]])
def test_every_list_has_a_maximum_of_pages(rows):
    batcher = Batcher()
    batch = _learn_batch(batcher, range(30), image=1)
    for identifier in batch:
        batcher.add(identifier)
    listing = batcher.next_call()
    for number in range(100, 200):
        batcher.add(_workflow(number)[0])
    batcher.learn(*_workflow(100, image=2))
    search = Call(BUILDS, None, ExecutionKind.IMAGE, (), 5)
    for call in (listing, search):
        assert not batcher.wants_more(call, call.max_pages, 0, rows)
    assert batcher.wants_more(listing, listing.max_pages - 1, 0, rows)
    assert batcher.wants_more(search, 4, 0, rows) is bool(rows)


@pytest.mark.parametrize("for_all", [True, False])
def test_disabled_list_is_not_called_again(for_all):
    batcher = Batcher()
    batch = _learn_batch(batcher, range(3), image=1)
    for identifier in batch:
        batcher.add(identifier)
    batcher.disable(batcher.next_call(), for_all=for_all)
    for identifier in batch:
        batcher.add(identifier)
    assert batcher.next_call().listing is None
    others = _learn_batch(batcher, range(10, 13), image=2)
    for identifier in batch:
        batcher.discard(identifier)
    batcher.add(others[0])
    assert (batcher.next_call().listing is None) is for_all


def test_execution_read_alone_is_not_listed_again():
    batcher = Batcher()
    first, *others = _learn_batch(batcher, range(3), image=1)
    batcher.read_alone(first)
    for identifier in (first, *others):
        batcher.add(identifier)
    assert batcher.next_call().listing is None
    assert batcher.next_call().answers == tuple(others)
    assert batcher.batch_of(first) is None


OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(["add", "discard", "forget", "learn", "read_alone", "next", "disable"]),
        st.integers(0, 30),
    ),
    max_size=120,
)


@given(OPERATIONS)
def test_exactly_what_is_due_is_read(operations):  # noqa: C901
    batcher = Batcher()
    due: set[Identifier] = set()
    for operation, number in operations:
        identifier, execution = _workflow(number, number % 4)
        if operation == "add":
            batcher.add(identifier)
            due.add(identifier)
        elif operation in {"discard", "forget"}:
            getattr(batcher, operation)(identifier)
            due.discard(identifier)
        elif operation == "learn":
            batcher.learn(identifier, execution)
        elif operation == "read_alone":
            batcher.read_alone(identifier)
        elif (call := batcher.next_call()) is not None:
            assert set(call.answers) <= due
            due -= set(call.answers)
            if operation == "disable" and call.listing is not None:
                batcher.disable(call, for_all=number % 2 == 0)
            elif call.listing is not None:
                batcher.record_list(call, 1, len(call.answers), [])
        assert len(batcher) == len(due)
    calls = 0
    while (call := batcher.next_call()) is not None:
        due -= set(call.answers)
        if call.listing is not None:
            batcher.record_list(call, 1, len(call.answers), [])
        calls += 1
        assert calls < 200
    assert due == set()
