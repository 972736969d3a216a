from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends
from fastapi.requests import HTTPConnection
from sqlalchemy.ext.asyncio import AsyncSession

from app.database.sessions import Database
from app.errors import DatabaseUnavailableError, raises
from app.http.state import from_state

SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}  # RFC 9110, 9.2.1


async def get_database(connection: HTTPConnection) -> Database:
    """Return the open database; raise `RuntimeError` if the lifespan has not run."""
    return from_state(connection, "database", Database)


CurrentDatabase = Annotated[Database, Depends(get_database)]


@raises(DatabaseUnavailableError)
async def get_async_db(connection: HTTPConnection) -> AsyncIterator[AsyncSession]:
    """Yield the session of one request, which is one transaction.

    The first statement begins it. It is committed before the response is sent and rolled back on
    an error. Requests with a safe method read only.
    """
    database = from_state(connection, "database", Database)
    if connection.scope["type"] == "websocket":
        async with database.socket_session() as session:
            yield session
    else:
        read_only = connection.scope["method"] in SAFE_METHODS
        async with database.session(read_only=read_only) as session:
            yield session
            if session.in_transaction():
                await session.commit()


# With function scope the commit comes before the response: a commit that fails is an error
# response, never a 201 for a row that does not exist.
DbSession = Annotated[AsyncSession, Depends(get_async_db, scope="function")]
