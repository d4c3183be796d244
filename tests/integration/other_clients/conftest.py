"""The AWS CLI, installed in its own environment."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

REQUIREMENT = "awscli>=1.44,<2"
HOME = Path(__file__).parents[3] / ".venv-awscli"


@pytest.fixture(scope="session")
def aws_cli() -> Path:
    """The path of the ``aws`` command.

    awscli pins its own version of botocore, so it cannot be installed beside aiobotocore. Its environment is
    created once, in the repository (``make clean`` removes it), and again when the requirement or the Python
    changes.
    """
    HOME.mkdir(exist_ok=True)
    ready, contents = HOME / ".ready", f"{REQUIREMENT}\n{sys.version}\n"
    folder = os.open(HOME, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)  # concurrent test runs share the environment
        if not ready.exists() or ready.read_text() != contents:
            venv.create(HOME, clear=True, symlinks=True, with_pip=True)
            pip = [str(HOME / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
            subprocess.run([*pip, REQUIREMENT], check=True)
            ready.write_text(contents)
    finally:
        os.close(folder)
    return HOME / "bin" / "aws"
