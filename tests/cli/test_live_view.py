"""The live view, in pseudo-terminals and rendered on its own."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pyte
import pytest
from rich.console import Console

from aioimagebuilder import Image, WorkflowExecution, WorkflowStepExecution
from aioimagebuilder.cli.build_state import BuildState, WorkflowState
from aioimagebuilder.cli.render.live import RenderContext, render_live_view
from aioimagebuilder.cli.render.symbols import ASCII, UNICODE
from aioimagebuilder.testing import Simulator
from cli.support import Cli, wait_until

BEGIN = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


class Terminal:
    """A pseudo-terminal that runs the command line, and its screen."""

    def __init__(self, arguments: list[str], environment: dict[str, str], columns: int, lines: int) -> None:
        self._screen = pyte.HistoryScreen(columns, lines)
        self._stream = pyte.ByteStream(self._screen)
        self.raw = b""
        self.pid, self._descriptor = pty.fork()
        if self.pid == 0:
            command = [sys.executable, "-W", "error", "-m", "aioimagebuilder", *arguments]
            os.execve(command[0], command, environment)
        size = struct.pack("HHHH", lines, columns, 0, 0)
        fcntl.ioctl(self._descriptor, termios.TIOCSWINSZ, size)

    def read(self) -> str:
        """Return the text on the screen without trailing blanks."""
        while select.select([self._descriptor], [], [], 0.02)[0]:
            try:
                data = os.read(self._descriptor, 65536)
            except OSError:  # the process has ended
                break
            if not data:
                break
            self.raw += data
            self._stream.feed(data)
        return "\n".join(line.rstrip() for line in self._screen.display).rstrip()

    def shows(self, pattern: str) -> Callable[[], bool]:
        return lambda: re.search(pattern, self.read(), re.MULTILINE) is not None

    def code(self) -> int:
        """Wait for the process to exit and return its exit code."""
        statuses: list[int] = []

        def has_ended() -> bool:
            self.read()
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            statuses.append(status)
            return pid != 0

        wait_until(has_ended)
        self.read()
        return os.waitstatus_to_exitcode(statuses[-1])

    def close(self) -> None:
        os.close(self._descriptor)


@contextmanager
def terminal(
    cli: Cli, *arguments: str, columns: int, lines: int = 40, **environment: str
) -> Iterator[Terminal]:
    settings = {"TERM": "xterm-256color", "COLORTERM": "", **environment}
    opened = Terminal(list(arguments), cli.environment | settings, columns, lines)
    try:
        yield opened
    finally:
        opened.close()


def without_animation(screen: str) -> str:
    """Return the screen with each animated symbol replaced by an asterisk."""
    return re.sub(f"[{''.join(UNICODE.running)}]", "*", screen)


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (
            60,
            """\
* demo 1.0.0/1  BUILDING  2m36s
arn:aws:imagebuilder:us-east-1:123456789012:image/demo/1.0.0
/1

* building  · testing  · distributing  · available

*  BUILD build-image        2m28s RUNNING 1/7
✓    LaunchBuildInstance    2m27s completed
*    ApplyBuildComponents      0s running
·    InventoryCollection
·    RunSanitizeScript
·    RunSysPrepScript
·    CreateOutputAMI
·    TerminateBuildInstance""",
        ),
        (
            200,
            """\
* demo 1.0.0/1  BUILDING  2m36s
arn:aws:imagebuilder:us-east-1:123456789012:image/demo/1.0.0/1

* building  · testing  · distributing  · available

*  BUILD build-image        2m28s RUNNING 1/7
✓    LaunchBuildInstance    2m27s completed   LaunchInstance
*    ApplyBuildComponents      0s running     ExecuteComponents
·    InventoryCollection                      CollectImageMetadata
·    RunSanitizeScript                        SanitizeInstance
·    RunSysPrepScript                         RunSysPrep
·    CreateOutputAMI                          CreateImage
·    TerminateBuildInstance                   TerminateInstance""",
        ),
    ],
)
def test_watch_draws_the_live_view(simulator: Simulator, cli: Cli, columns: int, expected: str) -> None:
    simulator.set_time_scale(0)
    arn = simulator.start_build(simulator.create_pipeline("demo"))
    simulator.advance(180)
    # Both clocks stand still: the simulator's, and, almost, the view's, which the last timestamp sets.
    stopped_clock = {"AIOIMAGEBUILDER_TIME_SCALE": "0.0001"}
    with terminal(cli, "watch", arn, columns=columns, **stopped_clock) as view:
        wait_until(view.shows("ApplyBuildComponents .*running"))
        assert without_animation(view.read()) == expected
        simulator.set_time_scale(2000)
        assert view.code() == 0
        last = view.read()
    assert re.search(r"^✓ demo 1\.0\.0/1  AVAILABLE  \d+m\d\ds$", last, re.MULTILINE)
    assert "✓ building  ✓ testing  ✓ distributing  ✓ available" in last
    assert re.search(r"^✓  TEST test-image +2m32s COMPLETED 4/4$", last, re.MULTILINE)
    assert "succeeded" in last.splitlines()[-1] or "succeeded" in last.splitlines()[-2]


def test_watch_draws_the_bar_of_a_running_build(running_build: str, simulator: Simulator, cli: Cli) -> None:
    with terminal(cli, "watch", running_build, columns=80, AIOIMAGEBUILDER_TIME_SCALE="1") as view:
        wait_until(view.shows(r"^[█░]{29}░  about .* min left \(usually .* min\)$"))
        simulator.advance(7200)
        simulator.set_time_scale(2000)
        assert view.code() == 0
        last = view.read()
    assert "AVAILABLE" in last
    assert "░" not in last


def test_live_view_shows_the_command_for_a_waiting_step(
    waiting_build: str, cli: Cli, simulator: Simulator
) -> None:
    with terminal(cli, "watch", waiting_build, columns=60) as view:
        wait_until(view.shows("ApproveRelease waits for a person"))
        command = re.search(r"aioimagebuilder approve\s+step-[0-9a-f-]+\n?[0-9a-f-]*", view.read())[0]
        step = re.sub(r"\s", "", command).removeprefix("aioimagebuilderapprove")
        assert cli("approve", step, "--reason", "looks good").code == 0
        simulator.set_time_scale(2000)
        assert view.code() == 0


def test_interrupt_keeps_the_view_and_restores_the_cursor(simulator: Simulator, cli: Cli) -> None:
    simulator.set_time_scale(0)
    arn = simulator.start_build(simulator.create_pipeline("demo"))
    with terminal(cli, "watch", arn, columns=80) as view:
        wait_until(view.shows(r"demo 1\.0\.0/1  PENDING"))
        os.kill(view.pid, signal.SIGINT)
        assert view.code() == 130
        screen = view.read()
    assert "Interrupted. Nothing was cancelled at AWS" in screen
    assert f"  aioimagebuilder watch {arn}".replace("\n", "") in screen.replace("\n", "")
    assert view.raw.rfind(b"\x1b[?25h") > view.raw.rfind(b"\x1b[?25l") >= 0


def test_no_color_variable_disables_colors(simulator: Simulator, cli: Cli) -> None:
    identifier = simulator.add_execution("workflow_execution", [("FAILED", None)])
    with terminal(cli, "watch", identifier, columns=80) as colored:
        assert colored.code() == 1
    with terminal(cli, "watch", identifier, columns=80, NO_COLOR="1") as plain:
        assert plain.code() == 1
    color = rb"\x1b\[[0-9;]*3[0-7]m"
    assert re.search(color, colored.raw)
    assert not re.search(color, plain.raw)


def test_dumb_terminal_gets_plain_lines(simulator: Simulator, cli: Cli) -> None:
    identifier = simulator.add_execution("workflow_execution", [("COMPLETED", None)])
    with terminal(cli, "watch", identifier, columns=80, TERM="dumb") as view:
        assert view.code() == 0
    assert re.match(rf"\[ *\d+s\] {identifier}  COMPLETED\r\n".encode(), view.raw)
    assert b"\x1b" not in view.raw


# ---------------------------------------------------------------------- rendered on its own


def build_state(*steps: tuple[str, str], status: str = "BUILDING") -> BuildState:
    """A build whose steps have these names and statuses, and take a minute each."""
    parsed_steps = tuple(
        WorkflowStepExecution(
            step_execution_id=f"step-{number}",
            name=name,
            status=WorkflowStepExecution.parse({"status": step_status}).status,
            start_time=BEGIN + timedelta(minutes=number),
            end_time=None if step_status == "RUNNING" else BEGIN + timedelta(minutes=number + 1),
        )
        for number, (name, step_status) in enumerate(steps)
    )
    workflow = WorkflowExecution.parse({"workflowExecutionId": "wf-1", "type": "BUILD", "status": "RUNNING"})
    image = Image.parse(
        {
            "arn": "arn:1",
            "name": "web",
            "version": "1.0.0/1",
            "state": {"status": status},
            "dateCreated": BEGIN,
        }
    )
    return BuildState(image, (WorkflowState(workflow, parsed_steps),))


def rendered(*states: BuildState, width: int, height: int = 40, symbols=UNICODE) -> list[str]:
    console = Console(width=width, height=height, color_system=None, legacy_windows=False)
    now = BEGIN + timedelta(minutes=30)
    context = RenderContext(now=now, wall_time=now, width=width, height=height, symbols=symbols)
    with console.capture() as captured:
        console.print(render_live_view(states, context))
    return [line.rstrip() for line in captured.get().splitlines()]


@pytest.mark.parametrize("width", [20, 40, 60, 99, 100, 200])
def test_live_view_fits_the_width(width: int) -> None:
    state = build_state(("Apply " * 15, "COMPLETED"), ("ApplyBuildComponents", "RUNNING"))
    # Names are truncated, rather than symbols, durations and statuses.
    *_, completed, running = rendered(state, width=width)
    assert re.fullmatch(r"✓ .* 1m00s completed", completed)
    assert re.fullmatch(r"⠋ .* 29m00s running", running)
    _, *rows = rendered(state, state, width=width)
    assert [re.sub(" .* ", " ", row) for row in rows] == ["⠋ BUILDING"] * 2


def test_short_terminal_hides_completed_steps() -> None:
    completed = [(f"Step{number}", "COMPLETED") for number in range(30)]
    lines = rendered(
        build_state(*completed, ("Failing", "FAILED"), ("Running", "RUNNING")), width=80, height=16
    )
    assert len(lines) <= 16
    text = "\n".join(lines)
    assert "Running" in text
    assert "Failing" in text
    assert "Step" not in text


def test_live_view_without_unicode_is_ascii() -> None:
    lines = rendered(build_state(("One", "COMPLETED"), ("Two", "RUNNING")), width=80, symbols=ASCII)
    assert all(line.isascii() for line in lines)
    assert re.fullmatch(r"\+    One +1m00s completed", lines[-2])
    assert re.fullmatch(r"\|    Two +29m00s running", lines[-1])


def test_overview_hides_succeeded_executions_first() -> None:
    states = [build_state(status="AVAILABLE") for _ in range(30)] + [build_state(status="FAILED")]
    lines = rendered(*states, width=80, height=12)
    assert len(lines) <= 12
    assert lines[0] == "31 of 31 have ended"
    assert any("FAILED" in line for line in lines)
    assert lines[-1] == "and 23 more"


def test_live_view_escapes_untrusted_text() -> None:
    lines = rendered(build_state(("\x1b[2J[bold]x[/bold]\n::error::", "RUNNING")), width=120)
    assert any(r"\x1b[2J[bold]x[/bold]\n::error::" in line for line in lines)


def test_elapsed_time_stops_when_the_build_ends() -> None:
    ended = build_state(("One", "COMPLETED"), status="AVAILABLE")
    assert rendered(ended, width=80)[0].endswith("AVAILABLE  1m00s")
