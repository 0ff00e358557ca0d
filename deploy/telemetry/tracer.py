"""The tracer, where somebody installed OpenTelemetry's SDK and set it up; None where nobody did, and nothing is traced.

We depend on the API alone. `opentelemetry-instrument stripeline executor` sets it up out of the OTEL_… variables.
"""

from opentelemetry import trace

from stripeline.deploy.telemetry.sources import running_version


def installed_tracer() -> trace.Tracer | None:
    """Asked once, when a process starts: without an SDK the hot paths do not know of spans at all."""
    if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider | trace.NoOpTracerProvider):
        return None
    return trace.get_tracer("stripeline", running_version())
