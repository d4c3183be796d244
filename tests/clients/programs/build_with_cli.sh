#!/usr/bin/env bash
# Sets up a pipeline, runs it, reads it, cancels it, retries it and deletes it with the AWS CLI.
set -euo pipefail

ib() { aws imagebuilder "$@" --output text; }
advance() { curl -fsS "$AWS_ENDPOINT_URL/_simulator/advance" -d "{\"seconds\": $1}" >/dev/null; }
state() { ib get-image --image-build-version-arn "$image" --query image.state.status; }

document='schemaVersion: 1.0
phases:
  - name: build
    steps:
      - name: Hello
        action: ExecuteBash
        inputs:
          commands: [echo Hello]
'
component=$(ib create-component --name cli --semantic-version 1.0.0 --platform Linux --data "$document" \
  --query componentBuildVersionArn)
recipe=$(ib create-image-recipe --name cli --semantic-version 1.0.0 --components "componentArn=$component" \
  --parent-image "arn:aws:imagebuilder:$AWS_REGION:aws:image/amazon-linux-2023-x86/x.x.x" \
  --query imageRecipeArn)
infrastructure=$(ib create-infrastructure-configuration --name cli --instance-profile-name builder \
  --query infrastructureConfigurationArn)
name='amiDistributionConfiguration={name="cli {{ imagebuilder:buildDate }}"}'
distribution=$(ib create-distribution-configuration --name cli \
  --distributions "region=us-east-1,$name" "region=eu-west-1,$name" --query distributionConfigurationArn)
pipeline=$(ib create-image-pipeline --name cli --image-recipe-arn "$recipe" \
  --infrastructure-configuration-arn "$infrastructure" --distribution-configuration-arn "$distribution" \
  --query imagePipelineArn)

image=$(ib start-image-pipeline-execution --image-pipeline-arn "$pipeline" --query imageBuildVersionArn)
echo started "$(state)"

advance 540
echo running "$(state)"
executions=$(ib list-workflow-executions --image-build-version-arn "$image" \
  --query 'workflowExecutions[].[status, workflowExecutionId]')
echo workflows $(cut -f1 <<<"$executions")
steps=$(ib list-workflow-step-executions --workflow-execution-id "$(sed -n 2p <<<"$executions" | cut -f2)" \
  --query 'steps[].[name]')
echo steps $steps

ib cancel-image-creation --image-build-version-arn "$image" >/dev/null
advance 300
echo cancelled "$(state)"

ib retry-image --image-build-version-arn "$image" >/dev/null
advance 3600
echo retried "$(state)"
echo regions $(ib get-image --image-build-version-arn "$image" --query 'image.outputResources.amis[].[region]')

ib delete-image --image-build-version-arn "$image" >/dev/null
ib delete-image-pipeline --image-pipeline-arn "$pipeline" >/dev/null
ib delete-distribution-configuration --distribution-configuration-arn "$distribution" >/dev/null
ib delete-infrastructure-configuration --infrastructure-configuration-arn "$infrastructure" >/dev/null
ib delete-image-recipe --image-recipe-arn "$recipe" >/dev/null
ib delete-component --component-build-version-arn "$component" >/dev/null
echo left "$(ib list-image-pipelines --query 'length(imagePipelineList)')"
