"""What logs and traces must not show: secrets in URLs, and control characters of clients."""

import re

_LONG_SEGMENT = re.compile(r"[^/]{41,}")  # a UUID has 36 characters, the shortest token 43
# JWTs, and the query strings of URLs.
_SECRET = re.compile(r"""\beyJ[\w-]+\.[\w.-]*|(?<=\?)[^\s"'\\]*=[^\s"'\\]*""")
REDACTED = "[redacted]"


def redact_path(path: str) -> str:
    """Redact segments of more than 40 characters, because they may be tokens."""
    return _LONG_SEGMENT.sub(REDACTED, path) if len(path) > 40 else path


def redact_text(text: str) -> str:
    """Redact JWTs and query strings, which the text of a library or an exception may contain."""
    return _SECRET.sub(REDACTED, text) if "eyJ" in text or "?" in text else text


def escape_controls(text: str, allowed: str = "\n\t") -> str:
    """Escape characters that could change a terminal or forge the look of a line."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() or character in allowed else repr(character)[1:-1]
        for character in text
    )
