"""Dags on a real Airflow: that of docs/airflow.md, and others whose triggerers are killed and started again.

`dag.test()` runs the tasks. It also runs the triggers, unless a triggerer does: see `run_dag`.
"""

from __future__ import annotations

import os
import re
import runpy
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from airflow.models.dagrun import DagRun
from airflow.sdk.definitions import dag as dag_module

from aioimagebuilder.blocking import ImageBuilder
from aioimagebuilder.testing import BuildScript

PAGE = Path(__file__).parents[2] / "docs" / "airflow.md"
DAGS = Path(os.environ["AIRFLOW__CORE__DAGS_FOLDER"])
HOME = Path(os.environ["AIRFLOW_HOME"])
# A bound for failures only: a busy machine takes minutes.
TIMEOUT = 300.0


class Triggerer:
    """A triggerer process. It writes a log of its own for each trigger, named after its job."""

    def __init__(self, output: Path) -> None:
        self._output = output
        self._job = _newest_job()
        with output.open("wb") as file:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "airflow", "triggerer", "--skip-serve-logs"],
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_for_triggers(self, number: int) -> None:
        """Wait until exactly this number of triggers run in it."""
        self.wait_until(lambda: _newest_job() > self._job and self._running() == number)

    def _running(self) -> int:
        # The last line of a trigger is in its log or, if that has been closed, in the output.
        paths = [self._output, *(HOME / "logs").rglob(f"*.trigger.{_newest_job()}.log")]
        text = "".join(path.read_text() for path in paths)
        return text.count(") starting") - text.count("trigger completed")

    def wait_until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + TIMEOUT
        while not condition():
            assert self._process.poll() is None, self._output.read_text()
            assert time.monotonic() < deadline, self._output.read_text()
            time.sleep(0.1)

    def stop(self) -> None:
        """Stop it as a deployment does."""
        self._process.terminate()
        self._process.wait(timeout=TIMEOUT)

    def kill(self) -> None:
        """Kill it with its child process, unless it has ended."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


def execute(statement: str, *parameters: str) -> int:
    """Execute SQL and return the first value. Airflow's models are not safe to use in a thread."""
    with closing(sqlite3.connect(HOME / "airflow.db", timeout=TIMEOUT)) as database, database:
        row = database.execute(statement, parameters).fetchone()
    return row[0] if row else 0


def _newest_job() -> int:
    return execute("SELECT coalesce(max(id), 0) FROM job WHERE job_type = 'TriggererJob'")


def deferred_tasks() -> int:
    return execute("SELECT count(*) FROM task_instance WHERE state = 'deferred'")


def fail_deferred(task_id: str = "%") -> None:
    """Fail deferred tasks as the API does for a user who marks them as failed."""
    execute("UPDATE task_instance SET state = 'failed' WHERE state = 'deferred' AND task_id LIKE ?", task_id)


@pytest.fixture
def start_triggerer(tmp_path: Path) -> Iterator[Callable[[], Triggerer]]:
    started: list[Triggerer] = []

    def start() -> Triggerer:
        started.append(Triggerer(tmp_path / f"triggerer-{len(started)}.log"))
        return started[-1]

    yield start
    for each in started:
        each.kill()


@pytest.fixture
def run_dag(monkeypatch: pytest.MonkeyPatch) -> Callable[..., DagRun]:
    """Return a function that runs a Dag while another function runs in a thread."""
    run_task = dag_module._run_task
    # `dag.test()` would run the triggers itself.
    monkeypatch.setattr(
        dag_module, "_run_task", lambda *, ti, task, run_triggerer: run_task(ti=ti, task=task)
    )

    def run(name: str, control: Callable[[], None], **options: object) -> DagRun:
        def controlled() -> None:
            try:
                control()
            finally:
                # The test of a Dag waits forever for a deferred task.
                fail_deferred()

        dag = runpy.run_path(str(DAGS / f"{name}.py"))[name]
        with ThreadPoolExecutor(1) as pool:
            controlling = pool.submit(controlled)
            finished = dag.test(**options)
            controlling.result()
        return finished

    return run


def test_dag_of_documentation_builds_and_waits(simulator, connection):
    simulator.create_pipeline("demo")
    simulator.set_time_scale(1000)
    (program,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    path = DAGS / "images.py"
    path.write_text(program)
    run = runpy.run_path(str(path))["dag"].test()
    tasks = {task.task_id: task for task in run.get_task_instances()}
    assert {name: task.state for name, task in tasks.items()} == dict.fromkeys(tasks, "success")
    built, waited, deployed = (tasks["build"].xcom_pull(name) for name in ("build", "wait", "deploy"))
    assert built == waited
    assert built["status"] == "AVAILABLE"
    assert deployed == [f"us-east-1 {built['amis'][0]['image']}"]


def test_fifty_builds_end_right_though_triggerers_die(simulator, connection, run_dag, start_triggerer):
    for name in ("short", "long", "broken"):
        simulator.create_pipeline(name)
    simulator.script(BuildScript(pace=3.0), "long", default=True)
    simulator.script(BuildScript.failing_component("No package nginx."), "broken", default=True)

    def control() -> None:
        triggerer = start_triggerer()
        triggerer.wait_for_triggers(50)
        triggerer.kill()
        # The short builds and those that fail end while no triggerer runs.
        simulator.advance(1000)
        triggerer = start_triggerer()
        triggerer.wait_until(lambda: deferred_tasks() == 20)
        triggerer.wait_for_triggers(20)
        triggerer.stop()
        triggerer = start_triggerer()
        triggerer.wait_for_triggers(20)
        simulator.advance(2000)
        triggerer.wait_until(lambda: deferred_tasks() == 0)

    run = run_dag("fifty", control)
    tasks = run.get_task_instances()
    assert len(tasks) == 50
    ids = set()
    for task in tasks:
        result = task.xcom_pull("build", map_indexes=task.map_index)
        ids.add(result["id"])
        if task.map_index % 10 == 9:
            assert (task.state, result["outcome"], result["amis"]) == ("failed", "failed", [])
            assert "No package nginx." in result["summary"]
        else:
            assert (task.state, result["outcome"], result["status"]) == ("success", "succeeded", "AVAILABLE")
            assert [ami["region"] for ami in result["amis"]] == ["us-east-1"]
    tokens = {
        call.parameters["clientToken"]
        for call in simulator.calls
        if call.operation == "StartImagePipelineExecution"
    }
    # A start may have been sent twice, with the same token.
    assert len(ids) == len(tokens) == 50
    assert simulator.call_count("CancelImageCreation") == 0


def test_only_a_killed_build_is_cancelled_at_aws(simulator, connection, run_dag, start_triggerer):
    pipeline = simulator.create_pipeline("demo")
    watched = simulator.call("StartImagePipelineExecution", imagePipelineArn=pipeline)["imageBuildVersionArn"]

    def control() -> None:
        triggerer = start_triggerer()
        triggerer.wait_for_triggers(2)
        fail_deferred("watch")
        triggerer.wait_for_triggers(1)
        assert simulator.call_count("CancelImageCreation") == 0
        fail_deferred("build")
        triggerer.wait_for_triggers(0)

    run_dag("killed", control, run_conf={"image": watched})
    assert simulator.call_count("CancelImageCreation") == 1
    simulator.advance(3600)
    with ImageBuilder(**simulator.client_arguments) as ib:
        assert ib.get_image(watched).status == "AVAILABLE"
        assert {each.status for each in ib.list_image_pipeline_images(pipeline)} == {"AVAILABLE", "CANCELLED"}
