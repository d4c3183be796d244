import os
import sys

import pytest
from hypothesis import settings

# A time limit for each example measures how busy the machine is.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")

collect_ignore = []
if "AIRFLOW_TESTS" not in os.environ:
    # These need Airflow: `.ci/test_airflow` installs it, and sets this variable.
    collect_ignore += ["on_airflow"]
if sys.platform == "win32":
    # Modules that need pseudo-terminals or locks of POSIX.
    collect_ignore += ["cli/test_live_view.py", "integration/other_clients"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if sys.platform == "win32":
        for item in items:
            if item.get_closest_marker("posix"):
                item.add_marker(pytest.mark.skip(reason="needs POSIX"))
