"""One format for every line of the log: the service's own, the server's and the libraries'."""

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

# What an address gives as its token or password, and whatever else looks like a JWT.
_SECRET = re.compile(
    r"(?<=[?&])((?i:[\w-]*(?:token|password|secret|key)|code)=)[^&\s\"'\x1b]+"
    r"|\beyJ[\w-]+\.[\w.-]*"
)


def configure_logging(settings: Settings) -> None:
    """Write lines to standard output; doing it again changes nothing."""
    line = Line(as_json=settings.log_format == "json")
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        add_log_level,
        TimeStamper(fmt="iso"),
    ]
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    structlog.configure(
        processors=[*shared, line],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(sys.stdout),
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        ProcessorFormatter(
            foreign_pre_chain=[*shared, add_logger_name],
            processors=[ProcessorFormatter.remove_processors_meta, line],
        )
    )
    handler.addFilter(_not_of_the_server_about_sockets)
    handler.addFilter(_not_of_requests_given_up)
    # Libraries write at debug what no log should hold: parameters of statements, for one.
    logging.basicConfig(handlers=[handler], level=max(level, logging.INFO))
    logging.getLogger("app").setLevel(level)
    logging.getLogger("app.engine.Pool").setLevel(max(level, logging.WARNING))  # SQLAlchemy's own
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):  # `uvicorn` configures them
        server = logging.getLogger(name)
        server.handlers.clear()
        server.setLevel(level)
        server.propagate = name != "uvicorn.access"  # app/observer.py has the access log


def _not_of_the_server_about_sockets(record: logging.LogRecord) -> bool:
    """Leave out the server's access log of sockets, which no setting of its own turns off."""
    about_sockets = record.name == "uvicorn.error" and "websockets" in record.pathname
    return record.levelno != logging.INFO or not about_sockets


def _not_of_requests_given_up(record: logging.LogRecord) -> bool:
    """Leave out the traceback of each request that a stopping server ends: it says how many."""
    return not (record.exc_info and isinstance(record.exc_info[1], CancelledError))


class Line:
    """Renders an event, and hides the tokens in it, wherever they come from: also a traceback."""

    def __init__(self, *, as_json: bool) -> None:
        # Not the default formatters of exceptions: those show the values of local variables.
        self._render = (
            _json
            if as_json
            else ConsoleRenderer(colors=sys.stdout.isatty(), exception_formatter=plain_traceback)
        )

    def __call__(self, logger: WrappedLogger, name: str, event: EventDict) -> str:
        line = str(self._render(logger, name, event))
        return _SECRET.sub(_hide, line) if _may_hold_secret(line.lower()) else line


_encoder = json.JSONEncoder(default=repr)


def _json(logger: WrappedLogger, name: str, event: EventDict) -> str:
    return _encoder.encode(format_exc_info(logger, name, event))


def _may_hold_secret(line: str) -> bool:
    # The search costs more than all else that is done for a line.
    return (
        "eyj" in line
        or "token" in line
        or "password" in line
        or "secret" in line
        or "key" in line
        or "code=" in line
    )


def _hide(found: re.Match[str]) -> str:
    return f"{found[1] or ''}[redacted]"
