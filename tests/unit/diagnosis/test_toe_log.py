"""Logs of AWSTOE: which command failed, and what it said."""

from datetime import UTC, datetime

import pytest

from aioimagebuilder import LogLine
from aioimagebuilder.diagnosis.toe_log import ToeFailure, has_toe_output, toe_failure

TIME = datetime(2026, 9, 9, 19, 0, tzinfo=UTC)
WEB = "arn:aws:imagebuilder:us-east-1:123456789012:component/web/1.0.0/1"
UPDATES = "arn:aws:imagebuilder:us-east-1:aws:component/update-linux/1.0.2/1"

WARNING = "CmdExecution: Stderr: WARNING: a reboot is required"
FAILED = ("CmdExecution: Stderr: Error: Unable to find a match: htpd", "CmdExecution: ExitCode 1")
ENDED = (
    "CmdExecution: [ ERROR ] Command execution has resulted in an error",
    "ExecuteBash: FINISHED EXECUTION",
    "Executor: FINISHED EXECUTION OF ALL DOCUMENTS",
    "TOE has completed execution with failure - Execution failed!",
    "Command failed (command id: 11111111-2222-4333-8444-555555555555, state: Failed)",
    "Action failed for step ApplyBuildComponents. Failing step",
)


def lines(*texts: str) -> list[LogLine]:
    return [LogLine(TIME, text) for text in texts]


def failure(*texts: str, document: str | None = None) -> ToeFailure:
    return toe_failure(lines(*texts), document)


def step(name: str, action: str = "ExecuteBash") -> tuple[str, ...]:
    return (f"Step {name}", f"{action}: STARTED EXECUTION")


def test_failed_command_has_document_phase_step_and_action():
    found = failure(
        "Executor: STARTED EXECUTION OF ALL DOCUMENTS",
        f"Document {WEB}",
        "Phase build",
        *step("Prepare"),
        "CmdExecution: ExitCode 0",
        "ExecuteBash: FINISHED EXECUTION",
        *step("Install"),
        *FAILED,
        *ENDED,
    )
    assert found == ToeFailure(
        document=WEB,
        phase="build",
        step="Install",
        action="ExecuteBash",
        output="Error: Unable to find a match: htpd",
        from_stderr=True,
    )


@pytest.mark.parametrize(
    "boundary",
    [
        ("Step Next",),
        ("Phase validate",),
        (f"Document {UPDATES}",),
        ("ExecuteBinary: STARTED EXECUTION",),
        ("ExecutePowerShell: FINISHED EXECUTION",),
        ("ExecutePowerShell: FINISHED EXECUTION", "WebDownload: STARTED EXECUTION"),
        ("Executor: STARTED EXECUTION OF ALL DOCUMENTS", "Step Next"),
        ("Setup: Currently validating document " + UPDATES,),
        ("CmdExecution: ExitCode 0",),
        ("CmdExecution: ExitCode 194",),
        ("ExitCode: 3010",),
        ("TOE has completed execution successfully",),
    ],
    ids=lambda boundary: boundary[0].partition(" arn")[0],
)
def test_standard_error_ends_at_boundary(boundary):
    before = (f"Document {WEB}", "Phase build", *step("Reboot"), WARNING)
    assert failure(*before).output == "WARNING: a reboot is required"
    assert failure(*before, *boundary).output is None
    assert failure(*before, *boundary, *ENDED).output is None
    assert failure(*before, *boundary, "WebDownload: [ ERROR ] no checksum").output == "no checksum"


def test_output_of_other_component_is_not_told():
    other = (f"Document {UPDATES}", *step("Update"), *FAILED)
    assert failure(*other, document=WEB) == ToeFailure()
    assert failure(*other, f"Document {WEB}", *step("Install"), document=WEB).output is None
    assert failure(*other, document=UPDATES).output == "Error: Unable to find a match: htpd"


def test_output_before_first_document_is_that_of_named_component():
    # Its document lies above the lines that were read.
    assert failure(*FAILED, document=WEB).output == "Error: Unable to find a match: htpd"


def test_step_that_failed_with_continue_is_told_if_the_rest_ended_well():
    ignored = (f"Document {WEB}", *step("Optional"), *FAILED, *step("Rest"), "CmdExecution: ExitCode 0")
    assert failure(*ignored, *ENDED[1:]).step == "Optional"
    # The last step has failed without a word: what another wrote is not its cause.
    last = failure(*ignored, *step("Last", "WebDownload"), *ENDED[4:])
    assert (last.step, last.output) == ("Last", None)


@pytest.mark.parametrize(
    ("text", "output"),
    [
        ("WebDownload: [ ERROR ] Failed to download https://e.x/a", "Failed to download https://e.x/a"),
        ("[ERROR] no space left", "no space left"),
        ("Stdout: FATAL: cannot open the database", "FATAL: cannot open the database"),
        ("Stdout: Error: no such package", "Error: no such package"),
        ("Stdout: ModuleNotFoundError: No module named 'x'", "ModuleNotFoundError: No module named 'x'"),
        ("Stdout: E: Unable to locate package htpd", "E: Unable to locate package htpd"),
        ("The installation failed with 1603", "The installation failed with 1603"),
        ("S3Download: Access to the object was denied", "S3Download: Access to the object was denied"),
        ("Stdout: bash: htpd: command not found", "bash: htpd: command not found"),
        ("Step Install failed: the archive is broken", "the archive is broken"),
        ("Stdout: 12 tests passed, 0 failed", None),
        ("Stdout: ok=7 changed=2 failed=0", None),
        ("Stdout: Installed libgpg-error-1.42", None),
        ("Stdout: Complete!", None),
        ("Action failed for step ApplyBuildComponents. Failing step", None),
    ],
)
def test_line_that_says_it_failed_is_the_output(text, output):
    found = failure("Step Install", "Stdout: Failing over to a mirror", "Stdout: done", text, "Stdout: bye")
    assert (found.output, found.from_stderr) == (output, False)


def test_error_in_output_outranks_harmless_standard_error():
    found = failure(*step("A"), WARNING, "Stdout: FATAL: disk full", "CmdExecution: ExitCode 2", *ENDED)
    assert (found.output, found.from_stderr) == ("FATAL: disk full", False)
    found = failure(*step("A"), WARNING, "Stdout: done", "CmdExecution: ExitCode 2", *ENDED)
    assert (found.output, found.from_stderr) == ("WARNING: a reboot is required", True)


def test_command_without_output_has_its_exit_code():
    found = failure(*step("A"), "Stdout: Complete!", "CmdExecution: ExitCode 7", *ENDED)
    assert (found.step, found.output, found.from_stderr) == ("A", "exit code 7", False)


def test_invalid_document_has_its_phase_and_step():
    found = failure("Parsing step 'Get' in phase 'build' failed. Error: it requires an 'inputs'", *ENDED[4:])
    assert (found.phase, found.step) == ("build", "Get")
    assert found.output.endswith("Error: it requires an 'inputs'")


@pytest.mark.parametrize(
    ("stderr", "output"),
    [
        (
            ("+ dnf install htpd", "Error: Unable to find a match: htpd", "++ exit 1"),
            "Error: Unable to find a match: htpd",
        ),
        (
            ("Error:", " Problem: nothing provides x", "  - needed by y"),
            "Error: Problem: nothing provides x - needed by y",
        ),
        (
            ("Traceback (most recent call last):", '  File "a.py", line 1', "ValueError: bad"),
            "ValueError: bad",
        ),
        (("warning: x", "error: linking failed", "note: y"), "error: linking failed note: y"),
        (("one", "two", ""), "two"),
        (
            (
                "Install-Package : No match was found for the specified search ",
                "criteria and module name 'X'.",
                "At C:\\Windows\\TEMP\\script.ps1:4 char:1",
                "+ Install-Package X",
                "+ ~~~~~~~~~~~~~~~~~",
                "    + CategoryInfo          : ObjectNotFound: (X) [Install-Package], Exception",
                "    + FullyQualifiedErrorId : NoMatchFound",
                " ",
            ),
            "Install-Package : No match was found for the specified search criteria and module name 'X'.",
        ),
        (
            (
                "#< CLIXML",
                '<Objs><S S="Error">Stop-Service : Cannot find any service_x000D__x000A_</S>',
                '<S S="Error">At C:\\x.ps1:1 char:1_x000D__x000A_</S></Objs>',
            ),
            "Stop-Service : Cannot find any service",
        ),
    ],
    ids=["traced", "indented", "traceback", "followed", "silent", "powershell", "clixml"],
)
@pytest.mark.parametrize("shape", ["lines", "event"])
def test_standard_error_of_many_lines_is_one_message(stderr, output, shape):
    texts = [f"Stderr: {text}" for text in stderr] if shape == "lines" else ["Stderr: " + "\r\n".join(stderr)]
    found = failure(*step("Install"), *texts, "CmdExecution: ExitCode 1", *ENDED)
    assert (found.output, found.from_stderr) == (output, True)


def test_output_that_looks_like_a_boundary_is_none():
    found = failure(
        *step("Install"), "Stderr: Error: bad", "Stdout: Step Two", "Stdout: ExitCode 0", "ExitCode 1"
    )
    assert (found.step, found.output) == ("Install", "Error: bad")
    found = failure(*step("Install"), "Stderr: Error: bad\nStep Two\nExitCode 0", "ExitCode 1")
    assert (found.step, found.output) == ("Install", "Error: bad Step Two ExitCode 0")


def test_failed_command_without_document_is_found():
    assert failure("Stderr: a warning", "ExitCode 0").output is None
    assert failure("Stderr: a warning", "ExitCode 0", *FAILED).output.startswith("Error")
    assert failure() == ToeFailure()


@pytest.mark.parametrize(
    ("text", "is_output"),
    [
        ("Stdout: Downloading", True),
        ("CmdExecution: ExitCode 1", True),
        ("ExecutePowerShell: STARTED EXECUTION", True),
        ("Started step ApplyBuildComponents with action ExecuteComponents", False),
        ("Waiting for command to complete (command id: 1). Attempt number: 1.", False),
    ],
)
def test_output_of_toe_is_recognized(text, is_output):
    assert has_toe_output(lines("Launching instance", text)) is is_output
