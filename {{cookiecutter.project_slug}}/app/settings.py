import re
from functools import cache
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ValidationError,
    ValidationInfo,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from app.auth.settings import AuthSettings
from app.realtime.settings import RealtimeSettings

# RFC 6454, 6.2, as browsers write it: no path, no capitals.
ORIGIN = re.compile(r"https?://([a-z0-9.-]+|\[[0-9a-f:]+\])(:[0-9]{1,5})?")


class SettingsError(Exception):
    """A setting is missing or unsafe; the message is one line that names it and the way out."""


def _usable(url: str) -> str:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # whose texts may show a part of the password
        raise ValueError("is no URL, such as sqlite+aiosqlite:///service.db") from None
    try:
        dialect = parsed.get_dialect()
        dialect.import_dbapi()
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        raise ValueError(f"names a driver that is not installed ({error})") from None
    if not dialect.is_async:
        raise ValueError("names a driver that is not asynchronous, as aiosqlite and asyncpg are")
    return url


def _sharing_a_broker(workers: int, info: ValidationInfo) -> int:
    if workers > 1 and info.data.get("broker_url", "").startswith("memory:"):
        raise ValueError("processes share no memory:// broker; set BROKER_URL, or WORKERS=1")
    return workers


def _comma_separated(value: object) -> object:
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def _origin(text: str) -> str:
    if not ORIGIN.fullmatch(text):
        raise ValueError("needs origins as browsers send them, such as https://app.example:8443")
    return text


Origin = Annotated[str, AfterValidator(_origin)]


class Settings(AuthSettings, RealtimeSettings, BaseSettings):
    """Environment variables of the same names in capitals; `.env` is read in development."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",  # .env also holds what other programs read
        frozen=True,
        use_attribute_docstrings=True,
    )

    database_url: Annotated[str, AfterValidator(_usable)]
    """SQLAlchemy URL with an asynchronous driver."""

    database_connect_seconds: Annotated[float, Field(gt=0)] = 2
    """How long a request waits for a new connection, or for one of the pool."""

    database_pool_size: Annotated[int, Field(ge=1)] = 20
    """Connections of one process, at most."""

    database_recycle_seconds: Annotated[int, Field(ge=1)] = 1800
    """Connections to a database server that are older are replaced."""

    database_statement_seconds: Annotated[float, Field(gt=0)] = 2
    """A database server cancels longer statements, and one that is silent is given up."""

    allowed_origins: Annotated[tuple[Origin, ...], NoDecode, BeforeValidator(_comma_separated)] = ()
    """Origins, separated by commas, whose pages may use this service from a browser."""

    docs: bool = True
    """Serve `/docs`, `/redoc` and `/openapi.json`."""

    broker_url: str = "memory://"
    """Carries events from one process to the others."""

    host: str = "127.0.0.1"
    """The address to listen on; `0.0.0.0` stands for all of this machine."""

    playground: bool = False
    """Serve a page at `/` on which the service can be tried."""

    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    """The port to listen on; 0 lets the system choose."""

    log_format: Literal["text", "json"] = "text"
    """How lines are written: `text` for people, `json` for programs."""

    log_level: Literal["critical", "error", "warning", "info", "debug"] = "info"
    """The least that is logged: `debug`, `info`, `warning`, `error` or `critical`."""

    stuck_peer_seconds: Annotated[int, Field(ge=1, le=3600)] = 20
    """A client that vanished or stopped reading is gone after that: `python -m app` sees to it."""

    workers: Annotated[int, Field(ge=1), AfterValidator(_sharing_a_broker)] = 1
    """Processes of `python -m app`."""

    ws_max_frame_bytes: Annotated[int, Field(ge=1)] = 65536
    """A larger frame from a client closes its socket with 1009."""


@cache
def get_settings() -> Settings:
    """Read the settings once. Raises `SettingsError`, never showing a value."""
    try:
        return Settings()
    except ValidationError as error:
        raise SettingsError(_explain(error)) from None
    except UnicodeError:
        raise SettingsError("Settings: .env is not UTF-8 text") from None


def _explain(error: ValidationError) -> str:
    problems = []
    for problem in error.errors(include_url=False, include_input=False):
        name = ".".join(map(str, problem["loc"])).upper()
        if problem["type"] == "missing":
            meaning = Settings.model_fields[name.lower()].description
            problems.append(f"{name} is not set; put it into .env or the environment. {meaning}")
        else:
            problems.append(f"{name}: {problem['msg']}")
    return "Settings: " + "; ".join(problems)
