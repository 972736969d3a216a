"""The number of queries of common requests: a change that slows all of them fails here."""

import httpx
import pytest


@pytest.mark.parametrize(("path", "number"), [("/auth/me", 1), ("/health/live", 0)])
async def test_request_executes_only_the_expected_queries(
    path: str,
    number: int,
    anonymous_client: httpx.AsyncClient,
    auth_headers: dict[str, str],
    queries: list[str],
) -> None:
    response = await anonymous_client.get(path, headers=auth_headers)

    assert response.is_success
    assert len(queries) == number
