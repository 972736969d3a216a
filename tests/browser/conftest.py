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
        pytest.exit(
            "No Chromium on the PATH; install it, e.g. with `apt-get install chromium`",
            returncode=1,
        )
    # Containers run as root without the namespaces that the sandbox needs; the page is trusted.
    options: dict[str, Any] = {"executable_path": chromium, "chromium_sandbox": False}
    # Without a network: no name is resolved, and no address but this machine's is reached.
    options["args"] = ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
    with sync_playwright() as playwright, playwright.chromium.launch(**options) as browser:
        yield browser


@pytest.fixture
def open_tab(browser: Browser, address: str) -> Iterator[OpenTab]:
    """Open a page, by default the playground; console errors and foreign requests fail the test."""
    problems: list[str] = []
    tabs: list[Page] = []

    def open_tab(path: str = "/", *, expected: Sequence[str] = (), **options: Any) -> Page:  # noqa: ANN401 - Playwright's
        def report(text: str) -> None:
            if not any(part in text for part in expected):
                problems.append(text)

        tab = browser.new_page(**options)
        tab.on("pageerror", lambda error: report(str(error)))
        tab.on("console", lambda line: line.type == "error" and report(line.text))
        tab.on("request", lambda request: request.url.startswith(address) or report(request.url))
        tab.goto(address + path)
        tabs.append(tab)
        return tab

    yield open_tab
    for tab in tabs:
        tab.context.close()
    assert problems == []
