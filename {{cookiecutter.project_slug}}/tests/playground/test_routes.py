import re
from http import HTTPStatus
from urllib.parse import urljoin

import httpx
import pytest
from fastapi import FastAPI

from app.playground.routes import FILES
from app.settings import Settings, get_settings

LINK = re.compile(r'\b(?:src|href)="([^"#]+)"')
IMPORT = re.compile(r'\bfrom "\./([^"]+)"')
ABSOLUTE_URL = re.compile(r"""\b(?:src|href)="/|\b(?:fetch|EventSource|WebSocket)\(["'`]/""")
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
    reachable = f"default-src 'none'; connect-src 'self' {get_settings().sign_in_origin};"
    assert policy.startswith(reachable)
    assert "unsafe" not in policy
    assert "http" not in policy.removeprefix(reachable)
    assert INLINE_CODE.findall(response.text) == []


@pytest.mark.usefixtures("playground")
async def test_every_link_and_import_of_the_page_exists(
    anonymous_client: httpx.AsyncClient,
) -> None:
    links = LINK.findall((await anonymous_client.get("/")).text)
    paths = {urljoin("/", link) for link in links}
    for file in FILES.values():
        paths |= {f"/playground/{name}" for name in IMPORT.findall(file.read_text("utf-8"))}

    assert len(paths) >= len(FILES)
    for path in paths:
        assert (await anonymous_client.get(path)).is_success, path


@pytest.mark.parametrize("name", FILES)
def test_urls_are_relative_because_the_service_may_have_a_path_prefix(name: str) -> None:
    assert not ABSOLUTE_URL.search(FILES[name].read_text("utf-8"))


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


async def test_api_reference_links_the_page_if_it_is_served(
    app: FastAPI, anonymous_client: httpx.AsyncClient
) -> None:
    link = '<a href="./">'
    assert link not in (await anonymous_client.get("/docs")).text
    app.dependency_overrides[get_settings] = lambda: Settings(playground=True)
    assert link in (await anonymous_client.get("/docs")).text
