"""The builds that have ended in a file, shared by the processes of a user."""

from __future__ import annotations

import json
import logging
import os
import stat
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Final, cast

import anyio
import anyio.to_thread
import tenacity

from .build_history import CompletedBuild, with_build

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_log: Final = logging.getLogger("aioimagebuilder")
_FORMAT: Final = {"format": "builds of aioimagebuilder", "version": 1}
_MAXIMUM_PIPELINES: Final = 100
# Beyond the ten of each subject: the workflows of a pipeline may change with each build.
_MAXIMUM_BUILDS: Final = 60
_MAXIMUM_BYTES: Final = 16 * 2**20
_RETRY_DELAY: Final = 0.02
# Windows refuses to replace a file while another process reads it.
_REPLACING: Final = tenacity.Retrying(
    retry=tenacity.retry_if_exception_type(PermissionError),
    wait=tenacity.wait_fixed(_RETRY_DELAY),
    stop=tenacity.stop_after_attempt(20),
    reraise=True,
)

_Builds = dict[str, tuple[CompletedBuild, ...]]


class FileBuildHistory:
    """A `BuildHistory` in a JSON file, which several processes may use at once.

    It contains the newest builds of the 100 pipelines that ended a build last. A file that is not one of this
    class is ignored, and replaced by the next build that ends. A file that cannot be read or written is as if
    it were empty.

    Args:
        path: The file; by default ``aioimagebuilder/builds.json`` in the cache folder of the user, which is
            ``XDG_CACHE_HOME``, or that of the platform.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        self._path = _default_path() if path is None else Path(path)
        self._has_reported = False

    async def load(self, pipeline_arn: str) -> Sequence[CompletedBuild]:
        """Return the builds of a pipeline, the oldest first."""
        builds = await anyio.to_thread.run_sync(self._read)
        return builds.get(pipeline_arn, ())

    async def add(self, pipeline_arn: str, build: CompletedBuild) -> None:
        """Store a build. It replaces one with the same id."""
        # A thread is never blocked by another process, so a cancellation takes effect at once.
        add = partial(self._add, pipeline_arn, build)
        while not await anyio.to_thread.run_sync(add):  # noqa: ASYNC110 - another process has the lock
            await anyio.sleep(_RETRY_DELAY)

    def _read(self) -> _Builds:
        """Return what the file contains; nothing if it is absent, unreadable, or not one of this class."""
        try:
            return {} if self._path is None else _parse(_read_file(self._path))
        except FileNotFoundError:
            return {}
        except OSError as error:
            self._report(logging.INFO, "cannot be read", error)
        except (ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RecursionError) as error:
            self._report(logging.WARNING, "is not a history of builds, and will be replaced", error)
        return {}

    def _add(self, pipeline: str, build: CompletedBuild) -> bool:
        """Write the file with another build, and return whether no other process was about to."""
        if self._path is None:
            return True
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with _lock(self._path.with_name(f"{self._path.name}.lock")) as is_locked:
                if is_locked:
                    _write(self._path, _with_build(self._read(), pipeline, build))
                return is_locked
        except OSError as error:
            self._report(logging.INFO, "cannot be written", error)
        return True

    def _report(self, level: int, what: str, error: Exception) -> None:
        """Log what is wrong with the file, once."""
        if not self._has_reported:
            self._has_reported = True
            _log.log(level, "The history of builds %s %s: %s", self._path, what, error)


def _default_path() -> Path | None:
    """Return the file in the cache folder of the user; ``None`` if there is no such folder."""
    folder = Path(os.environ.get("XDG_CACHE_HOME", ""))
    # The specification of XDG ignores relative paths.
    if not folder.is_absolute() and sys.platform == "win32":
        folder = Path(os.environ.get("LOCALAPPDATA", ""))
    elif not folder.is_absolute():
        try:
            folder = Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache")
        except RuntimeError:
            return None
    return folder / "aioimagebuilder" / "builds.json" if folder.is_absolute() else None


@contextmanager
def _lock(path: Path) -> Iterator[bool]:
    """Try to acquire the lock that all processes acquire, and yield whether it succeeded.

    The system releases it when a process ends, however that happens.
    """
    with path.open("a") as file:
        try:
            if sys.platform == "win32":
                msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            else:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            yield False
            return
        except OSError:
            # A file system without locks.
            pass
        yield True


def _read_file(path: Path) -> bytes:
    # A pipe or a device could block, or never end.
    if not stat.S_ISREG(path.stat().st_mode):
        raise ValueError("it is not a regular file")
    with path.open("rb") as file:
        content = file.read(_MAXIMUM_BYTES + 1)
    if len(content) > _MAXIMUM_BYTES:
        raise ValueError("it is too large")
    return content


def _write(path: Path, builds: _Builds) -> None:
    """Replace the file in one step: others read it as it was before, or as it is afterwards."""
    pipelines = {name: [_to_json(each) for each in several] for name, several in builds.items()}
    with NamedTemporaryFile("w", dir=path.parent, prefix=path.name, encoding="ascii", delete=False) as file:
        try:
            json.dump({**_FORMAT, "pipelines": pipelines}, file)
            file.close()
            _REPLACING.copy()(Path(file.name).replace, path)
        except BaseException:
            file.close()
            with suppress(OSError):
                Path(file.name).unlink()
            raise


def _with_build(builds: _Builds, pipeline: str, build: CompletedBuild) -> _Builds:
    newest = with_build(builds.pop(pipeline, ()), build)[-_MAXIMUM_BUILDS:]
    return dict([*builds.items(), (pipeline, newest)][-_MAXIMUM_PIPELINES:])


def _to_json(build: CompletedBuild) -> Mapping[str, object]:
    return {
        "id": build.id,
        "subject": build.subject,
        "succeeded": build.succeeded,
        "duration": build.duration,
        "stages": dict(build.stages),
    }


def _parse(content: bytes) -> _Builds:
    document = json.loads(content)
    if {name: document[name] for name in _FORMAT} != _FORMAT:
        raise ValueError("its format is unknown")
    return {
        name: tuple(_parse_build(each) for each in builds)
        for name, builds in cast("Mapping[str, list[Mapping[str, object]]]", document["pipelines"]).items()
    }


def _parse_build(value: Mapping[str, object]) -> CompletedBuild:
    if not isinstance(value["succeeded"], bool):
        raise TypeError("a result is not a boolean")
    return CompletedBuild(
        id=_text(value["id"]),
        subject=_text(value["subject"]),
        succeeded=value["succeeded"],
        duration=_number(value["duration"]),
        stages={name: _number(each) for name, each in cast("Mapping[str, object]", value["stages"]).items()},
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("a text is missing")
    return value


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError("a number is missing")
    return float(value)
