"""The tracer of an installed OpenTelemetry SDK; without one nothing is traced.

The product depends on the API only. `opentelemetry-instrument stripeline executor` configures an SDK from OTEL_….
"""

from opentelemetry import trace

from stripeline.deploy.running_version import running_version


def installed_tracer() -> trace.Tracer | None:
    """Called once at start. Without an SDK the hot paths have no span code at all."""
    if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider | trace.NoOpTracerProvider):
        return None
    return trace.get_tracer("stripeline", running_version())
