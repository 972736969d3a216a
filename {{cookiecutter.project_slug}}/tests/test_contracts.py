import httpx
import pytest
from fastapi import FastAPI

from app.health import live
from tests.clients import http_client
from tests.contracts import ContractError


async def test_status_that_openapi_does_not_list_fails_the_test() -> None:
    app = FastAPI()
    app.add_api_route("/health/live", live, status_code=207)
    async with http_client(app) as client:
        with pytest.raises(ContractError, match="GET /health/live responds with 207"):
            await client.get("/health/live")


async def test_routes_of_a_test_may_respond_with_any_status(
    anonymous_client: httpx.AsyncClient,
) -> None:
    assert (await anonymous_client.get("/unknown")).status_code == 404
