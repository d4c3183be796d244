"""``waiters install`` and ``uninstall``: waiters for boto3 and the AWS CLI, where botocore looks for them.

botocore reads the first ``waiters-2.json`` in the folders of ``AWS_DATA_PATH``, in ``~/.aws/models`` and in
itself, and merges the first ``waiters-2.sdk-extras.json`` into it (botocore.loaders). Since 1.44.3 it has one
of its own, with ImageAvailable, which a ``waiters-2.json`` in ``~/.aws/models`` would hide. So the extras are
put there. An older botocore ignores extras without a file to merge them into. That file is put in a folder
which only ``AWS_DATA_PATH`` makes it read: in ``~/.aws/models``, a newer botocore would read it as well.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Final

import click
from botocore.exceptions import DataNotFoundError
from botocore.loaders import Loader, create_loader

from ...waiting.botocore_waiters import create_models
from ..exit_codes import ExitCode

_EXTRAS: Final = "imagebuilder/2019-12-02/waiters-2.sdk-extras"
_BASE: Final = "imagebuilder/2019-12-02/waiters-2"
_FOLDER: Final = Path(Loader.CUSTOMER_DATA_PATH)
_FOLDER_FOR_OLDER: Final = _FOLDER.parent / "aioimagebuilder"
_EXTRAS_FILE: Final = _FOLDER / f"{_EXTRAS}.json"
_BASE_FILE: Final = _FOLDER_FOR_OLDER / f"{_BASE}.json"
_EXAMPLE: Final = "aws imagebuilder wait workflow-execution-completed --workflow-execution-id wf-..."
_NOTHING_INSTALLED: Final = " Nothing was installed."
_INSTALLED: Final = """\
Installed the waiters {names}.

For boto3 and AWS CLIs with botocore 1.44.3 or newer, which keep AWS's own ImageAvailable:
  {extras}
  boto3.client("imagebuilder").get_waiter("workflow_execution_completed").wait(workflowExecutionId="wf-...")
  {example}

For older ones, in which AWS has no waiter for Image Builder, and for no others, since it hides AWS's own:
  {base}
  AWS_DATA_PATH={folder} {example}

Such a waiter polls once a minute for six hours, each by itself. A few connection errors in a row end it. It
returns nothing: not the result, and not why a build failed. "aioimagebuilder wait" has none of these limits.
"""


def install() -> ExitCode:
    """Write the files, say how they are used, and return the exit code."""
    _check_home()
    models = create_models()
    _check_other_models(models)
    documents = {
        _EXTRAS_FILE: {"version": 1.0, "merge": {"waiters": models}},
        _BASE_FILE: {"version": 2, "waiters": models},
    }
    with ExitStack() as undo:
        temporary = {path: _write(path, document, undo) for path, document in documents.items()}
        for path, file in temporary.items():
            with _reporting_errors(path, _NOTHING_INSTALLED):
                is_new = not path.exists()
                file.replace(path)
            if is_new:
                undo.callback(_undo, path.unlink)
        undo.pop_all()
    text = _INSTALLED.format(
        names=", ".join(models),
        extras=_EXTRAS_FILE,
        base=_BASE_FILE,
        folder=shlex.quote(str(_FOLDER_FOR_OLDER)),
        example=_EXAMPLE,
    )
    click.echo(text, nl=False)
    return ExitCode.SUCCEEDED


def uninstall() -> ExitCode:
    """Remove the files, and return the exit code. A file that is not ours is an error after the others."""
    _check_home()
    left: list[click.ClickException] = []
    removed = False
    # Last in, first out: each removes the folders that were created for it.
    for path in (_BASE_FILE, _EXTRAS_FILE):
        try:
            with _reporting_errors(path):
                if (folders := _folders_of(path)) is not None:
                    _remove(path, folders)
                    removed = True
                    click.echo(f"Removed {path}")
        except click.ClickException as error:
            left.append(error)
    if left:
        raise left[0]
    if not removed:
        click.echo("No waiters are installed.")
    return ExitCode.SUCCEEDED


def _check_home() -> None:
    # Without a home folder, "~" is left as it is, and would be a folder of the current one.
    if not _FOLDER.is_absolute():
        raise click.ClickException("There is no home folder: set HOME.")


def _check_other_models(models: Mapping[str, object]) -> None:
    """Check that nothing of AWS or of the user would be replaced, hidden, or hide what is installed."""
    loader = create_loader(os.environ.get("AWS_DATA_PATH"))
    found, _ = _find(loader, _EXTRAS)
    if found not in {None, _EXTRAS_FILE.resolve()}:
        raise click.ClickException(
            f"botocore reads one {_EXTRAS_FILE.name} alone, and there is {found}. Nothing was installed: "
            "remove that file, or add the waiters to it."
        )
    found, document = _find(loader, _BASE)
    others = document.get("waiters") if isinstance(document, Mapping) else None
    taken = models.keys() & others.keys() if isinstance(others, Mapping) else ()
    if taken and found != _BASE_FILE.resolve():
        raise click.ClickException(
            f"{found} has a waiter {min(taken)} of its own, which would be replaced. Nothing was installed: "
            "rename that waiter, or use it."
        )


def _find(loader: Loader, name: str) -> tuple[Path | None, object]:
    """Return the file that botocore reads, and its content; ``None`` for one that does not exist."""
    try:
        document, path = loader.load_data_with_path(name)
    except (DataNotFoundError, ValueError, EOFError, OSError, RecursionError):
        return None, None
    return Path(f"{path}.json").resolve(), document


def _folders_of(path: Path) -> int | None:
    """Return how many folders were created for a file of this or another version; ``None`` without a file.

    Raises:
        ClickException: There is another file, or it was changed.
    """
    others = [each for each in (path, path.with_name(f"{path.name}.gz")) if os.path.lexists(each)]
    if not others:
        return None
    try:
        document = json.loads(path.read_bytes() if others == [path] and _is_plain(path) else b"")
        if document == _signed(document):
            return int(document["generator"]["folders"])
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        pass
    raise click.ClickException(
        f"{others[-1]} was not written by aioimagebuilder, or was changed since. It is left as it is: "
        "move it to another folder or remove it, and try again."
    )


def _is_plain(path: Path) -> bool:
    # A pipe would block.
    return path.is_file() and not path.is_symlink()


def _write(path: Path, document: Mapping[str, object], undo: ExitStack) -> Path:
    """Write a temporary file that is to replace `path` in one step, and return it."""
    with _reporting_errors(path, _NOTHING_INSTALLED):
        folders = _folders_of(path)
        new_folders = [each for each in path.parents if not each.exists()]
        undo.callback(_undo, *(each.rmdir for each in new_folders))
        if folders is None:
            folders = len(new_folders)
        generator = {"name": "aioimagebuilder", "version": version("aioimagebuilder"), "folders": folders}
        content = json.dumps(_signed({**document, "generator": generator}), indent=2) + "\n"
        path.parent.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(
            "w", dir=path.parent, prefix=path.name, encoding="ascii", delete=False
        ) as file:
            undo.callback(_undo, Path(file.name).unlink)
            file.write(content)
    return Path(file.name)


def _undo(*steps: Callable[[], None]) -> None:
    for step in steps:
        with suppress(OSError):  # The error that is reported is the one before. Not all was created.
            step()


def _remove(path: Path, folders: int) -> None:
    path.unlink()
    with suppress(OSError):  # a folder that has other files
        for folder in list(path.parents)[:folders]:
            folder.rmdir()


def _signed(document: Mapping[str, object]) -> Mapping[str, object]:
    """Return `document` with its checksum, by which a change is recognized."""
    members = {name: each for name, each in document.items() if name != "sha256"}
    text = json.dumps(members, sort_keys=True)
    return {**members, "sha256": hashlib.sha256(text.encode()).hexdigest()}


@contextmanager
def _reporting_errors(path: Path, outcome: str = "") -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise click.ClickException(f"{error.filename or path}: {error.strerror}.{outcome}") from error
