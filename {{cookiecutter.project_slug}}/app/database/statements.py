"""SELECTs of hot paths: compiled once by SQLAlchemy, executed by the driver itself."""

from collections import namedtuple
from collections.abc import Sequence
from typing import Any

from sqlalchemy import BindParameter, Dialect, Float, Numeric, Select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.pool import PoolProxiedConnection
from sqlalchemy.sql import visitors

from app.database.outages import raising_outages


class HotStatement:
    """A SELECT of columns that runs with almost every request.

    The driver's own call takes a fraction of the time of `session.execute`. If the session is in a
    transaction, the statement runs in it, after a flush; otherwise on a pooled connection without
    a transaction. Rows are named tuples. Pool events see these statements, and so do the hooks of
    the drivers; SQLAlchemy's `before_cursor_execute` does not.
    """

    def __init__(self, statement: Select[*tuple[Any, ...]]) -> None:
        """Raise `ValueError` for entities, text, numeric columns and an IN of variable length."""
        for chosen in statement.column_descriptions:
            if chosen["expr"] is chosen["type"]:
                raise ValueError(f"select the columns of {chosen['name']}, not the entity")
        columns = statement.exported_columns
        if len(columns) != len(statement.column_descriptions):
            raise ValueError("select columns, not text")
        # The converter of asyncpg would need the description of the row.
        if numeric := [
            column.key for column in columns if isinstance(column.type, Float | Numeric)
        ]:
            raise ValueError(f"{numeric} are numeric; use session.execute")
        for bind in visitors.iterate(statement):
            if isinstance(bind, BindParameter) and bind.expanding:
                raise ValueError(f"{bind.key!r} is an IN of variable length; use session.execute")
        self._statement = statement
        self._compiled: dict[str, _Compiled] = {}  # by the name of the dialect

    async def all(self, session: AsyncSession, **parameters: object) -> Sequence[Any]:
        """Return the rows; raise `TypeError` if a parameter is missing or unknown."""
        database = session.info.get("database")
        if database and not session.in_transaction():
            compiled = self._compile(database.engine.dialect)
            # Before the connection is checked out, because an error would cost the connection.
            arguments = compiled.arguments(parameters)
            async with database.hot_connection() as pooled:
                return await compiled.fetch(pooled, arguments)
        await session.flush()
        connection = await session.connection()
        compiled = self._compile(connection.dialect)
        raw = await connection.get_raw_connection()
        return await compiled.fetch(raw, compiled.arguments(parameters))

    async def first(self, session: AsyncSession, **parameters: object) -> Any:  # noqa: ANN401 - a row
        """Return the first row, or None."""
        rows = await self.all(session, **parameters)
        return rows[0] if rows else None

    def _compile(self, dialect: Dialect) -> "_Compiled":
        if dialect.name not in self._compiled:
            self._compiled[dialect.name] = _Compiled(self._statement, dialect)
        return self._compiled[dialect.name]


class _Compiled:
    """The SQL of one dialect, and the conversions of parameters and results that it needs."""

    def __init__(self, statement: Select[*tuple[Any, ...]], dialect: Dialect) -> None:
        compiled = statement.compile(dialect=dialect)
        self._sql = str(compiled)
        self._binds = [compiled.binds[name] for name in compiled.positiontup or ()]
        self._to_driver = [
            bind.type.dialect_impl(dialect).bind_processor(dialect) for bind in self._binds
        ]
        self._required = {bind.key for bind in self._binds if bind.required}
        columns = statement.exported_columns
        processors = [
            column.type.dialect_impl(dialect).result_processor(dialect, None) for column in columns
        ]
        self._from_driver = [(index, to) for index, to in enumerate(processors) if to]
        names = [str(column.key) for column in columns]
        self._is_postgresql = dialect.name == "postgresql"
        row: Any = namedtuple("Row", names, rename=True)  # type: ignore[misc] # names vary
        self._make = row._make

    def arguments(self, parameters: dict[str, object]) -> list[object]:
        """Return the arguments in order; raise `TypeError` if one is missing or unknown."""
        if parameters.keys() != self._required:
            raise TypeError(f"takes {sorted(self._required)}, not {sorted(parameters)}")
        values = [parameters.get(str(bind.key), bind.value) for bind in self._binds]
        pairs = zip(values, self._to_driver, strict=True)
        return [convert(value) if convert else value for value, convert in pairs]

    async def fetch(
        self, connection: PoolProxiedConnection, arguments: list[object]
    ) -> Sequence[Any]:
        driver: Any = connection.driver_connection
        with raising_outages(lambda: self._is_postgresql and driver.is_closed()):
            rows = await (
                driver.fetch(self._sql, *arguments)
                if self._is_postgresql
                else driver.execute_fetchall(self._sql, arguments)
            )
        return [self._row(values) for values in rows]

    def _row(self, values: Sequence[Any]) -> object:
        if self._from_driver:
            values = list(values)
            for index, convert in self._from_driver:
                values[index] = convert(values[index])
        return self._make(values)
