"""Bugs, invalid options and invalid configurations: none of them looks like the outcome of a build."""

from __future__ import annotations

import inspect
import logging
import re
import signal
from functools import partial
from pathlib import Path

import anyio
import click
import pytest

from aioimagebuilder import ImageBuilder
from aioimagebuilder.cli.app import aioimagebuilder
from aioimagebuilder.cli.build_state import BuildState
from aioimagebuilder.cli.exit_codes import ExitCode
from aioimagebuilder.cli.main import main
from aioimagebuilder.cli.options import Display
from aioimagebuilder.cli.render.messages import format_record, translate_message
from aioimagebuilder.cli.runtime.follow import follow
from aioimagebuilder.cli.runtime.run import Invocation, run
from aioimagebuilder.testing import Simulator
from cli.support import Cli, finish, wait_until

UNKNOWN = "wf-12345678-1234-1234-1234-123456789012"
STEP = "step-12345678-1234-1234-1234-123456789012"
DISPLAY = Display(output="text", quiet=False, no_color=True)
MANY_DIGITS = "9" * 400


# ---------------------------------------------------------------------- bugs


async def fail(invocation: Invocation) -> ExitCode:
    invocation.begin_wait([UNKNOWN], "a title")
    async with anyio.create_task_group():
        raise ValueError("a bug\nof \x1b[2J two lines, aws_secret_access_key=hidden")


@pytest.mark.parametrize("shows_traceback", [False, True])
def test_bug_exits_with_70_and_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, shows_traceback: bool
) -> None:
    if shows_traceback:
        monkeypatch.setenv("AIOIMAGEBUILDER_TRACEBACK", "1")
    with click.Context(aioimagebuilder, info_name="aioimagebuilder").scope():
        assert run(fail, DISPLAY) == 70
    captured = capsys.readouterr()
    *trace, error, introduction, resume = captured.err.splitlines()
    assert captured.out == ""
    assert re.match(r"Error: Internal error of aioimagebuilder \d+\.\d+\.\d+: ValueError: a bug of ", error)
    assert "This is a bug, please report it" in error
    assert introduction.endswith("To resume, run:")
    assert resume == f"  aioimagebuilder wait {UNKNOWN}"
    assert ("Traceback (most recent call last)" in "\n".join(trace)) == shows_traceback
    assert "hidden" not in captured.err
    assert "\x1b" not in captured.err


def test_bug_is_an_event_of_the_json_output(capsys: pytest.CaptureFixture[str]) -> None:
    display = Display(output="json", quiet=False, no_color=True)
    with click.Context(aioimagebuilder, info_name="aioimagebuilder").scope():
        assert run(fail, display) == 70
    assert re.search(r'"error": "ValueError", .*"exit_code": 70', capsys.readouterr().out)


def test_bug_outside_of_a_command_exits_with_70(cli: Cli) -> None:
    # click's completion needs another variable.
    result = cli(_AIOIMAGEBUILDER_COMPLETE="bash_complete")
    assert (result.code, result.stdout) == (70, "")
    assert re.fullmatch(r"Error: Internal error of aioimagebuilder [^\n]+\n", result.stderr)
    assert cli(_AIOIMAGEBUILDER_COMPLETE="nonsense").code == 2


def test_bug_in_the_progress_changes_no_outcome(
    simulator: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    identifier = simulator.add_execution("workflow_execution", [("RUNNING", 600.0), ("COMPLETED", None)])

    def show(state: BuildState) -> None:
        raise ZeroDivisionError

    async def wait() -> str:
        async with ImageBuilder(**simulator.client_arguments, min_delay=0.05, max_delay=0.1) as ib:
            waiting = partial(ib.wait, identifier, timeout=30)
            return str((await follow(ib, identifier, waiting, show, min_delay=0.05)).status)

    assert anyio.run(wait) == "COMPLETED"
    assert "The progress is no longer shown, because of a bug: ZeroDivisionError" in caplog.text


def test_times_in_the_last_year_are_shown(simulator: Simulator, cli: Cli) -> None:
    members = {"startTime": "9999-12-31T23:59:59.999Z"}
    identifier = simulator.add_execution(
        "workflow_execution", [("RUNNING", 600.0), ("COMPLETED", None)], **members
    )
    result = cli("wait", identifier, "--heartbeat", "100ms")
    assert result.code == 0
    assert "bug" not in result.stderr


# ---------------------------------------------------------------------- loggers


async def log_warnings(_: Invocation) -> ExitCode:
    error = OSError("the role\nwas \x1b[2J deleted")
    logging.getLogger("botocore.credentials").warning("Refreshing failed\nfor %s", "web", exc_info=error)
    logging.getLogger("some.library").error("broken")
    logging.getLogger("aioimagebuilder").warning("pass region_name=")
    logging.getLogger("botocore").info("hidden")
    return ExitCode.SUCCEEDED


def test_every_logger_writes_one_escaped_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(log_warnings, DISPLAY) == 0
    assert capsys.readouterr().err.splitlines() == [
        "Warning: botocore.credentials: Refreshing failed for web (OSError: the role was  [2J deleted)",
        "Warning: some.library: broken",
        "Warning: pass --region",
    ]
    malformed = logging.LogRecord("x", logging.WARNING, "", 0, "%d files", ("two",), None)
    assert format_record(malformed) == "x: %d files"


def test_failed_refresh_of_credentials_is_one_line(simulator: Simulator, cli: Cli, tmp_path: Path) -> None:
    # The first credentials are valid for some minutes, in which botocore refreshes them, and then goes on.
    used = tmp_path / "used"
    script = tmp_path / "credentials.sh"
    script.write_text(
        f"test -e {used} && exit 1; touch {used}\n"
        'echo "{\\"Version\\": 1, \\"AccessKeyId\\": \\"AKIAIOSFODNN7EXAMPLE\\", '
        '\\"SecretAccessKey\\": \\"x\\", \\"SessionToken\\": \\"y\\", '
        '\\"Expiration\\": \\"$(date -u -d \'+12 minutes\' +%Y-%m-%dT%H:%M:%SZ)\\"}"\n'
    )
    config = tmp_path / "config"
    config.write_text(f"[default]\nregion = us-east-1\ncredential_process = sh {script}\n")
    unset = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"))
    identifier = simulator.add_execution("workflow_execution", [("COMPLETED", None)])
    result = cli("wait", identifier, AWS_CONFIG_FILE=str(config), **unset)
    assert result.code == 0
    warnings = [line for line in result.stderr.splitlines() if "Warning: " in line]
    assert warnings
    assert all(re.search(r"\] Warning: \w*botocore\.\S+: Refreshing .* failed", line) for line in warnings)


# ---------------------------------------------------------------------- options


@pytest.fixture
def environment(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The environment of the processes, for a command line in the test's own process."""
    for name, value in cli.environment.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def error_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run a command line that is invalid, and return what it prints."""
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines()[-1].startswith("Error: ")
    return captured.err


@pytest.mark.parametrize(
    "url",
    [
        *("http://127.0.0.1:99999", "http://127.0.0.1:abc", "http://127.0.0.1:-1", "http://127.0.0.1:0"),
        *(":abc", "ftp://127.0.0.1", "file:///etc/passwd", "//127.0.0.1", "127.0.0.1", "nonsense", ""),
        *("http://", "http://:80", "http://a b", "http://[::1", "http://[x]", "http://-", "http://a..b"),
        *("http://user:hidden@127.0.0.1", "http://127.0.0.1?x=1", "http://127.0.0.1#x", "http://127.0.0.1\n"),
    ],
)
def test_invalid_endpoint_exits_with_2(
    simulator: Simulator, environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], url: str
) -> None:
    assert "hidden" not in error_of(capsys, "wait", UNKNOWN, "--endpoint-url", url)
    if url:
        environment.setenv("AWS_ENDPOINT_URL", url)
        assert "hidden" not in error_of(capsys, "build", "demo")
        environment.setenv("AWS_ENDPOINT_URL", simulator.endpoint_url)
        environment.setenv("AWS_ENDPOINT_URL_IMAGEBUILDER", url)
        assert "hidden" not in error_of(capsys, "show", UNKNOWN)
    assert simulator.call_count() == 0


@pytest.mark.parametrize("value", [MANY_DIGITS, f"{MANY_DIGITS}d", "1e999", "inf", "nan", "-1", "10001d"])
@pytest.mark.parametrize("option", ["timeout", "min-delay", "max-delay", "heartbeat"])
def test_invalid_duration_exits_with_2(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], option: str, value: str
) -> None:
    assert f"'--{option}'" in error_of(capsys, "wait", UNKNOWN, f"--{option}={value}")
    environment.setenv(f"AIOIMAGEBUILDER_{option.replace('-', '_').upper()}", value)
    assert f"'--{option}'" in error_of(capsys, "wait", UNKNOWN)


@pytest.mark.parametrize("value", [MANY_DIGITS, "1e999", "inf", "nan", "-inf", "-1", "1e7", "x"])
def test_invalid_number_exits_with_2(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], value: str
) -> None:
    assert "'--time-scale'" in error_of(capsys, "wait", UNKNOWN, f"--time-scale={value}")
    assert "'--time-scale'" in error_of(capsys, "demo", f"--time-scale={value}")
    for option in ("time-scale", "rate-limit", "port"):
        assert f"'--{option}'" in error_of(capsys, "simulate", f"--{option}={value}")
    environment.setenv("AIOIMAGEBUILDER_TIME_SCALE", value)
    assert "'--time-scale'" in error_of(capsys, "wait", UNKNOWN)


@pytest.mark.parametrize(
    "arguments",
    [
        ["reject", STEP, "--reason", ""],
        ["reject", STEP, "--reason", "x" * 1025],
        ["approve", STEP, "--reason", ""],
        ["build", "demo", "--client-token", ""],
        ["build", "demo", "--client-token", "x" * 65],
        ["build", ""],
        ["build", "demo!"],
        ["build", UNKNOWN],
        ["watch", "wf-12345678"],
        ["logs", "arn:aws:s3:::bucket"],
        ["wait", UNKNOWN, "--region", ""],
        ["wait", UNKNOWN, "--region", "us east"],
        ["wait", UNKNOWN, "--region", "us-east-1\n"],
        ["build", "demo", "--min-delay", "9s", "--max-delay", "1s"],
    ],
)
@pytest.mark.usefixtures("environment")
def test_invalid_argument_exits_with_2_before_any_call(
    simulator: Simulator, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    simulator.create_pipeline("demo")
    simulator.reset_calls()
    error_of(capsys, *arguments)
    assert simulator.call_count() == 0


@pytest.mark.parametrize("command", ["wait", "watch", "build", "retry"])
def test_cancellation_that_cannot_happen_is_refused_before_any_call(
    simulator: Simulator, cli: Cli, command: str
) -> None:
    arn = simulator.start_build(pipeline := simulator.create_pipeline("demo"))
    simulator.reset_calls()
    target = pipeline if command == "build" else arn
    endless = cli(command, target, "--on-timeout", "cancel", "--timeout", "none")
    assert (endless.code, endless.stdout) == (2, "")
    assert "--on-timeout cancel needs a timeout" in endless.stderr
    if command in {"wait", "watch"}:
        workflow = cli(command, UNKNOWN, "--on-timeout", "cancel")
        assert (workflow.code, workflow.stdout) == (2, "")
        assert "which the service cannot cancel by itself" in workflow.stderr
    assert simulator.call_count() == 0


@pytest.mark.parametrize("content", [b"[default\nfoo", b"\xff\xfe\x00", b"[default]\ns3 =\n  nonsense\n"])
def test_malformed_configuration_exits_with_2(cli: Cli, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "config"
    file.write_bytes(content)
    result = cli("wait", UNKNOWN, AWS_CONFIG_FILE=str(file))
    assert (result.code, result.stdout) == (2, "")
    assert f"Error: Unable to parse config file: {file}" in result.stderr


@pytest.mark.parametrize(
    "variables",
    [
        {"AWS_REGION": "us east"},
        {"AWS_DEFAULT_REGION": "us east"},
        {"AWS_DEFAULTS_MODE": "nonsense"},
        {"AWS_STS_REGIONAL_ENDPOINTS": "nonsense"},
        {"AWS_PROFILE": "nobody"},
        {"AWS_DEFAULT_REGION": None},
    ],
)
def test_invalid_variables_of_aws_exit_with_2(cli: Cli, variables: dict[str, str | None]) -> None:
    result = cli("wait", UNKNOWN, **variables)
    assert (result.code, result.stdout) == (2, "")
    assert "Error: " in result.stderr


@pytest.mark.parametrize("variables", [{"AWS_DATA_PATH": "/proc"}, {"AWS_DATA_PATH": "/dev/null"}])
def test_unreadable_data_of_botocore_changes_no_outcome(
    simulator: Simulator, cli: Cli, variables: dict[str, str]
) -> None:
    identifier = simulator.add_execution("workflow_execution", [("COMPLETED", None)])
    result = cli("wait", identifier, **variables)
    # A process that ends while botocore lists /proc is an error of the configuration.
    assert result.code == 0 or (result.code == 2 and "No such file" in result.stderr)
    assert "Traceback" not in result.stderr


# ---------------------------------------------------------------------- interruptions and resuming


@pytest.mark.posix
@pytest.mark.usefixtures("default_interrupts")
@pytest.mark.parametrize("command", ["cancel", "wait"])
def test_interrupted_cancellation_is_not_denied(simulator: Simulator, cli: Cli, command: str) -> None:
    simulator.set_time_scale(0)
    arn = simulator.start_build(simulator.create_pipeline("demo"))
    simulator.advance(60)
    options = [] if command == "cancel" else ["--timeout", "500ms", "--on-timeout", "cancel"]
    process = cli.start(command, arn, "--quiet", *options)
    wait_until(lambda: simulator.call_count("CancelImageCreation") == 1)
    process.send_signal(signal.SIGINT)
    result = finish(process)
    assert (result.code, result.stdout) == (130, "")
    note, resume = result.stderr.splitlines()
    assert note.startswith("Interrupted. A cancellation was requested at AWS, or may have been.")
    assert resume.startswith("  aioimagebuilder wait ")
    assert resume.endswith(arn)


def test_timeout_prints_the_command_that_resumes_the_wait(simulator: Simulator, cli: Cli) -> None:
    ended = simulator.add_execution("workflow_execution", [("COMPLETED", None)])
    stuck = simulator.add_execution("workflow_execution", [("RUNNING", None)])
    result = cli("wait", ended, stuck, "--timeout", "0", "--max-delay", "40d", "--quiet")
    assert result.code == 124
    introduction, resume = result.stderr.splitlines()[-2:]
    assert introduction == "To resume the wait, run:"
    assert resume == f"  aioimagebuilder wait --timeout 0s --max-delay 3456000s --quiet {stuck}"
    assert cli(*resume.split()[1:]).code == 124


def test_timeout_that_cancelled_has_nothing_to_resume(simulator: Simulator, cli: Cli) -> None:
    simulator.set_time_scale(20)
    simulator.create_pipeline("demo")
    result = cli("build", "demo", "--timeout", "1s", "--on-timeout", "cancel", "--quiet")
    assert result.code == 124
    assert "resume" not in result.stderr


# ---------------------------------------------------------------------- messages


def test_messages_of_the_library_name_no_python() -> None:
    """The messages in the source of the library, translated, contain no method and no keyword of it."""
    names = {
        name for name, _ in inspect.getmembers(ImageBuilder, inspect.isfunction) if "_" in name.strip("_")
    }
    package = Path(inspect.getfile(ImageBuilder)).parent
    sources = ["errors.py", "waiting/options.py", "waiting/outcomes.py", "polling/schedule.py"]
    sources += ["polling/step_inspector.py", "models/identifiers.py", "diagnosis/hints.py"]
    checked = 0
    for source in sources:
        for text in re.findall(
            r'f?"((?:[^"\\\n]|\\.)+)"|\'([^\'\n]+)\'', (package / source).read_text("utf-8")
        ):
            message = translate_message("".join(text))
            if " " in message.strip():
                checked += 1
                assert not re.search(rf"\b({'|'.join(names)})\(", message), message
                assert not re.search(r"\b(session|client|region_name|profile_name|on_timeout)=", message), (
                    message
                )
    assert checked > 50
