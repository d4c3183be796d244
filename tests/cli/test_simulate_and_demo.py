"""``simulate`` and ``demo`` as processes, and the script that the README shows."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys

import pytest

from aioimagebuilder.testing import BuildScript, Simulator
from cli.support import README, Cli

AMI = r"ami-[0-9a-f]{17}"


def test_the_demonstration_shows_each_state_and_the_steps_and_ends_well(cli: Cli) -> None:
    done = cli("demo", "--time-scale", "120")
    assert done.code == 0
    assert re.fullmatch(rf"\S+:image/demo/1\.0\.0/1\tsucceeded\tAVAILABLE\t{AMI}\n", done.stdout)
    states = re.findall(r"\] demo 1\.0\.0/1  ([A-Z]+)$", done.stderr, re.MULTILINE)
    course = ["PENDING", "CREATING", "BUILDING", "TESTING", "DISTRIBUTING", "AVAILABLE"]
    assert states == [state for state in course if state in states]
    assert states[-1] == "AVAILABLE"
    assert "    LaunchBuildInstance  COMPLETED after 2m27s" in done.stderr
    assert "    TerminateTestInstance  COMPLETED" in done.stderr


def test_simulate_serves_what_its_own_words_say(cli: Cli) -> None:
    process = cli.start("simulate", "--port", "0", "--time-scale", "2000")
    said = ""
    while "Stop it with Ctrl-C." not in said:
        line = process.stdout.readline()
        assert line, process.stderr.read()
        said += line
    exports = dict(re.findall(r"([A-Z_]+)=(\S+)", said))
    assert {"AWS_ENDPOINT_URL", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID"} <= exports.keys()
    codes = {}
    for command in re.findall(r"^  aioimagebuilder (build (?!gated|flaky)\w+)", said, re.MULTILINE):
        codes[command] = cli(*command.split(), "--quiet", **exports).code
    assert codes == {"build demo": 0, "build broken": 1}
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0


def test_a_taken_port_is_told_in_one_line(cli: Cli) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = cli("simulate", "--port", taken.getsockname()[1])
    assert (done.code, done.stdout) == (1, "")
    assert re.fullmatch(r"Error: cannot listen on port \d+: .+\n", done.stderr)


@pytest.mark.parametrize("succeeds", [True, False])
def test_the_shell_script_of_the_readme(simulator: Simulator, cli: Cli, tmp_path, succeeds: bool) -> None:
    simulator.create_pipeline("web")
    if not succeeds:
        simulator.script(BuildScript.failing_component("no space left"))
    # The recipe as it stands there, with the two programs that it calls.
    (script,) = re.findall(r"In a shell script:\n\n```sh\n(.*?)```", README, re.DOTALL)
    for name, code in {
        "aioimagebuilder": f'exec "{sys.executable}" -m aioimagebuilder "$@"',
        "aws": 'echo "aws $*"',
    }.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{code}\n")
        (tmp_path / name).chmod(0o755)
    environment = cli.environment | {"PATH": f"{tmp_path}:{cli.environment['PATH']}", "RELEASE": "7"}
    done = subprocess.run(
        ["sh", "-c", script], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    if succeeds:
        assert done.returncode == 0
        assert re.fullmatch(
            rf"aws ssm put-parameter --name /web/ami --value {AMI} --overwrite\n", done.stdout
        )
    else:
        assert (done.returncode, done.stdout) == (1, "")
        assert "no space left" in done.stderr
