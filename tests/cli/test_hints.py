"""``hints template``, and ``--hints`` on commands that wait."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from moto.cloudformation.utils import yaml_tag_constructor

from aioimagebuilder.polling.hint_events import IMAGE_STATE_CHANGE, SOURCE, WORKFLOW_STEP_WAITING
from aioimagebuilder.testing import Simulator
from cli.support import PAGE, Cli

QUEUE = "https://sqs.us-east-1.amazonaws.com/123456789012/hints"


class _Loader(yaml.SafeLoader):
    pass


_Loader.add_multi_constructor("", yaml_tag_constructor)


def _load(text: str) -> dict[str, dict[str, Any]]:
    return dict(yaml.load(text, Loader=_Loader))


def _statement(resource: dict[str, Any]) -> dict[str, Any]:
    (statement,) = resource["Properties"]["PolicyDocument"]["Statement"]
    return dict(statement)


def test_template_sends_the_events_to_a_queue_that_only_the_rule_fills(cli: Cli) -> None:
    result = cli("hints", "template")
    assert (result.code, result.stderr) == (0, "")
    resources = _load(result.stdout)["Resources"]
    assert {each["Type"] for each in resources.values()} == {
        "AWS::Events::Rule",
        "AWS::SQS::Queue",
        "AWS::SQS::QueuePolicy",
    }
    rule = resources["Rule"]["Properties"]
    assert rule["EventPattern"] == {
        "source": [SOURCE],
        "detail-type": [IMAGE_STATE_CHANGE, WORKFLOW_STEP_WAITING],
    }
    assert [each["Arn"] for each in rule["Targets"]] == [{"Fn::GetAtt": ["Queue", "Arn"]}]
    assert resources["Queue"]["Properties"]["MessageRetentionPeriod"] == 300
    assert _statement(resources["QueuePolicy"]) == {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": {"Fn::GetAtt": ["Queue", "Arn"]},
        "Condition": {"ArnEquals": {"aws:SourceArn": {"Fn::GetAtt": ["Rule", "Arn"]}}},
    }


def test_template_of_several_queues_subscribes_them_to_a_topic(cli: Cli) -> None:
    template = _load(cli("hints", "template", "--queues", 3).stdout)
    resources = template["Resources"]
    assert [each["Arn"] for each in resources["Rule"]["Properties"]["Targets"]] == [{"Ref": "Topic"}]
    for number in (1, 2, 3):
        statement = _statement(resources[f"Queue{number}Policy"])
        assert statement["Principal"] == {"Service": "sns.amazonaws.com"}
        assert statement["Condition"] == {"ArnEquals": {"aws:SourceArn": {"Ref": "Topic"}}}
        subscription = resources[f"Queue{number}Subscription"]["Properties"]
        assert subscription["Endpoint"] == {"Fn::GetAtt": [f"Queue{number}", "Arn"]}
    assert _statement(resources["TopicPolicy"])["Principal"] == {"Service": "events.amazonaws.com"}
    assert len(template["Outputs"]) == 3


@pytest.mark.parametrize("number", ["0", "-1", "101", "one"])
def test_invalid_number_of_queues_exits_with_2(cli: Cli, number: str) -> None:
    result = cli("hints", "template", "--queues", number)
    assert (result.code, result.stdout) == (2, "")


@pytest.mark.parametrize("command", ["wait", "watch", "cancel"])
@pytest.mark.parametrize("url", ["hints", "ftp://host/1/q", "https://user:secret@host/1/q"])
def test_invalid_queue_url_exits_with_2(simulator: Simulator, cli: Cli, command: str, url: str) -> None:
    arn = simulator.start_build(simulator.create_pipeline("demo"))
    for result in (cli(command, arn, "--hints", url), cli(command, arn, AIOIMAGEBUILDER_HINTS=url)):
        assert (result.code, result.stdout) == (2, "")
        assert "not that of an SQS queue" in result.stderr
        assert "secret" not in result.stderr


def test_missing_queue_is_reported_and_changes_no_outcome(simulator: Simulator, cli: Cli) -> None:
    simulator.set_time_scale(0)
    arn = simulator.start_build(simulator.create_pipeline("demo"))
    result = cli("wait", arn, "--timeout", 5, AIOIMAGEBUILDER_HINTS=QUEUE)
    assert (result.code, result.stdout.split("\t")[0]) == (124, arn)
    assert result.stderr.count("Polling as without hints") == 1


def test_documentation_names_the_option_and_its_variable() -> None:
    assert "--hints" in PAGE
    assert "`…_HINTS`" in PAGE
