import re
from http import HTTPStatus

import httpx
import pytest
from fastapi import FastAPI

from app.playground.routes import FILES
from app.settings import get_settings

ATTRIBUTES = re.compile(r'\b(?:src|href)="([^"#]+)"')
IMPORTS = re.compile(r'\bfrom "\./([^"]+)"')
INLINE = re.compile(r"<style|<script(?![^>]*\bsrc=)|\bstyle=|\bon\w+=")


@pytest.fixture
def playground(app: FastAPI) -> None:
    settings = get_settings().model_copy(update={"playground": True})
    app.dependency_overrides[get_settings] = lambda: settings


@pytest.mark.parametrize("path", ["/", "/playground/page.js"])
async def test_it_is_off_by_default(path: str, anonymous_client: httpx.AsyncClient) -> None:
    response = await anonymous_client.get(path)

    assert response.status_code == HTTPStatus.NOT_FOUND
    assert response.headers["Content-Type"] == "application/problem+json"


@pytest.mark.usefixtures("playground")
async def test_the_page_may_load_and_reach_nothing_but_the_service(
    anonymous_client: httpx.AsyncClient,
) -> None:
    response = await anonymous_client.get("/")
    policy = response.headers["Content-Security-Policy"]

    assert response.headers["Content-Type"].startswith("text/html")
    assert policy.startswith("default-src 'none'; connect-src 'self'")
    assert "unsafe" not in policy
    assert "http" not in policy
    assert INLINE.findall(response.text) == []


@pytest.mark.usefixtures("playground")
async def test_whatever_the_page_names_is_there(anonymous_client: httpx.AsyncClient) -> None:
    paths = set(ATTRIBUTES.findall((await anonymous_client.get("/")).text))
    for file in FILES.values():
        paths |= {f"/playground/{name}" for name in IMPORTS.findall(file.read_text("utf-8"))}

    assert len(paths) >= len(FILES)
    for path in paths:
        assert (await anonymous_client.get(path)).is_success, path


@pytest.mark.usefixtures("playground")
@pytest.mark.parametrize("name", ["routes.py", "__init__.py", "%2e%2e%2fmain.py"])
async def test_nothing_else_is_served(name: str, anonymous_client: httpx.AsyncClient) -> None:
    response = await anonymous_client.get(f"/playground/{name}")

    assert response.status_code == HTTPStatus.NOT_FOUND


@pytest.mark.parametrize("name", FILES)
def test_no_file_names_another_host(name: str) -> None:
    text = FILES[name].read_text("utf-8").replace("http://www.w3.org/2000/svg", "")

    assert not re.search(r"https?://|@import|url\(", text)
