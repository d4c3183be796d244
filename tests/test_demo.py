"""The demonstration, as a process: what its screen shows."""

import re
import subprocess
import sys


def test_the_demonstration_shows_each_state_and_the_steps_and_ends_well():
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "aioimagebuilder.demo"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    states = re.findall(r"^ +\d+:\d\d  ([A-Z]+)$", done.stdout, re.MULTILINE)
    course = ["PENDING", "CREATING", "BUILDING", "TESTING", "DISTRIBUTING", "AVAILABLE"]
    assert states == [state for state in course if state in states]
    assert {"BUILDING", "AVAILABLE"} <= set(states)
    counts = [int(count) for count in re.findall(r"BUILD (\d)/7 steps", done.stdout)]
    assert counts == sorted(counts)
    assert {0, 7} <= set(counts)
    assert re.search(r"BUILD 0/7 steps  RUNNING  LaunchBuildInstance", done.stdout)
    assert re.search(r"TEST \d/4 steps", done.stdout)
    assert re.fullmatch(r"demo 1\.0\.0/1 is AVAILABLE: ami-[0-9a-f]{17} in us-east-1", lines[-1])
