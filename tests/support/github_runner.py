"""Runs the steps of a composite action as the runner of GitHub Actions does.

Sources, in src/Runner.Worker of https://github.com/actions/runner: Handlers/CompositeActionHandler.cs (a
failed step skips the following ones, and outputs are evaluated all the same), FileCommandManager.cs (files of
outputs), Handlers/ScriptHandlerHelpers.cs (shells), action_yaml.json (the contexts of expressions).
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

_EXPRESSION = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")
_LITERAL = re.compile(r"'((?:[^']|'')*)'")
_LOOKUP = re.compile(r"[a-z][\w-]*(\.[\w-]+)+", re.ASCII)


@dataclass
class ActionResult:
    """The result of an action: the exit codes of the steps that ran, its outputs, the log and the summary."""

    codes: dict[str, int] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    step_outputs: dict[str, dict[str, str]] = field(default_factory=dict)
    log: str = ""
    summary: str = ""


@dataclass
class GitHubRunner:
    """A runner.

    Attributes:
        action: the folder of the action.
        folder: an empty folder for the files of the runner.
        environment: the variables of the machine and the job.
        contexts: values of the contexts of expressions that are the runner's: job, strategy.
        done: the outputs of steps that are not to be run again.
    """

    action: Path
    folder: Path
    environment: dict[str, str]
    contexts: dict[str, dict[str, str]] = field(default_factory=dict)
    done: dict[str, dict[str, str]] = field(default_factory=dict)

    def run(self, inputs: Mapping[str, str]) -> ActionResult:
        """Run the action and return its result."""
        definition = yaml.safe_load((self.action / "action.yml").read_text(encoding="utf-8"))
        declared = definition["inputs"]
        assert set(inputs) <= set(declared), "the runner warns of unexpected inputs"
        assert definition["runs"]["using"] == "composite"
        values = {name: str(each.get("default", "")) for name, each in declared.items()} | dict(inputs)
        result = ActionResult(step_outputs=dict(self.done))
        for step in definition["runs"]["steps"]:
            if step["id"] in self.done:
                continue
            process = self.start(step, values, result)
            try:
                result.log += process.communicate(timeout=240)[0]
            finally:
                process.kill()
            self.finish(step, process.returncode, result)
            if process.returncode:
                break
        steps = self._contexts(values, result)
        result.outputs = {
            name: _evaluate(each["value"], steps) for name, each in definition["outputs"].items()
        }
        return result

    def start(
        self, step: Mapping[str, Any], inputs: Mapping[str, str], result: ActionResult
    ) -> subprocess.Popen[str]:
        """Start a step."""
        assert set(step) <= {"name", "id", "shell", "env", "run"}, "something that this runner does not know"
        assert step["shell"] == "bash"
        contexts = self._contexts(inputs, result)
        script = self.folder / f"{step['id']}.sh"
        script.write_text(_evaluate(step["run"], contexts), encoding="utf-8")
        files = {
            name: self.folder / f"{step['id']}.{name}" for name in ("output", "step_summary", "env", "path")
        }
        for file in files.values():
            file.touch()
        environment = {
            **self.environment,
            **{name: _evaluate(value, contexts) for name, value in step.get("env", {}).items()},
            **{f"GITHUB_{name.upper()}": str(file) for name, file in files.items()},
            "GITHUB_ACTION_PATH": str(self.action),
            "RUNNER_TEMP": str(self.folder),
        }
        return subprocess.Popen(
            ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", str(script)],
            env=environment,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
        )

    def finish(self, step: Mapping[str, Any], code: int, result: ActionResult) -> None:
        """Record the result of a step that has ended."""
        result.codes[step["id"]] = code
        files = [self.folder / f"{step['id']}.{name}" for name in ("output", "step_summary")]
        outputs, summary = (file.read_bytes().decode() for file in files)
        result.step_outputs[step["id"]] = _read_outputs(outputs)
        result.summary += summary

    def _contexts(self, inputs: Mapping[str, str], result: ActionResult) -> dict[str, Mapping[str, object]]:
        steps = {name: {"outputs": outputs} for name, outputs in result.step_outputs.items()}
        return {
            "job": {},
            "strategy": {},
            **self.contexts,
            "inputs": inputs,
            "env": self.environment,
            "steps": steps,
        }


def _evaluate(text: str, contexts: Mapping[str, Mapping[str, object]]) -> str:
    return _EXPRESSION.sub(lambda match: _value_of(match[1], contexts), text)


def _value_of(expression: str, contexts: Mapping[str, Mapping[str, object]]) -> str:
    """Return the value of lookups and literals, joined by ``||``. What is unknown is empty."""
    for operand in expression.split(" || "):
        if literal := _LITERAL.fullmatch(operand):
            return literal[1].replace("''", "'")
        assert _LOOKUP.fullmatch(operand), f"an expression that this runner does not know: {expression}"
        context, *names = operand.split(".")
        value: object = contexts[context]
        if context == "inputs":
            assert names[0] in contexts[context], f"an input that is not declared: {operand}"
        for name in names:
            value = value.get(name, {}) if isinstance(value, Mapping) else {}
        if value:
            assert isinstance(value, str)
            return value
    return ""


def _read_outputs(text: str) -> dict[str, str]:
    outputs = {}
    lines = iter(text.split("\n")[:-1])
    for line in lines:
        name, separator, value = re.match(r"(.+?)(=|<<)(.*)", line).groups()
        if separator == "<<":
            delimiter, value = value, []
            while (line := next(lines)) != delimiter:
                value.append(line)
            value = "\n".join(value)
        outputs[name] = value
    return outputs


def machine_environment(folder: Path, **variables: str) -> dict[str, str]:
    """Return the environment of a job on this machine, without variables of AWS, GitHub and the library."""
    excluded = ("AWS_", "AIOIMAGEBUILDER_", "GITHUB_", "PYTHON", "PIP_")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(excluded)}
    return {
        **inherited,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "XDG_CACHE_HOME": str(folder),
        "NO_PROXY": "127.0.0.1",
        "GITHUB_ACTIONS": "true",
        "GITHUB_ACTION": "image",
        "GITHUB_JOB": "deploy",
        "GITHUB_REPOSITORY": "example/service",
        "GITHUB_RUN_ATTEMPT": "1",
        "GITHUB_RUN_ID": "19000000001",
        **variables,
    }
