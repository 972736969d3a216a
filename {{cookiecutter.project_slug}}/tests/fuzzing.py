"""How many random examples the tests with `fuzzed` try: few and fixed, or new by `nox -s fuzz`."""

import os
from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings

Test = TypeVar("Test", bound=Callable[..., Any])

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "0"))

_settings = settings(
    max_examples=EXAMPLES or 10,
    derandomize=not EXAMPLES,
    deadline=None,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,  # examples share the database, but not their users
        HealthCheck.too_slow,
    ],
)


def fuzzed(test: Test) -> Test:
    """Mark a test that takes random examples, above `@given`."""
    marked: Test = pytest.mark.fuzz(_settings(test))
    return marked
