import asyncio
import time
from collections.abc import Callable, Coroutine

import httpx
import pytest
from prometheus_client import REGISTRY

from app.observability import background
from app.observability.background import report_failure, supervise


@pytest.fixture(autouse=True)
def _own_failures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the failures of these tests from the readiness of other tests."""
    monkeypatch.setattr(background, "last_failures", {})


class Task:
    """A background task that fails so many times and then waits until it is cancelled."""

    def __init__(self, failures: int) -> None:
        self.started: list[float] = []
        self.running = asyncio.Event()
        self._failures = failures

    async def run(self) -> None:
        self.started.append(time.monotonic())
        if len(self.started) <= self._failures:
            raise LookupError("unexpected")
        self.running.set()
        await asyncio.Event().wait()


async def run_until_it_works(task: Task, name: str) -> None:
    supervised = supervise(name, task.run)
    await task.running.wait()
    supervised.cancel()


async def test_failed_task_is_run_again_after_growing_delays() -> None:
    task = Task(failures=3)
    await run_until_it_works(task, "indexer")

    one, two, three, four = task.started
    assert two - one >= background.MIN_DELAY_SECONDS
    assert three - two >= 2 * background.MIN_DELAY_SECONDS
    assert four - three >= 4 * background.MIN_DELAY_SECONDS


async def test_delay_starts_over_after_a_long_time_without_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(background, "MAX_DELAY_SECONDS", 0)
    task = Task(failures=3)
    await run_until_it_works(task, "indexer")

    assert len(task.started) == 4


async def test_failure_is_logged_with_its_traceback_and_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    await run_until_it_works(Task(failures=1), "indexer-2")

    (record,) = caplog.records
    assert record.getMessage() == "Background task failed: indexer-2"
    assert record.exc_text
    assert "LookupError: unexpected" in record.exc_text
    counted = "background_task_failures_total", {"task": "indexer-2"}
    assert REGISTRY.get_sample_value(*counted) == 1


async def test_readiness_reports_a_failed_task_for_some_time(
    anonymous_client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (await anonymous_client.get("/health/ready")).json()
    await run_until_it_works(Task(failures=1), "indexer")
    failed = (await anonymous_client.get("/health/ready")).json()
    monkeypatch.setattr(background, "REPORT_SECONDS", 0)
    later = (await anonymous_client.get("/health/ready")).json()

    assert (before["status"], before["background_tasks"]) == ("ok", "ok")
    assert (failed["status"], failed["background_tasks"]) == ("degraded", "degraded")
    assert (later["status"], later["background_tasks"]) == ("ok", "ok")


async def test_finished_task_is_not_run_again() -> None:
    runs = []

    async def run_once() -> None:
        runs.append(1)

    await supervise("importer", run_once)

    assert runs == [1]


@pytest.mark.parametrize("error", [LookupError, OSError, RecursionError])
async def test_failure_of_a_task_that_runs_once_is_not_raised(error: type[Exception]) -> None:
    async def fail() -> None:
        raise error

    async def succeed() -> None: ...

    tasks: list[Callable[[], Coroutine[None, None, None]]] = [fail, succeed]
    assert [await report_failure("importer", task()) for task in tasks] == [False, True]
