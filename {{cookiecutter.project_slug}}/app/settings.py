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
    """A setting is missing or unsafe; the message is one line that names it and the remedy."""


def _validate_database_url(url: str) -> str:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # their messages may contain the password
        raise ValueError("is not a valid URL, e.g. sqlite+aiosqlite:///service.db") from None
    try:
        dialect = parsed.get_dialect()
        dialect.import_dbapi()
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        raise ValueError(f"the driver is not installed ({error})") from None
    if not dialect.is_async:
        raise ValueError("the driver is not async; use aiosqlite or asyncpg")
    return url


def _validate_workers(workers: int, info: ValidationInfo) -> int:
    if workers > 1 and info.data.get("broker_url", "").startswith("memory:"):
        raise ValueError("processes cannot share a memory:// broker; set BROKER_URL or WORKERS=1")
    return workers


def _comma_separated(value: object) -> object:
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def _validate_origin(text: str) -> str:
    if not ORIGIN.fullmatch(text):
        raise ValueError("is not an origin as browsers send it, e.g. https://app.example:8443")
    return text


Origin = Annotated[str, AfterValidator(_validate_origin)]


class Settings(AuthSettings, RealtimeSettings, BaseSettings):
    """Environment variables of the same names in upper case, and the lines of `.env`."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",  # .env may also contain variables of other programs
        frozen=True,
        use_attribute_docstrings=True,
    )

    database_url: Annotated[str, AfterValidator(_validate_database_url)]
    """SQLAlchemy URL with an async driver."""

    database_connect_seconds: Annotated[float, Field(gt=0)] = 2
    """Timeout for opening a connection and for waiting for one from the pool."""

    database_pool_size: Annotated[int, Field(ge=1)] = 20
    """Maximum number of connections of one process."""

    database_recycle_seconds: Annotated[int, Field(ge=1)] = 1800
    """Maximum age of a connection to a database server."""

    database_statement_seconds: Annotated[float, Field(gt=0)] = 2
    """Statement timeout; connections to an unresponsive server are dropped."""

    allowed_origins: Annotated[tuple[Origin, ...], NoDecode, BeforeValidator(_comma_separated)] = ()
    """Comma-separated origins whose pages may call this service from a browser (CORS)."""

    docs: bool = True
    """Serve `/docs`, `/redoc` and `/openapi.json`."""

    host: str = "127.0.0.1"
    """Address to listen on; `0.0.0.0` means all interfaces."""

    playground: bool = False
    """Serve the interactive demo page at `/`."""

    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    """Port to listen on; 0 means any free port."""

    log_format: Literal["text", "json"] = "text"
    """Log format: `text` for people, `json` for programs."""

    log_level: Literal["critical", "error", "warning", "info", "debug"] = "info"
    """Minimum log level: `debug`, `info`, `warning`, `error` or `critical`."""

    stuck_peer_seconds: Annotated[int, Field(ge=1, le=3600)] = 20
    """`python -m app` drops clients that vanish or stop reading after this time."""

    workers: Annotated[int, Field(ge=1), AfterValidator(_validate_workers)] = 1
    """Number of processes of `python -m app`."""


@cache
def get_settings() -> Settings:
    """Read the settings once; raise `SettingsError`, which never shows a value."""
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
            problems.append(f"{name} is not set; add it to .env or the environment. {meaning}")
        else:
            problems.append(f"{name}: {problem['msg']}")
    return "Settings: " + "; ".join(problems)
