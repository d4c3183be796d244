"""Programs with boto3, the AWS CLI and the AWS SDK for JavaScript, among them those of the documentation."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

PROGRAMS = Path(__file__).parent / "programs"
PAGE = (Path(__file__).parents[2] / "docs" / "testing.md").read_text(encoding="utf-8")

EXPECTED = """\
started PENDING
running TESTING
workflows COMPLETED RUNNING
steps LaunchTestInstance CollectImageScanFindings ApplyTestComponents TerminateTestInstance
cancelled CANCELLED
retried AVAILABLE
regions us-east-1 eu-west-1
left 0
"""

PIPELINE = "arn:aws:imagebuilder:us-east-1:123456789012:image-pipeline/demo"
COMMANDS_OUTPUT = (
    rf'{{"imagePipelineArn": "{PIPELINE}"}}{{"now": [0-9.]+}}"AVAILABLE"\nBUILD\tCOMPLETED\nTEST\tCOMPLETED\n'
)


@pytest.mark.parametrize(
    ("command", "program"),
    [
        ("python", "build_with_boto3.py"),
        ("bash", "build_with_cli.sh"),
        ("node", "build_with_javascript.mjs"),
    ],
)
def test_client_runs_cancels_retries_and_deletes(run, tmp_path, command, program):
    result = run([command, shutil.copy(PROGRAMS / program, tmp_path)], tmp_path)
    assert result.stderr == ""
    assert result.stdout == EXPECTED


def test_commands_and_programs_of_documentation_work(run, simulator, tmp_path):
    section = PAGE.partition("\n## From the AWS CLI")[2].partition("\n## ")[0]
    commands = "".join(re.findall(r"```sh\n(.*?)```", section, re.DOTALL))
    (tmp_path / "commands.sh").write_text(commands.replace("http://127.0.0.1:5000", simulator.endpoint_url))
    result = run(["bash", "-eu", "commands.sh"], tmp_path)
    assert re.fullmatch(COMMANDS_OUTPUT, result.stdout), result
    for command, language in [("python", "python"), ("node", "js")]:
        [program] = re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)
        (tmp_path / "program.mjs").write_text(program)
        result = run([command, "program.mjs"], tmp_path)
        assert (result.stdout, result.stderr) == ("AVAILABLE\n", "")
