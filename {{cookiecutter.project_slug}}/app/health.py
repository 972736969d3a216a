import re
from functools import cache
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from app.auth.health import check_issuer
from app.database import Database
from app.dependencies import get_database
from app.engine import IN_MEMORY
from app.errors import UnavailableError
from app.realtime.health import check_broker

router = APIRouter(prefix="/health", tags=["health"])

VERSIONS = Path(__file__).parents[1] / "migrations" / "versions"


class NotMigratedError(UnavailableError):
    detail = "The database is not migrated; `alembic upgrade head` does it"


@cache
def outdated_revisions() -> frozenset[str]:
    """Return all that another one follows; one not known here comes from a newer version.

    They are read as text: to import Alembic takes a tenth of the time to start.
    """
    text = "\n".join(path.read_text("utf-8") for path in VERSIONS.glob("*.py"))
    lines = re.findall(r"^down_revision\b.*", text, re.MULTILINE)
    return frozenset(re.findall(r"[\"'](\w+)[\"']", "\n".join(lines)))


async def check_migrated(session: AsyncSession) -> None:
    """Raise `NotMigratedError` where a migration is missing."""
    try:
        revisions = set(await session.scalars(text("SELECT version_num FROM alembic_version")))
    except DBAPIError as error:  # there is no such table
        raise NotMigratedError from error
    if not revisions or revisions & outdated_revisions():
        raise NotMigratedError


@router.get("/live")
async def live() -> dict[str, str]:
    """Say that the process answers: restart it when this fails."""
    return {"status": "ok"}


@router.get("/ready")
async def ready(
    database: Annotated[Database, Depends(get_database)],
    broker: Annotated[dict[str, str], Depends(check_broker)],
) -> dict[str, str]:
    """Say whether requests can be served: 503 names the part that is down.

    Degraded is a service whose events do not reach other processes for the time being.
    """
    async with database.session(read_only=True) as session:
        url = session.get_bind().engine.url
        if url.database not in IN_MEMORY:  # pragma: no branch - only SQLite is, for tests
            await check_migrated(session)
    return {"status": "ok", "database": "ok"} | broker | await check_issuer()
