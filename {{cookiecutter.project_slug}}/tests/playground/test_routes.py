import re
from http import HTTPStatus

import httpx
import pytest
from fastapi import FastAPI

from app.playground.routes import FILES
from app.settings import get_settings

LINK = re.compile(r'\b(?:src|href)="([^"#]+)"')
IMPORT = re.compile(r'\bfrom "\./([^"]+)"')
INLINE_CODE = re.compile(r"<style|<script(?![^>]*\bsrc=)|\bstyle=|\bon\w+=")


@pytest.fixture
def playground(app: FastAPI) -> None:
    settings = get_settings().model_copy(update={"playground": True})
    app.dependency_overrides[get_settings] = lambda: settings


@pytest.mark.parametrize("path", ["/", "/playground/page.js"])
async def test_playground_is_off_by_default(path: str, anonymous_client: httpx.AsyncClient) -> None:
    response = await anonymous_client.get(path)

    assert response.status_code == HTTPStatus.NOT_FOUND
    assert response.headers["Content-Type"] == "application/problem+json"


@pytest.mark.usefixtures("playground")
async def test_page_may_load_and_reach_only_the_service(
    anonymous_client: httpx.AsyncClient,
) -> None:
    response = await anonymous_client.get("/")
    policy = response.headers["Content-Security-Policy"]

    assert response.headers["Content-Type"].startswith("text/html")
    assert policy.startswith("default-src 'none'; connect-src 'self'")
    assert "unsafe" not in policy
    assert "http" not in policy
    assert INLINE_CODE.findall(response.text) == []


@pytest.mark.usefixtures("playground")
async def test_every_link_and_import_of_the_page_exists(
    anonymous_client: httpx.AsyncClient,
) -> None:
    paths = set(LINK.findall((await anonymous_client.get("/")).text))
    for file in FILES.values():
        paths |= {f"/playground/{name}" for name in IMPORT.findall(file.read_text("utf-8"))}

    assert len(paths) >= len(FILES)
    for path in paths:
        assert (await anonymous_client.get(path)).is_success, path


@pytest.mark.usefixtures("playground")
@pytest.mark.parametrize("name", ["routes.py", "__init__.py", "%2e%2e%2fmain.py"])
async def test_playground_serves_no_other_files(
    name: str, anonymous_client: httpx.AsyncClient
) -> None:
    response = await anonymous_client.get(f"/playground/{name}")

    assert response.status_code == HTTPStatus.NOT_FOUND


@pytest.mark.parametrize("name", FILES)
def test_file_names_no_other_host(name: str) -> None:
    text = FILES[name].read_text("utf-8").replace("http://www.w3.org/2000/svg", "")

    assert not re.search(r"https?://|@import|url\(", text)
