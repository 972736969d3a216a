import re
from difflib import get_close_matches
from functools import cache
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal

from fastapi import Depends
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from app.auth.settings import AuthSettings
from app.database_url import validate
from app.realtime.settings import RealtimeSettings

# Without the slash at the end, and without characters that links would have to encode.
ROOT_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)*")
# RFC 6454, 6.2, as browsers write it: no path, no capitals.
ORIGIN = re.compile(r"https?://([a-z0-9.-]+|\[[0-9a-f:]+\])(:[0-9]{1,5})?")
MISSPELT = 0.9  # similarity of names, as `difflib` computes it


class SettingsError(Exception):
    """A setting is missing or unsafe; the message is one line that names it and the remedy."""


def _validate_workers(workers: int, info: ValidationInfo) -> int:
    if workers > 1 and info.data.get("broker_url", "").startswith("memory:"):
        raise ValueError("processes cannot share a memory:// broker; set BROKER_URL or WORKERS=1")
    return workers


def _comma_separated(value: object) -> object:
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def _lower_case(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _validate_origin(text: str) -> str:
    if not ORIGIN.fullmatch(text):
        raise ValueError("is not an origin as browsers send it, e.g. https://app.example:8443")
    return text


def _validate_root_path(path: str) -> str:
    if not ROOT_PATH.fullmatch(path):
        raise ValueError("is not a path such as /api, without a slash at the end")
    return path


def _validate_proxies(addresses: str) -> str:
    for address in addresses.split(","):
        try:
            ip_network(address.strip())
        except ValueError:
            if addresses != "*":
                raise ValueError("is not a list of addresses, e.g. 127.0.0.1,10.0.0.0/8") from None
    return addresses


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

    database_url: Annotated[str, AfterValidator(validate)]
    """URL of the database, e.g. as its provider shows it."""

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
    """Serve `/docs`, `/openapi.json` and `/asyncapi.json`."""

    forwarded_allow_ips: Annotated[str, AfterValidator(_validate_proxies)] = "127.0.0.1,::1"
    """Comma-separated addresses of proxies whose `X-Forwarded-For` and `-Proto` are trusted."""

    host: str = "127.0.0.1"
    """Address to listen on; `0.0.0.0` means all interfaces."""

    playground: bool = False
    """Serve the interactive demo page at `/`."""

    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    """Port to listen on; 0 means any free port."""

    log_format: Annotated[Literal["text", "json"], BeforeValidator(_lower_case)] = "text"
    """Log format: `text` for people, `json` for programs."""

    log_level: Annotated[
        Literal["critical", "error", "warning", "info", "debug"], BeforeValidator(_lower_case)
    ] = "info"
    """Minimum log level: `debug`, `info`, `warning`, `error` or `critical`."""

    root_path: Annotated[str, AfterValidator(_validate_root_path)] = ""
    """Path prefix below which clients see the service, e.g. `/api`; a proxy may remove it."""

    stuck_peer_seconds: Annotated[int, Field(ge=1, le=3600)] = 20
    """`python -m app` drops clients that vanish, stop sending or stop reading after this time."""

    workers: Annotated[int, Field(ge=1), AfterValidator(_validate_workers)] = 1
    """Number of processes of `python -m app`."""

    @model_validator(mode="before")
    @classmethod
    def _refuse_misspelt_names(cls, values: dict[str, object]) -> dict[str, object]:
        for name in values.keys() - cls.model_fields.keys():
            if similar := get_close_matches(name, cls.model_fields, 1, MISSPELT):
                raise ValueError(
                    f"{name.upper()} in .env is not a setting; did you mean {similar[0].upper()}?"
                )
        return values


@cache
def get_settings() -> Settings:
    """Read the settings once; raise `SettingsError`, which never shows a value."""
    try:
        return Settings()
    except ValidationError as error:
        raise SettingsError(_explain(error)) from None
    except UnicodeError:
        raise SettingsError("Settings: .env is not UTF-8 text") from None


CurrentSettings = Annotated[Settings, Depends(get_settings)]


def _explain(error: ValidationError) -> str:
    problems = []
    has_file = Path(str(Settings.model_config["env_file"])).exists()
    where = "add it to .env" if has_file else "copy .env.example to .env"
    for problem in error.errors():
        name = ".".join(map(str, problem["loc"])).upper()
        if problem["type"] == "missing":
            meaning = str(Settings.model_fields[name.lower()].description).removesuffix(".")
            problems.append(f"{name} is not set; {where}, or set it in the environment. {meaning}")
        else:
            reason = problem["msg"].removeprefix("Value error, ")
            problems.append(f"{name}: {reason}" if name else reason)
    return "Settings: " + "; ".join(problems)
