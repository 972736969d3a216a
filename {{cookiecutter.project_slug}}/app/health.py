import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from functools import cache
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.responses import Response
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from app.database import Database
from app.database.dependencies import CurrentDatabase
from app.database.outages import is_missing_table
from app.errors import DatabaseUnavailableError, UnavailableError, problem, raises
from app.http.routing import FeatureRouter

logger = logging.getLogger(__name__)
router = FeatureRouter(prefix="/health", tags=["health"])

GRACE_SECONDS = 1  # for the other checks, once one has failed
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
    except DBAPIError as error:
        is_new = is_missing_table(error.orig)
        raise (NotMigratedError if is_new else DatabaseUnavailableError) from error
    if not revisions or revisions & outdated_revisions():
        raise NotMigratedError


async def check_database(database: Database) -> str:
    """Raise `UnavailableError` if requests cannot read and write."""
    async with database.session(read_only=True) as session:
        if not database.in_memory:  # pragma: no branch - only tests have such a database
            await check_migrated(session)
    await database.check_writable()
    return "ok"


@router.get("/live")
async def live() -> dict[str, str]:
    """Respond if the process is alive: restart it when this fails."""
    return {"status": "ok"}


@router.get("/ready", response_model=dict[str, str])
@raises(DatabaseUnavailableError, NotMigratedError)
async def ready(request: Request, database: CurrentDatabase) -> dict[str, str] | Response:
    """Respond with 200 if requests can be served; 503 names all components that are down.

    The status is `degraded` while events do not reach other processes or a background task fails.
    """
    checks: dict[str, ReadinessCheck] = request.app.state.readiness_checks
    tasks = {name: asyncio.ensure_future(check()) for name, check in checks.items()}
    tasks["database"] = asyncio.ensure_future(check_database(database))
    try:
        _, late = await asyncio.wait(tasks.values(), return_when=asyncio.FIRST_EXCEPTION)
        if late:  # the 503 of a service that is shutting down must not wait for all of them
            await asyncio.wait(late, timeout=GRACE_SECONDS)
    finally:
        for task in tasks.values():
            task.cancel()
    failures = {name: _failure(name, task) for name, task in tasks.items()}
    components = {
        name: "unavailable" if failures[name] else task.result() for name, task in tasks.items()
    }
    if details := "; ".join(filter(None, failures.values())):
        return problem(503, details, UnavailableError.headers, components=components)
    status = "degraded" if "degraded" in components.values() else "ok"
    return {"status": status} | components


def _failure(name: str, task: asyncio.Future[str]) -> str | None:
    """Return the reason of a failed check and log its cause; return None if it succeeded."""
    if not task.done():
        return f"The {name} has not responded"
    error = task.exception()
    if not isinstance(error, UnavailableError):
        return None
    cause = f": {error.__cause__!r}" if error.__cause__ else ""
    logger.warning("Not ready: %s%s", error.detail, cause)
    return error.detail
