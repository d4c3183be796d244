"""Delivery through moto's EventBridge, SNS and Lambda.

moto's ``put_events`` leaves ``account`` out of the body, delivers for disabled rules, fails if one target is
gone, has neither SNS nor Lambda targets, and wants quotation marks around each text of an input transformer.
So the rules are read from moto, which also matches their patterns and serves the other targets.
"""

from __future__ import annotations

import copy
import json
import logging
import re
import threading
import uuid
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from jsonpath_ng.exceptions import JSONPathError
from jsonpath_ng.ext import parser as json_path
from moto.awslambda.utils import get_backend as get_lambda_backend
from moto.core.exceptions import ServiceException
from moto.events.models import events_backends
from moto.sns.models import sns_backends
from moto.sqs.models import Message, sqs_backends
from moto.utilities.arns import parse_arn
from werkzeug.exceptions import HTTPException

from ..simulation.clock import format_time
from ..simulation.state_history import Members

_UNDELIVERABLE = (ServiceException, HTTPException, NotImplementedError, LookupError, OSError, ValueError)
# moto accepts patterns and paths that cannot be applied to an event.
_INAPPLICABLE = (AttributeError, TypeError, JSONPathError)
_TEMPLATE_PART = re.compile(r'"(?:[^"\\]|\\.)*"|<[^<>]+>')
_PLACEHOLDER = re.compile("<([^<>]+)>")
_LOGGER = logging.getLogger(__name__)


def put_event(event: Any, at: float) -> None:  # noqa: ANN401
    """Deliver an event, which has no time yet, to the targets of the enabled rules that match it."""
    event = {**event, "time": f"{format_time(at)[:19]}Z"}
    bus = events_backends[event["account"]][event["region"]].describe_event_bus("default")
    for rule in list(bus.rules.values()):
        _attempt(f"the targets of {rule.arn}", partial(_apply, event, at, rule))


def send(arn: str, body: str) -> None:
    """Send a message to an SNS topic or a Lambda function."""
    _attempt(arn, partial(_send, arn, body))


def _apply(event: Any, at: float, rule: Any) -> None:  # noqa: ANN401
    # moto takes a rule that has only a schedule for one that matches everything.
    is_active = rule.state != "DISABLED" and rule.event_pattern.get_pattern()
    if is_active and rule.event_pattern.matches_event(event):
        for target in list(rule.targets):
            _attempt(target["Arn"], partial(_put, event, at, rule, target))


def _put(event: Any, at: float, rule: Any, target: Members) -> None:  # noqa: ANN401
    if parse_arn(target["Arn"]).service not in ("sqs", "sns", "lambda"):
        only = copy.copy(rule)
        only.targets = [target]
        transforms = "InputTransformer" in target
        extended = {**event, "time": at, **({"ingestion-time": at} if transforms else {})}
        only.send_to_targets(extended, transform_input=transforms)
        return
    transformer = target.get("InputTransformer", {"InputTemplate": "<aws.events.event.json>"})
    if "InputPath" in target:
        transformer = {"InputTemplate": "<part>", "InputPathsMap": {"part": target["InputPath"]}}
    names = {"rule-arn": rule.arn, "rule-name": rule.name, "event.ingestion-time": event["time"]}
    values = {f"aws.events.{name}": value for name, value in {**names, "event.json": event}.items()}
    for name, path in transformer.get("InputPathsMap", {}).items():
        values.update((name, each.value) for each in json_path.parse(path).find(event)[:1])
    body = target.get("Input") or _fill(transformer["InputTemplate"], values)
    _send(target["Arn"], body, target.get("SqsParameters", {}).get("MessageGroupId"))


def _fill(template: str, values: Mapping[str, object]) -> str:
    """Fill in a template: with JSON outside of quotation marks, and with text between them."""

    def fill_text(match: re.Match[str]) -> str:
        value = values.get(match[1], "")
        return json.dumps(value if isinstance(value, str) else json.dumps(value))[1:-1]

    def fill_part(match: re.Match[str]) -> str:
        is_text = match[0].startswith('"')
        return _PLACEHOLDER.sub(fill_text, match[0]) if is_text else json.dumps(values.get(match[0][1:-1]))

    return _TEMPLATE_PART.sub(fill_part, template)


def _send(arn: str, body: str, group_id: str | None = None) -> None:
    place = parse_arn(arn)
    if place.service == "sqs":
        queues = sqs_backends[place.account][place.region]
        queue = queues.get_queue(place.resource_id)
        if queue.fifo_queue:
            queues.send_message(queue.name, body, group_id=group_id)
            return
        # moto's send_message counts all messages of the queue each time.
        message = Message(str(uuid.uuid4()), body)
        message.group_id = group_id
        message.mark_sent(delay_seconds=queue.delay_seconds)  # type: ignore[attr-defined]
        queue.add_message(message)
        return
    if place.service == "sns":
        topics, message_id = sns_backends[place.account][place.region], str(uuid.uuid4())
        subscriptions, _ = topics.list_subscriptions_by_topic(arn)
        topics.get_topic(arn).sent_notifications.append((message_id, body, None, None, None))
        # Not moto's publish, which stops at the first subscription that fails.
        for each in subscriptions:
            run = _attempt if each.protocol == "sqs" else _attempt_later
            run(each.endpoint, partial(each.publish, body, message_id))
        return
    functions = get_lambda_backend(place.account, place.region)
    _attempt_later(arn, partial(functions.invoke, arn, None, body, {"x-amz-invocation-type": "Event"}, {}))


def _attempt_later(receiver: str, call: Callable[[], object]) -> None:
    """Attempt it in a thread: it may call the simulator, which is locked until everything is sent."""
    threading.Thread(target=_attempt, args=(receiver, call), name=f"to {receiver}", daemon=True).start()


def _attempt(receiver: str, call: Callable[[], object]) -> None:
    try:
        call()
    except (*_UNDELIVERABLE, *_INAPPLICABLE) as error:
        _LOGGER.warning("Nothing was delivered to %s: %s", receiver, error)
