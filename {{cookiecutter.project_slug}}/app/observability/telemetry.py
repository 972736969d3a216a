"""Traces and metrics over OTLP, exported if `OTEL_EXPORTER_OTLP_ENDPOINT` is set.

FastAPI records them; the extra `telemetry` installs the exporter.
"""

from fastapi.telemetry import TelemetryConfig
from starlette.datastructures import QueryParams
from starlette.types import Scope


def holds_token(scope: Scope) -> bool:
    """Exclude requests with a token in the URL, because spans hold the whole URL."""
    return "token" in QueryParams(scope["query_string"])


TELEMETRY: TelemetryConfig = {"auto_configure": True, "exclude": holds_token}
