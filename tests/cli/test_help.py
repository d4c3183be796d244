"""Help, completion and version, which must not import heavy modules."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from aioimagebuilder.cli.app import aioimagebuilder
from aioimagebuilder.cli.exit_codes import ExitCode
from cli.support import PAGE, Cli

COMMANDS = list(aioimagebuilder.commands)
HEAVY = {"aiobotocore", "aiohttp", "anyio", "asyncio", "botocore", "moto", "rich", "tenacity"}


def test_help_lists_commands_in_order(cli: Cli) -> None:
    result = cli("--help")
    assert (result.code, result.stderr) == (0, "")
    assert re.findall(r"^  ([a-z]+)  +\S", result.stdout, re.MULTILINE) == COMMANDS


@pytest.mark.parametrize("command", [None, *COMMANDS])
def test_help_imports_no_heavy_modules(command: str | None) -> None:
    # Imported modules are compared because import times depend on the machine.
    code = (
        "import sys\nfrom aioimagebuilder.cli.main import main\n"
        f"code = main({[command, '--help'] if command else ['--help']})\n"
        f"print(code, sorted({HEAVY} & set(sys.modules)), len(sys.modules))"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    text, _, last = process.stdout.rstrip().rpartition("\n")
    assert text.startswith("Usage: aioimagebuilder")
    exit_code, heavy = last.split(" ")[:2]
    assert (exit_code, heavy) == ("0", "[]")


def test_wait_help_shows_variables_and_defaults(cli: Cli) -> None:
    text = " ".join(cli("wait", "--help", COLUMNS="200").stdout.split())
    options = ("timeout", "min-delay", "max-delay", "fail-fast", "on-timeout", "on-waiting-step", "heartbeat")
    for option in (*options, "region", "profile", "endpoint-url", "output", "quiet", "no-color"):
        assert f"--{option}" in text
        assert f"env var: AIOIMAGEBUILDER_{option.replace('-', '_').upper()}" in text
    assert "AIOIMAGEBUILDER_TIMEOUT; default: 6h" in text


def test_help_and_documentation_list_every_exit_code(cli: Cli) -> None:
    codes = {int(code) for code in re.findall(r"^ +(\d+)  +\w", cli("--help").stdout, re.MULTILINE)}
    assert codes == set(map(int, ExitCode))
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)} == codes


def test_documentation_names_every_command_and_event() -> None:
    for command in COMMANDS:
        assert re.search(rf"`{command}\b", PAGE), command
    for event in ("started", "state", "workflow", "step", "ended", "error", "execution", "diagnosis", "log"):
        assert f"`{event}`" in PAGE
    for event in ("waiting_step", "action_sent", "timeline"):
        assert f"`{event}`" in PAGE


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script(cli: Cli, shell: str) -> None:
    result = cli("completion", shell)
    assert result.code == 0
    assert f"_AIOIMAGEBUILDER_COMPLETE={shell}_complete" in result.stdout


def test_completion_completes_commands_and_options(cli: Cli) -> None:
    variables = {"_AIOIMAGEBUILDER_COMPLETE": "bash_complete", "COMP_CWORD": "1"}
    assert (
        cli(COMP_WORDS="aioimagebuilder wa", **variables).stdout == "plain,wait\nplain,watch\nplain,waiters\n"
    )
    variables["COMP_CWORD"] = "2"
    assert "plain,--fail-fast" in cli(COMP_WORDS="aioimagebuilder wait --f", **variables).stdout


def test_version_option_prints_the_version(cli: Cli) -> None:
    assert re.fullmatch(r"aioimagebuilder, version \d+\.\d+\.\d+\n", cli("--version").stdout)


def test_missing_rich_is_one_line() -> None:
    code = (
        "import sys; sys.modules['rich'] = None\n"
        "from aioimagebuilder.cli.main import main\nsys.exit(main(['pending']))"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (process.returncode, process.stdout) == (2, "")
    assert process.stderr.endswith("needs more packages: pip install 'aioimagebuilder[cli]'\n")
    assert len(process.stderr.splitlines()) == 1


def test_missing_extra_names_the_package_to_install() -> None:
    code = (
        "import sys; sys.modules['click'] = None\n"
        "from aioimagebuilder.cli.main import main\nsys.exit(main([]))"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (process.returncode, process.stdout) == (2, "")
    assert process.stderr == "The command line needs click and rich: pip install 'aioimagebuilder[cli]'\n"
