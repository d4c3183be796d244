"""Set up a pipeline, run it, read it, cancel it, retry it and delete it with boto3."""

import os
import urllib.request

import boto3

client = boto3.client("imagebuilder")
PARENT = f"arn:aws:imagebuilder:{client.meta.region_name}:aws:image/amazon-linux-2023-x86/x.x.x"
DOCUMENT = """\
schemaVersion: 1.0
phases:
  - name: build
    steps:
      - name: Hello
        action: ExecuteBash
        inputs:
          commands: [echo Hello]
"""


def advance(seconds: int) -> None:
    url = f"{os.environ['AWS_ENDPOINT_URL']}/_simulator/advance"
    urllib.request.urlopen(url, b'{"seconds": %d}' % seconds).close()


def status(image: str) -> str:
    return client.get_image(imageBuildVersionArn=image)["image"]["state"]["status"]


component = client.create_component(name="boto3", semanticVersion="1.0.0", platform="Linux", data=DOCUMENT)[
    "componentBuildVersionArn"
]
recipe = client.create_image_recipe(
    name="boto3",
    semanticVersion="1.0.0",
    parentImage=PARENT,
    components=[{"componentArn": component}],
)["imageRecipeArn"]
infrastructure = client.create_infrastructure_configuration(name="boto3", instanceProfileName="builder")[
    "infrastructureConfigurationArn"
]
distribution = client.create_distribution_configuration(
    name="boto3",
    distributions=[
        {"region": region, "amiDistributionConfiguration": {"name": "boto3 {{ imagebuilder:buildDate }}"}}
        for region in ("us-east-1", "eu-west-1")
    ],
)["distributionConfigurationArn"]
pipeline = client.create_image_pipeline(
    name="boto3",
    imageRecipeArn=recipe,
    infrastructureConfigurationArn=infrastructure,
    distributionConfigurationArn=distribution,
)["imagePipelineArn"]

image = client.start_image_pipeline_execution(imagePipelineArn=pipeline)["imageBuildVersionArn"]
print("started", status(image))

advance(540)
print("running", status(image))
executions = client.list_workflow_executions(imageBuildVersionArn=image)["workflowExecutions"]
print("workflows", *(execution["status"] for execution in executions))
steps = client.list_workflow_step_executions(workflowExecutionId=executions[1]["workflowExecutionId"])[
    "steps"
]
print("steps", *(step["name"] for step in steps))

client.cancel_image_creation(imageBuildVersionArn=image)
advance(300)
print("cancelled", status(image))

client.retry_image(imageBuildVersionArn=image)
advance(3600)
print("retried", status(image))
amis = client.get_image(imageBuildVersionArn=image)["image"]["outputResources"]["amis"]
print("regions", *(ami["region"] for ami in amis))

client.delete_image(imageBuildVersionArn=image)
client.delete_image_pipeline(imagePipelineArn=pipeline)
client.delete_distribution_configuration(distributionConfigurationArn=distribution)
client.delete_infrastructure_configuration(infrastructureConfigurationArn=infrastructure)
client.delete_image_recipe(imageRecipeArn=recipe)
client.delete_component(componentBuildVersionArn=component)
print("left", len(client.list_image_pipelines()["imagePipelineList"]))
