"""What the package exports, and what importing it costs."""

import re
import subprocess
import sys
from importlib import import_module, metadata

import pytest

import aioimagebuilder
from aioimagebuilder import blocking, client

HOMES = (
    "aws.backoff",
    "client",
    "diagnosis",
    "errors",
    "models.executions",
    "models.identifiers",
    "models.log_streams",
    "models.shapes",
    "models.statuses",
    "waiting.waiters",
)
INTERNAL = {
    "BeforeSleep",
    "EXECUTION_CLASSES",
    "Gatherer",
    "Gathering",
    "Identifier",
    "LogStream",
    "ResourceKind",
    "TRANSIENT_ERRORS",
    "Tries",
}


def test_every_public_name_is_there_and_dir_shows_it():
    assert dir(aioimagebuilder) == sorted(aioimagebuilder.__all__)
    for name in aioimagebuilder.__all__:
        assert getattr(aioimagebuilder, name).__name__ == name
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = aioimagebuilder.nothing


def test_whatever_the_public_rooms_export_is_exported():
    exported = {name for home in HOMES for name in import_module(f"aioimagebuilder.{home}").__all__}
    functions = {name for name in exported if name[0].islower()}
    assert exported - functions - INTERNAL == set(aioimagebuilder.__all__)


def test_the_blocking_client_has_the_same_names():
    def public(cls: type) -> set[str]:
        return {name for name in dir(cls) if not name.startswith("_")}

    assert public(client.ImageBuilder) - public(blocking.ImageBuilder) == {"aclose"}
    assert public(blocking.ImageBuilder) - public(client.ImageBuilder) == {"client", "close", "portal"}
    assert blocking.ImageBuilder.wait.__doc__ == client.ImageBuilder.wait.__doc__


def test_importing_the_package_imports_nothing_heavy():
    code = "import sys, aioimagebuilder; print({'aiobotocore', 'anyio', 'moto'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_the_core_depends_on_three_packages_alone():
    required = metadata.requires("aioimagebuilder") or []
    core = {re.match(r"\w+", each)[0] for each in required if "extra ==" not in each}
    assert core == {"aiobotocore", "anyio", "tenacity"}
