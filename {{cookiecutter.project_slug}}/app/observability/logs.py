"""One log format for the service, the server and the libraries."""

import json
import logging
import sys
from asyncio import CancelledError

import structlog
from structlog.dev import ConsoleRenderer, plain_traceback
from structlog.processors import TimeStamper, add_log_level, format_exc_info
from structlog.stdlib import ProcessorFormatter, add_logger_name
from structlog.typing import EventDict, Processor, WrappedLogger

from app.observability.redaction import escape_controls, redact_text
from app.settings import Settings

SERVER_LOGGERS = ("uvicorn", "uvicorn.error", "uvicorn.access")


def configure_logging(settings: Settings) -> None:
    """Log to standard output; calling it again changes nothing."""
    render = _redacted(_json if settings.log_format == "json" else _console())
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
    for drop in (_drop_library_details, _drop_socket_access_log, _drop_tracebacks_of_clients):
        handler.addFilter(drop)
    library_level = max(level, logging.INFO)
    logging.basicConfig(handlers=[handler], level=library_level)
    logging.getLogger("app").setLevel(level)
    # SQLAlchemy names the loggers of pools after their classes.
    logging.getLogger("app.database").setLevel(max(level, logging.WARNING))
    for name in SERVER_LOGGERS:  # configured by the `uvicorn` command
        server = logging.getLogger(name)
        server.handlers.clear()
        server.setLevel(library_level)
        server.propagate = name != "uvicorn.access"  # ObservabilityMiddleware logs requests


def _drop_library_details(record: logging.LogRecord) -> bool:
    """Drop debug records of libraries, whatever the level of their loggers.

    They contain secrets: statement parameters, frames, headers of handshakes and requests.
    """
    return record.levelno >= logging.INFO or record.name.partition(".")[0] == "app"


def _drop_socket_access_log(record: logging.LogRecord) -> bool:
    """Drop the server's access log of WebSockets, which shows tokens and has no switch."""
    is_about_sockets = record.name == "uvicorn.error" and "websockets" in record.pathname
    return record.levelno != logging.INFO or not is_about_sockets


def _drop_tracebacks_of_clients(record: logging.LogRecord) -> bool:
    """Drop tracebacks that clients cause.

    The server logs them for cancelled requests and streams, and for frames that are not UTF-8,
    after which Uvicorn 0.54 closes the socket with 1007.
    """
    cancelled = record.exc_info and isinstance(record.exc_info[1], CancelledError)
    return not cancelled and record.msg != "Invalid UTF-8 sequence received from client."


def _redacted(render: Processor) -> Processor:
    def redacted(logger: WrappedLogger, name: str, event: EventDict) -> str:
        return escape_controls(redact_text(str(render(logger, name, event))), allowed)

    allowed = "\n\t\x1b" if sys.stdout.isatty() else "\n\t"  # structlog colours with escapes
    return redacted


def _console() -> ConsoleRenderer:
    # The default formatter of tracebacks shows local variables, which may hold secrets.
    return ConsoleRenderer(colors=sys.stdout.isatty(), exception_formatter=plain_traceback)


_encoder = json.JSONEncoder(default=repr)


def _json(logger: WrappedLogger, name: str, event: EventDict) -> str:
    return _encoder.encode(format_exc_info(logger, name, event))
