"""Prometheus metrics; with several workers, the sum over all of them."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import prometheus_client
from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from app.database import Database
from app.observability.background import supervise

router = APIRouter(tags=["health"])

prometheus_client.disable_created_metrics()
REQUESTS = Counter(
    "http_requests", "HTTP requests by response status", ["method", "route", "status"]
)
LATENCY = Histogram(
    "http_request_duration_seconds", "Time until the response starts", ["method", "route"]
)
IN_FLIGHT = Gauge(
    "http_requests_in_flight",
    "HTTP requests without a response yet",
    multiprocess_mode="livesum",
)
SOCKETS = Gauge("websockets_open", "Open WebSockets", ["route"], multiprocess_mode="livesum")
CLOSES = Counter("websocket_closes", "Closed WebSockets by close code", ["route", "code"])
POOL = Gauge(
    "database_connections_in_use",
    "Connections checked out of the pool",
    multiprocess_mode="livesum",
)
LOOP_LAG = Histogram(
    "event_loop_lag_seconds",
    "Delay of a timer of the event loop, sampled ten times a second",
    buckets=(0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5),
)
SAMPLE_SECONDS = 0.1


def record_response(method: str, route: str, status: int, seconds: float) -> None:
    requests, latency = _series(method, route, status)
    requests.inc()
    latency.observe(seconds)


@cache  # looking up a labelled series costs more than counting
def _series(method: str, route: str, status: int) -> tuple[Counter, Histogram]:
    return REQUESTS.labels(method, route, status), LATENCY.labels(method, route)


@router.get("/metrics", response_class=PlainTextResponse)
def scrape() -> Response:
    """Return all metrics in the Prometheus text format."""
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
    """Remove the gauges of killed workers; their counters stay."""
    for pid in {int(path.stem.rpartition("_")[2]) for path in directory.glob("gauge_live*.db")}:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            mark_process_dead(pid, str(directory))


@contextmanager
def sampling(database: Database) -> Iterator[None]:
    """Sample the pool and the delay of the running loop's timers until the block ends."""
    loop = asyncio.get_running_loop()

    async def sample() -> None:
        while True:
            due = loop.time() + SAMPLE_SECONDS
            await asyncio.sleep(SAMPLE_SECONDS)
            LOOP_LAG.observe(loop.time() - due)
            POOL.set(database.connections_in_use)

    sampler = supervise("metrics", sample)
    try:
        yield
    finally:
        sampler.cancel()
        POOL.set(0)
