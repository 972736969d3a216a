import pytest

from app.observability.telemetry import holds_token


@pytest.mark.parametrize(
    ("query", "expected"),
    [(b"", False), (b"limit=3", False), (b"token=x", True), (b"a=1&%74oken=x", True)],
)
def test_request_with_a_token_in_its_url_is_not_traced(query: bytes, expected: bool) -> None:
    assert holds_token({"query_string": query}) is expected
