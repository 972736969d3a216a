"""Background tasks, whose unexpected exceptions appear in the log, the metrics and readiness."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from prometheus_client import Counter

logger = logging.getLogger(__name__)

MIN_DELAY_SECONDS = 0.05  # before the first restart; it doubles with every further failure
MAX_DELAY_SECONDS = 30
REPORT_SECONDS = 2 * MAX_DELAY_SECONDS  # readiness always reports a task that keeps failing

FAILURES = Counter(
    "background_task_failures", "Unexpected exceptions of background tasks", ["task"]
)
last_failures: dict[str, float] = {}
"""The time of the last failure, by the name of the task."""


def supervise(name: str, run: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
    """Start a background task; after an exception, run it again with exponential back-off."""

    async def keep_running() -> None:
        delay = MIN_DELAY_SECONDS
        started_at = time.monotonic()
        while not await report_failure(name, run()):
            if time.monotonic() - started_at > MAX_DELAY_SECONDS:
                delay = MIN_DELAY_SECONDS
            await asyncio.sleep(delay)
            delay = min(2 * delay, MAX_DELAY_SECONDS)
            started_at = time.monotonic()

    return asyncio.create_task(keep_running())


async def report_failure(name: str, running: Awaitable[None]) -> bool:
    """Wait for a background task and report its exception; return whether it succeeded."""
    try:
        await running
    except Exception:
        logger.exception("Background task failed: %s", name)
        FAILURES.labels(name).inc()
        last_failures[name] = time.monotonic()
        return False
    return True


async def check_background_tasks() -> str:
    """Return "degraded" if a background task has failed recently, otherwise "ok"."""
    recent = time.monotonic() - REPORT_SECONDS
    return "degraded" if any(failed > recent for failed in last_failures.values()) else "ok"
