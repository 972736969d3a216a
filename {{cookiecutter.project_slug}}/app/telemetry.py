"""Traces and metrics over OTLP, sent when `OTEL_EXPORTER_OTLP_ENDPOINT` says where.

FastAPI makes them; the extra `telemetry` installs what sends them.
"""

from fastapi.telemetry import TelemetryConfig
from starlette.datastructures import QueryParams
from starlette.types import Scope


def holds_token(scope: Scope) -> bool:
    """Tell what is not to be traced: a span holds the address in full."""
    return "token" in QueryParams(scope["query_string"])


TELEMETRY: TelemetryConfig = {"auto_configure": True, "exclude": holds_token}
