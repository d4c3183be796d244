"""Helpers for tests of the outputs of images."""

from __future__ import annotations

from aioimagebuilder.testing import BuildScript, StepScript

ACCOUNT, OTHER_ACCOUNT = "123456789012", "111122223333"
CONFIGURATION = f"arn:aws:imagebuilder:us-east-1:{ACCOUNT}:distribution-configuration/demo-distribution"
NAME = "web {{ imagebuilder:buildDate }}"
PIPELINE = f"arn:aws:imagebuilder:us-east-1:{ACCOUNT}:image-pipeline/demo"
SLOW = BuildScript(
    steps={"CreateOutputAMI": StepScript(duration=1000), "TerminateBuildInstance": StepScript(duration=1000)}
)
FAILING = BuildScript.failing_step("LaunchTestInstance")


def distribute(client, *distributions):
    client.update_distribution_configuration(
        distributionConfigurationArn=CONFIGURATION, distributions=list(distributions)
    )


def make_distribution(region="us-east-1", parameters=None, **settings):
    found = {"region": region, "amiDistributionConfiguration": settings}
    return {**found, "ssmParameterConfigurations": parameters} if parameters else found


def list_amis(client, arn):
    return client.get_image(imageBuildVersionArn=arn)["image"].get("outputResources", {}).get("amis", [])


def list_own_images(ec2):
    return ec2.describe_images(Owners=["self"])["Images"]


def get_tags(resource):
    return {tag["Key"]: tag["Value"] for tag in resource["Tags"]}


def get_build_date(client, arn):
    created = client.get_image(imageBuildVersionArn=arn)["image"]["dateCreated"]
    return created.replace(":", "-")
