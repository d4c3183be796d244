"""The README and `docs/`: their programs run on the simulator, and their tables match the library.

A block marked `python` is a whole program, and one marked `py` is a fragment.
"""

import ast
import os
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
from botocore import xform_name
from botocore.session import Session

from aioimagebuilder import errors, instrumentation
from aioimagebuilder.blocking import ImageBuilder
from aioimagebuilder.models.kinds import KINDS
from aioimagebuilder.testing import Simulator

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCS = {path.name: path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").glob("*.md"))}


def _blocks(language: str) -> dict[str, str]:
    return {
        f"{page}-{number}": block
        for page, text in {"README.md": README, **DOCS}.items()
        for number, block in enumerate(re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL), 1)
    }


# `on_airflow/test_dags.py` runs the program of airflow.md, where Airflow is installed.
ON_AIRFLOW = {"airflow.md-1"}
PROGRAMS = _blocks("python")
FRAGMENTS = _blocks("py")
OUTPUTS = {
    "botocore-waiters.md-1": r"AVAILABLE\n",
    "estimates.md-1": "",
    "README.md-1": r"us-east-1 ami-[0-9a-f]{17}\n",
    "README.md-2": r"([A-Z]+\n)+AVAILABLE\n",
    "getting-started.md-1": r"\['ami-[0-9a-f]{17}'\]\n",
    "getting-started.md-2": r"([A-Z]+.*\n)+AVAILABLE\nAVAILABLE\n",
    "getting-started.md-3": r"AVAILABLE\n",
    "observability.md-1": r"(image is [A-Z]+, was (None|[A-Z]+)\n)+succeeded after \d+ s and \d+ polls\n",
    "observability.md-2": r"(imagebuilder.(poll|wait) \{.*\}\n)+deploy \{\}\n",
    "testing.md-1": r"(?s).*\b2 passed\b.*",
    "testing.md-2": r"\['BUILDING', 'TESTING', 'DISTRIBUTING', 'AVAILABLE'\]\n",
    "testing.md-3": r"(?s).*\b1 passed\b.*",
    "testing.md-4": r"AVAILABLE\n",
}


@pytest.fixture
def environment(imagebuilder_simulator: Simulator) -> dict[str, str]:
    imagebuilder_simulator.set_time_scale(1000)
    arguments = imagebuilder_simulator.client_arguments
    return os.environ | {
        "AWS_ENDPOINT_URL": arguments["endpoint_url"],
        "AWS_ACCESS_KEY_ID": arguments["aws_access_key_id"],
        "AWS_SECRET_ACCESS_KEY": arguments["aws_secret_access_key"],
    }


@pytest.mark.parametrize("name", sorted(PROGRAMS.keys() - ON_AIRFLOW))
def test_programs_of_documentation_run(environment, imagebuilder_simulator, tmp_path, name):
    if "opentelemetry" in PROGRAMS[name]:
        pytest.importorskip("opentelemetry.sdk")
    path = tmp_path / "test_program.py"
    path.write_text(PROGRAMS[name])
    pipeline = imagebuilder_simulator.create_pipeline("demo")
    command = ["-W", "error", str(path)]
    if "def test_" in PROGRAMS[name]:
        command = ["-m", "pytest", "-q", "-p", "no:cacheprovider", str(path)]
        (tmp_path / "pytest.ini").write_text("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    elif "sys.argv" in PROGRAMS[name]:
        with ImageBuilder(**imagebuilder_simulator.client_arguments) as ib:
            command.append(ib.start_image_pipeline_execution(pipeline))
    completed = subprocess.run(
        [sys.executable, *command],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert completed.stderr == ""
    assert re.fullmatch(OUTPUTS[name], completed.stdout), completed.stdout


@pytest.mark.parametrize("name", FRAGMENTS)
def test_fragments_of_documentation_compile(name):
    assert compile(FRAGMENTS[name], name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


def test_status_table_of_readme_matches_library():
    documented: dict[str, dict[str, str | None]] = {}
    kind = None
    for statuses, outcome in re.findall(r"^\| (.+?) \| (`\w+`|–) \| .+ \|$", README, re.MULTILINE):
        if heading := re.match(r"\*\*(.+?)\*\*", statuses):
            kind = documented.setdefault(heading[1], {})
        attempts_left = "FAILED with attempts left" in statuses
        for status in re.findall(r"\b[A-Z][A-Z_]{3,}\b", statuses):
            if not (attempts_left and status == "FAILED"):
                kind[status] = None if outcome == "–" else outcome.strip("`")
    del documented["any unknown status"]
    assert documented == _statuses()


def test_status_table_of_waiting_matches_library():
    outcomes = ["succeeded", "skipped", "failed", "cancelled", None]
    table = re.search(r"^\|.* not terminal \|\n\|.+\n((?:\|.+\n)+)", DOCS["waiting.md"], re.MULTILINE)[1]
    documented = {}
    for line in table.replace(", FAILED (attempts left)", "").splitlines():
        kind, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        documented[kind] = {
            status: outcome
            for outcome, cell in zip(outcomes, cells, strict=True)
            for status in re.findall(r"\b[A-Z][A-Z_]{3,}\b", cell)
        }
    assert documented == _statuses()


def test_table_of_waiters_matches_library():
    rows = re.findall(
        r"^\| `(\w+)` \| `(\w+)` \| (.+) \| (.+) \|$", DOCS["botocore-waiters.md"], re.MULTILINE
    )
    documented = {
        (name, parameter): [set(re.findall(r"[A-Z][A-Z_]{3,}", cell)) for cell in cells]
        for name, parameter, *cells in rows
    }
    assert documented == {
        (xform_name(row.waiter), row.get.parameter): [
            {
                status
                for status, outcome in row.outcomes.items()
                if (outcome in {"succeeded", "skipped"}) is each
            }
            for each in (True, False)
        ]
        for row in KINDS.values()
    }


def _statuses() -> dict[str, dict[str, str | None]]:
    """Return the outcome of each status of each kind, ``None`` for one that is not terminal."""
    return {
        kind.replace("step execution", "step"): dict.fromkeys(row.ranks) | dict(row.outcomes)
        for kind, row in KINDS.items()
    }


def test_tree_of_errors_matches_library():
    tree = re.search(r"```text\n(ImageBuilderError\n.*?)```", DOCS["errors.md"], re.DOTALL)[1]
    bases = [errors.ImageBuilderError]
    for indent, name in re.findall(r"^([│ ]*[├└]── )(\w+)", tree, re.MULTILINE):
        depth = len(indent) // 4
        cls = getattr(errors, name)
        assert bases[depth - 1] in cls.__bases__, name
        bases[depth:] = [cls]


def test_actions_of_iam_page_are_operations_of_aws():
    session = Session()
    operations = {
        service: session.get_service_model(service).operation_names
        for service in ("imagebuilder", "logs", "events", "sqs", "sns")
    }
    actions = re.findall(rf"\b({'|'.join(operations)}):([A-Z]\w+)", DOCS["iam.md"])
    assert {row.get.operation for row in KINDS.values()} <= {operation for _, operation in actions}
    for service, operation in actions:
        assert operation in operations[service]


def test_table_of_events_matches_library():
    documented = {
        name: set(re.findall(r"`(\w+)`", cell))
        for name, cell in re.findall(
            r"^\| `([A-Z]\w+)` \| .+ \| (.+) \|$", DOCS["observability.md"], re.MULTILINE
        )
    }
    assert documented == {
        cls.__name__: {each.name for each in fields(cls)} - {"region"}
        for cls in instrumentation.Event.__subclasses__()
    }


def test_queries_of_dashboard_name_existing_metrics():
    page = DOCS["observability.md"]
    metrics = re.findall(r"^\| `(aioimagebuilder\.\S+)` \|", page, re.MULTILINE)
    queried = set(
        re.findall(r"aioimagebuilder_\w+", "".join(re.findall(r"```promql\n(.*?)```", page, re.DOTALL)))
    )
    suffixes = "", "_total", "_per_second", "_seconds_bucket", "_seconds_count"
    for name in queried:
        assert any(name == each.replace(".", "_") + suffix for each in metrics for suffix in suffixes), name
    assert len(metrics) == 5


def test_every_promise_names_existing_tests():
    rows = re.findall(r"^\| (.+?) \| (.+) \|$", DOCS["promises.md"], re.MULTILINE)[1:]
    assert len(rows) > 20
    for promise, cell in rows:
        tests = re.findall(r"`(\S+?)::(\S+?)`", cell)
        assert tests, promise
        for path, name in tests:
            assert name in _functions(ROOT / "tests" / path), (promise, name)


def _functions(path: Path) -> set[str]:
    body = ast.parse(path.read_text(encoding="utf-8")).body
    return {node.name for node in body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_links_of_readme_exist():
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", README)
    assert len(targets) > 10
    assert [target for target in targets if not (ROOT / target).exists()] == []
