from collections.abc import Iterator

import pytest
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, use_span
from opentelemetry.trace.span import INVALID_SPAN_CONTEXT
from opentelemetry.util.types import AttributeValue

from app.observability.telemetry import redact_span


class RecordingSpan(NonRecordingSpan):
    """A span of the API, because the SDK is an extra."""

    def __init__(self) -> None:
        super().__init__(INVALID_SPAN_CONTEXT)
        self.attributes: dict[str, AttributeValue] = {}

    def is_recording(self) -> bool:
        return True

    def set_attribute(self, key: str, value: AttributeValue) -> None:
        self.attributes[key] = value


@pytest.fixture
def span() -> Iterator[RecordingSpan]:
    span = RecordingSpan()
    with use_span(span):
        assert trace.get_current_span() is span
        yield span


@pytest.mark.parametrize(
    ("query", "expected"), [(b"limit=3", {"url.query": "[redacted]"}), (b"", {})]
)
def test_span_has_no_query_string(
    query: bytes, expected: dict[str, str], span: RecordingSpan
) -> None:
    redact_span({"path": "/posts/7", "query_string": query})

    assert span.attributes == {"url.path": "/posts/7"} | expected


def test_long_parts_of_the_path_of_a_span_are_redacted(span: RecordingSpan) -> None:
    redact_span({"path": f"/refresh/{'a' * 43}", "query_string": b""})

    assert span.attributes == {"url.path": "/refresh/[redacted]"}
