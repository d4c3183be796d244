"""Delivery through moto's EventBridge, SNS and Lambda.

moto's ``put_events`` leaves ``account`` out of the body, delivers for disabled rules, fails if one target is
gone, and has neither SNS nor Lambda targets. So the rules are read from moto, which also matches their
patterns, transforms their inputs and serves the other targets.
"""

from __future__ import annotations

import copy
import json
import logging
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from jsonpath_ng.parser import parse as parse_path
from moto.awslambda.utils import get_backend as get_lambda_backend
from moto.core.exceptions import ServiceException
from moto.events.models import events_backends
from moto.events.utils import EventTemplateParser
from moto.sns.models import sns_backends
from moto.sqs.models import sqs_backends
from moto.utilities.arns import parse_arn
from werkzeug.exceptions import HTTPException

from ..simulation.clock import format_time
from ..simulation.state_history import Members

_UNDELIVERABLE = (ServiceException, HTTPException, NotImplementedError, LookupError, ValueError)
_LOGGER = logging.getLogger(__name__)


def put_event(event: Any, at: float) -> None:  # noqa: ANN401
    """Deliver an event to the targets of the enabled rules that match it.

    Args:
        event: The event, without its time.
        at: The time of the event.
    """
    event = {**event, "time": f"{format_time(at)[:19]}Z"}
    bus = events_backends[event["account"]][event["region"]].describe_event_bus("default")
    for rule in list(bus.rules.values()):
        # moto takes a rule that has only a schedule for one that matches everything.
        is_active = rule.state != "DISABLED" and rule.event_pattern.get_pattern()
        if is_active and rule.event_pattern.matches_event(event):
            for target in list(rule.targets):
                _attempt(target["Arn"], partial(_send, event, at, rule, target))


def publish(topic_arn: str, message: str) -> None:
    """Publish a message to an SNS topic."""
    _attempt(topic_arn, partial(_publish, topic_arn, message))


def invoke(function_arn: str, payload: str) -> None:
    """Invoke a Lambda function asynchronously."""
    arn = parse_arn(function_arn)
    backend = get_lambda_backend(arn.account, arn.region)
    headers = {"x-amz-invocation-type": "Event"}
    _run_in_background(function_arn, partial(backend.invoke, function_arn, None, payload, headers, {}))


def _send(event: Members, at: float, rule: Any, target: Members) -> None:  # noqa: ANN401
    arn = parse_arn(target["Arn"])
    if arn.service not in ("sqs", "sns", "lambda"):
        _send_by_moto(event, at, rule, target)
        return
    body = json.dumps(_transform(event, at, target))
    if arn.service == "sqs":
        group = target.get("SqsParameters", {}).get("MessageGroupId")
        sqs_backends[arn.account][arn.region].send_message(arn.resource_id, body, group_id=group)
    elif arn.service == "sns":
        _publish(target["Arn"], body)
    else:
        invoke(target["Arn"], body)


def _send_by_moto(event: Members, at: float, rule: Any, target: Members) -> None:  # noqa: ANN401
    only = copy.copy(rule)
    only.targets = [target]
    has_transformer = "InputTransformer" in target
    only.send_to_targets({**event, "time": at, "ingestion-time": at}, transform_input=has_transformer)


def _transform(event: Any, at: float, target: Members) -> object:  # noqa: ANN401
    """Return what a target receives: the event, a part of it, a constant, or a template filled with parts."""
    if "Input" in target:
        return json.loads(target["Input"])
    if "InputPath" in target:
        return parse_path(target["InputPath"]).find(event)[0].value
    if "InputTransformer" not in target:
        return event
    transformer = target["InputTransformer"]
    event = {**event, "ingestion-time": at}
    return EventTemplateParser.parse(
        transformer["InputTemplate"], transformer.get("InputPathsMap", {}), event
    )


def _publish(topic_arn: str, message: str) -> None:
    arn = parse_arn(topic_arn)
    backend = sns_backends[arn.account][arn.region]
    subscriptions, _ = backend.list_subscriptions_by_topic(topic_arn)
    send = partial(backend.publish, message, arn=topic_arn)
    if all(each.protocol == "sqs" for each in subscriptions):
        send()
    else:
        _run_in_background(topic_arn, send)


def _run_in_background(target: str, send: Callable[[], object]) -> None:
    # A function or an endpoint may call the simulator, which is locked until all is sent.
    threading.Thread(target=_attempt, args=(target, send), name=f"to {target}", daemon=True).start()


def _attempt(target: str, send: Callable[[], object]) -> None:
    try:
        send()
    except _UNDELIVERABLE as error:
        _LOGGER.warning("Nothing was delivered to %s: %s", target, error)
