"""SELECTs that are asked all the time: compiled once, and read straight from the driver."""

from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

from sqlalchemy import ColumnElement, Dialect, Select, inspect
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapper, make_transient_to_detached

Result = TypeVar("Result")
Values = Sequence[Any]
Statement = Select[*tuple[Any, ...]]
Make = Callable[[Values], object]


class Reader(Protocol):
    """Runs SQL without SQLAlchemy: the module `app.reader` has one for the database."""

    dialect: Dialect

    async def fetch(self, sql: str, arguments: Values) -> Sequence[Values]: ...


class Prepared(Generic[Result]):
    """A SELECT of columns, or of one mapped class.

    In a session that only reads and has not begun a transaction it spares what SQLAlchemy does
    around a statement, which takes several times as long as the statement. Its objects are then
    detached: they can be read, and added to a session. In every other session it is executed as
    it is. Parameters are plain values; lists (`in_`) are not supported.
    """

    def __init__(self, statement: Statement) -> None:
        self.statement = statement
        chosen = statement.column_descriptions[0]
        self.entity = chosen["type"] if chosen["expr"] is chosen["type"] else None
        self._compiled: dict[Dialect, _Compiled] = {}

    async def all(self, session: AsyncSession, **parameters: object) -> Sequence[Result]:
        reader: Reader | None = session.info.get("reader")
        if reader is None or session.in_transaction():
            result = await session.execute(self.statement, parameters)
            rows: Sequence[Any] = result.scalars().all() if self.entity else result.all()
            return rows
        compiled = self._compiled.get(reader.dialect) or self._compile(reader.dialect)
        fetched = await reader.fetch(compiled.sql, compiled.arguments(parameters))
        rows = [compiled.read(values) for values in fetched]
        return rows

    async def first(self, session: AsyncSession, **parameters: object) -> Result | None:
        rows = await self.all(session, **parameters)
        return rows[0] if rows else None

    def _compile(self, dialect: Dialect) -> "_Compiled":
        self._compiled = {dialect: _Compiled(self.statement, self.entity, dialect)}
        return self._compiled[dialect]


class _Compiled:
    """What the driver needs to know of a statement, and how its rows are read."""

    def __init__(self, statement: Statement, entity: type | None, dialect: Dialect) -> None:
        mapper: Mapper[Any] | None = inspect(entity) if entity else None
        if mapper:
            attributes = {attribute.key: attribute.expression for attribute in mapper.column_attrs}
            statement = statement.with_only_columns(*attributes.values())
        columns: Mapping[str, ColumnElement[Any]] = dict(statement.exported_columns.items())
        compiled = statement.compile(dialect=dialect)
        self.sql = str(compiled)
        self._binds = [
            (bind.key, bind.value, bind.type.dialect_impl(dialect).bind_processor(dialect))
            for bind in map(compiled.binds.__getitem__, compiled.positiontup or ())
        ]
        processors = [
            column.type.dialect_impl(dialect).result_processor(dialect, None)
            for column in columns.values()
        ]
        self._processors = [(place, to) for place, to in enumerate(processors) if to]
        self._make = _maker(mapper, list(attributes)) if mapper else _row(list(columns))

    def arguments(self, parameters: Mapping[str, object]) -> Values:
        return [
            process(parameters.get(name, default)) if process else parameters.get(name, default)
            for name, default, process in self._binds
        ]

    def read(self, values: Values) -> object:
        if self._processors:
            values = list(values)
            for place, process in self._processors:
                values[place] = process(values[place])
        return self._make(values)


def _row(names: Sequence[str]) -> Make:
    row: Any = namedtuple("Row", names, rename=True)  # type: ignore[misc] # whose names the statement knows
    make: Make = row._make
    return make


def _maker(mapper: Mapper[Any], names: Sequence[str]) -> Make:
    def make(values: Values) -> object:
        instance: object = mapper.class_manager.new_instance()
        vars(instance).update(zip(names, values, strict=True))  # as it comes from the database
        make_transient_to_detached(instance)
        return instance

    return make
