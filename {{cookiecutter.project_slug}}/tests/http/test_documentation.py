import re

import httpx
import pytest
from fastapi import FastAPI

from app.http.documentation import ASSETS
from app.settings import Settings, get_settings

PAGES = ["/docs", "/docs/oauth2-redirect"]


@pytest.mark.parametrize("path", [*PAGES, "/docs/swagger-ui.css", "/openapi.json"])
async def test_documentation_is_served_unless_disabled(
    path: str, app: FastAPI, anonymous_client: httpx.AsyncClient
) -> None:
    assert (await anonymous_client.get(path)).is_success
    settings = Settings(docs=False)
    app.dependency_overrides[get_settings] = lambda: settings
    assert (await anonymous_client.get(path)).status_code == 404


async def test_page_loads_only_files_of_the_service(anonymous_client: httpx.AsyncClient) -> None:
    page = (await anonymous_client.get("/docs")).text

    loaded = re.findall(r'(?:src|rel="[^"]*" href)="([^"]*)"', page)
    assert set(loaded) == {f"/docs/{name}" for name in ASSETS}
    for path in loaded:
        file = await anonymous_client.get(path)
        assert file.is_success
        assert file.headers["cache-control"] == "max-age=3600"
    assert (await anonymous_client.get("/docs/page.html")).status_code == 404


@pytest.mark.parametrize("path", PAGES)
async def test_page_may_run_no_other_script(path: str, anonymous_client: httpx.AsyncClient) -> None:
    policy = (await anonymous_client.get(path)).headers["content-security-policy"]

    assert re.search(r"default-src 'none';.* script-src 'self' 'sha256-[\w+/]{43}=';", policy)
    assert "unsafe" not in policy
