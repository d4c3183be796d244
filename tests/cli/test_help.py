"""Help, completion, the version: at once, and importing nothing that works."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from aioimagebuilder.cli.app import aioimagebuilder
from aioimagebuilder.cli.exit_codes import ExitCode
from cli.support import README, Cli

COMMANDS = list(aioimagebuilder.commands)
# What takes longer to import than the help may take; anyio and tenacity do work that no help needs.
HEAVY = {"aiobotocore", "aiohttp", "anyio", "asyncio", "botocore", "moto", "rich", "tenacity"}


def test_the_commands_stand_in_the_help_in_their_order(cli: Cli) -> None:
    shown = cli("--help")
    assert (shown.code, shown.stderr) == (0, "")
    assert re.findall(r"^  ([a-z]+)  +\S", shown.stdout, re.MULTILINE) == COMMANDS


@pytest.mark.parametrize("command", [None, *COMMANDS])
def test_help_imports_nothing_that_works(command: str | None) -> None:
    # In one process each: its modules are the measure, since times are the machine's.
    code = (
        "import sys\nfrom aioimagebuilder.cli.main import main\n"
        f"code = main({[command, '--help'] if command else ['--help']})\n"
        f"print(code, sorted({HEAVY} & set(sys.modules)), len(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    shown, _, last = done.stdout.rstrip().rpartition("\n")
    assert shown.startswith("Usage: aioimagebuilder")
    exit_code, heavy = last.split(" ")[:2]
    assert (exit_code, heavy) == ("0", "[]")


def test_each_option_of_a_wait_says_its_environment_variable_and_its_default(cli: Cli) -> None:
    shown = " ".join(cli("wait", "--help", COLUMNS="200").stdout.split())
    options = ("timeout", "min-delay", "max-delay", "fail-fast", "on-timeout", "on-waiting", "heartbeat")
    for option in (*options, "region", "profile", "endpoint-url", "output", "quiet", "no-color"):
        assert f"--{option}" in shown
        assert f"env var: AIOIMAGEBUILDER_{option.replace('-', '_').upper()}" in shown
    assert "AIOIMAGEBUILDER_TIMEOUT; default: 6h" in shown


def test_the_help_and_the_readme_tell_each_exit_code(cli: Cli) -> None:
    told = {int(code) for code in re.findall(r"^ +(\d+)  +\w", cli("--help").stdout, re.MULTILINE)}
    assert told == set(map(int, ExitCode))
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", README, re.MULTILINE)} == told


def test_the_readme_names_each_command_and_event() -> None:
    for command in COMMANDS:
        assert re.search(rf"`{command}\b", README), command
    for event in ("started", "state", "workflow", "step", "ended", "error", "execution", "diagnosis", "log"):
        assert f"`{event}`" in README
    for event in ("waiting_step", "action_sent", "timeline"):
        assert f"`{event}`" in README


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script(cli: Cli, shell: str) -> None:
    shown = cli("completion", shell)
    assert shown.code == 0
    assert f"_AIOIMAGEBUILDER_COMPLETE={shell}_complete" in shown.stdout


def test_completion_completes_commands_and_options(cli: Cli) -> None:
    asked = {"_AIOIMAGEBUILDER_COMPLETE": "bash_complete", "COMP_CWORD": "1"}
    assert cli(COMP_WORDS="aioimagebuilder wa", **asked).stdout == "plain,wait\nplain,watch\n"
    asked["COMP_CWORD"] = "2"
    assert "plain,--fail-fast" in cli(COMP_WORDS="aioimagebuilder wait --f", **asked).stdout


def test_the_version(cli: Cli) -> None:
    assert re.fullmatch(r"aioimagebuilder, version \d+\.\d+\.\d+\n", cli("--version").stdout)


def test_without_the_extra_one_line_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['click'] = None\n"
        "from aioimagebuilder.cli.main import main\nsys.exit(main([]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "The command line needs click and rich: pip install 'aioimagebuilder[cli]'\n"
