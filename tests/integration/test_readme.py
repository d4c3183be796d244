"""What the README shows runs as it stands there, on the simulator."""

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
ASYNC_PROGRAM, BLOCKING_PROGRAM, STEERING_PROGRAM, TESTS = re.findall(
    r"```python\n(.*?)```", README, re.DOTALL
)


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
    ("program", "shows"),
    [
        (ASYNC_PROGRAM, r"us-east-1 ami-[0-9a-f]{17}\n"),
        (BLOCKING_PROGRAM, r"([A-Z]+\n)+AVAILABLE\n"),
        (STEERING_PROGRAM, r"([A-Z]+.*\n)+AVAILABLE\nAVAILABLE\n"),
    ],
)
def test_the_first_programs_run(environment, tmp_path, program, shows):
    path = tmp_path / "program.py"
    path.write_text(program)
    done = _run(sys.executable, "-W", "error", path, environment=environment, cwd=tmp_path)
    assert done.stderr == ""
    assert re.fullmatch(shows, done.stdout)


def test_the_tests_that_it_shows_pass(environment, tmp_path):
    (tmp_path / "test_shown.py").write_text(TESTS)
    options = ("-q", "-p", "no:cacheprovider")
    done = _run(sys.executable, "-m", "pytest", *options, environment=environment, cwd=tmp_path)
    assert "2 passed" in done.stdout, done.stdout


def test_the_table_of_meanings_is_the_librarys_own():
    heads = {
        "workflow execution": executions.WorkflowExecution,
        "image": executions.Image,
        "workflow step": executions.WorkflowStepExecution,
        "lifecycle execution": executions.LifecycleExecution,
    }
    told: dict[str, dict[str, str]] = {}
    cls = None
    for statuses, outcome in re.findall(r"^\| (.+?) \| (`\w+`|–) \| .+ \|$", README, re.MULTILINE):
        if head := re.match(r"\*\*(.+?)\*\*", statuses):
            cls = head[1]
        for status in re.findall(r"\b[A-Z][A-Z_]{3,}\b", statuses):
            if "FAILED with attempts left" in statuses and status == "FAILED":
                continue
            told.setdefault(cls, {})[status] = outcome.strip("`")
    for head, kind in heads.items():
        assert {k: v for k, v in told[head].items() if v != "–"} == {
            str(status): str(outcome) for status, outcome in KINDS[kind.kind].outcomes.items()
        }
        assert {k for k, v in told[head].items() if v == "–"} == set(map(str, KINDS[kind.kind].ranks)) - set(
            map(str, KINDS[kind.kind].outcomes)
        )


def test_each_promise_names_tests_that_there_are():
    section = re.search(r"^## What it promises\n(.*?)^## ", README, re.DOTALL | re.MULTILINE)[1]
    rows = re.findall(r"^\| (.+?) \| (.+) \|$", section, re.MULTILINE)[1:]
    assert len(rows) > 20
    for promise, held_by in rows:
        tests = re.findall(r"`(\S+?)::(\S+?)`", held_by)
        assert tests, promise
        for path, name in tests:
            assert name in _functions(ROOT / "tests" / path), (promise, name)


def _functions(path: Path) -> set[str]:
    body = ast.parse(path.read_text(encoding="utf-8")).body
    return {node.name for node in body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
