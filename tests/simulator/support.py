"""Helpers for tests over the wire."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

COMPONENT_DOCUMENT = """\
schemaVersion: 1.0
phases:
  - name: build
    steps: [{name: Install, action: ExecuteBash, inputs: {commands: [echo installing]}}]
"""
WORKFLOW_DOCUMENT = "{schemaVersion: 1.0, steps: [{name: Check, action: RunCommand}]}"


def raises_error(code: str, status: int | None = None, match: str | None = None) -> Any:
    """Return a context manager that expects an error with a code and, if given, an HTTP status and a text."""

    def matches(error: ClientError) -> bool:
        actual = error.response["ResponseMetadata"]["HTTPStatusCode"]
        return error.response["Error"]["Code"] == code and status in (None, actual)

    return pytest.raises(ClientError, check=matches, match=match)


def get_status(client: Any, arn: str) -> str:
    """Return the status of an image as in GetImage."""
    return str(client.get_image(imageBuildVersionArn=arn)["image"]["state"]["status"])


def list_executions(client: Any, arn: str) -> list[dict[str, Any]]:
    """Return the workflow executions of an image."""
    return list(client.list_workflow_executions(imageBuildVersionArn=arn)["workflowExecutions"])


def get_steps(client: Any, workflow_execution_id: str) -> dict[str, dict[str, Any]]:
    """Return the steps of a workflow execution by name."""
    rows = client.list_workflow_step_executions(workflowExecutionId=workflow_execution_id)["steps"]
    return {row["name"]: row for row in rows}


STATE_CHANGE = "EC2 Image Builder Image State Change"
PATTERN = {"source": ["aws.imagebuilder"]}
BUILD = [
    ("CREATING", "BUILDING"),
    ("BUILDING", "TESTING"),
    ("TESTING", "DISTRIBUTING"),
    ("DISTRIBUTING", "AVAILABLE"),
]


def get_changes(events):
    return [
        (event["detail"]["previous-state"]["status"], event["detail"]["state"]["status"])
        for event in events
        if event["detail-type"] == STATE_CHANGE
    ]


def get_statuses(events):
    return [status for _, status in get_changes(events)]


class Aws:
    """boto3 clients of other services, and what a rule on the default bus brings."""

    def __init__(self, **arguments):
        self.sqs, self.sns, self.events, self.logs = (
            boto3.client(service, config=Config(retries={"total_max_attempts": 1}), **arguments)
            for service in ("sqs", "sns", "events", "logs")
        )

    def create_queue(self, name="builds"):
        url = self.sqs.create_queue(QueueName=name)["QueueUrl"]
        arn = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
        return url, arn["QueueArn"]

    def create_topic(self, name="builds"):
        """Create a topic whose messages go to a queue; return its ARN and the URL of the queue."""
        topic = self.sns.create_topic(Name=name)["TopicArn"]
        url, arn = self.create_queue(f"{name}-topic")
        self.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
        return topic, url

    def add_rule(self, *targets, pattern=PATTERN, name="builds"):
        self.events.put_rule(Name=name, EventPattern=json.dumps(pattern))
        self.events.put_targets(
            Rule=name, Targets=[{"Id": str(number), **each} for number, each in enumerate(targets)]
        )

    def receive(self, url):
        """Return the bodies of all messages of a queue, and delete the messages."""
        bodies = []
        while messages := self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            for each in messages:
                bodies.append(json.loads(each["Body"]))
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=each["ReceiptHandle"])
        return bodies

    def receive_published(self, url):
        return [json.loads(each["Message"]) for each in self.receive(url)]

    def close(self):
        for client in (self.sqs, self.sns, self.events, self.logs):
            client.close()
