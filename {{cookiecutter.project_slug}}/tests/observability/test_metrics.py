import asyncio
import subprocess
import sys
import threading
from pathlib import Path

import httpx
import pytest
from prometheus_client import REGISTRY

from app.database import Database
from app.observability import metrics
from tests.waiting import wait_until

WORKERS = """
import os
from app.observability import metrics
if child := os.fork():
    os.waitpid(child, 0)
metrics.IN_FLIGHT.inc(2)
metrics.REQUESTS.labels("GET", "/auth/me", 200).inc()
print(metrics.scrape().body.decode())
"""


async def test_metrics_are_in_the_prometheus_text_format(
    anonymous_client: httpx.AsyncClient,
) -> None:
    await anonymous_client.get("/health/live")
    response = await anonymous_client.get("/metrics")

    assert response.headers["Content-Type"].startswith("text/plain; version=")
    live = 'http_requests_total{method="GET",route="/health/live",status="200"}'
    assert any(line.startswith(live) for line in response.text.splitlines())


async def test_pool_and_loop_lag_are_sampled(
    clean_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "SAMPLE_SECONDS", 0.01)
    lag_before = sample("event_loop_lag_seconds_sum")
    with metrics.sampling(clean_database):
        async with clean_database.session() as session:
            await session.connection()
            threading.Event().wait(0.03)  # blocking the loop is the test
            await wait_for_samples(2)
            assert sample("database_connections_in_use") == 1
        await wait_for_samples(1)
        assert sample("database_connections_in_use") == 0

    assert sample("event_loop_lag_seconds_sum") - lag_before > 0.01


async def test_sampling_ends_with_its_block(
    clean_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "SAMPLE_SECONDS", 0.001)
    with metrics.sampling(clean_database):
        await wait_for_samples(1)
        metrics.POOL.set(1)
    assert sample("database_connections_in_use") == 0
    samples = sample("event_loop_lag_seconds_count")
    await asyncio.sleep(0.01)

    assert sample("event_loop_lag_seconds_count") == samples


def sample(name: str) -> float:
    return REGISTRY.get_sample_value(name) or 0


async def wait_for_samples(number: int) -> None:
    wanted = sample("event_loop_lag_seconds_count") + number
    await wait_until(lambda: sample("event_loop_lag_seconds_count") >= wanted)


def test_metrics_of_workers_are_summed_without_the_gauges_of_dead_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    command = [sys.executable, "-c", WORKERS]
    scraped = subprocess.run(command, check=True, encoding="utf-8", stdout=subprocess.PIPE).stdout  # noqa: S603 - our own command

    assert 'http_requests_total{method="GET",route="/auth/me",status="200"} 2.0' in scraped
    assert "http_requests_in_flight 2.0" in scraped
    assert "http_requests_in_flight" not in bytes(metrics.scrape().body).decode()
