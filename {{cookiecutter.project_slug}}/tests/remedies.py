"""Hooks that add the remedy to errors which mistakes in asynchronous tests cause in libraries."""

import gc
import re

import pytest

from tests.mistakes import MistakeError

REMEDIES = {
    r"concurrent operations are not permitted|(already|operation is) in progress": "Several tasks"
    " share one session: open one in each task, `async with clean_database.session() as session`.",
    r"Can't reconnect until invalid": "A statement was cancelled, which closed the connection that the"
    " sessions of the test share: use `clean_database`.",
    r"no such savepoint|savepoint .* does not exist": "Sessions of a test share one connection, so"
    " they end in reverse order: end the inner session first, or use `clean_database`.",
    r"cancel scope in a different task": "A fixture sets up and tears down in different tasks: let"
    " it return a function, and write `async with` in the test.",
    r"New upgrade operations detected": "A migration is missing: run `uv run alembic upgrade head`, and"
    ' `uv run alembic revision --autogenerate -m "What changes"`.',
    r"no such table|relation .* does not exist": "Write the migration of the table with `uv run alembic"
    " revision --autogenerate`; or, if the test calls TestClient(app), use the fixture `client`.",
    r"different (event )?loop": "All tests share one event loop: remove `loop_scope`, and use the"
    " fixture `client` instead of TestClient(app).",
}


def pytest_itemcollected(item: pytest.Function) -> None:
    """Set up `client` last: it runs the event loop in a thread, so no async fixture can follow."""
    item.fixturenames.sort(key=lambda name: name == "client")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("asyncio"):
        if marker.kwargs.get("loop_scope", "session") != "session":
            pytest.fail(
                "a database connection cannot move to another event loop: remove `loop_scope` from"
                " `@pytest.mark.asyncio`, because all tests share one loop",
                pytrace=False,
            )


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(call: pytest.CallInfo[None]) -> None:
    if call.excinfo:
        # Python 3.11 raises SystemError if a greenlet of a task that was left running is collected
        # while pytest parses source for a traceback.
        gc.collect()
        error = first_that_matters(call.excinfo.value)
        error.__traceback__ = error.__traceback__ or call.excinfo.tb
        call.excinfo = pytest.ExceptionInfo.from_exception(error)
        for pattern, remedy in REMEDIES.items():
            if re.search(pattern, str(error)):
                error.add_note(remedy)


def first_that_matters(error: BaseException) -> BaseException:
    """Return an error of a task group that is not a consequence of others, and note the others."""
    first, *others = sorted(leaves(error), key=relevance)
    if others:
        lines = [f"{type(other).__name__}: {other}" for other in others]
        first.add_note(f"Other errors of the task groups: {'; '.join(lines)}")
    return first


def leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in leaves(inner)]
    return [error]


def relevance(error: BaseException) -> int:
    return 0 if isinstance(error, MistakeError) else 1 if isinstance(error, AssertionError) else 2
