"""Spans and metrics of OpenTelemetry, made of the events of a client. It needs the extra ``otel``.

    from aioimagebuilder.instrumentation.opentelemetry import OpenTelemetryHook

    async with ImageBuilder(on_event=OpenTelemetryHook()) as ib: ...

A wait is a span in the context of its caller. Waits share polls, so a poll is no child of a wait: each poll
is the root of its own trace, and the waits that it serves are linked to it. The calls inside a poll have
spans only if aiobotocore is instrumented (``AiobotocoreInstrumentor``); they are the children of the poll.
"""

from __future__ import annotations

from contextvars import Token
from functools import cached_property
from importlib.metadata import version
from typing import Final

try:
    from opentelemetry import context, metrics, trace
    from opentelemetry.context import Context
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import Span, StatusCode, TracerProvider
except ModuleNotFoundError as error:
    message = "OpenTelemetryHook needs opentelemetry-api: pip install 'aioimagebuilder[otel]'"
    raise ModuleNotFoundError(message, name=error.name) from error

from .events import Event, PollFinished, PollStarted, RateChanged, WaitEnded, WaitStarted

__all__ = ["OpenTelemetryHook"]

_SCOPE: Final = "aioimagebuilder"
_KIND: Final = "imagebuilder.kind"
_OUTCOME: Final = "imagebuilder.outcome"
_REGION: Final = "cloud.region"
# In seconds: a build takes from ten minutes to hours, and other waits may be shorter.
_BUCKETS: Final = (
    *(1, 5, 15, 30, 60, 120, 300, 600, 900, 1200, 1500, 1800, 2400, 3000),
    *(3600, 5400, 7200, 10_800, 14_400, 21_600, 43_200, 86_400),
)


class OpenTelemetryHook:
    """A hook that makes spans and metrics. Several clients may share one.

    The tracer and the instruments are created with the first event, so the providers may be set up later.

    Args:
        tracer_provider: The provider of tracers; by default the global one.
        meter_provider: The provider of meters; by default the global one.
    """

    def __init__(
        self, *, tracer_provider: TracerProvider | None = None, meter_provider: MeterProvider | None = None
    ) -> None:
        self._tracer_provider = tracer_provider
        self._meter_provider = meter_provider
        self._waits: dict[str, Span] = {}
        self._polls: dict[str, tuple[Span, Token[Context]]] = {}

    def __call__(self, event: Event) -> None:
        """Record the event."""
        match event:
            case WaitStarted():
                self._start_wait(event)
            case WaitEnded():
                self._end_wait(event)
            case PollStarted():
                self._start_poll(event)
            case PollFinished():
                self._end_poll(event)
            case RateChanged(service="imagebuilder"):
                self._instruments.rate_limit.set(event.rate, {_REGION: event.region})

    @cached_property
    def _tracer(self) -> trace.Tracer:
        return trace.get_tracer(_SCOPE, version(_SCOPE), self._tracer_provider)

    @cached_property
    def _instruments(self) -> _Instruments:
        return _Instruments(metrics.get_meter(_SCOPE, version(_SCOPE), self._meter_provider))

    def _start_wait(self, event: WaitStarted) -> None:
        shared = {_KIND: event.kind, _REGION: event.region}
        # First, since its counterpart follows in any case, even if a processor of spans fails.
        self._instruments.active.add(1, shared)
        # Emitted in the caller's task, so the parent is the span that is current there.
        span = self._tracer.start_span(
            "imagebuilder.wait", attributes={"imagebuilder.id": event.id, **shared}
        )
        if event.timeout is not None:
            span.set_attribute("imagebuilder.timeout", event.timeout)
        self._waits[event.wait] = span

    def _end_wait(self, event: WaitEnded) -> None:
        shared = {_KIND: event.kind, _REGION: event.region}
        self._instruments.active.add(-1, shared)
        self._instruments.duration.record(event.duration, {**shared, _OUTCOME: event.outcome})
        span = self._waits.pop(event.wait, None)
        if span is None:
            return
        if event.poll in self._polls:
            # The poll that ended it is still in flight: a list, of which more pages are read.
            span.add_link(self._polls[event.poll][0].get_span_context())
        span.set_attributes(
            {
                _OUTCOME: event.outcome,
                "imagebuilder.polls": event.polls,
                "imagebuilder.throttles": event.throttles,
            }
        )
        if event.status is not None:
            span.set_attribute("imagebuilder.status", event.status)
        _end(span, event)

    def _start_poll(self, event: PollStarted) -> None:
        attributes: dict[str, str | int] = {
            "imagebuilder.operation": event.operation,
            "imagebuilder.attempt": event.attempt,
            _KIND: event.kind,
            _REGION: event.region,
        }
        span = self._tracer.start_span("imagebuilder.poll", context=Context(), attributes=attributes)
        if event.id is not None:
            span.set_attribute("imagebuilder.id", event.id)
        # Emitted in the task of the poll, as its end is.
        self._polls[event.poll] = span, context.attach(trace.set_span_in_context(span, Context()))

    def _end_poll(self, event: PollFinished) -> None:
        shared = {_KIND: event.kind, _REGION: event.region}
        self._instruments.polls.add(1, {**shared, _OUTCOME: event.outcome})
        # Also nothing, so that a rate is known before the first throttle.
        self._instruments.throttles.add(int(event.outcome == "throttled"), shared)
        if event.poll not in self._polls:
            return
        span, token = self._polls.pop(event.poll)
        context.detach(token)
        link = span.get_span_context()
        for wait in event.waits:
            if wait in self._waits:
                self._waits[wait].add_link(link)
        span.set_attributes(
            {
                _OUTCOME: event.outcome,
                "imagebuilder.executions": event.executions,
                "imagebuilder.waits": len(event.waits),
            }
        )
        if event.status is not None:
            span.set_attribute("imagebuilder.status", event.status)
        _end(span, event)


class _Instruments:
    """The instruments. No attribute of a measurement is an id or an ARN."""

    def __init__(self, meter: metrics.Meter) -> None:
        self.duration = meter.create_histogram(
            "aioimagebuilder.wait.duration",
            unit="s",
            description="The duration of waits.",
            explicit_bucket_boundaries_advisory=_BUCKETS,
        )
        self.active = meter.create_up_down_counter(
            "aioimagebuilder.wait.active", unit="{wait}", description="The waits that have not ended."
        )
        self.polls = meter.create_counter(
            "aioimagebuilder.polls", unit="{poll}", description="The polls, answered or not."
        )
        self.throttles = meter.create_counter(
            "aioimagebuilder.throttles", unit="{poll}", description="The polls that were throttled."
        )
        self.rate_limit = meter.create_gauge(
            "aioimagebuilder.rate_limit", unit="{call}/s", description="The call rate that the client allows."
        )


def _end(span: Span, event: WaitEnded | PollFinished) -> None:
    if event.error_type is not None:
        span.set_attribute("error.type", event.error_type)
        span.set_status(StatusCode.ERROR, event.error)
    span.end()
