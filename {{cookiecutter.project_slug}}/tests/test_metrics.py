import asyncio
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from prometheus_client import REGISTRY
from sqlalchemy import text

from app import metrics
from app.database import Database
from app.realtime.hub import Hub
from tests.realtime.subscriptions import socket

WORKER = """
from app import metrics
metrics.IN_FLIGHT.inc(2)
metrics.REQUESTS.labels("GET", "/auth/me", 200).inc()
print(metrics.scrape().body.decode())
"""


async def test_metrics_are_text_for_prometheus(anonymous_client: httpx.AsyncClient) -> None:
    await anonymous_client.get("/health/live")
    response = await anonymous_client.get("/metrics")

    assert response.headers["Content-Type"].startswith("text/plain; version=")
    live = 'http_requests_total{method="GET",route="/health/live",status="200"}'
    assert any(line.startswith(live) for line in response.text.splitlines())


async def test_connections_in_use_are_those_that_sessions_hold(clean_database: Database) -> None:
    metrics.watch_pool(clean_database.engine)
    before = REGISTRY.get_sample_value("database_connections_in_use") or 0
    async with clean_database.session() as session:
        await session.execute(text("SELECT 1"))
        during = REGISTRY.get_sample_value("database_connections_in_use")

    assert during == before + 1
    assert REGISTRY.get_sample_value("database_connections_in_use") == before


async def test_a_blocked_loop_shows_as_lag() -> None:
    before = REGISTRY.get_sample_value("event_loop_lag_seconds_sum") or 0
    lag = metrics.LoopLag()
    await asyncio.sleep(0)
    time.sleep(metrics.LAG_INTERVAL * 3)  # noqa: ASYNC251 - blocking the loop is the test
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    lag.stop()

    assert (REGISTRY.get_sample_value("event_loop_lag_seconds_sum") or 0) - before > 0.1


def value(name: str) -> float:
    return REGISTRY.get_sample_value(name) or 0


async def test_events_are_counted_from_publishing_to_delivering() -> None:
    names = ("events_published_total", "events_delivered_total", "frames_dropped_total")
    before = [value(name) for name in names]
    hub = Hub()
    with hub.subscribe(socket(ws_queue_messages=1)), hub.subscribe(socket(user_id=2)):
        await hub.publish("news", 1)
        hub.tick()
        assert value("frames_queued") == 2
        await hub.publish("news", 2)  # the first has no room: both of its events are lost

    assert value("frames_queued") == 0
    assert [value(name) - then for name, then in zip(names, before, strict=True)] == [2, 3, 2]


async def test_streams_are_counted_while_they_are_open(live_server: str) -> None:
    async with (
        httpx.AsyncClient(base_url=live_server) as client,
        client.stream("GET", "/events/heartbeat") as response,
    ):
        await anext(response.aiter_bytes())
        assert value("event_streams_open") == 1

    async with asyncio.timeout(5):
        while value("event_streams_open"):
            await asyncio.sleep(0.01)


@pytest.mark.timeout(60)  # it starts processes
def test_workers_are_added_up_and_what_dead_ones_had_open_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    scrapes = [
        subprocess.run(  # noqa: S603 - the test's own command
            [sys.executable, "-c", WORKER], check=True, encoding="utf-8", stdout=subprocess.PIPE
        ).stdout
        for _ in range(2)
    ]

    counts = 'http_requests_total{method="GET",route="/auth/me",status="200"} '
    assert [scrape.partition(counts)[2].partition("\n")[0] for scrape in scrapes] == ["1.0", "2.0"]
    assert ["http_requests_in_flight 2.0" in scrape for scrape in scrapes] == [True, True]
    assert "http_requests_in_flight" not in bytes(metrics.scrape().body).decode()
