"""How often a request asks the database: what slows every request shows here first."""

import httpx
import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine


@pytest.fixture
def queries(engine: AsyncEngine, auth_headers: dict[str, str]) -> list[str]:
    asked: list[str] = []
    event.listen(
        engine.sync_engine,
        "before_cursor_execute",
        lambda _, __, statement, *___: asked.append(statement),
    )
    return asked


@pytest.mark.parametrize(("path", "number"), [("/auth/me", 1), ("/posts/", 2), ("/health/live", 0)])
async def test_a_request_asks_no_more_than_it_must(
    path: str,
    number: int,
    anonymous_client: httpx.AsyncClient,
    auth_headers: dict[str, str],
    queries: list[str],
) -> None:
    response = await anonymous_client.get(path, headers=auth_headers)

    assert response.is_success
    assert len([query for query in queries if query.startswith("SELECT")]) == number
