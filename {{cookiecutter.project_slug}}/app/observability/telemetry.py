"""Traces and metrics over OTLP, exported if `OTEL_EXPORTER_OTLP_ENDPOINT` is set.

FastAPI records them; the extra `telemetry` installs the exporter.
"""

from fastapi.telemetry import TelemetryConfig
from opentelemetry import trace
from starlette.types import Scope

from app.observability.redaction import REDACTED, redact_path

TELEMETRY: TelemetryConfig = {"auto_configure": True}


def redact_span(scope: Scope) -> None:
    """Remove what may be a secret from the URL of the current request's span."""
    span = trace.get_current_span()
    if span.is_recording():
        span.set_attribute("url.path", redact_path(scope["path"]))
        if scope["query_string"]:
            span.set_attribute("url.query", REDACTED)
