"""The blocking client: threads, iterators, and Ctrl-C."""

import signal
import subprocess
import sys
import textwrap
import threading
import time
from itertools import islice

import pytest

from aioimagebuilder import ClientClosedError, ImageBuilder, WaitTimeoutError, blocking
from aioimagebuilder.testing import Simulator

from .conftest import CADENCE


@pytest.fixture
def running_execution(simulator: Simulator) -> str:
    return simulator.add_execution("workflow_execution", [("RUNNING", None)])


@pytest.fixture
def ib(simulator: Simulator):
    with blocking.ImageBuilder(**simulator.client_arguments, **CADENCE) as ib:
        yield ib


def _is_polling(simulator: Simulator, seconds: float = 0.5) -> bool:
    # A request may be in flight when the watch ends.
    time.sleep(0.1)
    before = simulator.call_count()
    time.sleep(seconds)
    return simulator.call_count() > before


@pytest.mark.parametrize("leave", ["break", "close", "context-manager", "del"])
def test_leaving_watch_stops_polling(ib, simulator: Simulator, running_execution, leave):
    if leave == "break":
        for _ in ib.watch(running_execution):
            break
    elif leave == "close":
        watch = ib.watch(running_execution)
        next(watch)
        assert _is_polling(simulator)
        watch.close()
    elif leave == "context-manager":
        with ib.watch(running_execution) as watch:
            next(watch)
    else:
        watch = ib.watch(running_execution)
        next(watch)
        del watch
    assert not _is_polling(simulator)


def test_leaving_list_requests_no_further_pages(ib, simulator: Simulator):
    pipeline = simulator.create_pipeline("demo")
    for _ in range(3):
        ib.start_image_pipeline_execution(pipeline)
    simulator.reset_calls()
    assert len(list(islice(ib.list_image_pipeline_images(pipeline, page_size=1), 2))) == 2
    assert simulator.call_count() == 2


def test_threads_share_client_and_polls(ib, simulator: Simulator):
    execution = simulator.add_execution("workflow_execution", [("RUNNING", 500.0), ("COMPLETED", None)])
    ended = []

    def wait() -> None:
        ended.append(ib.wait(execution, timeout=30, min_delay=1, max_delay=1))

    threads = [threading.Thread(target=wait) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [str(each.status) for each in ended] == ["COMPLETED"] * 8
    # Two shared polls; without sharing, each thread would make at least one of its own.
    assert simulator.call_count() < 8


def test_closing_client_ends_waits_of_other_threads(simulator: Simulator, running_execution):
    errors = []
    with blocking.ImageBuilder(**simulator.client_arguments, **CADENCE) as ib:

        def wait() -> None:
            with pytest.raises(ClientClosedError) as caught:
                ib.wait(running_execution, timeout=None)
            errors.append(caught.value)

        thread = threading.Thread(target=wait)
        thread.start()
        while not simulator.call_count():
            time.sleep(0.01)
    thread.join(timeout=10)
    assert len(errors) == 1
    with pytest.raises(RuntimeError, match="with ImageBuilder"):
        ib.wait(running_execution, timeout=0)


def test_opening_twice_raises_and_closing_twice_does_not(simulator: Simulator):
    ib = blocking.ImageBuilder(**simulator.client_arguments)
    with ib:
        with pytest.raises(RuntimeError, match="already open"):
            ib.__enter__()
        assert list(ib.list_waiting_workflow_steps()) == []
    ib.close()


def test_blocking_methods_keep_name_and_docstring():
    ib = blocking.ImageBuilder()
    properties = {"get_waiter", "waiter_names"}
    for name in (name for name in dir(ImageBuilder) if not name.startswith("_")):
        if name in {"aclose", *properties}:
            continue
        expected = (name, getattr(ImageBuilder, name).__doc__)
        for method in (getattr(blocking.ImageBuilder, name), getattr(ib, name)):
            assert (method.__name__, method.__doc__) == expected


def test_errors_are_raised_unchanged(ib, running_execution):
    with pytest.raises(WaitTimeoutError):
        ib.wait(running_execution, timeout=0.2)
    with pytest.raises(ValueError, match="is not an Image Builder id"):
        ib.wait("nonsense", timeout=0)


@pytest.mark.posix
@pytest.mark.parametrize("seconds", [None, 0.05], ids=["one-call", "many-calls"])
def test_ctrl_c_ends_wait_at_once(simulator: Simulator, running_execution, seconds):
    program = f"""
        import signal, sys
        from aioimagebuilder import blocking
        from aioimagebuilder.blocking import ImageBuilder

        # As on Windows, which handles signals between calls only.
        blocking._SECONDS_OF_A_CALL = {seconds}

        # A shell that runs the tests in the background makes its children ignore SIGINT.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            with ImageBuilder(**{simulator.client_arguments!r}, min_delay=0.05) as ib:
                ib.wait({running_execution!r}, timeout=None)
        except KeyboardInterrupt:
            sys.exit("interrupted")
    """
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(program)],
        stderr=subprocess.PIPE,
        text=True,
    )
    while not simulator.call_count():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    sent = time.monotonic()
    _, stderr = process.communicate(timeout=20)
    assert (process.returncode, stderr) == (1, "interrupted\n")
    assert time.monotonic() - sent < 3
