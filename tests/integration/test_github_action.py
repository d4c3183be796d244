"""The action `.github/actions/build-image`, whose steps run as the runner of GitHub Actions runs them."""

import json
import os
import re
import signal
import site
import sys
import sysconfig
import time
from pathlib import Path

import pytest
import yaml

from aioimagebuilder.testing import BuildScript
from support.github_runner import ActionResult, GitHubRunner, machine_environment

ROOT = Path(__file__).parents[2]
ACTION = ROOT / ".github" / "actions" / "build-image"
DEFINITION = yaml.safe_load((ACTION / "action.yml").read_text(encoding="utf-8"))
PAGE = (ROOT / "docs" / "github-actions.md").read_text(encoding="utf-8")
INSTALLED = {"install": {"bin": sysconfig.get_path("scripts")}}

pytestmark = pytest.mark.posix


@pytest.fixture
def runner(simulator, tmp_path) -> GitHubRunner:
    """A runner that has installed the library, whose environment reaches only the simulator."""
    arguments = simulator.client_arguments
    environment = machine_environment(
        tmp_path / "cache",
        AWS_ENDPOINT_URL=arguments["endpoint_url"],
        AWS_REGION=arguments["region_name"],
        AWS_ACCESS_KEY_ID=arguments["aws_access_key_id"],
        AWS_SECRET_ACCESS_KEY=arguments["aws_secret_access_key"],
        AIOIMAGEBUILDER_MIN_DELAY="50ms",
        AIOIMAGEBUILDER_MAX_DELAY="100ms",
        PYTHONPATH=os.pathsep.join(sys.path),
    )
    folder = tmp_path / "runner temp"
    folder.mkdir()
    return GitHubRunner(ACTION, folder, environment, done=dict(INSTALLED))


def test_action_installs_itself_and_runs_as_documented(simulator, runner):
    simulator.create_pipeline("web", regions=["eu-west-1", "us-east-1"])
    # The dependencies are those of this environment: nothing is downloaded.
    packages = [*site.getsitepackages(), site.getusersitepackages()]
    runner.environment |= {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PIP_IGNORE_INSTALLED": "1",
        "PIP_NO_BUILD_ISOLATION": "0",  # which means that there is no isolation
        "PIP_NO_DEPS": "1",
        "PIP_NO_INDEX": "1",
        "PYTHONPATH": os.pathsep.join(packages),
    }
    runner.done.clear()
    documented = yaml.safe_load(re.search(r"```yaml\n(jobs:.*?)```", PAGE, re.DOTALL)[1])
    (inputs,) = [each["with"] for each in documented["jobs"]["image"]["steps"] if each.get("id") == "image"]
    result = runner.run(inputs)
    assert result.codes == {"install": 0, "build": 0}, result.log
    program = Path(result.step_outputs["install"]["bin"]) / "aioimagebuilder"
    assert program.is_relative_to(runner.folder)
    assert program.exists()
    outputs = result.outputs
    assert outputs["image-arn"].endswith(":image/web/1.0.0/1")
    assert (outputs["outcome"], outputs["exit-code"], outputs["status"]) == ("succeeded", "0", "AVAILABLE")
    amis = json.loads(outputs["amis"])
    assert {ami["region"] for ami in amis} == {"eu-west-1", "us-east-1"}
    assert [ami["image"] for ami in amis if ami["region"] == "us-east-1"] == [outputs["ami"]]
    assert (outputs["message"], outputs["image-uris"]) == ("", "[]")
    assert "AVAILABLE" in result.summary


def test_container_images_have_uris_and_no_ami(simulator, runner):
    pipeline = simulator.create_pipeline("web", container=True, regions=["us-east-1", "eu-west-1"])
    result = runner.run({"pipeline": pipeline, "region": "us-east-1"})
    assert result.codes == {"build": 0}
    uris = json.loads(result.outputs["image-uris"])
    assert len(uris) >= 2
    assert {uri.split(".")[3] for uri in uris} == {"us-east-1", "eu-west-1"}
    assert (result.outputs["ami"], result.outputs["amis"]) == ("", "[]")


def test_failed_build_fails_the_action_with_outputs_and_summary(simulator, runner):
    simulator.script(BuildScript.failing_component("disk\nfull\nami<<x\nami-1\nx"))
    simulator.create_pipeline("web")
    result = runner.run({"pipeline": "web"})
    assert result.codes == {"build": 1}
    outputs = result.outputs
    assert (outputs["outcome"], outputs["exit-code"], outputs["status"]) == ("failed", "1", "FAILED")
    assert (outputs["ami"], outputs["amis"]) == ("", "[]")
    assert "is FAILED" in outputs["message"]
    assert "\n" not in outputs["message"]
    assert "Root cause" in result.summary
    assert "::error title=web" in result.log


def test_build_that_cannot_start_has_outputs_and_summary(runner):
    result = runner.run({"pipeline": "nothing"})
    assert result.codes == {"build": 4}
    assert (result.outputs["outcome"], result.outputs["image-arn"]) == ("not_observed", "")
    assert "nothing" in result.outputs["message"]
    assert "nothing" in result.summary


@pytest.mark.parametrize(
    "inputs", [{"pipeline": ""}, {"pipeline": "web", "timeout": "soon"}, {"pipeline": "--help"}]
)
def test_invalid_input_fails_the_action_before_a_build(simulator, runner, inputs):
    result = runner.run(inputs)
    assert result.codes in ({"build": 2}, {"build": 4}), result.log
    assert simulator.call_count("StartImagePipelineExecution") == 0


def test_timeout_cancels_the_build_and_says_so(simulator, runner):
    simulator.set_time_scale(20)
    simulator.create_pipeline("web")
    result = runner.run({"pipeline": "web", "timeout": "5s", "on-timeout": "cancel"})
    assert result.codes == {"build": 124}
    assert (result.outputs["outcome"], result.outputs["status"]) == ("cancelled", "CANCELLED")


def test_every_input_reaches_the_command_line(runner):
    values = {name: f"value-of-{name}" for name in DEFINITION["inputs"]}
    expected = {name: value for name, value in values.items() if name not in {"version", "pipeline"}}
    assert _environment_of_build(runner, values) == expected | {"pipeline": values["pipeline"]}


def test_input_takes_precedence_over_the_variable_of_the_job(runner):
    runner.environment |= {"AIOIMAGEBUILDER_TIMEOUT": "3h", "AIOIMAGEBUILDER_REGION": "eu-west-1"}
    environment = _environment_of_build(runner, {"pipeline": "web", "region": "eu-north-1"})
    assert (environment["timeout"], environment["region"]) == ("3h", "eu-north-1")
    del runner.environment["AIOIMAGEBUILDER_TIMEOUT"]
    assert _environment_of_build(runner, {"pipeline": "web"})["timeout"] == "5h"


def test_inputs_are_never_text_of_a_script(runner):
    for step in DEFINITION["runs"]["steps"]:
        assert "${{" not in step["run"], step["name"]
    marker = runner.folder / "injected"
    text = f"\"; touch '{marker}' # $(touch '{marker}') `touch '{marker}'`\n touch '{marker}'"
    assert runner.run(dict.fromkeys(set(DEFINITION["inputs"]) - {"version"}, text)).codes["build"] == 2
    runner.done.clear()
    runner.environment["PIP_NO_INDEX"] = "1"
    result = runner.run({"pipeline": "web", "version": text})
    assert list(result.codes) == ["install"]
    assert result.codes["install"] != 0
    assert not marker.exists()


def test_client_token_depends_on_the_step_and_its_attempt(runner):
    def token(pipeline: str = "web", **changes: str) -> str:
        other = GitHubRunner(ACTION, runner.folder, runner.environment | changes, {}, runner.done)
        return _environment_of_build(other, {"pipeline": pipeline})["client-token"]

    tokens = {
        token(),
        token("api"),
        token(GITHUB_ACTION="image2"),
        token(GITHUB_JOB="test"),
        token(GITHUB_RUN_ATTEMPT="2"),
        token(GITHUB_RUN_ID="19000000002"),
    }
    runner.contexts["strategy"] = {"job-index": "1"}
    tokens.add(_environment_of_build(runner, {"pipeline": "web"})["client-token"])
    runner.contexts["job"] = {"check_run_id": "7"}
    tokens.add(_environment_of_build(runner, {"pipeline": "web"})["client-token"])
    assert len(tokens) == 8
    assert token() in tokens
    assert all(len(each) == 36 for each in tokens)


def test_step_that_is_repeated_joins_its_build(simulator, runner):
    simulator.create_pipeline("web")
    first, second = (runner.run({"pipeline": "web"}).outputs for _ in range(2))
    assert first == second
    runner.environment["GITHUB_RUN_ATTEMPT"] = "2"
    assert runner.run({"pipeline": "web"}).outputs["image-arn"] != first["image-arn"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_cancelled_job_leaves_the_build_and_its_arn(simulator, runner, number, code):
    simulator.set_time_scale(0)
    simulator.create_pipeline("web")
    result = ActionResult(step_outputs=dict(INSTALLED))
    step = DEFINITION["runs"]["steps"][1]
    inputs = dict.fromkeys(DEFINITION["inputs"], "") | {"pipeline": "web"}
    process = runner.start(step, inputs, result)
    output = runner.folder / "build.output"
    deadline = time.monotonic() + 30
    while not output.read_text() and time.monotonic() < deadline:
        time.sleep(0.02)
    # Once started, the process is no longer the shell.
    process.send_signal(number)
    assert process.wait(timeout=30) == code, process.stdout.read()
    process.stdout.close()
    runner.finish(step, code, result)
    arn = result.step_outputs["build"]["image-arn"]
    assert simulator.call("GetImage", imageBuildVersionArn=arn)["image"]["state"]["status"] == "PENDING"


def test_old_python_is_reported(runner, tmp_path):
    for name in ("python3", "python"):
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("#!/bin/sh\nexit 1\n")
        path.chmod(0o755)
    runner.environment["PATH"] = os.pathsep.join([str(tmp_path / "bin"), os.environ["PATH"]])
    runner.done.clear()
    result = runner.run({"pipeline": "web"})
    assert result.codes == {"install": 1}
    assert result.log.startswith("::error::aioimagebuilder needs Python 3.11 or newer.")


@pytest.mark.parametrize("names", ["inputs", "outputs"])
def test_page_lists_what_the_action_has(names):
    section = re.search(rf"^## {names.title()}\n(.*?)^## ", PAGE, re.DOTALL | re.MULTILINE)[1]
    rows = re.findall(r"^\| (`.+?) \|", section, re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`([\w-]+)`", row)} == set(DEFINITION[names])


def _environment_of_build(runner: GitHubRunner, inputs: dict[str, str]) -> dict[str, str]:
    """Return the values that the command line gets, by the name of their input."""
    bin_folder = runner.folder / "bin"
    bin_folder.mkdir(exist_ok=True)
    program = bin_folder / "aioimagebuilder"
    program.write_text(
        f"#!{sys.executable}\nimport json, os, sys\n"
        "json.dump({'arguments': sys.argv[1:], **os.environ}, open(os.environ['GITHUB_STEP_SUMMARY'], 'w'))\n"
    )
    program.chmod(0o755)
    python = bin_folder / "python"
    if not python.is_symlink():
        python.symlink_to(sys.executable)
    other = GitHubRunner(
        runner.action,
        runner.folder,
        runner.environment,
        runner.contexts,
        {"install": {"bin": str(bin_folder)}},
    )
    environment = json.loads(other.run(inputs).summary)
    assert environment["arguments"] == ["build", "--", inputs["pipeline"]]
    prefix = "AIOIMAGEBUILDER_"
    values = {name: value for name, value in environment.items() if name.startswith(prefix)}
    names = {name.removeprefix(prefix).lower().replace("_", "-"): value for name, value in values.items()}
    return {**names, "pipeline": inputs["pipeline"]}
