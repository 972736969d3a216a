"""One log format for the service, the server and the libraries."""

import json
import logging
import re
import sys
from asyncio import CancelledError

import structlog
from structlog.dev import ConsoleRenderer, plain_traceback
from structlog.processors import TimeStamper, add_log_level, format_exc_info
from structlog.stdlib import ProcessorFormatter, add_logger_name
from structlog.typing import EventDict, Processor, WrappedLogger

from app.settings import Settings

_JWT = re.compile(r"\beyJ[\w-]+\.[\w.-]*")


def configure_logging(settings: Settings) -> None:
    """Log to standard output; calling it again changes nothing."""
    render = _without_tokens(_json if settings.log_format == "json" else _console())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        add_log_level,
        TimeStamper(fmt="iso"),
    ]
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    structlog.configure(
        processors=[*shared, render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(sys.stdout),
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        ProcessorFormatter(
            foreign_pre_chain=[*shared, add_logger_name],
            processors=[ProcessorFormatter.remove_processors_meta, render],
        )
    )
    handler.addFilter(_drop_socket_access_log)
    handler.addFilter(_drop_cancelled_tracebacks)
    # At debug level libraries log secrets: statement parameters, frames, handshake headers.
    library_level = max(level, logging.INFO)
    logging.basicConfig(handlers=[handler], level=library_level)
    logging.getLogger("app").setLevel(level)
    # SQLAlchemy names the loggers of pools after their classes.
    logging.getLogger("app.database").setLevel(max(level, logging.WARNING))
    for name in (
        "uvicorn",
        "uvicorn.error",
        "uvicorn.access",
    ):  # configured by the `uvicorn` command
        server = logging.getLogger(name)
        server.handlers.clear()
        server.setLevel(library_level)
        server.propagate = name != "uvicorn.access"  # ObservabilityMiddleware logs requests


def _drop_socket_access_log(record: logging.LogRecord) -> bool:
    """Drop the server's access log of WebSockets, which shows tokens and has no switch."""
    is_about_sockets = record.name == "uvicorn.error" and "websockets" in record.pathname
    return record.levelno != logging.INFO or not is_about_sockets


def _drop_cancelled_tracebacks(record: logging.LogRecord) -> bool:
    """Drop tracebacks of requests that a stopping server cancels; it logs their number."""
    return not (record.exc_info and isinstance(record.exc_info[1], CancelledError))


def _without_tokens(render: Processor) -> Processor:
    """Redact JWTs, which the text of a library's exception may contain."""

    def redacted(logger: WrappedLogger, name: str, event: EventDict) -> str:
        line = str(render(logger, name, event))
        return _JWT.sub("[redacted]", line) if "eyJ" in line else line

    return redacted


def _console() -> ConsoleRenderer:
    # The default formatter of tracebacks shows local variables, which may hold secrets.
    return ConsoleRenderer(colors=sys.stdout.isatty(), exception_formatter=plain_traceback)


_encoder = json.JSONEncoder(default=repr)


def _json(logger: WrappedLogger, name: str, event: EventDict) -> str:
    return _encoder.encode(format_exc_info(logger, name, event))
