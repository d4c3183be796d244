"""Resource policies: documents that are refused, and policies that end with their resource."""

from __future__ import annotations

import json

import pytest

from simulator.support import raises_error
from simulator.test_resources import BASE, create_component, create_recipe

ALLOW = {"Effect": "Allow", "Principal": {"AWS": "1"}, "Action": "imagebuilder:GetComponent", "Resource": "*"}


def make_policy(*statements, version="2012-10-17"):
    return json.dumps({"Version": version, "Statement": list(statements)})


@pytest.mark.parametrize(
    "policy",
    [
        "allow everyone",
        "[]",
        "{}",
        make_policy(),
        make_policy(ALLOW, version="2025-01-01"),
        make_policy({**ALLOW, "Effect": "Perhaps"}),
        make_policy({**ALLOW, "Action": "everything"}),
        make_policy({**ALLOW, "Action": [None]}),
        make_policy({each: value for each, value in ALLOW.items() if each != "Action"}),
        make_policy({each: value for each, value in ALLOW.items() if each != "Resource"}),
        make_policy(ALLOW, {each: value for each, value in ALLOW.items() if each != "Principal"}),
        json.dumps({"Version": "2012-10-17", "Statement": {**ALLOW, "Whatever": 1}}),
    ],
)
def test_invalid_policy_is_refused(client, policy):
    arn = create_component(client)
    with raises_error("InvalidParameterValueException", 400, "'policy' is not valid"):
        client.put_component_policy(componentArn=arn, policy=policy)
    assert client.get_component_policy(componentArn=arn)["policy"] == "{}"


def test_policy_with_single_statement_is_stored_as_given(client):
    arn = create_component(client)
    policy = json.dumps({"Version": "2012-10-17", "Statement": ALLOW}, indent=4)
    client.put_component_policy(componentArn=arn, policy=policy)
    assert client.get_component_policy(componentArn=arn)["policy"] == policy


def test_policy_requires_existing_resource(client):
    for kind, arn in (
        ("component", f"{BASE}:component/nothing/1.0.0/1"),
        ("image", f"{BASE}:image/nothing/1.0.0/1"),
        ("image_recipe", f"{BASE}:image-recipe/nothing/1.0.0"),
        ("container_recipe", f"{BASE}:container-recipe/nothing/1.0.0"),
    ):
        member = {f"{kind.replace('_r', 'R')}Arn": arn}
        with raises_error("ResourceNotFoundException", 404):
            getattr(client, f"get_{kind}_policy")(**member)
        with raises_error("ResourceNotFoundException", 404):
            getattr(client, f"put_{kind}_policy")(**member, policy=make_policy(ALLOW))


def test_managed_component_cannot_be_shared(client):
    managed = "arn:aws:imagebuilder:us-east-1:aws:component/update-linux/1.0.2/1"
    with raises_error("ForbiddenException", 403):
        client.put_component_policy(componentArn=managed, policy=make_policy(ALLOW))


def test_policy_is_deleted_with_its_resource(client, built):
    recipe = create_recipe(client)
    client.put_image_recipe_policy(imageRecipeArn=recipe, policy=make_policy(ALLOW))
    client.delete_image_recipe(imageRecipeArn=recipe)
    assert create_recipe(client, parts=[f"{BASE}:component/thing/1.0.0/1"]) == recipe
    assert client.get_image_recipe_policy(imageRecipeArn=recipe)["policy"] == "{}"
    client.put_image_policy(imageArn=built, policy=make_policy(ALLOW))
    client.delete_image(imageBuildVersionArn=built)
    with raises_error("ResourceNotFoundException", 404):
        client.get_image_policy(imageArn=built)
