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

from ..models.causes import CauseKind, Place, RootCause
from ..models.diagnosis import Diagnosis
from ..models.executions import WAIT_FOR_ACTION
from ..models.log_streams import LogLine
from ..models.shapes import Ami
from ..models.statuses import ImageStatus, ImageType, Outcome, WorkflowStepExecutionStatus
from .denials import Denial
from .evidence import Evidence
from .reasons import UNREPORTED, is_unreported
from .toe_log import has_toe_output

_UPDATES: Final = re.compile(
    r"\bKB\d{6,8}\b|\b(?:windows|cumulative|security) updates?\b|\bUpdateOS\b", re.IGNORECASE
)
_REBOOT: Final = re.compile(
    r"\bExit ?Code:? (?:3010|194)\b|\breboot(?:ing| (?:is )?(?:required|pending))\b|\bpending reboot\b",
    re.IGNORECASE,
)
_COMPONENT_ACTIONS: Final = frozenset({"ExecuteComponents", "BootstrapInstanceForContainer"})
_LAUNCH_ACTIONS: Final = frozenset({"LaunchInstance", "WaitForSSMAgent"})
# The actions of the steps in the default workflows.
_DEFAULT_STEPS: Final[Mapping[str, str]] = {
    "LaunchBuildInstance": "LaunchInstance",
    "LaunchTestInstance": "LaunchInstance",
    "ApplyBuildComponents": "ExecuteComponents",
    "ApplyTestComponents": "ExecuteComponents",
    "InventoryCollection": "CollectImageMetadata",
    "RunSanitizeScript": "SanitizeInstance",
    "RunSysPrepScript": "RunSysPrep",
}
# The actions of commands that may run AWSTOE; the action is not always known.
_WITH_TOE: Final = frozenset({*_COMPONENT_ACTIONS, "RunCommand", None})
_AGENT_ACTIONS: Final = frozenset({"RunCommand", "CollectImageMetadata", "SanitizeInstance", "RunSysPrep"})


@dataclass(frozen=True, slots=True)
class _Case:
    """What hints depend on."""

    diagnosis: Diagnosis
    evidence: Evidence
    # The lines of the log that belong to the failure.
    lines: Sequence[LogLine]

    @property
    def causes(self) -> tuple[RootCause, ...]:
        return (*filter(None, (self.diagnosis.cause,)), *self.diagnosis.also)

    @property
    def cause(self) -> RootCause:
        """The root cause; an empty one if there is none."""
        return self.diagnosis.cause or _NO_CAUSE

    @property
    def place(self) -> Place:
        """The place that it has reached without a failure; an empty one if it is unknown."""
        return self.diagnosis.place or Place()

    @property
    def action(self) -> str | None:
        """The action of the step that failed, also if only its name is known."""
        return self.cause.place.action or _DEFAULT_STEPS.get(self.cause.place.step or "")

    @property
    def timed_out(self) -> bool:
        return self.cause.kind is CauseKind.TIMEOUT

    @property
    def was_connected(self) -> bool:
        """Whether the SSM agent of the instance has run a command before."""
        steps = self.evidence.steps_of(self.cause.place.workflow_execution_id or "")
        completed = [each.action for each in steps if each.status == WorkflowStepExecutionStatus.COMPLETED]
        return self.ran_toe or not (_AGENT_ACTIONS | _COMPONENT_ACTIONS).isdisjoint(completed)

    @property
    def ran_toe(self) -> bool:
        """Whether the log contains output of AWSTOE in the step that failed."""
        return has_toe_output(self.lines)

    @property
    def is_container(self) -> bool:
        """Whether it is about a container image, which cannot be retried."""
        return self.evidence.image is not None and self.evidence.image.type == ImageType.DOCKER

    @property
    def denial(self) -> str | None:
        """What would allow the call that was denied."""
        for cause in self.causes:
            for text in (cause.message, cause.error_output, *(each.message for each in cause.targets)):
                if (denial := Denial.parse(text)) is not None:
                    return denial.remedy(possible_roles=_POSSIBLE_ROLES.get(cause.kind, _ANY_ROLE))
        return None


_ANY_ROLE: Final = "the instance profile, the execution role, or the distribution role of the target account"
_POSSIBLE_ROLES: Final[Mapping[CauseKind, str]] = {
    CauseKind.COMPONENT: "that of the instance profile",
    CauseKind.RESOURCE: "the execution role of the lifecycle policy",
}

_NO_CAUSE: Final = RootCause(kind=CauseKind.IMAGE, place=Place())

Applies = Callable[[_Case], bool]


def next_steps(diagnosis: Diagnosis, evidence: Evidence, lines: Sequence[LogLine]) -> tuple[str, ...]:
    """Return what to look at next, the most specific hint first.

    Args:
        diagnosis: The diagnosis without hints.
        evidence: The evidence.
        lines: The lines of the log that belong to the failure.
    """
    case = _Case(diagnosis, evidence, lines)
    values = _substitutions(case)
    found = [hint.text.format_map(values) for hint in _HINTS if hint.applies(case)]
    return tuple(dict.fromkeys((*found, *map(_deregister, diagnosis.amis))))


def _substitutions(case: _Case) -> Mapping[str, str]:
    # Values from AWS are part of commands that somebody may copy, so they are quoted for a shell.
    diagnosis = case.diagnosis
    facts = {
        "command": diagnosis.run_command_id,
        "instance": diagnosis.instance_id,
        "url": f"{diagnosis.log_url.rstrip('/')}/" if diagnosis.log_url else None,
        "group": diagnosis.log_group,
        "stream": diagnosis.log_stream,
        "step": case.place.step_execution_id,
    }
    image = case.evidence.image
    is_windows = image is not None and image.platform == "Windows"
    return {name: shlex.quote(value or "") for name, value in facts.items()} | {
        "denial": case.denial or "",
        "updates": "Windows updates" if is_windows else "Updates",
    }


def _deregister(ami: Ami) -> str:
    region = f" --region {shlex.quote(ami.region)}" if ami.region else ""
    account = f" in account {ami.account_id}" if ami.account_id else ""
    command = f"aws ec2 deregister-image --image-id {shlex.quote(ami.image or '')}{region}"
    note = f"left behind{account}; keep it if you retry the image"
    return f"{command} --delete-associated-snapshots   # {note}"


def _says(*patterns: str) -> Applies:
    """Return a predicate: whether the service's message about a failure matches one of these patterns.

    What a component has written is not about the calls of the service.
    """
    pattern = re.compile("|".join(patterns), re.IGNORECASE)

    def applies(case: _Case) -> bool:
        for cause in case.causes:
            if cause.kind is not CauseKind.COMPONENT or is_unreported(cause.message):
                texts = (cause.message, *(each.message for each in cause.targets))
                if any(pattern.search(text) for text in texts if text):
                    return True
        return False

    return applies


def _is_retriable_in(stage: ImageStatus) -> Applies:
    """Return a predicate: whether an image that can be retried failed in this stage, and did not continue."""
    return lambda case: (
        case.diagnosis.outcome is Outcome.FAILED and case.cause.place.stage == stage and not case.is_container
    )


def _mentions(case: _Case, pattern: re.Pattern[str]) -> bool:
    """Return whether the log of components that failed for an unknown reason matches the pattern."""
    is_unexplained = case.action in _COMPONENT_ACTIONS and not case.cause.error_output
    return is_unexplained and any(pattern.search(line.message) for line in case.lines)


_UNREPORTED: Final = _says(UNREPORTED)
_NO_LAUNCH: Final = _says(
    "RunInstances",
    "InsufficientInstanceCapacity",
    "Instance Types are available",
    "VcpuLimitExceeded",
    "InstanceLimitExceeded",
    "No default VPC",
)
_NO_AGENT: Final = _says(
    "InvalidInstanceId",
    "not in a valid state",
    r"\bagent\b.{0,60}\b(?:verification failed|unavailable|offline|unreachable|(?:not|isn't) (?:been |yet )?"
    r"(?:verified|functioning|online|connected|available|responding|reachable|running|ready|installed))",
    r"\b(?:unable|failed|could not|cannot) (?:to )?(?:verify|connect to|reach)\b.{0,40}\bagent\b",
    r"verifying the (?:Systems Manager|SSM) agent",
    r"terminal state '?(?:Undeliverable|DeliveryTimedOut)",
)


@dataclass(frozen=True, slots=True)
class _Hint:
    """What to do, with facts in braces, and when it applies."""

    applies: Applies
    text: str


_HINTS: Final[Sequence[_Hint]] = (
    _Hint(
        lambda case: _NO_LAUNCH(case) and case.denial is None,
        "The instance never launched: allow more instance types in the infrastructure configuration, or "
        "another subnet, and check the EC2 quotas. CloudTrail has the RunInstances event.",
    ),
    _Hint(
        lambda case: _NO_AGENT(case) and not case.was_connected,
        "The SSM agent never connected: the instance needs a route to Systems Manager (a NAT gateway or VPC "
        "endpoints), a profile with AmazonSSMManagedInstanceCore, and an image with the agent.",
    ),
    _Hint(
        lambda case: _UNREPORTED(case) and case.action in _LAUNCH_ACTIONS,
        "The check of the SSM agent failed: the instance needs a route to Systems Manager (a NAT gateway or "
        "VPC endpoints), and a profile with AmazonSSMManagedInstanceCore.",
    ),
    _Hint(
        lambda case: _NO_AGENT(case) and case.was_connected,
        "The SSM agent was connected before: look for what stopped the instance, its agent or its network, "
        "such as a reboot, Sysprep, or a component that changes the firewall.",
    ),
    _Hint(
        lambda case: _UNREPORTED(case) and case.action in _WITH_TOE and not (case.ran_toe or case.timed_out),
        "The command ended without a report of the components: often the instance could not fetch AWSTOE "
        "from S3. The output of the Run Command shows it.",
    ),
    _Hint(
        lambda case: (
            _UNREPORTED(case) and case.action in _WITH_TOE and case.ran_toe and not case.cause.error_output
        ),
        "AWSTOE ran, but the command ended before it reported a result: the command timed out, the instance "
        "rebooted or stopped, or a component ended it. The output of the Run Command shows the last lines.",
    ),
    _Hint(
        lambda case: _UNREPORTED(case) and case.action not in {*_WITH_TOE, *_LAUNCH_ACTIONS},
        "The command of this step failed: the output of the Run Command shows why.",
    ),
    _Hint(
        lambda case: _mentions(case, _UPDATES),
        "{updates} were installed in this step: with their reboots, they can take longer than the timeout of "
        "the step or of its command. Start from a newer base image, or raise the step's timeoutSeconds.",
    ),
    _Hint(
        lambda case: _mentions(case, _REBOOT) and not _mentions(case, _UPDATES),
        "The instance was rebooted in this step, or has to be: if it did not come back in time, raise the "
        "step's timeoutSeconds.",
    ),
    _Hint(
        _says("bootstrap (?:AWS)?TOE"),
        "The instance could not fetch AWSTOE from S3: it needs a route to S3, and an endpoint policy that "
        "allows AWSTOE's bucket.",
    ),
    _Hint(
        _says("Rate exceeded", "Throttl", "RequestLimitExceeded"),
        "AWS throttled the calls that Image Builder made for the account: retry, and start fewer at once.",
    ),
    _Hint(lambda case: case.denial is not None, "{denial}"),
    _Hint(
        lambda case: case.timed_out and case.cause.place.step is not None,
        "Find out from the log what the step waited for. If it only needs longer, raise its "
        "timeoutSeconds in the workflow document.",
    ),
    _Hint(
        lambda case: case.cause.kind is CauseKind.STOPPED,
        "Somebody sent STOP to this step: CloudTrail shows who called SendWorkflowStepAction.",
    ),
    _Hint(
        lambda case: case.diagnosis.outcome is None and case.place.action == WAIT_FOR_ACTION,
        'It waits for a person: answer with resume("{step}") or stop("{step}", reason=…).',
    ),
    _Hint(
        _is_retriable_in(ImageStatus.DISTRIBUTING),
        "What was distributed remains. Fix the target (the account's distribution role, KMS key, quota); "
        "then retry_image() distributes again, without a new build.",
    ),
    _Hint(
        _is_retriable_in(ImageStatus.INTEGRATING),
        "The AMIs were built and distributed; what failed comes after that, such as SSM parameters, launch "
        "templates, licenses or the export to S3. Fix its configuration; then retry_image() repeats it.",
    ),
    _Hint(
        _is_retriable_in(ImageStatus.TESTING),
        "retry_image() runs the tests again, without a new build (AMIs only).",
    ),
    _Hint(
        lambda case: case.diagnosis.outcome is Outcome.SUCCEEDED and case.diagnosis.cause is not None,
        "It continued because of onFailure: that of the workflow in the pipeline (CONTINUE), or that of the "
        "step (Continue). Set ABORT or Abort if such a failure should fail the build.",
    ),
    _Hint(
        lambda case: bool(case.diagnosis.run_command_id and case.diagnosis.instance_id),
        "aws ssm get-command-invocation --command-id {command} --instance-id {instance}",
    ),
    _Hint(
        lambda case: bool(case.diagnosis.run_command_id and not case.diagnosis.instance_id),
        "aws ssm list-command-invocations --command-id {command} --details",
    ),
    _Hint(
        lambda case: bool(case.diagnosis.log_url),
        "aws s3 cp --recursive {url} .   # console.log, application.log, detailedoutput.json",
    ),
    _Hint(
        lambda case: bool(case.diagnosis.cause and case.diagnosis.log_lines and case.diagnosis.log_group),
        "aws logs get-log-events --log-group-name {group} --log-stream-name {stream}",
    ),
    _Hint(
        lambda case: case.diagnosis.outcome is Outcome.CANCELLED,
        "CloudTrail shows who called CancelImageCreation or CancelLifecycleExecution.",
    ),
    _Hint(
        lambda case: any(
            each.name == "GetLogEvents" and "AccessDenied" in (each.detail or "")
            for each in case.diagnosis.sources
        ),
        "To see the build's log here, allow logs:GetLogEvents on the log group.",
    ),
)
