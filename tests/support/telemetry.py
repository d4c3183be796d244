"""OpenTelemetry's SDK in memory, for tests."""

from dataclasses import dataclass, field

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from aioimagebuilder.instrumentation.opentelemetry import OpenTelemetryHook


@dataclass
class Telemetry:
    """Providers of their own, and a hook that uses them."""

    tracer_provider: TracerProvider = field(default_factory=TracerProvider)
    reader: InMemoryMetricReader = field(default_factory=InMemoryMetricReader)

    def __post_init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.tracer_provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer = self.tracer_provider.get_tracer("tests")
        self.hook = OpenTelemetryHook(
            tracer_provider=self.tracer_provider, meter_provider=MeterProvider([self.reader])
        )

    def spans(self, name: str) -> list[ReadableSpan]:
        """Return the spans of this name that have ended, in the order of their ends."""
        return [each for each in self._exporter.get_finished_spans() if each.name == name]

    @property
    def names(self) -> set[str]:
        return {each.name for each in self._exporter.get_finished_spans()}

    def linked_polls(self, wait: ReadableSpan) -> list[ReadableSpan]:
        """Return the spans of the polls that a wait is linked to; each link must lead to one."""
        polls = {each.context.span_id: each for each in self.spans("imagebuilder.poll")}
        return [polls[link.context.span_id] for link in wait.links]

    def metrics(self) -> dict[str, list]:
        """Return the data points of each metric."""
        data = self.reader.get_metrics_data()
        return {
            metric.name: list(metric.data.data_points)
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }
