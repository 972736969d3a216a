"""Somebody makes each mistake of docs/testing.md: the suite names it."""

import re
from pathlib import Path

import pytest
from commands import uv_run

TESTS = '''
import pytest
from fastapi.testclient import TestClient


@pytest.fixture
async def plain(async_db):
    return async_db.is_active


async def test_async_fixture_under_plain_fixture(plain):
    assert plain


async def test_no_await(async_client):
    async_client.get("/posts/")


async def test_no_await_and_its_result_is_used(async_client):
    assert async_client.get("/posts/").status_code == 200


async def test_client_in_async_test(client):
    """Never runs."""


def test_own_client(app, auth_headers, async_db):
    TestClient(app).get("/posts/", headers=auth_headers)


def test_own_client_that_starts_again(app):
    with TestClient(app):
        """Never runs."""


async def test_endless_stream(async_client):
    await async_client.get("/events/heartbeat")


def test_endless_stream_synchronously(client):
    client.get("/events/heartbeat")
'''
MESSAGES = {
    "test_no_await": "coroutine 'AsyncClient.get' was never awaited",
    "test_no_await_and_its_result_is_used": "'coroutine' object has no attribute 'status_code'",
    "test_client_in_async_test": "`client` would block this `async def` test: take `async_client`",
    "test_own_client": "TestClient(app) has an event loop of its own",
    "test_own_client_that_starts_again": "the service runs already: take the fixture `client`",
    "test_endless_stream": "/events/heartbeat never ends, and",
    "test_endless_stream_synchronously": "/events/heartbeat never ends, and",
}


SECTION = re.compile(
    r"^_+ (?:ERROR at setup of )?(\w+) _+\n(.*?)(?=^_{3,} |^={3,} )", re.MULTILINE | re.DOTALL
)


@pytest.mark.installs
def test_each_mistake_fails_within_seconds_with_a_message_that_names_it(service: Path) -> None:
    file = service / "tests" / "test_wrong.py"
    file.write_text(TESTS, "utf-8")
    command = "pytest tests/test_wrong.py -vv -p no:randomly --tb=short --durations=3"
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
    durations = re.findall(r"^([\d.]+)s call", output, re.MULTILINE)
    assert all(float(seconds) < 5 for seconds in durations)


def test_the_page_names_each_message(template: Path) -> None:
    page = next(template.glob("*/docs/testing.md")).read_text("utf-8")
    for message in MESSAGES.values():
        assert message in page
