"""The suite of a service reports each mistake in docs/testing.md with a helpful message."""

import re
from pathlib import Path

import pytest
from commands import uv_run

TESTS = '''
import asyncio
import os
import time

import anyio
import httpx
import pytest
import pytest_asyncio
from app.main import app as service
from fastapi.testclient import TestClient
from sqlalchemy import text


@pytest.fixture
async def plain(async_db):
    return async_db.is_active


async def test_async_fixture_under_plain_fixture(plain):
    assert plain


async def test_no_await(async_client):
    async_client.get("/posts/")


async def test_no_await_before_using_the_result(async_client):
    assert async_client.get("/posts/").status_code == 200


async def test_client_in_async_test(client):
    """Not reached."""


def test_own_client(app, auth_headers, async_db):
    TestClient(app).get("/posts/", headers=auth_headers)


def test_second_start_by_own_client(app):
    with TestClient(app):
        """Not reached."""


async def test_endless_stream(async_client):
    await async_client.get("/events/heartbeat")


def test_endless_stream_synchronously(client):
    client.get("/events/heartbeat")


def test_two_test_clients():
    with TestClient(service), TestClient(service):
        """Not reached."""


@pytest_asyncio.fixture
async def socket(ws_connect):
    async with ws_connect("/ws/echo") as socket:
        yield socket


async def test_socket_of_a_fixture(socket):
    """Not reached."""


@pytest_asyncio.fixture
async def scope():
    async with anyio.create_task_group() as group:
        yield group


async def test_task_group_of_a_fixture(scope):
    assert scope


async def test_attribute_that_is_not_loaded(async_db, user):
    async_db.expire(user)
    assert user.id


async def test_session_of_several_tasks(clean_database):
    async with clean_database.session() as session:
        await asyncio.gather(*(session.execute(text("SELECT 1")) for _ in range(2)))


async def test_mock_of_httpx(async_client, monkeypatch):
    async def get(*_, **__):
        return httpx.Response(200)

    monkeypatch.setattr(httpx.AsyncClient, "get", get)
    assert (await async_client.get("/posts/")).json() == {"items": [], "next": None}


async def test_blocking_sleep():
    time.sleep(0.1)  # the mistake


async def test_sessions_that_do_not_end_in_reverse_order(app):
    database = app.state.database
    async with database.session() as first, database.session() as second:
        await first.execute(text("SELECT 1"))
        await second.execute(text("SELECT 1"))
        await first.commit()


async def test_commit_as_text(async_db):
    await async_db.execute(text("COMMIT"))


async def test_task_left_running():
    asyncio.create_task(asyncio.sleep(3600))


async def test_request_left_running(app):
    async def use_database():
        async with app.state.database.session() as session:
            await session.execute(text("SELECT 1"))
            started.set()
            await asyncio.Event().wait()

    started = asyncio.Event()
    asyncio.create_task(use_database())
    await started.wait()


def test_changed_environment():
    os.environ["NAME"] = "value"


async def test_another_machine():
    await asyncio.open_connection("machine.invalid", 80)


@pytest.mark.asyncio(loop_scope="function")
async def test_another_loop(async_client):
    """Not reached."""
'''
MESSAGES = {
    "test_no_await": "coroutine 'AsyncClient.get' was never awaited",
    "test_no_await_before_using_the_result": "'coroutine' object has no attribute 'status_code'",
    "test_client_in_async_test": "`client` would block this `async def` test: use `async_client`",
    "test_own_client": "TestClient(app) runs its own event loop",
    "test_second_start_by_own_client": "the service is already running: use the fixture `client`",
    "test_endless_stream": "/events/heartbeat never ends, but",
    "test_endless_stream_synchronously": "/events/heartbeat never ends, but",
    "test_two_test_clients": "the service is already running: use the fixture `client`",
    "test_socket_of_a_fixture": "let the fixture return a function, and write `async with`",
    "test_task_group_of_a_fixture": "let it return a function, and write `async with`",
    "test_attribute_that_is_not_loaded": "an attribute was read that is not loaded",
    "test_session_of_several_tasks": "Several tasks share one session",
    "test_mock_of_httpx": "use the fixture `external_services`",
    "test_blocking_sleep": "time.sleep stops the event loop",
    "test_sessions_that_do_not_end_in_reverse_order": "end that one first, or use `clean_database`",
    "test_commit_as_text": "COMMIT would end the transaction of the test",
    "test_task_left_running": "left running: <Task",
    "test_request_left_running": "used the database and still ran when the test ended",
    "test_changed_environment": "changed in os.environ: ['NAME']; use `monkeypatch`",
    "test_another_machine": "a test must not reach machine.invalid",
    "test_another_loop": "remove `loop_scope` from `@pytest.mark.asyncio`",
}


SECTION = re.compile(
    r"^_+ (?:ERROR at (?:setup|teardown) of )?(\w+) _+\n(.*?)(?=^_{3,} |^={3,} )",
    re.MULTILINE | re.DOTALL,
)


@pytest.mark.installs
def test_mistake_fails_with_a_message_that_names_the_remedy(service: Path) -> None:
    file = service / "tests" / "test_mistaken.py"
    file.write_text(TESTS, "utf-8")
    command = "pytest tests/test_mistaken.py -vv -p no:randomly --tb=short --timeout=60"
    try:
        output = uv_run(service, "sh", "-c", f"{command} || test $? -eq 1")
    finally:
        file.unlink()
    assert "test_async_fixture_under_plain_fixture PASSED" in output
    parts = dict(SECTION.findall(output))
    assert parts.keys() == MESSAGES.keys()
    for test, message in MESSAGES.items():
        assert message in parts[test], parts[test]
        print(f"{test}: {message}")


def test_testing_page_lists_every_message(template: Path) -> None:
    page = next(template.glob("*/docs/testing.md")).read_text("utf-8")
    for message in MESSAGES.values():
        assert message in page
