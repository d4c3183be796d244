"""The examples of the AWS CLI's documentation, read from its package and run in order on the simulator."""

from __future__ import annotations

import contextlib
import json
import re
import shlex
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import boto3
import pytest

from aioimagebuilder.testing import Simulator
from clients.conftest import Run

ORDER = (
    *("create-component", "import-component"),
    *("list-components", "list-component-build-versions", "get-component"),
    *("create-image-recipe", "list-image-recipes"),
    *("create-infrastructure-configuration", "get-infrastructure-configuration"),
    *("list-infrastructure-configurations", "create-distribution-configuration"),
    *("get-distribution-configuration", "list-distribution-configurations"),
    *("create-image-pipeline", "tag-resource", "list-tags-for-resource", "untag-resource"),
    *("get-image-pipeline", "create-image", "start-image-pipeline-execution"),
    *("get-image", "list-images", "list-image-build-versions", "list-image-pipeline-images"),
    *("put-component-policy", "get-component-policy", "put-image-policy", "get-image-policy"),
    *("put-image-recipe-policy", "get-image-recipe-policy"),
    *("update-infrastructure-configuration", "update-distribution-configuration", "update-image-pipeline"),
    *("delete-image-pipeline", "delete-image", "delete-image-recipe"),
    *("delete-infrastructure-configuration", "delete-component"),
)
"""The examples, each after those that create what it names."""


@dataclass(frozen=True)
class Mistake:
    """A mistake in the text of an example: what is written, what is meant, and how it is refused."""

    written: str
    meant: str
    refusal: str


MISTAKES = {
    "create-distribution-configuration": Mistake("file:/", "file://", "Invalid JSON"),
    "update-infrastructure-configuration": Mistake("file:/", "file://", "Invalid JSON"),
    "tag-resource": Mistake('"KeyName: ', '"KeyName": ', "Invalid JSON"),
    "untag-resource": Mistake("file://tag-", "file://untag-", "No such file or directory"),
    "get-image-recipe-policy": Mistake("2019.12.03/1", "2019.12.03", "imageRecipeArn"),
}
"""The examples that are refused as they are written. With the mistake mended they succeed."""

BROKEN_OUTPUTS = {"get-component-policy", "get-image-policy", "get-image-recipe-policy"}
"""The examples whose documented output is broken JSON."""

ABSENT = {
    "list-image-pipeline-images": {".imagePipelineList"},  # the service's model names it imageSummaryList
    "list-image-build-versions": {".imageSummaryList.state.reason"},  # of an image that failed
}
"""The members of documented outputs that the simulator's outputs do not have."""

# What the examples name and none of them creates, by kind: names and versions.
COMPONENTS = [
    ("component-name", "1.0.0"),
    ("examplecomponent", "2019.12.02"),
    ("my-example-component", "2019.12.03"),
]
RECIPES = [("example-image-recipe", "2019.12.02"), ("my-example-image-recipe", "2019.12.03")]
IMAGES = [
    ("example-image", "2019.12.02"),
    ("my-example-image", "2019.12.02"),
    ("my-example-image", "2019.12.03"),
]
PIPELINE = "my-example-pipeline"
REGION = "us-west-2"
# Two examples delete a resource of another region than the one that an example creates.
OTHER_REGION = "us-east-1"


@dataclass
class Example:
    """A command of the documentation, the files that it reads, and the output that it has there."""

    command: str
    files: dict[str, str] = field(default_factory=dict)
    output: str = ""

    def mend(self, mistake: Mistake) -> Example:
        texts = [self.command, *self.files.values()]
        assert any(mistake.written in text for text in texts), "the example no longer contains the mistake"
        command, *files = (text.replace(mistake.written, mistake.meant) for text in texts)
        return Example(command, dict(zip(self.files, files, strict=True)), self.output)


Perform = Callable[[Example], CompletedProcess[str]]


def read_examples(folder: Path) -> dict[str, Example]:
    """Return the example of each page, by the name of its file."""
    examples: dict[str, Example] = {}
    for path in folder.glob("*.rst"):
        text = path.read_text(encoding="utf-8") + "\n"
        for introduction, lines in re.findall(r"^(\S.*)::\n((?: {4}.*\n|[ \t]*\n)+)", text, re.MULTILINE):
            block = textwrap.dedent(lines).strip().replace("\\\n", "")
            if block.startswith("aws imagebuilder "):
                assert path.stem not in examples, f"the second example of {path.name} would not be run"
                examples[path.stem] = Example(block)
            elif file := re.match(r"Contents of ``(.+)``", introduction):
                examples[path.stem].files[file[1]] = block
            elif introduction == "Output":
                examples[path.stem].output = block
    return examples


class Region:
    """Makes what the account of the examples already has in a region."""

    def __init__(self, simulator: Simulator, name: str) -> None:
        arguments = {**simulator.client_arguments, "region_name": name}
        self.client: Any = boto3.client("imagebuilder", **arguments)
        self._parent = f"arn:aws:imagebuilder:{name}:aws:image/amazon-linux-2023-x86/x.x.x"

    def create_component(self, name: str, version: str) -> str:
        step = "{name: Test, action: ExecuteBash, inputs: {commands: [echo Hello]}}"
        response = self.client.create_component(
            name=name,
            semanticVersion=version,
            platform="Linux",
            data=f"schemaVersion: 1.0\nphases: [{{name: test, steps: [{step}]}}]\n",
        )
        return str(response["componentBuildVersionArn"])

    def create_recipe(self, name: str, version: str) -> str:
        component = self.create_component(f"{name}-component", version)
        response = self.client.create_image_recipe(
            name=name,
            semanticVersion=version,
            components=[{"componentArn": component}],
            parentImage=self._parent,
        )
        return str(response["imageRecipeArn"])

    def create_infrastructure(self, name: str) -> str:
        response = self.client.create_infrastructure_configuration(name=name, instanceProfileName="profile")
        return str(response["infrastructureConfigurationArn"])

    def create_image(self, name: str, version: str, infrastructure: str) -> str:
        response = self.client.create_image(
            imageRecipeArn=self.create_recipe(name, version), infrastructureConfigurationArn=infrastructure
        )
        return str(response["imageBuildVersionArn"])


def _prepare(region: Region) -> None:
    components = [region.create_component(*component) for component in COMPONENTS]
    recipes = [region.create_recipe(*recipe) for recipe in RECIPES]
    infrastructure = region.create_infrastructure("infrastructure")
    images = [region.create_image(*image, infrastructure) for image in IMAGES]
    region.client.create_image_pipeline(
        name=PIPELINE, imageRecipeArn=recipes[-1], infrastructureConfigurationArn=infrastructure
    )
    region.client.put_component_policy(componentArn=components[-1], policy=_share(components[-1]))
    region.client.put_image_recipe_policy(imageRecipeArn=recipes[-1], policy=_share(recipes[-1]))
    region.client.put_image_policy(imageArn=images[-1], policy=_share(images[-1]))


def _share(arn: str) -> str:
    statement = {"Effect": "Allow", "Principal": {"AWS": ["123456789012"]}, "Resource": [arn]}
    return json.dumps({"Version": "2012-10-17", "Statement": [{**statement, "Action": ["imagebuilder:*"]}]})


def _delete_users_of_component(region: Region) -> None:
    """Delete what no example deletes, and what keeps `delete-component` from deleting."""
    arn = f"arn:aws:imagebuilder:{region.client.meta.region_name}:123456789012"
    region.client.delete_image_pipeline(imagePipelineArn=f"{arn}:image-pipeline/mywindows2016pipeline")
    region.client.delete_image_recipe(imageRecipeArn=f"{arn}:image-recipe/mybasicrecipe/2019.12.03")


@pytest.fixture(scope="module")
def examples(clients: Path) -> dict[str, Example]:
    [folder] = (clients / "venv").glob("lib/python*/site-packages/awscli/examples/imagebuilder")
    return read_examples(folder)


@pytest.fixture(scope="module")
def perform(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Perform:
    """Return a function that runs an example in a folder of its own, and in the region of its ARN."""

    def perform(example: Example) -> CompletedProcess[str]:
        folder = tmp_path_factory.mktemp("example")
        for name, text in example.files.items():
            (folder / name).write_text(text, encoding="utf-8")
        region = re.search(r"arn:aws:imagebuilder:([a-z0-9-]+)", example.command)
        return run([*shlex.split(example.command), "--region", region[1] if region else REGION], folder)

    return perform


@pytest.fixture(scope="module")
def results(
    simulator: Simulator, examples: dict[str, Example], perform: Perform
) -> dict[str, CompletedProcess[str]]:
    """Run the examples in order, those with a mistake as they are meant."""
    region, other = Region(simulator, REGION), Region(simulator, OTHER_REGION)
    results = {}
    with contextlib.closing(region.client), contextlib.closing(other.client):
        _prepare(region)
        other.create_recipe("MyBasicRecipe", "2019.12.03")
        other.create_infrastructure("MyExampleInfrastructure")
        simulator.advance(3600)
        for name in ORDER:
            if name == "delete-component":
                _delete_users_of_component(region)
            mistake = MISTAKES.get(name)
            results[name] = perform(examples[name].mend(mistake) if mistake else examples[name])
    return results


def test_every_example_is_run(examples):
    assert sorted(ORDER) == sorted(examples)


def _find_absent(documented: Any, actual: Any, path: str = "") -> set[str]:
    """Return the paths of the members that are documented and absent; a list needs one item that has all."""
    if isinstance(documented, list):
        return (
            min((_find_absent(documented[0], item, path) for item in actual), key=len)
            if documented
            else set()
        )
    if not isinstance(documented, dict) or path.endswith(".tags"):
        return set()
    absent = {f"{path}.{name}" for name in documented.keys() - actual.keys()}
    return absent.union(
        *(
            _find_absent(documented[name], actual[name], f"{path}.{name}")
            for name in documented.keys() & actual.keys()
        )
    )


@pytest.mark.parametrize("name", ORDER)
def test_example_succeeds(examples, results, name):
    result, documented = results[name], examples[name].output
    assert result.returncode == 0, result.stderr
    if documented and name not in BROKEN_OUTPUTS:
        absent = _find_absent(json.loads(documented), json.loads(result.stdout))
        assert absent == ABSENT.get(name, set())


@pytest.mark.parametrize("name", MISTAKES)
def test_example_with_a_mistake_is_refused(examples, perform, simulator, name):
    result = perform(examples[name])
    assert result.returncode != 0
    assert MISTAKES[name].refusal in result.stderr
