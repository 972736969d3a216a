from typing import TypeVar

from fastapi.requests import HTTPConnection

T = TypeVar("T")


def from_state(connection: HTTPConnection, name: str, kind: type[T]) -> T:
    """Return an object that the lifespan stored; raise `RuntimeError` if it has not run."""
    value = getattr(connection.app.state, name, None)
    if isinstance(value, kind):
        return value
    remedy = ", or override `get_async_db`" if name == "database" else ""
    raise RuntimeError(f"no {name}: the lifespan has not run; use `with TestClient(app)`{remedy}")
