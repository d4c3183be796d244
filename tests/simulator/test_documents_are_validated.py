"""Component and workflow documents: what the service accepts, and what it refuses."""

from __future__ import annotations

import json
from copy import copy

import boto3
import pytest
import yaml
from botocore.exceptions import ClientError

from aioimagebuilder.testing.simulation.component_documents import parse_component
from aioimagebuilder.testing.simulation.document_loading import DocumentError
from aioimagebuilder.testing.simulation.documents import parse_workflow, plan_steps
from simulator.support import COMPONENT_DOCUMENT, WORKFLOW_DOCUMENT, raises_error

RUN = {"name": "Run", "action": "ExecuteBash", "inputs": {"commands": ["true"]}}
CHECK = {"name": "Check", "action": "RunCommand"}

NOT_DOCUMENTS = {
    "no-yaml": ("phases: [", "not YAML"),
    "text": ("just text", "not a mapping"),
    "list": ("[]", "not a mapping"),
    "empty": ("# nothing", "not a mapping"),
    "control-character": ("a: \x07", "not YAML"),
    "deep": ("[" * 15_000, "nesting depth|JSON cannot represent"),
    "deep-block": ("- " * 7_500, "nesting depth|JSON cannot represent"),
    "deep-value": (f"a: {'[' * 101}{']' * 101}", "nested more than 100 levels deep"),
    "recursive": ("a: &a [*a]", "JSON cannot represent"),
    "wrong-bool": ("a: !!bool x", "JSON cannot represent"),
    "wrong-time": ("a: !!timestamp x", "JSON cannot represent"),
    "infinity": ("a: .inf", "JSON cannot represent"),
    "no-version": ("name: x", "Invalid schema version"),
    "other-version": ("schemaVersion: 2.0", "Invalid schema version"),
    "nothing-else": ("schemaVersion: 1.0", "is a required property"),
}


@pytest.mark.parametrize(("data", "why"), NOT_DOCUMENTS.values(), ids=NOT_DOCUMENTS)
def test_data_that_is_no_document_is_refused(data, why):
    for parse in (lambda: parse_component(data, "Linux"), lambda: parse_workflow(data)):
        with pytest.raises(DocumentError, match=why):
            parse()


# ---------------------------------------------------------------------- components


def component(*steps, **members):
    phases = [{"name": "build", "steps": [*steps]}]
    return yaml.safe_dump({"schemaVersion": "1.0", "phases": phases, **members})


def step(**members):
    return {key: value for key, value in {**RUN, **members}.items() if value is not None}


def phases(*names):
    return {"phases": [{"name": name, "steps": [RUN]} for name in names]}


INVALID_COMPONENTS = {
    "no-phases": (component(phases=[]), r"\$\.phases.*non-empty"),
    "phases-of-wrong-type": (component(phases={"build": []}), r"\$\.phases.*'array'"),
    "phase-without-steps": (component(phases=[{"name": "build"}]), r"phases\[0\].*'steps'.*required"),
    "empty-phase": (component(), r"phases\[0\]\.steps.*non-empty"),
    "phase-without-name": (component(phases=[{"steps": [RUN]}]), r"phases\[0\].*'name'.*required"),
    "no-phase-of-a-stage": (component(**phases("deploy")), "at least one of the phases"),
    "phase-twice": (component(**phases("build", "build")), "Duplicate phase 'build'"),
    "step-without-name": (component(step(name=None)), r"steps\[0\].*'name'.*required"),
    "step-without-action": (component(step(action=None)), r"steps\[0\].*'action'.*required"),
    "step-of-wrong-type": (component("Run"), r"steps\[0\].*'object'"),
    "step-name": (component(step(name="Load keys")), "Invalid step name 'Load keys' in phase 'build'"),
    "step-twice": (component(RUN, RUN), "Duplicate step in phase 'build': 'Run'"),
    "unknown-action": (
        component(step(action="InvokeBash")),
        "Parsing step 'Run' in phase 'build' failed. Error: Unsupported action InvokeBash for os platform",
    ),
    "action-of-windows": (
        component(step(action="ExecutePowerShell")),
        "Unsupported action ExecutePowerShell",
    ),
    "no-inputs": (component(step(inputs=None)), "Action ExecuteBash has no inputs"),
    "empty-inputs": (component(step(action="S3Download", inputs=[])), "Action S3Download has no inputs"),
    "input-is-missing": (component(step(inputs={"command": "x"})), "requires the input 'commands|file'"),
    "second-input-is-missing": (
        component(step(action="CopyFile", inputs=[{"source": "a", "destination": "b"}, {"source": "a"}])),
        "requires the input 'destination'",
    ),
    "inputs-of-wrong-type": (component(step(inputs="true")), r"inputs.*'array', 'object'"),
    "on-failure": (
        component(step(onFailure="Retry")),
        r"onFailure.*one of \['Abort', 'Continue', 'Ignore'\]",
    ),
    "timeout-of-zero": (component(step(timeoutSeconds=0)), "timeoutSeconds"),
    "timeout-of-wrong-type": (component(step(timeoutSeconds="1h")), "timeoutSeconds.*'integer'"),
    "attempts": (component(step(maxAttempts=0)), "maxAttempts"),
    "loop-without-kind": (component(step(loop={"name": "each"})), "loop"),
    "loop-of-both-kinds": (
        component(step(loop={"forEach": ["a"], "for": {"start": 1, "end": 2, "updateBy": 1}})),
        "loop",
    ),
    "loop-without-end": (component(step(loop={"for": {"start": 1, "updateBy": 1}})), "'end'.*required"),
    "endless-loop": (component(step(loop={"for": {"start": 1, "end": 2, "updateBy": 0}})), "updateBy"),
    "parameters-of-wrong-type": (component(RUN, parameters={"Path": {}}), r"\$\.parameters.*'array'"),
    "parameter-without-type": (component(RUN, parameters=[{"Path": {}}]), "Path.*'type'.*required"),
    "parameter-of-unknown-type": (component(RUN, parameters=[{"Path": {"type": "int"}}]), "'int'"),
    "parameter-name": (component(RUN, parameters=[{"A B": {"type": "string"}}]), "'A B'"),
    "parameter-default": (
        component(RUN, parameters=[{"Path": {"type": "string", "default": []}}]),
        "default",
    ),
    "parameter-twice": (component(RUN, parameters=[{"Path": {"type": "string"}}] * 2), "Duplicate.*'Path'"),
    "constant-without-value": (component(RUN, constants=[{"Path": {"type": "string"}}]), "'value'.*required"),
    "constant-and-parameter": (
        component(
            RUN,
            parameters=[{"Path": {"type": "string"}}],
            constants=[{"Path": {"type": "string", "value": "/"}}],
        ),
        "Duplicate.*'Path'",
    ),
}


@pytest.mark.parametrize(("data", "why"), INVALID_COMPONENTS.values(), ids=INVALID_COMPONENTS)
def test_invalid_component_is_refused(client, data, why):
    for dry_run in (False, True):
        with pytest.raises(ClientError, match=why) as caught:
            client.create_component(
                name="own", semanticVersion="1.0.0", platform="Linux", data=data, dryRun=dry_run
            )
        assert caught.value.response["Error"]["Code"] == "InvalidParameterValueException"
        assert "parameter 'data' is not valid" in str(caught.value)
    assert client.list_components()["componentVersionList"] == []


VALID_COMPONENTS = {
    "json": json.dumps({"schemaVersion": "1.0", **phases("test")}),
    "windows": component(step(action="UpdateOS", inputs=None), step(name="P", action="ExecutePowerShell")),
    "same-step-name-in-phases": component(
        **phases("build", "validate", "test", "container-host-test", "own")
    ),
    "anchor": "schemaVersion: 1.0\nphases:\n- &p\n  name: build\n  steps: [{name: R, action: Reboot}]\n"
    "- {<<: *p, name: test}\n",
    "loops": component(
        step(loop={"for": {"start": 0, "end": 10, "updateBy": 5}}, timeoutSeconds=-1, maxAttempts=3),
        step(name="List", loop={"name": "each", "forEach": ["a", "{{ Path }}"]}, onFailure="Ignore"),
        step(name="Text", loop={"forEach": {"list": "a,b", "delimiter": ","}}),
        parameters=[{"Path": {"type": "string", "default": "/", "description": "Where"}}],
        constants=[{"Day": {"type": "string", "value": "2026-01-01"}}],
    ),
}


@pytest.mark.parametrize("name", VALID_COMPONENTS)
def test_valid_component_is_accepted(client, name):
    arn = client.create_component(
        name="own",
        semanticVersion="1.0.0",
        platform="Windows" if name == "windows" else "Linux",
        data=VALID_COMPONENTS[name],
    )["componentBuildVersionArn"]
    found = client.get_component(componentBuildVersionArn=arn)["component"]
    assert (found["data"], found["type"]) == (VALID_COMPONENTS[name], "TEST" if name == "json" else "BUILD")


def test_component_shows_its_parameters(client):
    parameters = [
        {"Path": {"type": "string", "default": "/", "description": "Where"}},
        {"Key": {"type": "string"}},
    ]
    arn = client.create_component(
        name="own", semanticVersion="1.0.0", platform="Linux", data=component(RUN, parameters=parameters)
    )["componentBuildVersionArn"]
    assert client.get_component(componentBuildVersionArn=arn)["component"]["parameters"] == [
        {"name": "Path", "type": "string", "description": "Where", "defaultValue": ["/"]},
        {"name": "Key", "type": "string"},
    ]


# ---------------------------------------------------------------------- workflows


def workflow(*steps, **members):
    return yaml.safe_dump({"schemaVersion": 1.0, "steps": [*steps], **members})


def check(**members):
    return {key: value for key, value in {**CHECK, **members}.items() if value is not None}


def condition(**members):
    return workflow(check(**{"if": members}))


def nest_statements(depth):
    return {"not": nest_statements(depth - 1)} if depth else IS_LINUX


IS_LINUX = {"stringEquals": "Linux", "value": "$.imagebuilder.platform"}
INVALID_WORKFLOWS = {
    "no-steps": (workflow(), r"\$\.steps.*non-empty"),
    "steps-of-wrong-type": (workflow(steps={}), r"\$\.steps.*'array'"),
    "sixteen-steps": (workflow(*(check(name=f"S{n}") for n in range(16))), r"\$\.steps.*maxItems 15"),
    "step-without-action": (workflow(check(action=None)), r"steps\[0\].*'action'.*required"),
    "step-without-name": (workflow(check(name=None)), r"steps\[0\].*'name'.*required"),
    "step-name": (workflow(check(name="1 2")), r"steps\[0\]\.name.*'1 2'"),
    "step-twice": (workflow(CHECK, CHECK), "Duplicate step 'Check'"),
    "unknown-action": (
        workflow(check(action="RunComand")),
        "Step 'Check' has the unsupported action RunComand",
    ),
    "action-of-other-stage": (
        workflow(check(action="CollectImageMetadata")),
        "CollectImageMetadata is only valid in BUILD",
    ),
    "on-failure": (workflow(check(onFailure="Ignore")), r"onFailure.*one of \['Abort', 'Continue'\]"),
    "rollback": (workflow(check(rollbackEnabled="yes")), "rollbackEnabled.*'boolean'"),
    "timeout-of-zero": (workflow(check(timeoutSeconds=0)), "timeoutSeconds"),
    "timeout-too-long": (
        workflow(check(timeoutSeconds=86_401)),
        "Step 'Check': timeoutSeconds.*at most 86400",
    ),
    "wait-too-long": (workflow(check(action="WaitForAction", timeoutSeconds=604_801)), "at most 604800"),
    "inputs-of-wrong-type": (workflow(check(inputs=["a"])), "inputs.*'object'"),
    "undeclared-parameter": (
        workflow(check(inputs={"commands.$": "$.parameters.commands"})),
        r"Step 'Check' refers to \$\.parameters\.commands",
    ),
    "undeclared-parameter-in-condition": (
        condition(**{"not": {"booleanEquals": True, "value": "$.parameters.approval"}}),
        r"\$\.parameters\.approval",
    ),
    "own-output": (workflow(check(inputs={"x.$": "$.stepOutputs.Check.status"})), r"\$\.stepOutputs\.Check"),
    "output-of-later-step": (
        workflow(check(inputs={"x.$": "$.stepOutputs.Later.status"}), check(name="Later")),
        r"\$\.stepOutputs\.Later",
    ),
    "reference-that-is-no-path": (
        workflow(check(inputs={"x.$": "stepOutputs.Check.x"})),
        r"inputs\['x\.\$'\]",
    ),
    "unknown-variable": (workflow(check(inputs={"x.$": "$.parameter.name"})), r"\$\.parameter\.name"),
    "output-of-unknown-step": (
        workflow(CHECK, outputs=[{"name": "x", "value": "$.stepOutputs.Chek.status"}]),
        "The section 'outputs'",
    ),
    "unknown-operator": (condition(stringIs="Linux", value="Linux"), "'stringIs'"),
    "operator-without-value": (condition(stringEquals="Linux"), "if"),
    "value-without-operator": (condition(value="Linux"), "if"),
    "two-statements": (condition(**IS_LINUX, **{"not": IS_LINUX}), "if"),
    "nested-statements": (
        json.dumps({"schemaVersion": 1.0, "steps": [check(**{"if": nest_statements(500)})]}),
        "nested more than 100 levels deep",
    ),
    "branch-without-child": (condition(**{"and": []}), "if.*non-empty"),
    "branch-with-eleven-children": (condition(**{"or": [IS_LINUX] * 11}), "if"),
    "parameter-without-name": (workflow(CHECK, parameters=[{"type": "string"}]), "'name'.*required"),
    "parameter-of-unknown-type": (
        workflow(CHECK, parameters=[{"name": "x", "type": "number"}]),
        r"parameters\[0\]",
    ),
    "parameter-default": (
        workflow(CHECK, parameters=[{"name": "x", "type": "boolean", "default": "maybe"}]),
        r"parameters\[0\]",
    ),
    "parameter-twice": (
        workflow(CHECK, parameters=[{"name": "x"}, {"name": "x"}]),
        "Duplicate parameter 'x'",
    ),
}


@pytest.mark.parametrize(("data", "why"), INVALID_WORKFLOWS.values(), ids=INVALID_WORKFLOWS)
def test_invalid_workflow_is_refused(client, data, why):
    for dry_run in (False, True):
        with pytest.raises(ClientError, match=why) as caught:
            client.create_workflow(
                name="own", semanticVersion="1.0.0", type="TEST", data=data, dryRun=dry_run
            )
        assert caught.value.response["Error"]["Code"] == "InvalidParameterValueException"
        assert "parameter 'data' is not valid" in str(caught.value)
    assert client.list_workflows()["workflowVersionList"] == []


def test_valid_workflow_is_accepted(client):
    data = workflow(
        check(name="Launch", action="LaunchInstance", inputs={"waitFor": "ssmAgent"}, description="First"),
        check(
            inputs={
                "instanceId.$": "$.stepOutputs.Launch.instanceId",
                "day": "2026-01-01",
                "text": "$.literal",
            },
            onFailure="Continue",
            rollbackEnabled=False,
            timeoutSeconds=86_400,
            **{"if": {"and": [IS_LINUX, {"not": {"or": [IS_LINUX, {"numberLessThan": 3, "value": 4}]}}]}},
        ),
        check(name="Wait", action="WaitForAction", timeoutSeconds=604_800),
        parameters=[{"name": "untyped"}, {"name": "names", "type": "stringList", "default": ["Ä", "b"]}],
        outputs=[{"name": "id", "value": "$.stepOutputs.Launch.instanceId"}],
    )
    arn = client.create_workflow(name="own", semanticVersion="1.0.0", type="TEST", data=data)[
        "workflowBuildVersionArn"
    ]
    found = client.get_workflow(workflowBuildVersionArn=arn)["workflow"]
    assert found["data"] == data
    assert found["parameters"] == [
        {"type": "string", "name": "untyped"},
        {"type": "stringList", "name": "names", "defaultValue": ["Ä", "b"]},
    ]


@pytest.mark.parametrize(
    ("operator", "operand", "runs"),
    [
        ("numberEquals", "3", [3]),
        ("numberGreaterThan", 3, [4]),
        ("numberGreaterThanEquals", 3, [3, 4]),
        ("numberLessThan", 3, [2]),
        ("numberLessThanEquals", 3.0, [2, 3]),
        ("stringEquals", "3", [3]),
    ],
)
def test_operators_compare_value_with_operand(operator, operand, runs):
    data = workflow(
        check(**{"if": {operator: operand, "value": "$.parameters.n"}}), parameters=[{"name": "n"}]
    )
    found = []
    for number in (2, 3, 4):
        [planned] = plan_steps(
            parse_workflow(data), builder={}, parameters={"n": str(number)}, runs_components=False
        )
        found += [] if planned.is_skipped else [number]
    assert found == runs


ODD_VALUES = (
    None,
    True,
    0,
    -1,
    3.5,
    10**30,
    "",
    "x",
    "$.",
    "$.parameters.names[9]",
    "$.parameters.names[x]",
    [],
    {},
)
EVERYTHING = {
    "schemaVersion": 1.0,
    "parameters": [{"name": "names", "type": "stringList", "default": ["a"], "description": "Who"}],
    "steps": [
        check(name="First", retry={"maxAttempts": 2}, timeoutSeconds=60, onFailure="Abort", description="It"),
        check(
            inputs={"x.$": "$.stepOutputs.First.status", "y.$": "$.parameters.names[0]"},
            **{"if": {"and": [IS_LINUX, {"not": {"numberLessThan": 3, "value": "$.parameters.names[0]"}}]}},
        ),
    ],
    "outputs": [{"name": "x", "value": "$.stepOutputs.Check.status"}],
}


def replace_each(value, other):
    """Yield the value with each of its parts replaced by another value."""
    yield other
    for key in value if isinstance(value, dict) else range(len(value) if isinstance(value, list) else 0):
        for part in replace_each(value[key], other):
            changed = copy(value)
            changed[key] = part
            yield changed


@pytest.mark.parametrize("other", ODD_VALUES, ids=repr)
def test_changed_workflow_is_refused_or_can_run(other):
    refused = []
    for document in replace_each(EVERYTHING, other):
        try:
            parsed = parse_workflow(yaml.safe_dump(document))
        except DocumentError as error:
            refused.append(str(error))
        else:
            steps = plan_steps(parsed, builder={"platform": "Linux"}, parameters={}, runs_components=False)
            json.dumps([each.inputs for each in steps])
    assert len(refused) > 20
    assert all(text.endswith(".") for text in refused)


# ---------------------------------------------------------------------- documents in S3


@pytest.fixture
def s3(simulator):
    client = boto3.client("s3", **simulator.client_arguments)
    client.create_bucket(Bucket="documents")
    yield client
    client.close()


def test_documents_are_read_from_s3(client, s3):
    for key, body in (("c.yaml", COMPONENT_DOCUMENT), ("w.yaml", WORKFLOW_DOCUMENT), ("d", "FROM scratch")):
        s3.put_object(Bucket="documents", Key=f"a/{key}", Body=body)
    own = {"name": "own", "semanticVersion": "1.0.0"}
    part = client.create_component(**own, platform="Linux", uri="s3://documents/a/c.yaml")
    work = client.create_workflow(**own, type="TEST", uri="s3://documents/a/w.yaml")
    box = client.create_container_recipe(
        **own,
        containerType="DOCKER",
        parentImage="amazonlinux:latest",
        targetRepository={"service": "ECR", "repositoryName": "box"},
        dockerfileTemplateUri="s3://documents/a/d",
    )
    s3.delete_object(Bucket="documents", Key="a/c.yaml")
    found = client.get_component(componentBuildVersionArn=part["componentBuildVersionArn"])["component"]
    assert found["data"] == COMPONENT_DOCUMENT
    found = client.get_workflow(workflowBuildVersionArn=work["workflowBuildVersionArn"])["workflow"]
    assert found["data"] == WORKFLOW_DOCUMENT
    found = client.get_container_recipe(containerRecipeArn=box["containerRecipeArn"])["containerRecipe"]
    assert found["dockerfileTemplateData"] == "FROM scratch"


@pytest.mark.parametrize(
    "uri",
    [
        "s3://documents/missing",
        "s3://documents/binary",
        "https://example.com/c",
        "s3://x",
    ],
)
def test_uri_that_cannot_be_read_is_refused(client, s3, uri):
    s3.put_object(Bucket="documents", Key="binary", Body=b"\xff\xfe")
    for create in (
        lambda: client.create_component(name="own", semanticVersion="1.0.0", platform="Linux", uri=uri),
        lambda: client.create_workflow(name="own", semanticVersion="1.0.0", type="TEST", uri=uri),
    ):
        with pytest.raises(ClientError, match=f"parameter 'uri' is not valid.*{uri}") as caught:
            create()
        assert caught.value.response["Error"]["Code"] == "InvalidParameterValueException"


def test_component_and_dockerfile_without_bucket_are_not_read(client):
    response = client.create_component(
        name="own", semanticVersion="1.0.0", platform="Windows", uri="s3://nowhere/c.yaml"
    )
    arn = response["componentBuildVersionArn"]
    component = client.get_component(componentBuildVersionArn=arn)["component"]
    assert (component["type"], component["platform"]) == ("BUILD", "Windows")
    client.create_container_recipe(
        name="box",
        semanticVersion="1.0.0",
        containerType="DOCKER",
        parentImage="amazonlinux:latest",
        targetRepository={"service": "ECR", "repositoryName": "box"},
        dockerfileTemplateUri="s3://nowhere/Dockerfile",
    )
    with raises_error("InvalidParameterValueException", 400, "uri"):
        client.create_workflow(name="own", semanticVersion="1.0.0", type="TEST", uri="s3://nowhere/w.yaml")


def test_invalid_document_in_s3_is_refused(client, s3):
    s3.put_object(Bucket="documents", Key="c", Body="phases: [")
    with pytest.raises(ClientError, match=r"parameter 'uri' is not valid\. The document is not YAML"):
        client.create_component(name="own", semanticVersion="1.0.0", platform="Linux", uri="s3://documents/c")


def test_both_or_neither_document_is_refused(client):
    own = {"name": "own", "semanticVersion": "1.0.0"}
    for given in ({}, {"uri": "s3://documents/c", "data": COMPONENT_DOCUMENT}):
        with raises_error("InvalidParameterCombinationException", 400):
            client.create_component(**own, platform="Linux", **given)
        with raises_error("InvalidParameterCombinationException", 400):
            client.create_workflow(**own, type="TEST", **given)
