"""``hints template``: prints a CloudFormation template for push hints. It creates nothing."""

from __future__ import annotations

from typing import Final

import click

from ...polling.hint_events import IMAGE_STATE_CHANGE, SOURCE, WORKFLOW_STEP_WAITING
from ..exit_codes import ExitCode

_HEAD: Final = """\
AWSTemplateFormatVersion: "2010-09-09"
Description: Sends the events of EC2 Image Builder to the queues of aioimagebuilder.
Resources:
"""
# A message that is older helps nobody.
_QUEUE: Final = """\
  {queue}:
    Type: AWS::SQS::Queue
    Properties:
      MessageRetentionPeriod: 300
      ReceiveMessageWaitTimeSeconds: 20
  {queue}Policy:
    Type: AWS::SQS::QueuePolicy
    Properties:
      Queues: [!Ref {queue}]
      PolicyDocument:
        Version: "2012-10-17"
        Statement:
          - Effect: Allow
            Principal: {{Service: {sender}.amazonaws.com}}
            Action: sqs:SendMessage
            Resource: !GetAtt {queue}.Arn
            Condition: {{ArnEquals: {{"aws:SourceArn": {source}}}}}
"""
_RULE: Final = """\
  Rule:
    Type: AWS::Events::Rule
    Properties:
      EventPattern:
        source: [{event_source}]
        # CloudTrail's events have the same source.
        detail-type:
          - {image_state_change}
          - {workflow_step_waiting}
      Targets: [{{Id: hints, Arn: {target}}}]
"""
# Without a condition, which EventBridge does not satisfy for topics (EventBridge user guide, "Using
# resource-based policies for Amazon EventBridge").
_TOPIC: Final = """\
  Topic:
    Type: AWS::SNS::Topic
  TopicPolicy:
    Type: AWS::SNS::TopicPolicy
    Properties:
      Topics: [!Ref Topic]
      PolicyDocument:
        Version: "2012-10-17"
        Statement:
          - Effect: Allow
            Principal: {Service: events.amazonaws.com}
            Action: sns:Publish
            Resource: !Ref Topic
"""
_SUBSCRIPTION: Final = """\
  {queue}Subscription:
    Type: AWS::SNS::Subscription
    Properties:
      TopicArn: !Ref Topic
      Protocol: sqs
      Endpoint: !GetAtt {queue}.Arn
      RawMessageDelivery: true
"""
_OUTPUT: Final = """\
  {queue}Url:
    Description: The URL for SqsHints and --hints.
    Value: !Ref {queue}
"""


def template(*, queues: int) -> ExitCode:
    """Print the template and return the exit code."""
    click.echo(create_template(queues), nl=False)
    return ExitCode.SUCCEEDED


def create_template(queues: int) -> str:
    """Return a template with so many queues; several of them receive the events through a topic."""
    has_topic = queues > 1
    names = [f"Queue{number}" for number in range(1, queues + 1)] if has_topic else ["Queue"]
    sender, source = ("sns", "!Ref Topic") if has_topic else ("events", "!GetAtt Rule.Arn")
    rule = _RULE.format(
        event_source=SOURCE,
        image_state_change=IMAGE_STATE_CHANGE,
        workflow_step_waiting=WORKFLOW_STEP_WAITING,
        target="!Ref Topic" if has_topic else "!GetAtt Queue.Arn",
    )
    parts = [_HEAD, rule]
    if has_topic:
        parts.append(_TOPIC)
    for queue in names:
        parts.append(_QUEUE.format(queue=queue, sender=sender, source=source))
        if has_topic:
            parts.append(_SUBSCRIPTION.format(queue=queue))
    parts.append("Outputs:\n")
    parts += [_OUTPUT.format(queue=queue) for queue in names]
    return "".join(parts)
