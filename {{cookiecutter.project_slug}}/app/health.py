import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from app.database import Database
from app.dependencies import CurrentHub, get_database
from app.errors import DatabaseUnavailableError
from app.realtime.limits import StoppingError

router = APIRouter(prefix="/health", tags=["health"])

PATIENCE = 2  # seconds; a probe that waits longer counts as failed


@router.get("/live")
async def live() -> dict[str, str]:
    """Say that the process answers: restart it when this fails."""
    return {"status": "ok"}


@router.get("/ready")
async def ready(
    database: Annotated[Database, Depends(get_database)], hub: CurrentHub
) -> dict[str, str]:
    """Say whether requests can be served: 503 names the part that is down.

    Degraded is a service whose events do not reach other processes for the time being.
    """
    if hub.stopping:
        raise StoppingError
    try:
        async with asyncio.timeout(PATIENCE), database.session(read_only=True) as session:
            await session.execute(text("SELECT 1"))
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        raise DatabaseUnavailableError from error
    broker = "ok" if await hub.broker.check() else "degraded"
    return {"status": broker, "database": "ok", "broker": broker}
