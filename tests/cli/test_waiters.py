"""``waiters install`` and ``uninstall``; `tests/clients` runs boto3 and the AWS CLI with their files."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from botocore.loaders import Loader
from botocore.waiter import WaiterModel

from aioimagebuilder.cli.commands.waiters import _signed
from cli.support import Cli, Result

EXTRAS = Path("models/imagebuilder/2019-12-02/waiters-2.sdk-extras.json")
BASE = Path("aioimagebuilder/imagebuilder/2019-12-02/waiters-2.json")
NAMES = ["LifecycleExecutionSucceeded", "WorkflowExecutionCompleted", "WorkflowStepExecutionCompleted"]
AWS_MODEL = {"version": 2, "waiters": {"ImageAvailable": {"operation": "GetImage", "delay": 1}}}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home folder, which botocore finds as well."""
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture
def waiters(cli: Cli, home: Path) -> Callable[..., Result]:
    def run(command: str, **environment: str | None) -> Result:
        return cli("waiters", command, HOME=str(home), USERPROFILE=str(home), **environment)

    return run


def _model(*folders: Path) -> dict:
    """Return what a botocore reads that looks in these folders, the last of which is its own."""
    loader = Loader(extra_search_paths=[str(each) for each in folders], include_default_search_paths=False)
    return dict(loader.load_service_model("imagebuilder", "waiters-2", "2019-12-02"))


def _put(folder: Path, document: object, name: str = "waiters-2.json") -> Path:
    path = folder / "imagebuilder" / "2019-12-02" / name
    path.parent.mkdir(parents=True)
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return path


def _content(folder: Path) -> dict[str, bytes]:
    return {str(each): each.read_bytes() for each in folder.rglob("*") if each.is_file()}


def test_install_adds_waiters_to_those_of_a_newer_botocore(waiters, home, tmp_path):
    result = waiters("install")
    assert (result.code, result.stderr) == (0, "")
    _put(tmp_path / "botocore", AWS_MODEL)
    model = _model(home / ".aws/models", tmp_path / "botocore")
    assert WaiterModel(model).waiter_names == sorted(["ImageAvailable", *NAMES])
    assert model["waiters"]["ImageAvailable"] == AWS_MODEL["waiters"]["ImageAvailable"]
    assert not list((home / ".aws/models").rglob("waiters-2.json"))


def test_install_puts_a_whole_model_where_an_older_botocore_is_pointed_to(waiters, home):
    result = waiters("install")
    folder = home / ".aws/aioimagebuilder"
    assert f"AWS_DATA_PATH={folder} aws imagebuilder wait workflow-execution-completed" in result.stdout
    assert WaiterModel(_model(folder)).waiter_names == NAMES
    assert WaiterModel(_model(folder, home / ".aws/models")).waiter_names == NAMES


def test_install_names_the_files_and_says_what_such_waiters_lack(waiters, home):
    result = waiters("install")
    assert {str(home / ".aws" / each) for each in (EXTRAS, BASE)} <= set(result.stdout.split())
    assert all(each in result.stdout for each in (*NAMES, "AWS's own ImageAvailable", "returns nothing"))


def test_second_install_changes_nothing(waiters, home):
    first = waiters("install")
    before = _content(home)
    assert waiters("install") == first
    assert _content(home) == before
    assert set(before) == {str(home / ".aws" / each) for each in (EXTRAS, BASE)}


def test_install_replaces_files_of_another_version(waiters, home):
    waiters("install")
    current = _content(home)
    for path in current:
        document = json.loads(Path(path).read_text())
        document["generator"]["version"] = "0.0.1"
        del document[next(name for name in ("merge", "waiters") if name in document)]
        Path(path).write_text(json.dumps(_signed(document)))
    assert waiters("install").code == 0
    assert _content(home) == current


@pytest.mark.parametrize("existing", [None, ".aws", ".aws/models", ".aws/models/imagebuilder"])
def test_uninstall_removes_what_install_created(waiters, home, existing):
    if existing is not None:
        (home / existing).mkdir(parents=True)
    before = sorted(home.rglob("*"))
    waiters("install")
    waiters("install")
    result = waiters("uninstall")
    assert (result.code, result.stderr) == (0, "")
    assert result.stdout == "".join(f"Removed {home / '.aws' / each}\n" for each in (BASE, EXTRAS))
    assert sorted(home.rglob("*")) == before
    assert waiters("uninstall") == Result(0, "No waiters are installed.\n", "")


def test_uninstall_keeps_files_of_the_user(waiters, home):
    waiters("install")
    own = home / ".aws/models/imagebuilder/2019-12-02/paginators-1.json"
    own.write_text("{}")
    assert waiters("uninstall").code == 0
    assert list(_content(home)) == [str(own)]


FOREIGN = {
    "model": json.dumps({"version": 1.0, "merge": {"waiters": {}}}),
    "empty": "",
    "list": "[]",
    "no-object": '{"generator": 1}',
    "deep": "[" * 100_000,
}


@pytest.mark.parametrize("path", [EXTRAS, BASE], ids=["extras", "base"])
@pytest.mark.parametrize("content", FOREIGN)
@pytest.mark.parametrize("command", ["install", "uninstall"])
def test_file_of_the_user_is_neither_replaced_nor_removed(waiters, home, path, content, command):
    foreign = home / ".aws" / path
    foreign.parent.mkdir(parents=True)
    foreign.write_text(FOREIGN[content])
    before = _content(home)
    result = waiters(command)
    assert (result.code, result.stdout) == (1, "")
    assert f"{foreign} was not written by aioimagebuilder, or was changed since" in result.stderr
    assert _content(home) == before


def test_file_that_was_changed_is_neither_replaced_nor_removed(waiters, home):
    waiters("install")
    changed = home / ".aws" / EXTRAS
    changed.write_text(changed.read_text().replace('"delay": 60', '"delay": 15'))
    before = _content(home)
    assert waiters("install").code == 1
    assert _content(home) == before
    result = waiters("uninstall")
    assert (result.code, result.stdout) == (1, f"Removed {home / '.aws' / BASE}\n")
    assert f"{changed} was not written by aioimagebuilder, or was changed since" in result.stderr
    assert _content(home) == {str(changed): before[str(changed)]}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
@pytest.mark.parametrize("kind", ["link", "broken-link", "folder", "pipe", "gz"])
def test_something_else_than_a_file_is_left_alone(waiters, home, kind):
    path = home / ".aws" / EXTRAS
    path.parent.mkdir(parents=True)
    match kind:
        case "link":
            path.symlink_to(os.devnull)
        case "broken-link":
            path.symlink_to(home / "nowhere")
        case "folder":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)
        case "gz":
            path.with_name(f"{path.name}.gz").write_bytes(b"")
    before = sorted(home.rglob("*"))
    assert waiters("install").code == waiters("uninstall").code == 1
    assert sorted(home.rglob("*")) == before


def test_waiters_of_the_user_are_kept_beside_those_installed(waiters, home):
    own = _put(home / ".aws/models", {"version": 2, "waiters": {"Mine": {}}})
    assert waiters("install").code == 0
    assert WaiterModel(_model(home / ".aws/models")).waiter_names == sorted(["Mine", *NAMES])
    assert waiters("uninstall").code == 0
    assert list(_content(home)) == [str(own)]


@pytest.mark.parametrize("place", ["models", "AWS_DATA_PATH"])
def test_waiter_of_the_user_with_the_same_name_is_not_replaced(waiters, home, tmp_path, place):
    folder = home / ".aws/models" if place == "models" else tmp_path / "own"
    own = _put(folder, {"version": 2, "waiters": {"WorkflowExecutionCompleted": {}}})
    result = waiters("install", AWS_DATA_PATH=str(tmp_path / "own"))
    assert (result.code, result.stdout) == (1, "")
    assert f"{own} has a waiter WorkflowExecutionCompleted of its own" in result.stderr
    assert [*_content(home), *_content(tmp_path / "own")] == [str(own)]


def test_extras_that_are_found_first_prevent_the_installation(waiters, home, tmp_path):
    own = _put(tmp_path / "own", {"version": 1.0, "merge": {}}, EXTRAS.name)
    result = waiters("install", AWS_DATA_PATH=f"{tmp_path / 'other'}{os.pathsep}{tmp_path / 'own'}")
    assert (result.code, result.stdout) == (1, "")
    assert f"botocore reads one {EXTRAS.name} alone, and there is {own}." in result.stderr
    assert _content(home) == {}


def test_data_path_that_names_what_is_installed_is_accepted(waiters, home):
    data_path = os.pathsep.join(str(home / ".aws" / each) for each in ("aioimagebuilder", "models"))
    assert [waiters("install", AWS_DATA_PATH=data_path).code for _ in range(2)] == [0, 0]
    assert waiters("uninstall", AWS_DATA_PATH=data_path).code == 0


@pytest.mark.parametrize("command", ["install", "uninstall"])
def test_home_that_cannot_be_used_is_one_line(waiters, home, command):
    (home / ".aws").write_text("")
    result = waiters(command)
    if command == "uninstall":
        assert result == Result(0, "No waiters are installed.\n", "")
    else:
        assert (result.code, result.stdout) == (1, "")
        assert result.stderr.startswith("Error: ")
        assert result.stderr.count("\n") == 1
        assert str(home / ".aws") in result.stderr


@pytest.mark.parametrize("folder", ["~", ".", "relative/home"])
@pytest.mark.parametrize("command", ["install", "uninstall"])
def test_relative_home_is_an_error_and_nothing_is_written(cli, tmp_path, monkeypatch, command, folder):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    result = cli("waiters", command, HOME=folder, USERPROFILE=folder)
    assert result == Result(1, "", "Error: There is no home folder: set HOME.\n")
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("existing", [".aws", ".aws/models", ".aws/models/imagebuilder/2019-12-02"])
def test_installation_that_fails_at_the_second_file_leaves_nothing(waiters, home, existing):
    (home / existing).mkdir(parents=True)
    obstacle = home / ".aws/aioimagebuilder"
    obstacle.write_text("")
    before = sorted(home.rglob("*"))
    result = waiters("install")
    assert (result.code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"Error: {obstacle}")
    assert result.stderr.endswith(". Nothing was installed.\n")
    assert sorted(home.rglob("*")) == before


def test_update_that_fails_at_the_second_file_leaves_the_first_as_it_was(waiters, home):
    waiters("install")
    folder = home / ".aws/aioimagebuilder"
    shutil.rmtree(folder)
    folder.write_text("")
    extras = home / ".aws" / EXTRAS
    extras.write_text(json.dumps(_signed({**json.loads(extras.read_text()), "version": 0.5})))
    before = _content(home)
    assert waiters("install").code == 1
    assert _content(home) == before


@pytest.mark.skipif(os.name != "posix", reason="needs a limit of the size of files")
def test_file_that_cannot_be_written_whole_is_named_and_leaves_nothing(cli, home):
    command = 'ulimit -f 1 && exec "$0" -m aioimagebuilder waiters install'
    environment = {**cli.environment, "HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
    result = subprocess.run(
        ["sh", "-c", command, sys.executable], env=environment, check=False, capture_output=True, text=True
    )
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == f"Error: {home / '.aws' / EXTRAS}: File too large. Nothing was installed.\n"
    assert list(home.iterdir()) == []
