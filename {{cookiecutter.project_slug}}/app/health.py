import re
from collections.abc import Awaitable, Callable
from functools import cache
from pathlib import Path

from fastapi import APIRouter, FastAPI, Request
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from app.database.dependencies import CurrentDatabase
from app.errors import UnavailableError

router = APIRouter(prefix="/health", tags=["health"])

VERSIONS = Path(__file__).parents[1] / "migrations" / "versions"

ReadinessCheck = Callable[[], Awaitable[str]]
"""Returns "ok" or "degraded"; raises `UnavailableError` if the service cannot serve requests."""


class NotMigratedError(UnavailableError):
    detail = "The database is not migrated; run `alembic upgrade head`"


def add_readiness_check(app: FastAPI, name: str, check: ReadinessCheck) -> None:
    """Include a component in `/health/ready`; for the lifespan of a feature's router."""
    app.state.readiness_checks[name] = check


@cache
def outdated_revisions() -> frozenset[str]:
    """Return the revisions that have a successor; unknown ones come from a newer version.

    The files are read as text because importing Alembic would take a tenth of the start-up time.
    """
    text = "\n".join(path.read_text("utf-8") for path in VERSIONS.glob("*.py"))
    lines = re.findall(r"^down_revision\b.*", text, re.MULTILINE)
    return frozenset(re.findall(r"[\"'](\w+)[\"']", "\n".join(lines)))


async def check_migrated(session: AsyncSession) -> None:
    """Raise `NotMigratedError` if a migration is missing."""
    try:
        revisions = set(await session.scalars(text("SELECT version_num FROM alembic_version")))
    except DBAPIError as error:  # there is no such table
        raise NotMigratedError from error
    if not revisions or revisions & outdated_revisions():
        raise NotMigratedError


@router.get("/live")
async def live() -> dict[str, str]:
    """Respond if the process is alive: restart it when this fails."""
    return {"status": "ok"}


@router.get("/ready")
async def ready(request: Request, database: CurrentDatabase) -> dict[str, str]:
    """Respond with 200 if requests can be served; 503 names the component that is down.

    The status is `degraded` while events do not reach other processes.
    """
    components = {"database": "ok"}
    # The hub registers last. It comes first here because the 503 of a service that is shutting
    # down must not wait for the check of an unresponsive provider.
    for name, check in reversed(request.app.state.readiness_checks.items()):
        components[name] = await check()
    async with database.session(read_only=True) as session:
        if not database.in_memory:  # pragma: no branch - only tests have such a database
            await check_migrated(session)
    status = "degraded" if "degraded" in components.values() else "ok"
    return {"status": status} | components
