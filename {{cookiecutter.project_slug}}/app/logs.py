import logging
import re

# What an address gives as its token, and whatever else looks like a JWT.
_TOKEN = re.compile(r"(?<=[?&]token=)[^&\s\"]+|\beyJ[\w-]+\.[\w-]+\.[\w-]*")


class RedactTokens(logging.Filter):
    """Hides tokens in the server's log: of addresses, and at debug of headers and frames too."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(
                arg if isinstance(arg, int) else _TOKEN.sub("[redacted]", str(arg))
                for arg in record.args
            )
        return True


_redact_tokens = RedactTokens()


def redact_tokens() -> None:
    """Hide tokens whatever started the server; doing it again changes nothing."""
    for name in ("uvicorn.access", "uvicorn.error"):
        logging.getLogger(name).addFilter(_redact_tokens)
