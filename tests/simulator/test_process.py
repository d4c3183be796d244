"""The simulator as a separate process and as a pytest plugin, and its imports without moto."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
import urllib.request
from pathlib import Path

import pytest

import aioimagebuilder.testing
from aioimagebuilder.testing import Simulator

SOURCE = str(Path(aioimagebuilder.testing.__file__).parents[2])
ENVIRONMENT = {**os.environ, "PYTHONPATH": SOURCE}


def start_process(*arguments):
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "aioimagebuilder.testing", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    )


@pytest.mark.posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_process_serves_until_stop_signal(number):
    with start_process("--port=0", "--time-scale=120", "--rate-limit=10", "--burst=20") as process:
        line = process.stdout.readline()
        url = re.search(r"http://127\.0\.0\.1:\d+", line)[0]
        with urllib.request.urlopen(f"{url}/_simulator/config") as response:
            config = json.load(response)
        process.send_signal(number)
        rest, errors = process.stdout.read(), process.stderr.read()
    assert (config["time_scale"], config["rate_limit"], config["burst"]) == (120, 10, 20)
    assert "aws imagebuilder start-image-pipeline-execution" in rest
    assert (process.returncode, errors) == (0, "")


@pytest.mark.posix
def test_repeated_stop_signals_stop_process():
    with start_process("--port", "0") as process:
        process.stdout.readline()
        for _ in range(100):
            process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=20)
    # A signal that arrives after the interpreter has restored the default handlers kills the process.
    assert process.returncode in {0, -signal.SIGTERM}
    assert errors == ""


def test_port_in_use_is_reported_in_one_line():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with start_process("--port", str(taken.getsockname()[1])) as process:
            out, errors = process.communicate(timeout=20)
    assert (process.returncode, out) == (1, "")
    assert errors.startswith("cannot listen on port")
    assert len(errors.splitlines()) == 1


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--rate-limit=0", "'0' is not a number above 0"),
        ("--rate-limit=nan", "'nan' is not a number above 0"),
        ("--time-scale=-5", "'-5' is not a number from 0"),
        ("--time-scale=1e999", "'1e999' is not a number from 0"),
        ("--burst=0.5", "'0.5' is not a number from 1"),
        ("--burst=many", "'many' is not a number from 1"),
        ("--port=65536", "'65536' is not a whole number from 0"),
        ("--port=-1", "'-1' is not a whole number from 0"),
        ("--region=nowhere", "the region must be"),
        ("--unknown", "unrecognized arguments"),
    ],
)
def test_invalid_option_is_usage_error_in_one_line(option, message):
    with start_process("--port=0", option) as process:
        out, errors = process.communicate(timeout=20)
    assert (process.returncode, out) == (2, "")
    assert message in errors
    assert len(errors.splitlines()) == 1


def test_plugin_resets_simulator_for_each_test(tmp_path):
    (tmp_path / "test_with_plugin.py").write_text(
        textwrap.dedent("""
            def test_one(imagebuilder_simulator):
                assert imagebuilder_simulator.control.time_scale == 60
                imagebuilder_simulator.create_pipeline()

            def test_two(imagebuilder_simulator):
                imagebuilder_simulator.create_pipeline()
        """)
    )
    options = ("-q", "-W", "error", "-p", "no:cacheprovider", "-p", "aioimagebuilder.testing.pytest_plugin")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, str(tmp_path)],
        capture_output=True,
        text=True,
        env={**ENVIRONMENT, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        check=False,
    )
    assert "2 passed" in done.stdout, done.stdout + done.stderr


def run_code(code):
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
        check=True,
    ).stdout


def test_plugin_does_not_import_moto():
    loaded = run_code("""
        import sys
        import aioimagebuilder.testing.pytest_plugin
        heavy = ("moto", "flask", "werkzeug", "yaml")
        print(sorted(name for name in sys.modules if name.split(".")[0] in heavy))
    """)
    assert loaded == "[]\n"


def test_missing_moto_error_says_what_to_install():
    output = run_code("""
        import sys
        sys.modules["moto"] = None
        from aioimagebuilder.testing import BuildScript
        try:
            from aioimagebuilder.testing import Simulator
        except ImportError as error:
            print(error)
    """)
    assert output == "the simulator requires 'moto'; run: pip install aioimagebuilder[testing]\n"


def test_all_public_names_are_importable():
    for name in aioimagebuilder.testing.__all__:
        assert getattr(aioimagebuilder.testing, name) is not None
    assert dir(aioimagebuilder.testing) == sorted(aioimagebuilder.testing.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        aioimagebuilder.testing.nothing  # noqa: B018


def test_simulator_can_be_restarted():
    simulator = Simulator(time_scale=0)
    with pytest.raises(RuntimeError, match="is not running"):
        _ = simulator.endpoint_url
    for _ in range(2):
        with simulator, urllib.request.urlopen(f"{simulator.endpoint_url}/_simulator/config") as response:
            assert response.status == 200
    simulator.stop()
