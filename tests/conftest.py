import os

from hypothesis import settings

# These need Airflow: `.ci/test_airflow` installs it, and sets this variable.
collect_ignore = [] if "AIRFLOW_TESTS" in os.environ else ["on_airflow"]

# A time limit for each example measures how busy the machine is.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")
