from http import HTTPStatus

import httpx
from fastapi import FastAPI

from app.realtime.broker import MemoryBroker


async def test_a_service_that_is_about_to_stop_is_not_ready(
    app: FastAPI, anonymous_client: httpx.AsyncClient
) -> None:
    app.state.hub.stop()

    ready = await anonymous_client.get("/health/ready")

    assert ready.status_code == HTTPStatus.SERVICE_UNAVAILABLE
    assert ready.json()["detail"] == "The service is about to stop"


class Unreachable(MemoryBroker):
    async def check(self) -> bool:
        return False


async def test_a_service_whose_events_reach_no_other_process_is_degraded(
    app: FastAPI, anonymous_client: httpx.AsyncClient
) -> None:
    app.state.hub.broker = Unreachable("", app.state.hub.deliver, 0)

    response = await anonymous_client.get("/health/ready")

    degraded = {"status": "degraded", "database": "ok", "broker": "degraded"}
    assert degraded.items() <= response.json().items()
