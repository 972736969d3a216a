import pytest

from app.observability.redaction import escape_controls, redact_path, redact_text

TOKEN = "u1s2Q3-aB4_cD5eF6gH7iJ8kL9mN0oP1qR2sT3uV4wX"  # as of secrets.token_urlsafe(32)
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("path", "written"),
    [
        (f"/invitations/{TOKEN}/accept", "/invitations/[redacted]/accept"),
        (f"/{JWT}", "/[redacted]"),
        ("/orders/6f1e0a52-8f8b-4f34-9d3c-1c8f8f0f4f6e", None),
        ("/posts/7/comments/of/a/long/path/with/short/parts", None),
    ],
)
def test_long_parts_of_a_path_are_redacted(path: str, written: str | None) -> None:
    assert redact_path(path) == (written or path)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("GET /a?to%6ben=s%65cret&b HTTP/1.1", "GET /a?[redacted] HTTP/1.1"),
        ("GET 'https://x.example/a?b=c' failed", "GET 'https://x.example/a?[redacted]' failed"),
        (f"Bearer {JWT}", "Bearer [redacted]"),
        ("INSERT INTO a (b, c) VALUES (?, ?)", None),
        ("SELECT a FROM b WHERE c = ? AND d = ?", None),
        ("Why? Because a = b", None),
    ],
)
def test_query_strings_and_jwts_in_a_text_are_redacted(text: str, written: str | None) -> None:
    assert redact_text(text) == (written or text)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("\x9b31m", "\\x9b31m"),
        ("\x1b[31m\r\x07", "\\x1b[31m\\r\\x07"),
        ("right \u202e left", "right \\u202e left"),
        ("two\nlines\tÄ", None),
    ],
)
def test_control_characters_are_escaped(text: str, written: str | None) -> None:
    assert escape_controls(text) == (written or text)
