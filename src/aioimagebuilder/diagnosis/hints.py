"""Hints: what to look at next. A new failure pattern is a new row of the table.

Source of most rows: aws-samples/amazon-ec2-image-builder-samples, debugging/README.md ("Where a failed build
leaves evidence"), and the user guide, "Troubleshoot Image Builder".
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ..models.causes import CauseKind
from ..models.diagnosis import Diagnosis
from ..models.executions import WAIT_FOR_ACTION
from ..models.statuses import ImageStatus, Outcome

Applies = Callable[[Diagnosis], bool]


def next_steps(diagnosis: Diagnosis) -> tuple[str, ...]:
    """Return what to look at next, the most specific hint first."""
    facts = _facts(diagnosis)
    found = [hint.text.format_map(facts) for hint in _HINTS if hint.applies(diagnosis)]
    return tuple(dict.fromkeys(found))


def _facts(diagnosis: Diagnosis) -> Mapping[str, str]:
    # Values from AWS are part of commands that somebody may copy, so they are quoted for a shell.
    facts = {
        "command": diagnosis.run_command_id,
        "instance": diagnosis.instance_id,
        "url": f"{diagnosis.log_url.rstrip('/')}/" if diagnosis.log_url else None,
        "group": diagnosis.log_group,
        "stream": diagnosis.log_stream,
        "step": diagnosis.place.step_execution_id if diagnosis.place else None,
    }
    return {name: shlex.quote(value or "") for name, value in facts.items()}


def _says(*patterns: str) -> Applies:
    """Return a predicate: whether the message of a cause matches one of these patterns."""
    pattern = re.compile("|".join(patterns), re.IGNORECASE)

    def applies(diagnosis: Diagnosis) -> bool:
        causes = (*filter(None, (diagnosis.cause,)), *diagnosis.also)
        texts = [text for each in causes for text in (each.message, each.error_output)]
        texts += [target.message for each in causes for target in each.targets]
        return any(pattern.search(text) for text in texts if text)

    return applies


def _is(kind: CauseKind) -> Applies:
    return lambda diagnosis: diagnosis.cause is not None and diagnosis.cause.kind is kind


def _failed_in(stage: ImageStatus) -> Applies:
    """Return a predicate: whether it failed in this stage, and the image did not continue."""

    def applies(diagnosis: Diagnosis) -> bool:
        cause = diagnosis.cause
        return diagnosis.outcome is Outcome.FAILED and cause is not None and cause.place.stage == stage

    return applies


def _runs(action: str) -> Applies:
    def applies(diagnosis: Diagnosis) -> bool:
        place = diagnosis.place
        return diagnosis.outcome is None and place is not None and place.action == action

    return applies


def _denied(source: str) -> Applies:
    return lambda diagnosis: any(
        each.name == source and "AccessDenied" in (each.detail or "") for each in diagnosis.sources
    )


@dataclass(frozen=True, slots=True)
class _Hint:
    """What to do, with facts in braces, and when it applies."""

    applies: Applies
    text: str


_HINTS: Final[Sequence[_Hint]] = (
    _Hint(
        _says(
            "RunInstances",
            "InsufficientInstanceCapacity",
            "Instance Types are available",
            "VcpuLimitExceeded",
            "InstanceLimitExceeded",
            "No default VPC",
        ),
        "The instance never launched: allow more instance types in the infrastructure configuration, or "
        "another subnet, and check the EC2 quotas. CloudTrail has the RunInstances event.",
    ),
    _Hint(
        _says("InvalidInstanceId", "not in a valid state"),
        "The SSM agent never connected: the instance needs a route to Systems Manager (a NAT gateway or VPC "
        "endpoints), a profile with AmazonSSMManagedInstanceCore, and an image with the agent.",
    ),
    _Hint(
        _says("ExpectationNotMet"),
        "The command ended without a report of the components: often the instance could not fetch AWSTOE "
        "from S3. The output of the Run Command shows it.",
    ),
    _Hint(
        _says("Rate exceeded", "Throttl", "RequestLimitExceeded"),
        "AWS throttled the calls that Image Builder made for the account: retry, and start fewer at once.",
    ),
    _Hint(
        _says("AccessDenied", "not authorized", "UnauthorizedOperation"),
        "A role lacks a permission: the instance profile, the execution role, or the distribution role of "
        "the target account.",
    ),
    _Hint(
        _is(CauseKind.TIMEOUT),
        "Find out from the log what the step waited for. If it only needs longer, raise its "
        "timeoutSeconds in the workflow document.",
    ),
    _Hint(
        _is(CauseKind.STOPPED),
        "Somebody sent STOP to this step: CloudTrail shows who called SendWorkflowStepAction.",
    ),
    _Hint(
        _runs(WAIT_FOR_ACTION),
        'It waits for a person: answer with resume("{step}") or stop("{step}", reason=…).',
    ),
    _Hint(
        _failed_in(ImageStatus.DISTRIBUTING),
        "What was distributed remains. Fix the target (the account's distribution role, KMS key, quota); "
        "then retry_image() distributes again, without a new build.",
    ),
    _Hint(
        _failed_in(ImageStatus.TESTING),
        "retry_image() runs the tests again, without a new build (AMIs only).",
    ),
    _Hint(
        lambda diagnosis: diagnosis.outcome is Outcome.SUCCEEDED and diagnosis.cause is not None,
        "It continued because of onFailure: that of the workflow in the pipeline (CONTINUE), or that of the "
        "step (Continue). Set ABORT or Abort if such a failure should fail the build.",
    ),
    _Hint(
        lambda diagnosis: bool(diagnosis.run_command_id and diagnosis.instance_id),
        "aws ssm get-command-invocation --command-id {command} --instance-id {instance}",
    ),
    _Hint(
        lambda diagnosis: bool(diagnosis.log_url),
        "aws s3 cp --recursive {url} .   # console.log, application.log, detailedoutput.json",
    ),
    _Hint(
        lambda diagnosis: bool(diagnosis.cause and diagnosis.log_lines),
        "aws logs get-log-events --log-group-name {group} --log-stream-name {stream}",
    ),
    _Hint(
        lambda diagnosis: diagnosis.outcome is Outcome.CANCELLED,
        "CloudTrail shows who called CancelImageCreation or CancelLifecycleExecution.",
    ),
    _Hint(
        _denied("GetLogEvents"),
        "To see the build's log here, allow logs:GetLogEvents on the log group.",
    ),
)
