"""The conclusion: from the evidence to a diagnosis. No I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final, cast

from ..models.causes import Place, RootCause
from ..models.diagnosis import Diagnosis, Source
from ..models.executions import Execution, Image
from ..models.log_streams import LogLine
from ..models.shapes import Ami
from ..models.statuses import ImageStatus, Outcome
from .build_log import command_of, instance_of
from .causes import causes_of, place_of
from .evidence import Evidence
from .facts import StepFacts, facts_of, find_command, find_instance
from .failures import NO_WORKFLOW, Failure, candidate_workflows, failed_step, failures_of
from .hints import next_steps
from .sanitize import MAXIMUM_ITEMS, MAXIMUM_LINE, clean

_LAUNCH_ACTION: Final = "LaunchInstance"
_UNSUCCESSFUL: Final = frozenset({ImageStatus.FAILED, ImageStatus.CANCELLED})
_AMI: Final = re.compile(r"ami-[0-9A-Za-z]{8,17}")


def conclude(evidence: Evidence, *, log_lines: int) -> Diagnosis:
    """Return the diagnosis of this evidence, with at most `log_lines` lines of the log."""
    subject = evidence.subject
    failures = failures_of(evidence)
    causes = causes_of(evidence, failures)
    # A cancellation is not caused by a failure that happened beside it.
    has_image_failed = evidence.image is not None and evidence.image.outcome is Outcome.FAILED
    is_cancelled = subject.outcome is Outcome.CANCELLED and not has_image_failed
    cause = None if is_cancelled or not causes else causes[0]
    place = place_of(evidence) if cause is None and subject.outcome in {None, Outcome.CANCELLED} else None
    failure = next(iter(failures), None)
    facts = _ids_of(evidence, failure)
    diagnosis = Diagnosis(
        identifier=subject.id,
        kind=subject.kind,
        status=clean(subject.status),
        outcome=subject.outcome,
        summary=_summary(subject, cause, place),
        cause=cause,
        also=causes if is_cancelled else causes[1:],
        place=place,
        image_build_version_arn=clean(evidence.image_arn),
        instance_id=facts.instance_id,
        run_command_id=facts.run_command_id,
        log_url=facts.log_url,
        amis=_left_amis(evidence),
        log_group=clean(evidence.stream.group) if evidence.stream else None,
        log_stream=clean(evidence.stream.name) if evidence.stream else None,
        log_lines=tuple(
            LogLine(line.timestamp, clean(line.message, MAXIMUM_LINE) or "")
            for line in last_lines(evidence, log_lines)
        ),
        sources=tuple(Source(each.name, each.state, clean(each.detail)) for each in evidence.sources),
    )
    return replace(diagnosis, next_steps=next_steps(diagnosis, evidence, failure.lines if failure else ()))


def failed_at(evidence: Evidence) -> datetime | None:
    """Return the time of the failure: that of the failed step, or of its workflow; ``None`` if unknown."""
    for identifier in candidate_workflows(evidence):
        for each in (failed_step(evidence, identifier), evidence.workflow(identifier)):
            if each is not None and each.end_time is not None:
                return each.end_time
    return None


def last_lines(evidence: Evidence, count: int) -> tuple[LogLine, ...]:
    """Return the last `count` lines of the log up to the failure, or up to its end if the time is unknown."""
    before = evidence.lines_until(failed_at(evidence))
    return before[max(0, len(before) - count) :]


def _summary(subject: Execution, cause: RootCause | None, place: Place | None) -> str:
    name = f"{subject.kind.value.capitalize()} {clean(subject.id)}"
    status = clean(subject.status) or "of no status"
    if cause is not None:
        link = ", although" if subject.outcome is Outcome.SUCCEEDED else ":"
        return f"{name} is {status}{link} {cause}"
    where = f" [{place}]" if place else ""
    reason = f": {clean(subject.reason) or 'the service gives no reason'}"
    return f"{name} is {status}{_WITHOUT_FAILURE.get(subject.outcome, reason)}{where}"


_WITHOUT_FAILURE: Final[Mapping[Outcome | None, str]] = {
    None: ": it has not ended, and nothing has failed so far",
    Outcome.SUCCEEDED: ": nothing failed",
    Outcome.SKIPPED: ": it did not run",
    Outcome.CANCELLED: "",
}


def _ids_of(evidence: Evidence, failure: Failure | None) -> StepFacts:
    """Return the ids of the instance, the Run Command and the S3 log."""
    identifier = next(iter(candidate_workflows(evidence)), None)
    if failure is None and identifier is None:
        return StepFacts()
    known = failure or Failure(workflow=evidence.workflow(identifier) or NO_WORKFLOW)
    step, workflow = known.step, known.workflow.id or known.step.workflow_execution_id or ""
    own = facts_of(step.outputs)
    launches = [each for each in evidence.steps_of(workflow) if each.action == _LAUNCH_ACTION]
    # A step whose instance never came up has no outputs, but the log contains the instance.
    lines = last_lines(evidence, len(evidence.lines)) if workflow or step.name else known.lines
    instances = (
        own.instance_id,
        facts_of(step.inputs).instance_id,
        *map(find_instance, known.texts),
        *(facts_of(each.outputs).instance_id for each in launches),
        instance_of(lines),
    )
    commands = (*map(find_command, known.texts), command_of(known.lines))
    command = own.run_command_id or next((each.id for each in commands if each), None)
    return replace(own, instance_id=next(filter(None, instances), None), run_command_id=command)


def _left_amis(evidence: Evidence) -> tuple[Ami, ...]:
    """Return the AMIs that a build has made and left behind, without the one that it started from."""
    image = evidence.image
    is_subject = isinstance(evidence.subject, Image)
    if image is None or not is_subject or image.status not in _UNSUCCESSFUL:
        return ()
    return tuple(
        Ami(region=clean(each.region), image=each.image, account_id=clean(each.account_id))
        for each in image.amis[:MAXIMUM_ITEMS]
        if each.image and _AMI.fullmatch(each.image) and each.image != _parent_of(image)
    )


def _parent_of(image: Image) -> object:
    recipe = image.raw.get("imageRecipe")
    return cast("Mapping[str, object]", recipe).get("parentImage") if isinstance(recipe, Mapping) else None
