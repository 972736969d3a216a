import pytest

from app.telemetry import holds_token


@pytest.mark.parametrize(
    ("query", "held"),
    [(b"", False), (b"limit=3", False), (b"token=x", True), (b"a=1&%74oken=x", True)],
)
def test_an_address_with_a_token_is_not_traced(query: bytes, held: bool) -> None:
    assert holds_token({"query_string": query}) is held
