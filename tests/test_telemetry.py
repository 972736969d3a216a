"""A service sends traces and metrics to a collector, by OTLP over HTTP."""

import json
import subprocess
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest
from commands import install, uv_run
from conftest import Bake

import demo

pytestmark = pytest.mark.installs

TIMEOUT_SECONDS = 60
PATH = "/posts/7"
ROUTE = b"/posts/{post_id}"
DECODE = """
import sys
from google.protobuf.json_format import MessageToJson
from opentelemetry.proto.collector.{0}.v1.{0}_service_pb2 import Export{1}ServiceRequest as Request
print(MessageToJson(Request.FromString(sys.stdin.buffer.read())))
"""
PRINT_IMPORTED = """
import sys
from fastapi.testclient import TestClient
from app.main import app
with TestClient(app) as client:
    client.get("/health/live")
print([name for name in sys.modules if name.startswith("opentelemetry.sdk")])
"""


class Collector(ThreadingHTTPServer):
    """Keeps the first request per path that mentions the route."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Receiver)
        self.first_bodies = {path: Future[bytes]() for path in ("/v1/traces", "/v1/metrics")}


class Receiver(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()
        first = self.server.first_bodies[self.path]
        if ROUTE in body and not first.done():
            first.set_result(body)

    def log_message(self, *_: object) -> None:
        """Suppress the log."""


@contextmanager
def collecting() -> Iterator[Collector]:
    with Collector() as collector:
        thread = Thread(target=collector.serve_forever)
        thread.start()
        yield collector
        collector.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def project(bake_into: Bake, workspace: Path) -> Path:
    project = bake_into(workspace / "telemetry")
    install(project, "--extra=telemetry")
    uv_run(project, "alembic", "upgrade", "head")
    return project


def decode(project: Path, kind: str, name: str, body: bytes) -> dict[str, Any]:
    python = project / ".venv" / "bin" / "python"
    command = [str(python), "-c", DECODE.format(kind, name)]
    decoded = subprocess.run(command, check=True, input=body, stdout=subprocess.PIPE)
    message: dict[str, Any] = json.loads(decoded.stdout)
    return message


def test_collector_receives_spans_and_metrics_but_no_tokens(project: Path) -> None:
    port = demo.free_port()
    with collecting() as collector:
        settings = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.server_port}",
            "OTEL_LOGS_EXPORTER": "none",
            "OTEL_METRIC_EXPORT_INTERVAL": "200",  # milliseconds, as is the next
            "OTEL_BSP_SCHEDULE_DELAY": "100",
            "OTEL_SERVICE_NAME": "watched",
            "PORT": str(port),
        }
        with demo.running(["-m", "app"], project, port, **settings) as server:
            httpx.get(f"{server.address}{PATH}?token=secret", trust_env=False)
            httpx.get(f"{server.address}{PATH}", trust_env=False)
            bodies = {
                path: body.result(timeout=TIMEOUT_SECONDS)
                for path, body in collector.first_bodies.items()
            }

    traces = decode(project, "trace", "Trace", bodies["/v1/traces"])
    (resource,) = traces["resourceSpans"]
    spans = [span for scope in resource["scopeSpans"] for span in scope["spans"]]
    assert "watched" in str(resource["resource"])
    assert "GET /posts/{post_id}" in [span["name"] for span in spans]
    assert "secret" not in str(traces)
    metrics = decode(project, "metrics", "Metrics", bodies["/v1/metrics"])
    assert "http.server.request.duration" in str(metrics)


def test_unconfigured_service_does_not_import_the_installed_telemetry_sdk(project: Path) -> None:
    assert uv_run(project, "python", "-c", PRINT_IMPORTED).splitlines()[-1] == "[]"
