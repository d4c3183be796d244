"""The conclusion: from the evidence to a diagnosis. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from ..models.causes import Place, RootCause
from ..models.diagnosis import Diagnosis, Source
from ..models.executions import Execution
from ..models.log_streams import LogLine
from ..models.statuses import Outcome
from .causes import candidate_workflows, causes_of, failed_step, place_of
from .evidence import Evidence
from .hints import next_steps
from .sanitize import MAXIMUM_LINE, StepFacts, clean, facts_of, find_instance

_LAUNCH_ACTION: Final = "LaunchInstance"


def conclude(evidence: Evidence, *, log_lines: int) -> Diagnosis:
    """Return the diagnosis of this evidence, with at most `log_lines` lines of the log."""
    subject = evidence.subject
    causes = causes_of(evidence)
    # A cancellation is not caused by a failure that happened beside it.
    is_cancelled = subject.outcome is Outcome.CANCELLED and _image_outcome(evidence) is not Outcome.FAILED
    cause = None if is_cancelled or not causes else causes[0]
    place = place_of(evidence) if cause is None and subject.outcome in {None, Outcome.CANCELLED} else None
    facts = _facts(evidence)
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
        log_group=clean(evidence.stream.group) if evidence.stream else None,
        log_stream=clean(evidence.stream.name) if evidence.stream else None,
        log_lines=tuple(
            LogLine(line.timestamp, clean(line.message, MAXIMUM_LINE) or "")
            for line in last_lines(evidence, log_lines)
        ),
        sources=tuple(Source(each.name, each.state, clean(each.detail)) for each in evidence.sources),
    )
    return replace(diagnosis, next_steps=next_steps(diagnosis))


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
    return f"{name} is {status}{_WITHOUT_CAUSE[subject.outcome](subject)}{where}"


# The summary if nothing failed, or if there is no information about the failure.
_WITHOUT_CAUSE: Final[Mapping[Outcome | None, Callable[[Execution], str]]] = {
    None: lambda _: ": it has not ended, and nothing has failed so far",
    Outcome.SUCCEEDED: lambda _: ": nothing failed",
    Outcome.SKIPPED: lambda _: ": it did not run",
    Outcome.CANCELLED: lambda _: "",
    Outcome.FAILED: lambda subject: f": {clean(subject.reason) or 'the service gives no reason'}",
}


def _facts(evidence: Evidence) -> StepFacts:
    """Return the ids that lead to more evidence: those of the failed step and of its instance."""
    identifier = next(iter(candidate_workflows(evidence)), None)
    if identifier is None:
        return StepFacts()
    step = failed_step(evidence, identifier)
    own = facts_of(step.outputs) if step else StepFacts()
    launches = [each for each in evidence.steps_of(identifier) if each.action == _LAUNCH_ACTION]
    inputs = facts_of(step.inputs) if step else StepFacts()
    instances = [own, inputs, *(facts_of(each.outputs) for each in launches)]
    known = [each.instance_id for each in instances]
    # A step whose instance never came up has no outputs, but the log contains the instance.
    known += [find_instance(line.message) for line in reversed(last_lines(evidence, len(evidence.lines)))]
    return replace(own, instance_id=next(filter(None, known), None))


def _image_outcome(evidence: Evidence) -> Outcome | None:
    return None if evidence.image is None else evidence.image.outcome
