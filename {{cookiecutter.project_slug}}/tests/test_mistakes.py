"""What is easy to get wrong fails at once, and says what to write instead."""

import httpx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from tests import mistakes
from tests.mistakes import MistakeError

ENDLESS = "/events/heartbeat"


@pytest.fixture(autouse=True)
def _little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mistakes, "PATIENCE", 0.05)


async def test_to_wait_for_the_end_of_an_endless_stream(async_client: httpx.AsyncClient) -> None:
    with pytest.raises(MistakeError, match="never ends"):
        await async_client.get(ENDLESS)


def test_to_wait_for_it_in_a_synchronous_test(client: TestClient) -> None:
    with pytest.raises(MistakeError, match="never ends"):
        client.get(ENDLESS)


def test_a_client_of_its_own_in_another_loop(app: FastAPI, auth_headers: dict[str, str]) -> None:
    with pytest.raises(MistakeError, match="take the fixture `client`"):
        TestClient(app).get("/auth/me", headers=auth_headers)


def test_a_client_of_its_own_that_starts_the_service_again(app: FastAPI) -> None:
    with pytest.raises(MistakeError, match="take the fixture `client`"), TestClient(app):
        pass  # pragma: no cover - it does not start
