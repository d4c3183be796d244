"""The exports of the package, and what importing it loads."""

import pydoc
import re
import subprocess
import sys
from importlib import import_module, metadata

import pytest

import aioimagebuilder
from aioimagebuilder import blocking, client

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
