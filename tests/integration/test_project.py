"""The project's metadata, workflows and pages say the same of what is supported."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from hatchling.metadata.core import ProjectMetadata
from hatchling.plugin.manager import PluginManager

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PAGE = (ROOT / "docs" / "versions.md").read_text(encoding="utf-8")
WORKFLOWS = {
    path.name: yaml.safe_load(path.read_text(encoding="utf-8"))
    for path in (ROOT / ".github" / "workflows").glob("*.yml")
}
SYSTEMS = {
    "ubuntu-latest": ("Linux", "POSIX :: Linux"),
    "macos-latest": ("macOS", "MacOS"),
    "windows-latest": ("Windows", "Microsoft :: Windows"),
}


def test_classifiers_are_what_the_workflow_tests():
    jobs = WORKFLOWS["tests.yml"]["jobs"]
    matrix = jobs["tests"]["strategy"]["matrix"]
    pythons = _classifiers(r"Programming Language :: Python :: (\d\.\d+)")
    assert matrix["python"] == pythons
    assert PROJECT["requires-python"] == f">={pythons[0]}"
    (installed,) = [
        step["with"]["python-version"]
        for step in jobs["everything"]["steps"]
        if step.get("uses", "").startswith("actions/setup-python@")
    ]
    assert sorted(installed.split()) == pythons
    supply = (ROOT / ".ci" / "test_supply").read_text(encoding="utf-8")
    assert f"for version in {' '.join(pythons)}; do" in supply
    systems = {SYSTEMS[system][1] for system in matrix["system"]}
    assert set(_classifiers(r"Operating System :: (.+)")) == systems


def test_page_of_versions_lists_what_is_supported():
    rows = dict(re.findall(r"^\| (?:extra `\w+`: )?([\w-]+) \| (.+?) \|", PAGE, re.MULTILINE))
    assert rows.pop("Python").split(", ") == _classifiers(r"Programming Language :: Python :: (\d\.\d+)")
    matrix = WORKFLOWS["tests.yml"]["jobs"]["tests"]["strategy"]["matrix"]
    assert rows.pop("system").split(", ") == [SYSTEMS[system][0] for system in matrix["system"]]
    extras = PROJECT["optional-dependencies"].values()
    requirements = [*PROJECT["dependencies"], *(each for extra in extras for each in extra)]
    # aiobotocore is also in an extra; tzdata is a part of Python elsewhere.
    found = {
        re.match(r"[\w-]+", each)[0]: re.search(r"[<>=].*", each) for each in requirements if ";" not in each
    }
    assert rows == {name: f"`{each[0]}`" for name, each in found.items()}


def test_actions_of_workflows_are_named_by_commit():
    steps = [
        step
        for workflow in WORKFLOWS.values()
        for job in workflow["jobs"].values()
        for step in job.get("steps", [job])
    ]
    used = [step["uses"] for step in steps if "uses" in step]
    assert len(used) > 8
    for name in used:
        if not name.startswith("./"):
            assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", name)
        else:
            assert (ROOT / name).exists()


def test_only_the_publishing_job_may_get_a_token():
    for workflow in WORKFLOWS.values():
        assert workflow["permissions"] == {"contents": "read"}
        granted = {name: job["permissions"] for name, job in workflow["jobs"].items() if "permissions" in job}
        assert granted in ({}, {"publish": {"id-token": "write"}})


def test_metadata_without_a_repository_has_the_readme_and_no_urls(monkeypatch):
    monkeypatch.delenv("RELEASE_REPOSITORY_URL", raising=False)
    core = _metadata()
    assert core.readme == (ROOT / "README.md").read_text(encoding="utf-8")
    assert core.readme_content_type == "text/markdown"
    assert core.urls == {}


@pytest.mark.parametrize("slash", ["", "/"])
def test_metadata_of_a_release_has_urls_and_absolute_links(monkeypatch, slash):
    repository = "https://git.example/owner/name"
    monkeypatch.setenv("RELEASE_REPOSITORY_URL", repository + slash)
    core = _metadata()
    tag = f"v{PROJECT['version']}"
    assert core.urls["Source"] == repository
    assert core.urls["Changelog"] == f"{repository}/blob/{tag}/CHANGELOG.md"
    targets = re.findall(r"\]\(([^)]+)\)", core.readme)
    assert [each for each in targets if not each.startswith("https://")] == []
    assert f"{repository}/raw/{tag}/docs/pictures/live_view.svg" in targets
    assert f"{repository}/blob/{tag}/docs/waiting.md" in targets
    assert f"{repository}/tree/{tag}/examples" in targets
    for url in [*targets, *core.urls.values()]:
        if match := re.match(rf"{repository}/\w+/{tag}/([^#]+)", url):
            assert (ROOT / match[1]).exists(), url


def _classifiers(pattern: str) -> list[str]:
    return [match[1] for each in PROJECT["classifiers"] if (match := re.fullmatch(pattern, each))]


def _metadata():
    return ProjectMetadata(str(ROOT), PluginManager()).core
