"""The blocking face: its threads, its iterators, and Ctrl-C."""

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
def endless(simulator: Simulator) -> str:
    return simulator.add_execution("workflow_execution", [("RUNNING", None)])


@pytest.fixture
def ib(simulator: Simulator):
    with blocking.ImageBuilder(**simulator.client_arguments, **CADENCE) as ib:
        yield ib


def _polls_on(simulator: Simulator, seconds: float = 0.5) -> bool:
    # One call may be on its way while the watch is left.
    time.sleep(0.1)
    before = simulator.call_count()
    time.sleep(seconds)
    return simulator.call_count() > before


@pytest.mark.parametrize("leave", ["break", "close", "context", "drop"])
def test_the_polling_ends_with_the_watch_however_it_is_left(ib, simulator: Simulator, endless, leave):
    if leave == "break":
        for _ in ib.watch(endless):
            break
    elif leave == "close":
        watch = ib.watch(endless)
        next(watch)
        assert _polls_on(simulator)
        watch.close()
    elif leave == "context":
        with ib.watch(endless) as watch:
            next(watch)
    else:
        watch = ib.watch(endless)
        next(watch)
        del watch
    assert not _polls_on(simulator)


def test_a_list_may_be_left_in_the_middle(ib, simulator: Simulator):
    pipeline = simulator.create_pipeline("demo")
    for _ in range(3):
        ib.start_image_pipeline_execution(pipeline)
    simulator.reset_calls()
    assert len(list(islice(ib.list_image_pipeline_images(pipeline, page_size=1), 2))) == 2
    assert simulator.call_count() == 2


def test_several_threads_share_one_client_and_its_polls(ib, simulator: Simulator):
    execution = simulator.add_execution("workflow_execution", [("RUNNING", 500.0), ("COMPLETED", None)])
    ended = []
    threads = [
        threading.Thread(target=lambda: ended.append(ib.wait(execution, timeout=30))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [str(each.status) for each in ended] == ["COMPLETED"] * 8
    assert simulator.call_count() < 8 * 5


def test_closing_ends_the_waits_of_other_threads(simulator: Simulator, endless):
    errors = []
    with blocking.ImageBuilder(**simulator.client_arguments, **CADENCE) as ib:

        def waiting() -> None:
            with pytest.raises(ClientClosedError) as caught:
                ib.wait(endless, timeout=None)
            errors.append(caught.value)

        thread = threading.Thread(target=waiting)
        thread.start()
        while not simulator.call_count():
            time.sleep(0.01)
    thread.join(timeout=10)
    assert len(errors) == 1
    with pytest.raises(RuntimeError, match="with ImageBuilder"):
        ib.wait(endless, timeout=0)


def test_opening_twice_is_told_and_closing_twice_is_not(simulator: Simulator):
    ib = blocking.ImageBuilder(**simulator.client_arguments)
    with ib:
        with pytest.raises(RuntimeError, match="already open"):
            ib.__enter__()
        assert list(ib.list_waiting_workflow_steps()) == []
    ib.close()


def test_the_class_shows_its_methods_as_they_are():
    assert blocking.ImageBuilder.watch.__doc__ == ImageBuilder.watch.__doc__
    assert blocking.ImageBuilder.watch.__name__ == "watch"


def test_errors_come_through_as_they_are(ib, endless):
    with pytest.raises(WaitTimeoutError):
        ib.wait(endless, timeout=0.2)
    with pytest.raises(ValueError, match="is not an Image Builder id"):
        ib.wait("nonsense", timeout=0)


def test_ctrl_c_ends_a_wait_at_once_and_cleanly(simulator: Simulator, endless):
    program = f"""
        import signal, sys
        from aioimagebuilder.blocking import ImageBuilder

        # A shell that runs the tests in the background has told its children to ignore it.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            with ImageBuilder(**{simulator.client_arguments!r}, min_delay=0.05) as ib:
                ib.wait({endless!r}, timeout=None)
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
