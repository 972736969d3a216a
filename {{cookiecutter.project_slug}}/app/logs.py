import logging
import re

_TOKEN = re.compile(r"(?<=[?&]token=)[^&\s\"]+")


class RedactTokens(logging.Filter):
    """Hides the tokens of addresses such as `/ws/notifications?token=` in the server's log."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(
                _TOKEN.sub("[redacted]", arg) if isinstance(arg, str) else arg
                for arg in record.args
            )
        return True


_redact_tokens = RedactTokens()


def redact_tokens() -> None:
    """Hide tokens whatever started the server; doing it again changes nothing."""
    for name in ("uvicorn.access", "uvicorn.error"):
        logging.getLogger(name).addFilter(_redact_tokens)
