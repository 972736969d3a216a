import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from commands import uv_run
from playwright.sync_api import Browser, Page, sync_playwright

import demo

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")

OpenTab = Callable[..., Page]


@pytest.fixture(scope="session")
def address(service: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve the default service with a fast heartbeat."""
    database = f"sqlite+aiosqlite:///{tmp_path_factory.mktemp('database')}/service.db"
    port = demo.free_port()
    settings = {"PORT": str(port), "PLAYGROUND": "true", "HEARTBEAT_SECONDS": "0.5"}
    settings |= {"DATABASE_URL": database, "LOG_LEVEL": "warning"}
    uv_run(service, "alembic", "upgrade", "head", **settings)
    with demo.running(["-m", "app"], service, port, **settings) as server:
        yield server.address


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    chromium = next(filter(None, map(shutil.which, NAMES)), None)
    if chromium is None:
        pytest.exit("No Chromium on the PATH: `apt-get install chromium` or the like", returncode=1)
    # Containers run as root and have no namespaces for the sandbox; the page is our own.
    options: dict[str, Any] = {"executable_path": chromium, "chromium_sandbox": False}
    with sync_playwright() as playwright, playwright.chromium.launch(**options) as browser:
        yield browser


@pytest.fixture
def open_tab(browser: Browser, address: str) -> Iterator[OpenTab]:
    """Open the playground in a window of its own; whatever the browser complains about fails."""
    complaints: list[str] = []
    tabs: list[Page] = []

    def open_tab(*, expected: Sequence[str] = (), **options: Any) -> Page:  # noqa: ANN401 - Playwright's
        def complain(text: str) -> None:
            if not any(part in text for part in expected):
                complaints.append(text)

        tab = browser.new_page(**options)
        tab.on("pageerror", lambda error: complain(str(error)))
        tab.on("console", lambda line: line.type == "error" and complain(line.text))
        tab.on("request", lambda request: request.url.startswith(address) or complain(request.url))
        tab.goto(address)
        tabs.append(tab)
        return tab

    yield open_tab
    for tab in tabs:
        tab.context.close()
    assert complaints == []
