// Sets up a pipeline, runs it, reads it, cancels it, retries it and deletes it with the AWS SDK for JavaScript.

import { Imagebuilder } from "@aws-sdk/client-imagebuilder";

const client = new Imagebuilder();
const parentImage = `arn:aws:imagebuilder:${process.env.AWS_REGION}:aws:image/amazon-linux-2023-x86/x.x.x`;
const data = `\
schemaVersion: 1.0
phases:
  - name: build
    steps:
      - name: Hello
        action: ExecuteBash
        inputs:
          commands: [echo Hello]
`;

async function advance(seconds) {
  const url = `${process.env.AWS_ENDPOINT_URL}/_simulator/advance`;
  const response = await fetch(url, { method: "POST", body: JSON.stringify({ seconds }) });
  if (!response.ok) throw new Error(await response.text());
}

async function status(imageBuildVersionArn) {
  return (await client.getImage({ imageBuildVersionArn })).image.state.status;
}

const name = "javascript";
const semanticVersion = "1.0.0";
const { componentBuildVersionArn } = await client.createComponent({
  name, semanticVersion, platform: "Linux", data,
});
const { imageRecipeArn } = await client.createImageRecipe({
  name, semanticVersion, parentImage, components: [{ componentArn: componentBuildVersionArn }],
});
const { infrastructureConfigurationArn } = await client.createInfrastructureConfiguration({
  name, instanceProfileName: "builder",
});
const { distributionConfigurationArn } = await client.createDistributionConfiguration({
  name,
  distributions: ["us-east-1", "eu-west-1"].map((region) => ({
    region, amiDistributionConfiguration: { name: "javascript {{ imagebuilder:buildDate }}" },
  })),
});
const { imagePipelineArn } = await client.createImagePipeline({
  name, imageRecipeArn, infrastructureConfigurationArn, distributionConfigurationArn,
});

const { imageBuildVersionArn } = await client.startImagePipelineExecution({ imagePipelineArn });
console.log("started", await status(imageBuildVersionArn));

await advance(540);
console.log("running", await status(imageBuildVersionArn));
const { workflowExecutions } = await client.listWorkflowExecutions({ imageBuildVersionArn });
console.log("workflows", ...workflowExecutions.map((execution) => execution.status));
const { workflowExecutionId } = workflowExecutions[1];
const { steps } = await client.listWorkflowStepExecutions({ workflowExecutionId });
console.log("steps", ...steps.map((step) => step.name));

await client.cancelImageCreation({ imageBuildVersionArn });
await advance(300);
console.log("cancelled", await status(imageBuildVersionArn));

await client.retryImage({ imageBuildVersionArn });
await advance(3600);
console.log("retried", await status(imageBuildVersionArn));
const { image } = await client.getImage({ imageBuildVersionArn });
console.log("regions", ...image.outputResources.amis.map((ami) => ami.region));

await client.deleteImage({ imageBuildVersionArn });
await client.deleteImagePipeline({ imagePipelineArn });
await client.deleteDistributionConfiguration({ distributionConfigurationArn });
await client.deleteInfrastructureConfiguration({ infrastructureConfigurationArn });
await client.deleteImageRecipe({ imageRecipeArn });
await client.deleteComponent({ componentBuildVersionArn });
console.log("left", (await client.listImagePipelines({})).imagePipelineList.length);
