"""The README: its programs and tests run on the simulator, and its tables match the library."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from aioimagebuilder.models import executions
from aioimagebuilder.models.kinds import KINDS
from aioimagebuilder.testing import Simulator

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
ASYNC_PROGRAM, BLOCKING_PROGRAM, BUILD_PROGRAM, TESTS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.fixture
def environment(imagebuilder_simulator: Simulator) -> dict[str, str]:
    imagebuilder_simulator.set_time_scale(1000)
    imagebuilder_simulator.create_pipeline("demo")
    arguments = imagebuilder_simulator.client_arguments
    return os.environ | {
        "AWS_ENDPOINT_URL": arguments["endpoint_url"],
        "AWS_ACCESS_KEY_ID": arguments["aws_access_key_id"],
        "AWS_SECRET_ACCESS_KEY": arguments["aws_secret_access_key"],
    }


def _run(*command: object, environment: dict[str, str], cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        list(map(str, command)),
        env=environment,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("program", "output"),
    [
        (ASYNC_PROGRAM, r"us-east-1 ami-[0-9a-f]{17}\n"),
        (BLOCKING_PROGRAM, r"([A-Z]+\n)+AVAILABLE\n"),
        (BUILD_PROGRAM, r"([A-Z]+.*\n)+AVAILABLE\nAVAILABLE\n"),
    ],
    ids=["async", "blocking", "build"],
)
def test_readme_programs_run(environment, tmp_path, program, output):
    path = tmp_path / "program.py"
    path.write_text(program)
    completed = _run(sys.executable, "-W", "error", path, environment=environment, cwd=tmp_path)
    assert completed.stderr == ""
    assert re.fullmatch(output, completed.stdout)


def test_readme_tests_pass(environment, tmp_path):
    (tmp_path / "test_readme.py").write_text(TESTS)
    options = ("-q", "-p", "no:cacheprovider")
    completed = _run(sys.executable, "-m", "pytest", *options, environment=environment, cwd=tmp_path)
    assert "2 passed" in completed.stdout, completed.stdout


def test_readme_status_table_matches_library():
    classes = {
        "workflow execution": executions.WorkflowExecution,
        "image": executions.Image,
        "workflow step": executions.WorkflowStepExecution,
        "lifecycle execution": executions.LifecycleExecution,
    }
    outcomes: dict[str, dict[str, str]] = {}
    heading = None
    for statuses, outcome in re.findall(r"^\| (.+?) \| (`\w+`|–) \| .+ \|$", README, re.MULTILINE):
        if match := re.match(r"\*\*(.+?)\*\*", statuses):
            heading = match[1]
        for status in re.findall(r"\b[A-Z][A-Z_]{3,}\b", statuses):
            if "FAILED with attempts left" in statuses and status == "FAILED":
                continue
            outcomes.setdefault(heading, {})[status] = outcome.strip("`")
    for heading, cls in classes.items():
        kind = KINDS[cls.kind]
        assert {k: v for k, v in outcomes[heading].items() if v != "–"} == {
            str(status): str(outcome) for status, outcome in kind.outcomes.items()
        }
        running = {k for k, v in outcomes[heading].items() if v == "–"}
        assert running == set(map(str, kind.ranks)) - set(map(str, kind.outcomes))


def test_every_promise_names_existing_tests():
    section = re.search(r"^## What it promises\n(.*?)^## ", README, re.DOTALL | re.MULTILINE)[1]
    rows = re.findall(r"^\| (.+?) \| (.+) \|$", section, re.MULTILINE)[1:]
    assert len(rows) > 20
    for promise, cell in rows:
        tests = re.findall(r"`(\S+?)::(\S+?)`", cell)
        assert tests, promise
        for path, name in tests:
            assert name in _functions(ROOT / "tests" / path), (promise, name)


def _functions(path: Path) -> set[str]:
    body = ast.parse(path.read_text(encoding="utf-8")).body
    return {node.name for node in body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
