"""The exports of the package, and what importing it loads."""

import pydoc
import re
import subprocess
import sys
from importlib import import_module, metadata
from pathlib import Path

import pytest

import aioimagebuilder
from aioimagebuilder import blocking, client, instrumentation
from aioimagebuilder.instrumentation import events

# The modules whose public classes are exported.
MODULES = (
    "aws.backoff",
    "aws.sqs",
    "client",
    "errors",
    "models.causes",
    "models.diagnosis",
    "models.estimates",
    "models.executions",
    "models.kinds",
    "models.log_streams",
    "models.shapes",
    "models.statuses",
    "polling.build_history",
    "polling.file_build_history",
    "waiting.options",
    "waiting.pipelines",
    "waiting.waiters",
)
# Classes in them that are not meant for users.
INTERNAL = {
    "BuildOptions",
    "Configurations",
    "Consumer",
    "Gathering",
    "GetOperation",
    "IdentifierFormat",
    "Kind",
    "ListOperation",
    "LogStream",
    "Publisher",
    "Message",
    "SqsQueue",
    "WaitSettings",
}


def _public_classes(module_name: str) -> set[str]:
    module = import_module(f"aioimagebuilder.{module_name}")
    return {
        name
        for name, value in vars(module).items()
        if isinstance(value, type) and value.__module__ == module.__name__ and not name.startswith("_")
    }


def test_dir_and_all_name_every_export():
    assert dir(aioimagebuilder) == sorted(aioimagebuilder.__all__)
    for name in aioimagebuilder.__all__:
        assert getattr(aioimagebuilder, name).__name__ == name
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = aioimagebuilder.nothing


def test_instrumentation_exports_every_event():
    names = {name for name in vars(events) if not name.startswith("_")}
    own = {
        name
        for name in names
        if getattr(value := getattr(events, name), "__module__", None) == events.__name__
        or name in {"OnEvent", "WaitOutcome", "PollOutcome"}
        if value is not None
    }
    assert instrumentation.__all__ == sorted(own)
    for name in instrumentation.__all__:
        if isinstance(cls := getattr(instrumentation, name), type):
            assert cls.__dataclass_params__.frozen
            assert cls.__dictoffset__ == 0


def test_only_the_hook_uses_the_logger():
    root = Path(aioimagebuilder.__file__).parent
    users = {
        path.relative_to(root).as_posix()
        for path in root.rglob("*.py")
        if re.search(r"getLogger\(|warnings\.warn\(", path.read_text(encoding="utf-8"))
    }
    # The command line is an application, and the simulator a server, with logs of their own.
    assert {each for each in users if not each.startswith(("cli/", "testing/"))} == {
        "instrumentation/logging.py"
    }


def test_every_public_class_of_a_public_module_is_exported():
    exported = {name for module_name in MODULES for name in _public_classes(module_name)}
    assert exported - INTERNAL == set(aioimagebuilder.__all__)


@pytest.mark.parametrize("cls", [client.ImageBuilder, blocking.ImageBuilder])
@pytest.mark.parametrize(
    ("names", "options"),
    [
        (
            [name for name in dir(client.ImageBuilder) if re.match("wait(_|$)", name)] + ["build", "retry"],
            aioimagebuilder.WaitOptions,
        ),
        (["watch", "watch_pipeline", "as_completed"], aioimagebuilder.PollOptions),
    ],
)
def test_help_of_a_waiting_method_names_its_options(cls, names, options):
    for name in names:
        shown = pydoc.render_doc(getattr(cls, name), renderer=pydoc.plaintext)
        assert all(f"`{option}`" in shown for option in options.__annotations__), name
        assert f"see `{options.__name__}`" in " ".join(shown.split())
    described = pydoc.render_doc(options, renderer=pydoc.plaintext)
    assert all(f"{option}: " in described for option in options.__annotations__)


def test_blocking_client_has_the_same_methods():
    def public(cls: type) -> set[str]:
        return {name for name in dir(cls) if not name.startswith("_")}

    assert public(client.ImageBuilder) - public(blocking.ImageBuilder) == {"aclose"}
    assert public(blocking.ImageBuilder) - public(client.ImageBuilder) == {"client", "close", "thread"}


def test_import_loads_no_heavy_dependency():
    code = "import sys, aioimagebuilder; print({'aiobotocore', 'anyio', 'moto'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_core_depends_on_three_packages():
    required = metadata.requires("aioimagebuilder") or []
    core = {re.match(r"\w+", each)[0] for each in required if "extra ==" not in each}
    assert core == {"aiobotocore", "anyio", "tenacity"}
