import asyncio

import pytest
import uvicorn
from fastapi import FastAPI

from app.auth.revocation import AccessRevocations
from app.main import create_app
from app.realtime.brokers.memory import MemoryBroker
from app.realtime.brokers.registry import BROKERS
from app.realtime.hub import Hub
from app.realtime.routes import running_hub
from app.settings import SettingsError
from tests.realtime.subscriptions import socket_subscription


async def start_and_stop(app: FastAPI, processes: int) -> None:
    """Run the lifespan as if uvicorn ran so many processes."""
    config = uvicorn.Config("app.main:app", workers=processes, log_config=None)
    with uvicorn.Server(config).capture_signals():
        async with app.router.lifespan_context(app):
            pass


@pytest.mark.usefixtures("issuer", "clean_database")
async def test_processes_of_the_server_need_a_shared_broker() -> None:
    await start_and_stop(create_app(), 1)
    with pytest.raises(SettingsError, match="^BROKER_URL: [^\n]*cannot share a memory:// broker"):
        await start_and_stop(create_app(), 2)


class ReceivingBroker(MemoryBroker):
    async def run(self) -> None:
        await asyncio.Future()


async def test_end_of_the_lifespan_closes_connections_and_leaves_nothing_running(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(BROKERS, "memory", ReceivingBroker)
    service = FastAPI()
    service.state.readiness_checks = {}
    service.state.access_revocations = revocations = AccessRevocations()
    tasks = asyncio.all_tasks()

    async with running_hub(service):
        hub: Hub = service.state.hub
        with hub.subscribe(socket_subscription(1)) as subscription:
            await revocations.publish(2)
            assert hub.revocations_seen == 1
        hub.connections.add(waiting := socket_subscription(3))
    await revocations.publish(2)

    assert (subscription.close_code, waiting.close_code) == (None, 1012)
    assert hub.revocations_seen == 1
    assert service.state.hub is not hub
    assert asyncio.all_tasks() == tasks
