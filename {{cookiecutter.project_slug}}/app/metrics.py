"""What Prometheus may know; with several workers, the sum of what each of them counts."""

import asyncio
import os
from functools import cache
from pathlib import Path

import prometheus_client
from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import ConnectionPoolEntry

router = APIRouter(tags=["health"])

prometheus_client.disable_created_metrics()
REQUESTS = Counter("http_requests", "HTTP requests answered", ["method", "route", "status"])
LATENCY = Histogram(
    "http_request_duration_seconds", "Time until the answer begins", ["method", "route"]
)
IN_FLIGHT = Gauge(
    "http_requests_in_flight",
    "HTTP requests whose answer has not begun",
    multiprocess_mode="livesum",
)
SOCKETS = Gauge("websockets_open", "Open WebSockets", ["route"], multiprocess_mode="livesum")
CLOSES = Counter("websocket_closes", "WebSockets that have ended", ["route", "code"])
POOL = Gauge(
    "database_connections_in_use",
    "Connections that requests hold of the pool",
    multiprocess_mode="livesum",
)
LOOP_LAG = Histogram(
    "event_loop_lag_seconds",
    "How late the event loop is, asked ten times a second",
    buckets=(0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5),
)
LAG_INTERVAL = 0.1  # seconds


def answered(method: str, route: str, status: int, seconds: float) -> None:
    requests, latency = _series(method, route, status)
    requests.inc()
    latency.observe(seconds)


@cache  # finding one by its labels costs more than counting
def _series(method: str, route: str, status: int) -> tuple[Counter, Histogram]:
    return REQUESTS.labels(method, route, status), LATENCY.labels(method, route)


@router.get("/metrics", response_class=PlainTextResponse)
def scrape() -> Response:
    """Answer in the text format of Prometheus."""
    registry = prometheus_client.REGISTRY
    if directory := os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        forget_dead_workers(Path(directory))
        registry = CollectorRegistry()
        MultiProcessCollector(registry, directory)
    return PlainTextResponse(
        prometheus_client.generate_latest(registry),
        media_type=prometheus_client.CONTENT_TYPE_LATEST,
    )


def forget_dead_workers(directory: Path) -> None:
    """Leave out what workers that were killed had open; what they counted stays."""
    for pid in {int(path.stem.rpartition("_")[2]) for path in directory.glob("gauge_live*.db")}:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            mark_process_dead(pid, str(directory))


def watch_pool(engine: AsyncEngine) -> None:
    in_use: set[ConnectionPoolEntry] = set()

    def taken(_: object, entry: ConnectionPoolEntry, __: object) -> None:
        in_use.add(entry)  # again where the first try found it closed
        POOL.set(len(in_use))

    def given_back(_: object, entry: ConnectionPoolEntry) -> None:
        in_use.discard(entry)  # also one that was not there, since it could not be made anew
        POOL.set(len(in_use))

    event.listen(engine.sync_engine, "checkout", taken)
    event.listen(engine.sync_engine, "checkin", given_back)


class LoopLag:
    """Observes how late the running loop is, until it is told to stop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._schedule()

    def _schedule(self) -> None:
        self._due = self._loop.time() + LAG_INTERVAL
        self._timer = self._loop.call_at(self._due, self._observe)

    def _observe(self) -> None:
        LOOP_LAG.observe(self._loop.time() - self._due)
        self._schedule()

    def stop(self) -> None:
        self._timer.cancel()
