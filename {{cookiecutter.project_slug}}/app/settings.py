import re
from functools import cache
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

NEW_KEY = """python -c "import secrets; print(secrets.token_urlsafe(48))\""""

# RFC 6454, 6.2, as browsers write it: no path, no capitals.
ORIGIN = re.compile(r"https?://([a-z0-9.-]+|\[[0-9a-f:]+\])(:[0-9]{1,5})?")


class SettingsError(Exception):
    """A setting is missing or unsafe; the message is one line that names it and the way out."""


def _strong(key: SecretStr) -> SecretStr:
    secret = key.get_secret_value().encode()
    if len(secret) < 32 or len(set(secret)) < 10:  # as long as the hash: RFC 7518, 3.2
        raise ValueError(f"needs 32 random bytes or more, as printed by: {NEW_KEY}")
    return key


def _comma_separated(value: object) -> object:
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def _origin(text: str) -> str:
    if not ORIGIN.fullmatch(text):
        raise ValueError("needs origins as browsers send them, such as https://app.example:8443")
    return text


Origin = Annotated[str, AfterValidator(_origin)]


class Settings(BaseSettings):
    """Environment variables of the same names in capitals; `.env` is read in development."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",  # .env also holds what other programs read
        frozen=True,
        use_attribute_docstrings=True,
    )

    secret_key: Annotated[SecretStr, AfterValidator(_strong)]
    """Signs the access tokens."""

    database_url: str
    """SQLAlchemy URL with an asynchronous driver."""

    access_token_minutes: Annotated[int, Field(ge=1, le=1440)] = 15

    refresh_token_days: Annotated[int, Field(ge=1, le=365)] = 30
    """A session that is not refreshed for that long has ended."""

    allowed_origins: Annotated[tuple[Origin, ...], NoDecode, BeforeValidator(_comma_separated)] = ()
    """Origins, separated by commas, whose pages may use this service from a browser."""

    docs: bool = True
    """Serve `/docs`, `/redoc` and `/openapi.json`."""

    heartbeat_seconds: Annotated[float, Field(gt=0)] = 15
    """Time between two events of `/events/heartbeat`; proxies often cut streams idle for 30."""

    host: str = "127.0.0.1"

    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    """0 lets the system choose."""

    log_level: Literal["critical", "error", "warning", "info", "debug"] = "info"

    ws_max_frame_bytes: Annotated[int, Field(ge=1)] = 65536
    """A larger frame from a client closes its socket with 1009."""

    ws_query_token: bool = True
    """Accept `/ws/notifications?token=`: easy in a browser, but proxies may log addresses."""

    ws_queue_messages: Annotated[int, Field(ge=1)] = 64
    """Messages that may wait for one slow socket; one more closes it with 4408."""


@cache
def get_settings() -> Settings:
    """Read the settings once. Raises `SettingsError`, never showing a value."""
    try:
        return Settings()
    except ValidationError as error:
        raise SettingsError(_explain(error)) from None


def _explain(error: ValidationError) -> str:
    problems = []
    for problem in error.errors(include_url=False, include_input=False):
        name = ".".join(map(str, problem["loc"])).upper()
        if problem["type"] == "missing":
            hint = f"the output of: {NEW_KEY}" if name == "SECRET_KEY" else "see .env.example"
            problems.append(f"{name} is not set; put it into .env or the environment ({hint})")
        else:
            problems.append(f"{name}: {problem['msg']}")
    return "Settings: " + "; ".join(problems)
