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
    """Deliver an event, which has no time yet, to the targets of the enabled rules that match it."""
    event = {**event, "time": f"{format_time(at)[:19]}Z"}
    bus = events_backends[event["account"]][event["region"]].describe_event_bus("default")
    for rule in list(bus.rules.values()):
        # moto takes a rule that has only a schedule for one that matches everything.
        is_active = rule.state != "DISABLED" and rule.event_pattern.get_pattern()
        if is_active and rule.event_pattern.matches_event(event):
            for target in list(rule.targets):
                _attempt(target["Arn"], partial(_put, event, at, rule, target))


def send(arn: str, body: str) -> None:
    """Send a message to an SNS topic or a Lambda function."""
    _attempt(arn, partial(_send, arn, body))


def _put(event: Any, at: float, rule: Any, target: Members) -> None:  # noqa: ANN401
    extended: Any = {**event, "ingestion-time": at}
    transformer = target.get("InputTransformer")
    if "InputPath" in target:
        transformer = {"InputTemplate": "<part>", "InputPathsMap": {"part": target["InputPath"]}}
    if parse_arn(target["Arn"]).service not in ("sqs", "sns", "lambda"):
        only = copy.copy(rule)
        only.targets = [target]
        has_transformer = "InputTransformer" in target
        only.send_to_targets(
            {**(extended if has_transformer else event), "time": at}, transform_input=has_transformer
        )
        return
    content = event
    if transformer is not None:
        paths = transformer.get("InputPathsMap", {})
        content = EventTemplateParser.parse(transformer["InputTemplate"], paths, extended)
    group = target.get("SqsParameters", {}).get("MessageGroupId")
    _send(target["Arn"], target.get("Input") or json.dumps(content), group)


def _send(arn: str, body: str, group_id: str | None = None) -> None:
    place = parse_arn(arn)
    call: Callable[[], object]
    if place.service == "sqs":
        queues = sqs_backends[place.account][place.region]
        queues.send_message(place.resource_id, body, group_id=group_id)
        return
    if place.service == "sns":
        topics = sns_backends[place.account][place.region]
        subscriptions, _ = topics.list_subscriptions_by_topic(arn)
        call = partial(topics.publish, body, arn=arn)
        if all(each.protocol == "sqs" for each in subscriptions):
            call()
            return
    else:
        functions = get_lambda_backend(place.account, place.region)
        call = partial(functions.invoke, arn, None, body, {"x-amz-invocation-type": "Event"}, {})
    # A function or an endpoint may call the simulator, which is locked until everything is sent.
    threading.Thread(target=_attempt, args=(arn, call), name=f"to {arn}", daemon=True).start()


def _attempt(arn: str, call: Callable[[], object]) -> None:
    try:
        call()
    except _UNDELIVERABLE as error:
        _LOGGER.warning("Nothing was delivered to %s: %s", arn, error)
