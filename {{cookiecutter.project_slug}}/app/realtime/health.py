from app.realtime.dependencies import CurrentHub
from app.realtime.limits import StoppingError


async def check_broker(hub: CurrentHub) -> dict[str, str]:
    """Say whether events reach other processes; raises `StoppingError`."""
    if hub.stopping:
        raise StoppingError
    broker = "ok" if await hub.broker.check() else "degraded"
    return {"status": broker, "broker": broker}
