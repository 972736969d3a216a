from http import HTTPStatus

import httpx
from fastapi import FastAPI

from app.realtime.brokers.memory import MemoryBroker


async def test_service_is_not_ready_during_shutdown(
    app: FastAPI, anonymous_client: httpx.AsyncClient
) -> None:
    app.state.hub.connections.stop()

    response = await anonymous_client.get("/health/ready")

    assert response.status_code == HTTPStatus.SERVICE_UNAVAILABLE
    assert response.json()["detail"] == "The service is shutting down"


class DisconnectedBroker(MemoryBroker):
    async def check(self) -> bool:
        return False


async def test_service_is_degraded_while_events_do_not_reach_other_processes(
    app: FastAPI, anonymous_client: httpx.AsyncClient
) -> None:
    app.state.hub.broker = DisconnectedBroker("", app.state.hub.deliver, 0)

    response = await anonymous_client.get("/health/ready")

    degraded = {"status": "degraded", "database": "ok", "broker": "degraded"}
    assert degraded.items() <= response.json().items()
