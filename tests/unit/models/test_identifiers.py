"""The parsing of ids and ARNs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aioimagebuilder.models.identifiers import ExecutionKind, Identifier, ResourceKind, parse_arn

UUID = "a1b2c3d4-5678-90ab-cdef-111122223333"
BASE = "arn:aws:imagebuilder:us-west-2:123456789012"


@pytest.mark.parametrize(
    ("value", "kind", "region", "parent"),
    [
        (f"wf-{UUID}", ExecutionKind.WORKFLOW_EXECUTION, None, None),
        (f"wf-{UUID.upper()}", ExecutionKind.WORKFLOW_EXECUTION, None, None),
        # Users paste such ids from the AWS documentation; the pattern of the service model rejects them.
        ("wf-a1b2c3d4-5678-90ab-cdef-EXAMPLE33333", ExecutionKind.WORKFLOW_EXECUTION, None, None),
        (f"step-{UUID}", ExecutionKind.WORKFLOW_STEP_EXECUTION, None, None),
        (f"lce-{UUID}", ExecutionKind.LIFECYCLE_EXECUTION, None, None),
        (f"{BASE}:image/demo/1.0.0/1", ExecutionKind.IMAGE, "us-west-2", f"{BASE}:image/demo/1.0.0"),
        (f"{BASE}:image/My_Demo/1.0.0/12", ExecutionKind.IMAGE, "us-west-2", f"{BASE}:image/My_Demo/1.0.0"),
        (
            "arn:aws-cn:imagebuilder:cn-north-1:123456789012:image/x/1.0.0/1",
            ExecutionKind.IMAGE,
            "cn-north-1",
            "arn:aws-cn:imagebuilder:cn-north-1:123456789012:image/x/1.0.0",
        ),
    ],
)
def test_execution_id_is_parsed(value, kind, region, parent):
    found = Identifier.parse(value)
    assert (found.kind, found.region, found.image_version_arn, str(found)) == (kind, region, parent, value)


@pytest.mark.parametrize(
    ("resource", "kind"),
    [
        ("image/demo/1.0.0", ResourceKind.IMAGE_VERSION),
        ("image/demo/x.x.x", ResourceKind.IMAGE_VERSION),
        ("image-pipeline/demo", ResourceKind.IMAGE_PIPELINE),
        ("image-recipe/demo/1.0.0", ResourceKind.IMAGE_RECIPE),
        ("container-recipe/demo/1.0.0", ResourceKind.CONTAINER_RECIPE),
        ("infrastructure-configuration/demo", ResourceKind.INFRASTRUCTURE_CONFIGURATION),
        ("distribution-configuration/demo", ResourceKind.DISTRIBUTION_CONFIGURATION),
        ("lifecycle-policy/demo", ResourceKind.LIFECYCLE_POLICY),
        ("workflow/build/demo/1.0.0/1", ResourceKind.WORKFLOW),
        ("component/demo/1.0.0/1", ResourceKind.COMPONENT),
    ],
)
def test_resource_arn_is_parsed_and_is_not_an_execution(resource, kind):
    arn = f"{BASE}:{resource}"
    assert parse_arn(arn).kind is kind
    assert Identifier.parse(arn, kind).kind is kind
    with pytest.raises(ValueError, match=f"names an? {kind.value}: expected"):
        Identifier.parse(arn)


@pytest.mark.parametrize("client_region", [None, "us-west-2"])
def test_arn_in_the_region_of_the_client_is_accepted(client_region):
    found = Identifier.parse(f"{BASE}:image/demo/1.0.0/1", client_region=client_region)
    assert found.region == "us-west-2"


def test_id_is_accepted_in_any_region():
    assert Identifier.parse(f"wf-{UUID}", client_region="eu-west-1").region is None


@given(st.text())
def test_any_other_text_raises_value_error(text):
    with pytest.raises(ValueError, match="is not an Image Builder id"):
        Identifier.parse(text)


@pytest.mark.parametrize("name", ["a\x1b[2J", "a\x00", "a\u202e", "a\ud800", "a\x85b", "é"])
def test_name_outside_visible_ascii_is_rejected(name):
    with pytest.raises(ValueError, match="is not an Image Builder id") as caught:
        Identifier.parse(f"{BASE}:image/{name}/1.0.0/1")
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("region", ["us-west-2\n", "us\x1b[2J", ""])
def test_malformed_region_is_rejected(region):
    with pytest.raises(ValueError, match="is not an Image Builder id") as caught:
        Identifier.parse(f"arn:aws:imagebuilder:{region}:123456789012:image/demo/1.0.0/1")
    assert str(caught.value).isprintable()


def test_message_about_a_huge_id_is_short():
    for value in ("x" * 10**7, f"{BASE}:image/{'x' * 10**7}/1.0.0/1"):
        with pytest.raises(ValueError, match=r"is not an Image Builder id|is in region us-west-2") as caught:
            Identifier.parse(value, client_region="eu-west-1")
        assert len(str(caught.value)) < 1000
