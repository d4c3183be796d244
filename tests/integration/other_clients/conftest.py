"""The AWS CLI, in an environment of its own."""

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
    """The AWS CLI's command.

    awscli pins a botocore of its own, so it cannot live beside aiobotocore. Its environment is made once, in
    the repository (``make clean`` removes it), and made anew when the requirement or the Python changes.
    """
    HOME.mkdir(exist_ok=True)
    ready, recipe = HOME / ".ready", f"{REQUIREMENT}\n{sys.version}\n"
    folder = os.open(HOME, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)  # two test runs at once make one environment
        if not ready.exists() or ready.read_text() != recipe:
            venv.create(HOME, clear=True, symlinks=True, with_pip=True)
            pip = [str(HOME / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
            subprocess.run([*pip, REQUIREMENT], check=True)
            ready.write_text(recipe)
    finally:
        os.close(folder)
    return HOME / "bin" / "aws"
