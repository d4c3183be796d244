"""The builds that have ended in a file: shared by processes, bounded, and never a reason to fail."""

import json
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aioimagebuilder import CompletedBuild, FileBuildHistory

PIPELINE = "arn:aws:imagebuilder:us-east-1:123456789012:image-pipeline/demo"
FORMAT = {"format": "builds of aioimagebuilder", "version": 1}

BUILDS = st.builds(
    CompletedBuild,
    id=st.text(max_size=20),
    subject=st.text(max_size=20),
    succeeded=st.booleans(),
    duration=st.floats(0, 1e300),
    stages=st.dictionaries(st.text(max_size=10), st.floats(0, 1e300), max_size=3),
)


def build(number=1, **members):
    return CompletedBuild(
        **{"id": f"wf-{number}", "subject": "image", "succeeded": True, "duration": 60.0, **members}
    )


def add(history, *builds, pipeline=PIPELINE, backend="asyncio"):
    async def main():
        for each in builds:
            await history.add(pipeline, each)

    anyio.run(main, backend=backend)


def load(history, pipeline=PIPELINE, backend="asyncio"):
    return list(anyio.run(history.load, pipeline, backend=backend))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "cache" / "builds.json"


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_builds_are_loaded_by_another_process(path, backend):
    builds = [build(1), build(2, succeeded=False, stages={"TESTING": 30.0})]
    add(FileBuildHistory(path), *builds, backend=backend)
    assert load(FileBuildHistory(path), backend=backend) == builds
    assert load(FileBuildHistory(path), "other", backend=backend) == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(BUILDS, st.text(max_size=20))
def test_any_build_is_loaded_as_it_was_stored(tmp_path, completed, pipeline):
    history = FileBuildHistory(tmp_path / "builds.json")
    add(history, completed, pipeline=pipeline)
    assert load(history, pipeline)[-1] == completed


def test_build_replaces_one_with_the_same_id(path):
    history = FileBuildHistory(path)
    add(history, build(1), build(2), build(1, duration=90.0))
    assert load(history) == [build(2), build(1, duration=90.0)]


def test_newest_builds_and_pipelines_are_kept(path):
    history = FileBuildHistory(path)
    for number in range(102):
        add(history, build(), pipeline=f"pipeline-{number}")
    assert load(history, "pipeline-1") == []
    assert load(history, "pipeline-2") == [build()]
    add(history, *(build(number) for number in range(12)), pipeline="pipeline-2")
    assert load(history, "pipeline-2") == [build(number) for number in range(2, 12)]
    add(history, *(build(number, subject=str(number)) for number in range(70)), pipeline="pipeline-2")
    assert load(history, "pipeline-2") == [build(number, subject=str(number)) for number in range(10, 70)]
    add(history, build(), pipeline="pipeline-200")
    assert load(history, "pipeline-3") == []
    assert len(load(history, "pipeline-2")) == 60


def test_processes_that_write_at_once_lose_no_build(path):
    program = """
import sys
import anyio
from aioimagebuilder import CompletedBuild, FileBuildHistory

async def main(path, process):
    history = FileBuildHistory(path)
    for number in range(10):
        build = CompletedBuild(id=f"{process}-{number}", subject=process, succeeded=True, duration=1.0)
        await history.add("pipeline", build)
        assert build in await history.load("pipeline")

anyio.run(main, *sys.argv[1:])
"""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program, path, str(number)], stderr=subprocess.PIPE, text=True
        )
        for number in range(6)
    ]
    assert [each.communicate(timeout=60)[1] for each in processes] == [""] * 6
    stored = {each.id for each in load(FileBuildHistory(path), "pipeline")}
    assert stored == {f"{process}-{number}" for process in range(6) for number in range(10)}
    assert sorted(each.name for each in path.parent.iterdir()) == ["builds.json", "builds.json.lock"]


def _document(**members):
    row = {"id": "wf-1", "subject": "image", "succeeded": True, "duration": 1.0, "stages": {}}
    return json.dumps({**FORMAT, "pipelines": {PIPELINE: [{**row, **members}]}})


FOREIGN = {
    "empty": "",
    "truncated": _document()[:-5],
    "not text": b"\xff\xfe\x00",
    "too deep": "[" * 100_000,
    "list": "[]",
    "number": "1",
    "null": "null",
    "other document": '{"format": "something", "version": 1, "pipelines": {}}',
    "later version": json.dumps({**FORMAT, "version": 2, "pipelines": {}}),
    "no pipelines": json.dumps(FORMAT),
    "pipelines as list": json.dumps({**FORMAT, "pipelines": []}),
    "builds as text": json.dumps({**FORMAT, "pipelines": {PIPELINE: "abc"}}),
    "builds as number": json.dumps({**FORMAT, "pipelines": {PIPELINE: 3}}),
    "build as null": json.dumps({**FORMAT, "pipelines": {PIPELINE: [None]}}),
    "build without members": json.dumps({**FORMAT, "pipelines": {PIPELINE: [{}]}}),
    "id as number": _document(id=1),
    "subject as null": _document(subject=None),
    "result as text": _document(succeeded="true"),
    "duration as text": _document(duration="1"),
    "duration as boolean": _document(duration=True),
    "negative duration": _document(duration=-1),
    "infinite duration": _document(duration=float("inf")),
    "undefined duration": _document(duration=float("nan")),
    "huge duration": _document(duration=10**400),
    "stages as list": _document(stages=[1]),
    "negative stage": _document(stages={"TESTING": -1.0}),
    "stage as text": _document(stages={"TESTING": "soon"}),
    "too large": " " * (16 * 2**20 + 1),
}


@pytest.mark.parametrize("content", FOREIGN.values(), ids=FOREIGN)
def test_file_of_other_content_is_ignored_logged_once_and_replaced(path, caplog, content):
    path.parent.mkdir()
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    history = FileBuildHistory(path)
    assert load(history) == []
    assert load(history) == []
    add(history, build())
    assert load(FileBuildHistory(path)) == [build()]
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage().startswith(f"The history of builds {path} is not a history of builds")


def _pipe(path):
    path.parent.mkdir()
    os.mkfifo(path)


def _folder(path):
    path.mkdir(parents=True)


def _file_as_folder(path):
    path.parent.write_text("")


def _link_to_itself(path):
    path.parent.mkdir()
    path.symlink_to(path)


@pytest.mark.skipif(sys.platform == "win32", reason="needs pipes and links")
@pytest.mark.parametrize("prepare", [_pipe, _folder, _file_as_folder, _link_to_itself])
def test_path_that_is_no_file_fails_nothing_and_is_logged_once(path, caplog, prepare):
    caplog.set_level(logging.INFO)
    prepare(path)
    history = FileBuildHistory(path)
    assert load(history) == []
    add(history, build(1), build(2))
    assert len(caplog.records) == 1


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs permissions of POSIX")
def test_full_disk_fails_nothing_and_leaves_no_temporary_file(path, caplog):
    resource = pytest.importorskip("resource")
    caplog.set_level(logging.INFO)
    history = FileBuildHistory(path)
    add(history, build(1))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
    try:
        add(history, build(2))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert load(history) == [build(1)]
    assert sorted(each.name for each in path.parent.iterdir()) == ["builds.json", "builds.json.lock"]
    (record,) = caplog.records
    assert "cannot be written" in record.getMessage()


def test_file_that_another_process_reads_is_replaced_later(path, monkeypatch):
    replace, refusals = Path.replace, [PermissionError("as on Windows")] * 3

    def refuse_at_first(source, target):
        if refusals:
            raise refusals.pop()
        return replace(source, target)

    monkeypatch.setattr(Path, "replace", refuse_at_first)
    add(FileBuildHistory(path), build(1))
    assert load(FileBuildHistory(path)) == [build(1)]
    assert refusals == []


def test_lock_of_another_process_delays_and_a_cancellation_ends_it(path):
    fcntl = pytest.importorskip("fcntl")
    history = FileBuildHistory(path)
    add(history, build(1))

    async def main():
        with path.with_name("builds.json.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            with anyio.move_on_after(0.1) as scope:
                await history.add(PIPELINE, build(2))
            assert scope.cancelled_caught
            assert await history.load(PIPELINE) == (build(1),)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(history.add, PIPELINE, build(2))
                await anyio.sleep(0.05)
                fcntl.flock(lock, fcntl.LOCK_UN)
        assert await history.load(PIPELINE) == (build(1), build(2))

    anyio.run(main)


@pytest.mark.parametrize(
    ("cache", "expected"),
    [("/var/cache/me", "/var/cache/me"), ("", None), ("relative", None), (None, None)],
)
@pytest.mark.skipif(sys.platform == "win32", reason="paths of POSIX")
def test_default_file_is_in_the_cache_folder(monkeypatch, tmp_path, cache, expected):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    if cache is not None:
        monkeypatch.setenv("XDG_CACHE_HOME", cache)
    own = tmp_path / ("Library/Caches" if sys.platform == "darwin" else ".cache")
    assert FileBuildHistory()._path == Path(expected or own) / "aioimagebuilder" / "builds.json"
