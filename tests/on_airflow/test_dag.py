"""The Dag of docs/airflow.md, run by `dag.test()`."""

from __future__ import annotations

import os
import re
import runpy
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "airflow.md"


def test_dag_of_documentation_builds_and_waits(simulator, connection):
    simulator.create_pipeline("demo")
    simulator.set_time_scale(1000)
    (program,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    # `dag.test()` finds the Dag there.
    path = Path(os.environ["AIRFLOW__CORE__DAGS_FOLDER"]) / "images.py"
    path.write_text(program)
    run = runpy.run_path(str(path))["dag"].test()
    tasks = {task.task_id: task for task in run.get_task_instances()}
    assert {name: task.state for name, task in tasks.items()} == dict.fromkeys(tasks, "success")
    built, waited, deployed = (tasks["build"].xcom_pull(name) for name in ("build", "wait", "deploy"))
    assert built == waited
    assert built["status"] == "AVAILABLE"
    assert deployed == [f"us-east-1 {built['amis'][0]['image']}"]
