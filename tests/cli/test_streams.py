"""Closed, full and broken standard streams, and an unwritable job summary: they change no outcome."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from aioimagebuilder.testing import Simulator
from cli.support import Cli

pytestmark = pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, which Linux has")

STREAMS = [
    ("", 0),
    ("<&-", 0),
    ("2>&-", 0),
    ("2>/dev/full", 0),
    (">&-", 74),
    (">/dev/full", 74),
    ("<&- >&- 2>&-", 74),
    (">/dev/full 2>/dev/full", 74),
]


@pytest.mark.parametrize(("redirections", "code"), STREAMS)
def test_streams_change_no_outcome(simulator: Simulator, cli: Cli, redirections: str, code: int) -> None:
    good = simulator.add_execution("workflow_execution", [("RUNNING", 600.0), ("COMPLETED", None)])
    bad = simulator.add_execution("workflow_execution", [("FAILED", None)])
    succeeded = cli.shell(redirections, "wait", good)
    assert succeeded.code == code
    assert succeeded.stdout == ("" if code else f"{good}\tsucceeded\tCOMPLETED\n")
    assert ("could not be written to standard output" in succeeded.stderr) == (
        code == 74 and "2>" not in redirections
    )
    assert cli.shell(redirections, "wait", "--output", "json", bad).code == 1


def test_unwritable_output_ends_a_followed_log(simulator: Simulator, cli: Cli) -> None:
    simulator.set_time_scale(0)
    arn = simulator.start_build(simulator.create_pipeline("demo"))
    simulator.advance(60)
    assert cli.shell(">/dev/full", "logs", "--follow", arn).code == 74


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["wait", "--help"], ["--version"], ["completion", "bash"], ["completion", "fish"]],
)
def test_unwritable_help_has_exit_codes_of_its_own(cli: Cli, arguments: list[str]) -> None:
    for redirection in (">&-", ">/dev/full"):
        result = cli.shell(redirection, *arguments)
        assert result.code == 74
        assert result.stderr.startswith("Error: The result could not be written to standard output: ")
    assert cli.shell("2>&-", *arguments).code == 0
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "aioimagebuilder", *arguments]
    process = subprocess.run(
        command, stdout=writer, stderr=subprocess.PIPE, text=True, env=cli.environment, check=False
    )
    os.close(writer)
    assert (process.returncode, process.stderr) == (141, "")


@pytest.mark.parametrize("redirections", ["2>&-", "2>/dev/full", ">&-", ">/dev/full"])
def test_invalid_command_line_exits_with_2_on_any_stream(cli: Cli, redirections: str) -> None:
    assert cli.shell(redirections, "sing").code == 2
    assert cli.shell(redirections, "wait", "nonsense").code == 2


@pytest.mark.parametrize("arguments", [["wait"], ["wait", "-"]])
def test_unreadable_standard_input_exits_with_2(cli: Cli, tmp_path: Path, arguments: list[str]) -> None:
    closed = cli.shell("<&-", *arguments)
    assert (closed.code, closed.stdout) == (2, "")
    assert "Error: Standard input cannot be read: " in closed.stderr
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe\x00")
    result = cli.shell(
        f"<'{binary}'", *arguments, PYTHONUTF8=None, LC_ALL="C.UTF-8", PYTHONIOENCODING="utf-8"
    )
    assert (result.code, result.stdout) == (2, "")
    assert "Error: Standard input is not text" in result.stderr


@pytest.mark.parametrize(("status", "code"), [("COMPLETED", 0), ("FAILED", 1), ("CANCELLED", 3)])
@pytest.mark.parametrize("summary", ["/nowhere/summary.md", "/", "/dev/full", ""])
def test_unwritable_summary_changes_no_outcome(
    simulator: Simulator, cli: Cli, summary: str, status: str, code: int
) -> None:
    identifier = simulator.add_execution("workflow_execution", [(status, None)])
    result = cli("wait", identifier, GITHUB_ACTIONS="true", GITHUB_STEP_SUMMARY=summary)
    assert result.code == code
    assert identifier in result.stdout
    assert ("Warning: The job summary could not be written: " in result.stderr) == bool(summary)


@pytest.mark.parametrize("path", ["/nowhere/output", "/", "/dev/full", ""])
def test_unwritable_step_outputs_change_no_outcome(simulator: Simulator, cli: Cli, path: str) -> None:
    simulator.create_pipeline("demo")
    result = cli("build", "demo", GITHUB_ACTIONS="true", GITHUB_OUTPUT=path)
    assert result.code == 0
    assert result.stdout.startswith("ami-")
    warnings = result.stderr.count("Warning: The outputs of the step could not be written: ")
    assert warnings == (2 if path else 0)


def test_picture_that_cannot_be_written_exits_with_74(simulator: Simulator, cli: Cli, tmp_path: Path) -> None:
    arn = simulator.start_build(simulator.create_pipeline("demo"))
    simulator.advance(3600)
    (tmp_path / "full.svg").symlink_to("/dev/full")
    (tmp_path / "folder.svg").mkdir()
    for name in ("full.svg", "folder.svg"):
        result = cli("timeline", arn, "--output", tmp_path / name)
        assert (result.code, result.stdout) == (74, "")
        assert f"{name} could not be written: " in result.stderr
