"""``simulate`` and ``demo`` as processes, and the shell script of the documentation."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys

import pytest

from aioimagebuilder.testing import BuildScript, Simulator
from cli.support import PAGE, Cli

AMI = r"ami-[0-9a-f]{17}"


def test_demo_shows_states_and_steps_and_succeeds(cli: Cli) -> None:
    result = cli("demo", "--time-scale", "120")
    assert result.code == 0
    assert re.fullmatch(rf"\S+:image/demo/1\.0\.0/1\tsucceeded\tAVAILABLE\t{AMI}\n", result.stdout)
    states = re.findall(r"\] demo 1\.0\.0/1  ([A-Z]+)$", result.stderr, re.MULTILINE)
    order = ["PENDING", "CREATING", "BUILDING", "TESTING", "DISTRIBUTING", "AVAILABLE"]
    assert states == [state for state in order if state in states]
    assert states[-1] == "AVAILABLE"
    assert "    LaunchBuildInstance  COMPLETED after 2m27s" in result.stderr
    assert "    TerminateTestInstance  COMPLETED" in result.stderr


@pytest.mark.posix
def test_simulate_prints_working_instructions(cli: Cli) -> None:
    process = cli.start("simulate", "--port", "0", "--time-scale", "2000")
    text = ""
    while "Press Ctrl-C to stop." not in text:
        line = process.stdout.readline()
        assert line, process.stderr.read()
        text += line
    exports = dict(re.findall(r"([A-Z_]+)=(\S+)", text))
    assert {"AWS_ENDPOINT_URL", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID"} <= exports.keys()
    codes = {}
    for command in re.findall(r"^  aioimagebuilder (build (?!approval|flaky)\w+)", text, re.MULTILINE):
        codes[command] = cli(*command.split(), "--quiet", **exports).code
    assert codes == {"build demo": 0, "build broken": 1}
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0


def test_simulate_reports_a_port_in_use(cli: Cli) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        result = cli("simulate", "--port", server.getsockname()[1])
    # 1 is for a build that failed.
    assert (result.code, result.stdout) == (4, "")
    assert re.fullmatch(r"Error: cannot listen on port \d+: .+\n", result.stderr)


@pytest.mark.parametrize("missing", ["croniter", "moto", "werkzeug"])
@pytest.mark.parametrize("command", ["demo", "simulate"])
def test_simulator_without_its_extra_is_one_line(command: str, missing: str) -> None:
    code = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        f"from aioimagebuilder.cli.main import main\nsys.exit(main([{command!r}]))"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (process.returncode, process.stdout) == (2, "")
    install = "pip install 'aioimagebuilder[cli,testing]'"
    assert process.stderr == f"Error: aioimagebuilder {command} needs more packages: {install}\n"


def test_simulator_module_without_its_extra_is_one_line() -> None:
    code = (
        "import sys, runpy; sys.modules['moto'] = None; sys.argv[1:] = []\n"
        "runpy.run_module('aioimagebuilder.testing', run_name='__main__')"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (process.returncode, process.stdout) == (2, "")
    assert process.stderr == "The simulator needs more packages: pip install 'aioimagebuilder[testing]'\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ("simulate", "--rate-limit", "0"),
        ("simulate", "--rate-limit", "nan"),
        ("simulate", "--rate-limit", "inf"),
        ("simulate", "--time-scale", "-5"),
        ("simulate", "--time-scale", "nan"),
        ("simulate", "--time-scale", "1e999"),
        ("simulate", "--port", "65536"),
        ("simulate", "--port", "0", "--pipeline", "?"),
        ("simulate", "--port", "0", "--pipeline", "demo"),
        ("demo", "--time-scale", "nan"),
        ("demo", "--time-scale", "inf"),
        ("demo", "--time-scale", "0"),
    ],
)
def test_invalid_option_of_simulator_is_usage_error(cli: Cli, arguments) -> None:
    result = cli(*arguments)
    assert (result.code, result.stdout) == (2, "")
    errors = [line for line in result.stderr.splitlines() if line.startswith("Error: Invalid value for ")]
    assert [result.stderr.splitlines()[-1]] == errors


@pytest.mark.posix
@pytest.mark.parametrize("succeeds", [True, False])
def test_documented_shell_script_deploys_only_on_success(
    simulator: Simulator, cli: Cli, tmp_path, succeeds: bool
) -> None:
    simulator.create_pipeline("web")
    if not succeeds:
        simulator.script(BuildScript.failing_component("no space left"))
    (script,) = re.findall(r"## In a shell script\n\n```sh\n(.*?)```", PAGE, re.DOTALL)
    for name, code in {
        "aioimagebuilder": f'exec "{sys.executable}" -m aioimagebuilder "$@"',
        "aws": 'echo "aws $*"',
    }.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{code}\n")
        (tmp_path / name).chmod(0o755)
    environment = cli.environment | {"PATH": f"{tmp_path}:{cli.environment['PATH']}", "RELEASE": "7"}
    result = subprocess.run(
        ["sh", "-c", script], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    if succeeds:
        assert result.returncode == 0
        assert re.fullmatch(
            rf"aws ssm put-parameter --name /web/ami --value {AMI} --overwrite\n", result.stdout
        )
    else:
        assert (result.returncode, result.stdout) == (1, "")
        assert "no space left" in result.stderr
