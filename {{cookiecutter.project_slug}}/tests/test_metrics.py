import asyncio
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from prometheus_client import REGISTRY
from sqlalchemy import event, text

from app import metrics
from app.database import Database
from app.errors import DatabaseUnavailableError

WORKERS = """
import os
from app import metrics
if child := os.fork():
    os.waitpid(child, 0)
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
    async with clean_database.session() as session:
        await session.execute(text("SELECT 1"))
        assert in_use() == 1
    assert in_use() == 0


async def test_a_connection_that_cannot_be_made_anew_is_not_in_use(
    clean_database: Database,
) -> None:
    def refuse(*_: object) -> None:
        raise ConnectionRefusedError

    metrics.watch_pool(clean_database.engine)
    async with clean_database.session() as session:
        connection = await session.connection()
        await connection.invalidate()
    event.listen(clean_database.engine.sync_engine, "do_connect", refuse)
    async with clean_database.session() as session:
        with pytest.raises(DatabaseUnavailableError):
            await session.connection()

    assert in_use() == 0


def in_use() -> float | None:
    return REGISTRY.get_sample_value("database_connections_in_use")


async def test_a_blocked_loop_shows_as_lag(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "LAG_INTERVAL", 0.01)
    before = REGISTRY.get_sample_value("event_loop_lag_seconds_sum") or 0
    lag = metrics.LoopLag()
    await asyncio.sleep(0)
    time.sleep(metrics.LAG_INTERVAL * 3)  # noqa: ASYNC251 - blocking the loop is the test
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    lag.stop()

    assert (REGISTRY.get_sample_value("event_loop_lag_seconds_sum") or 0) - before > 0.01


@pytest.mark.timeout(60)  # it starts processes
def test_workers_are_added_up_and_what_dead_ones_had_open_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    command = [sys.executable, "-c", WORKERS]
    scraped = subprocess.run(command, check=True, encoding="utf-8", stdout=subprocess.PIPE).stdout  # noqa: S603 - the test's own

    assert 'http_requests_total{method="GET",route="/auth/me",status="200"} 2.0' in scraped
    assert "http_requests_in_flight 2.0" in scraped
    assert "http_requests_in_flight" not in bytes(metrics.scrape().body).decode()
