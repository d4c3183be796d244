"""Every public value and error can be pickled and copied with everything it contains."""

import copy
import dataclasses
import pickle
import types
import typing
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from enum import Enum
from multiprocessing import get_context

import anyio
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

import aioimagebuilder
from aioimagebuilder import (
    Backoff,
    Diagnosis,
    ExecutionFailedError,
    ExecutionNotFoundError,
    ImageBuilder,
    ImageBuilderError,
    OpenEnum,
    OperationError,
    ResourceNotFoundException,
    SqsHints,
    WaitError,
    WaitGroupError,
    WorkflowExecution,
)
from support.scripted_service import ScriptedService, workflow_id

PUBLIC = [getattr(aioimagebuilder, name) for name in aioimagebuilder.__all__]
# Arguments of a client, which may contain what cannot be duplicated.
ARGUMENTS = {Backoff, SqsHints}
VALUES = [cls for cls in PUBLIC if dataclasses.is_dataclass(cls) and cls not in ARGUMENTS]
ENUMS = [cls for cls in PUBLIC if isinstance(cls, type) and issubclass(cls, Enum) and len(cls)]
ERRORS = [cls for cls in PUBLIC if isinstance(cls, type) and issubclass(cls, ImageBuilderError)]

TIME = datetime(2026, 11, 25, 12, tzinfo=UTC)
SIMPLE = {
    str: "text",
    int: 7,
    bool: True,
    float: 1.5,
    datetime: TIME,
    timedelta: timedelta(minutes=1),
    object: {"nested": [1, None]},
}


def _example(hint: object, within: tuple[object, ...] = ()) -> object:  # noqa: PLR0911
    """Return a value of a type, with everything that is optional in it; a type within itself is empty."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in {typing.Union, types.UnionType}:
        return _example(next(each for each in arguments if each is not types.NoneType), within)
    if origin is tuple:
        return (_example(arguments[0], within),)
    if origin is not None and issubclass(origin, Mapping):
        return {"future": _example(arguments[1])}
    if hint in within:
        return hint()
    if dataclasses.is_dataclass(hint):
        hints = typing.get_type_hints(hint)
        names = [each.name for each in dataclasses.fields(hint)]
        return hint(**{name: _example(hints[name], (*within, hint)) for name in names})
    if issubclass(hint, OpenEnum):
        return hint("UNKNOWN")
    return next(iter(hint)) if issubclass(hint, Enum) else SIMPLE[hint]


def _error(cls: type[ImageBuilderError]) -> ImageBuilderError:
    execution = _example(WorkflowExecution)
    if issubclass(cls, WaitGroupError):
        error = cls("1 of 2 executions did not succeed", [_error(ExecutionFailedError)])
        error.executions = (execution, None)
    elif issubclass(cls, WaitError):
        error = cls("message", identifier="wf-…", execution=execution, elapsed=1.5, polls=3, throttles=1)
        error.steps = (_example(aioimagebuilder.WorkflowStepExecution),)
        error.diagnosis = _example(Diagnosis)
    elif issubclass(cls, OperationError):
        error = cls.create("GetImage", "detail.")
        error.code, error.status_code, error.request_id, error.retry_after = "Code", 400, "id", 2.5
    else:
        error = cls("message")
    error.add_note("a note")
    error.__cause__ = None if cls is OperationError else _error(OperationError)
    return error


def _contents(error: BaseException | None) -> object:
    if error is None:
        return None
    members = getattr(error, "exceptions", ())
    return (
        type(error),
        str(error),
        repr(error),
        {name: _plain(value) for name, value in vars(error).items()},
        [_contents(each) for each in members],
        _contents(error.__cause__),
    )


def _plain(value: object) -> object:
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return dataclasses.asdict(value) if dataclasses.is_dataclass(value) else value


def _pickled(value: object) -> object:
    return pickle.loads(pickle.dumps(value))


COPIES = pytest.mark.parametrize(
    "duplicate", [_pickled, copy.copy, copy.deepcopy], ids=["pickle", "copy", "deepcopy"]
)


@COPIES
@pytest.mark.parametrize("cls", VALUES)
def test_value_is_duplicated_with_everything_in_it(cls, duplicate):
    value = _example(cls)
    found = duplicate(value)
    assert type(found) is cls
    assert found == value
    # Equality ignores some fields.
    assert dataclasses.asdict(found) == dataclasses.asdict(value)
    assert None not in dataclasses.asdict(value).values()


@pytest.mark.parametrize("cls", VALUES)
def test_annotations_of_a_value_can_be_evaluated(cls):
    assert typing.get_type_hints(cls)
    assert typing.get_type_hints(cls.__init__)


@COPIES
@pytest.mark.parametrize("cls", ENUMS)
def test_enum_is_duplicated_with_unknown_values(cls, duplicate):
    assert all(duplicate(each) is each for each in cls)
    if issubclass(cls, OpenEnum):
        unknown = duplicate(cls("UNKNOWN"))
        assert (type(unknown), unknown, unknown.is_known) == (cls, "UNKNOWN", False)


@COPIES
@pytest.mark.parametrize("cls", ERRORS)
def test_error_is_duplicated_with_everything_in_it(cls, duplicate):
    error = _error(cls)
    assert _contents(duplicate(error)) == _contents(error)


@COPIES
def test_default_backoff_is_duplicated(duplicate):
    assert vars(duplicate(Backoff())).keys() == vars(Backoff()).keys()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_error_is_pickled_by_any_protocol(protocol):
    error = _error(ExecutionNotFoundError)
    assert _contents(pickle.loads(pickle.dumps(error, protocol))) == _contents(error)


@COPIES
def test_botocore_error_remains_the_cause(duplicate):
    response = {"Error": {"Code": "ResourceNotFoundException", "Message": "no image"}}
    # botocore creates such a class for each client, so it cannot be pickled.
    cause = type("ResourceNotFoundException", (ClientError,), {})(response, "GetImage")
    error = ResourceNotFoundException("GetImage: no image.")
    error.__cause__ = cause
    found = duplicate(error).__cause__
    assert isinstance(found, ClientError)
    assert (str(found), found.response) == (str(cause), response)


def test_cause_that_cannot_be_pickled_is_replaced_by_its_text():
    error = ImageBuilderError("message")
    error.__cause__ = EndpointConnectionError(endpoint_url="http://nowhere", error=lambda: None)
    found = _pickled(error).__cause__
    assert str(found) == f"EndpointConnectionError: {error.__cause__}"


def _fail() -> None:
    async def main() -> None:
        async with ImageBuilder(client=ScriptedService()) as ib:
            await ib.wait(workflow_id(404), timeout=0)

    anyio.run(main)


def _fail_as_group() -> None:
    async def main() -> None:
        async with ImageBuilder(client=ScriptedService()) as ib:
            await ib.wait_all([workflow_id(404), workflow_id(405)], timeout=0)

    anyio.run(main)


@pytest.mark.parametrize(
    ("function", "cls"), [(_fail, ExecutionNotFoundError), (_fail_as_group, WaitGroupError)]
)
def test_error_crosses_a_process_pool(function: Callable[[], None], cls):
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        with pytest.raises(cls, match=r"404|2 of 2"):
            pool.submit(function).result()
        # The pool is not broken.
        assert pool.submit(abs, -1).result() == 1
