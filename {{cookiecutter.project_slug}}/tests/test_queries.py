"""How often a request asks the database: what slows every request shows here first."""

import httpx
import pytest


@pytest.mark.parametrize(("path", "number"), [("/auth/me", 1), ("/health/live", 0)])
async def test_a_request_asks_no_more_than_it_must(
    path: str,
    number: int,
    anonymous_client: httpx.AsyncClient,
    auth_headers: dict[str, str],
    queries: list[str],
) -> None:
    response = await anonymous_client.get(path, headers=auth_headers)

    assert response.is_success
    assert len(queries) == number
