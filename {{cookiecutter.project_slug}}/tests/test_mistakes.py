"""Common mistakes fail at once with a message that names the remedy."""

import asyncio
import time
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_timeout  # type: ignore[import-untyped]  # it has no type hints
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from fastapi.testclient import TestClient
from sqlalchemy.ext.asyncio import AsyncSession

from app.auth.models import User
from app.database import Database
from tests import clients, mistakes, remedies
from tests.conftest import WsConnect
from tests.mistakes import MistakeError


@pytest.fixture(autouse=True)
def _short_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mistakes, "STREAM_SECONDS", 0.05)


@pytest.fixture
def endless() -> FastAPI:
    app = FastAPI()

    async def events() -> AsyncIterator[bytes]:
        yield b":\n\n"
        await asyncio.Event().wait()

    @app.get("/endless")
    async def stream() -> StreamingResponse:
        return StreamingResponse(events(), media_type="text/event-stream")

    return app


@pytest.fixture
def bounded() -> FastAPI:
    app = FastAPI()

    async def events() -> AsyncIterator[bytes]:
        yield b":\n\n"
        for _ in range(3):
            await asyncio.sleep(0)  # a timer that is due runs

    @app.get("/bounded")
    async def stream() -> StreamingResponse:
        return StreamingResponse(events(), media_type="text/event-stream")

    return app


async def test_waiting_for_the_end_of_an_endless_stream_is_refused(endless: FastAPI) -> None:
    with pytest.raises(MistakeError, match="never ends"):
        await clients.http_client(endless).get("/endless")


def test_waiting_for_an_endless_stream_is_refused_in_a_synchronous_test(endless: FastAPI) -> None:
    client = mistakes.SynchronousClient(mistakes.refuse_endless_responses(endless))
    with pytest.raises(MistakeError, match="never ends"):
        client.get("/endless")


async def test_stream_may_take_longer_while_it_is_debugged(
    bounded: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mistakes, "STREAM_SECONDS", 0)
    client = clients.http_client(bounded)
    with pytest.raises(MistakeError, match="never ends"):
        await client.get("/bounded")

    monkeypatch.setattr(pytest_timeout, "SUPPRESS_TIMEOUT", True)  # as after a stop of `--pdb`
    assert (await client.get("/bounded")).text == ":\n\n"


def test_separate_test_client_is_refused_in_another_loop(
    app: FastAPI, auth_headers: dict[str, str]
) -> None:
    with pytest.raises(MistakeError, match="use the fixture `client`"):
        TestClient(app).get("/auth/me", headers=auth_headers)


def test_separate_test_client_cannot_start_the_service_again(app: FastAPI) -> None:
    with pytest.raises(MistakeError, match="use the fixture `client`"), TestClient(app):
        pass  # pragma: no cover - the service does not start again


def test_service_is_started_only_once_at_a_time() -> None:
    app = FastAPI()
    app.router.lifespan_context = mistakes.start_once(app.router.lifespan_context)
    for _ in range(2):
        with TestClient(app), pytest.raises(MistakeError, match="enter .* only once"):
            TestClient(app).__enter__()


async def test_socket_is_refused_in_a_fixture(
    ws_connect: WsConnect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_CURRENT_TEST", "test_file.py::test_name (setup)")
    with pytest.raises(MistakeError, match="let the fixture return a function"):
        await ws_connect("/ws/echo").__aenter__()


@pytest.mark.parametrize("name", ["get", "send"])
async def test_mock_that_answers_the_client_of_the_test_is_refused(
    name: str, anonymous_client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await anonymous_client.get("/health/live")).is_success
    monkeypatch.setattr(httpx.AsyncClient, name, None)
    with pytest.raises(MistakeError, match="use the fixture `external_services`"):
        await anonymous_client.get("/health/live")


async def test_blocking_sleep_is_refused_in_the_event_loop_only() -> None:
    sleep = time.sleep  # Ruff would find the call
    with pytest.raises(MistakeError, match="write `await asyncio.sleep`"):
        sleep(0)
    await asyncio.to_thread(sleep, 0)


async def test_reading_an_attribute_that_is_not_loaded_is_refused(
    async_db: AsyncSession, user: User
) -> None:
    async_db.expire(user)
    with pytest.raises(MistakeError, match="`await session.refresh\\(object\\)`"):
        user.id  # noqa: B018 - reading it would load it

    await async_db.refresh(user)
    assert user.id


def report(error: BaseException) -> BaseException:
    """Return the error that pytest would show."""

    def fail() -> None:
        raise error

    call = pytest.CallInfo.from_call(fail, "call")
    remedies.pytest_runtest_makereport(call)
    assert call.excinfo
    return call.excinfo.value


async def test_session_left_open_is_refused(clean_database: Database) -> None:
    async with clean_database.session() as session:
        await session.connection()
        with pytest.raises(MistakeError, match="1 connections .* open sessions by `async with`"):
            mistakes.refuse_open_sessions(clean_database.connections_in_use)

    mistakes.refuse_open_sessions(clean_database.connections_in_use)


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        ("Attempted to exit cancel scope in a different task", "let it return a function"),
        ("New upgrade operations detected: [('add_table', ...", "alembic revision --autogenerate"),
        ("no such table: notes", "alembic revision --autogenerate"),
        ('relation "notes" does not exist', "alembic revision --autogenerate"),
    ],
)
def test_error_of_a_library_names_the_remedy(error: str, remedy: str) -> None:
    shown = report(RuntimeError(error))

    assert remedy in shown.__notes__[0]


def test_of_a_task_group_the_error_that_matters_is_shown() -> None:
    consequence, failure = ValueError("a consequence"), AssertionError("1 == 2")
    cause = MistakeError("the mistake")

    group = ExceptionGroup("", [consequence, ExceptionGroup("", [failure])])
    assert report(group) is failure
    assert failure.__notes__ == ["Other errors of the task groups: ValueError: a consequence"]
    assert report(ExceptionGroup("", [failure, cause])) is cause
    assert report(ExceptionGroup("", [consequence])) is consequence
    assert not hasattr(consequence, "__notes__")


@pytest.mark.parametrize("options", [{}, {"loop_scope": "session"}])
def test_loop_of_the_session_is_accepted(
    options: dict[str, str], request: pytest.FixtureRequest
) -> None:
    request.node.add_marker(pytest.mark.asyncio(**options))
    remedies.pytest_runtest_setup(request.node)


def test_loop_of_one_test_is_refused(request: pytest.FixtureRequest) -> None:
    request.node.add_marker(pytest.mark.asyncio(loop_scope="function"))
    with pytest.raises(pytest.fail.Exception, match="remove `loop_scope`"):
        remedies.pytest_runtest_setup(request.node)


def test_client_is_set_up_after_all_other_fixtures(
    client: TestClient, admin_headers: dict[str, str]
) -> None:
    assert client.get("/auth/me", headers=admin_headers).json()["role"] == "admin"
