"""`/openapi.json`, and Swagger UI at `/docs`, which loads nothing from other hosts."""

import re
from base64 import b64encode
from functools import cache
from hashlib import sha256
from html import escape
from importlib.resources import files
from typing import Any

from fastapi import APIRouter, Depends, Request
from fastapi.openapi.docs import get_swagger_ui_html, get_swagger_ui_oauth2_redirect_html
from fastapi.responses import HTMLResponse, Response

from app import about
from app.errors import NotFoundError
from app.settings import CurrentSettings, Settings

ASSETS = {  # and their media types
    "favicon-32x32.png": "image/png",
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
}
CONTENT_POLICY = (
    "default-src 'none'; connect-src {connect}; img-src 'self' data:; script-src 'self' {script};"
    " style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
INLINE_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)


async def require_docs(settings: CurrentSettings) -> None:
    if not settings.docs:
        raise NotFoundError


router = APIRouter(include_in_schema=False, dependencies=[Depends(require_docs)])


@router.get("/openapi.json")
async def openapi(request: Request) -> dict[str, Any]:
    document: dict[str, Any] = request.app.openapi()
    root_path = request.scope["root_path"]
    return document | ({"servers": [{"url": root_path}]} if root_path else {})


@router.get("/docs")
async def page(request: Request, settings: CurrentSettings) -> HTMLResponse:
    root_path = request.scope["root_path"]
    html = get_swagger_ui_html(
        openapi_url=f"{root_path}/openapi.json",
        title=escape(about.TITLE),
        swagger_js_url=f"{root_path}/docs/swagger-ui-bundle.js",
        swagger_css_url=f"{root_path}/docs/swagger-ui.css",
        swagger_favicon_url=f"{root_path}/docs/favicon-32x32.png",
        oauth2_redirect_url=f"{root_path}/docs/oauth2-redirect",
        init_oauth=settings.docs_sign_in,
    )
    links = '<a href="asyncapi.json">WebSockets and event streams (AsyncAPI)</a>'
    if settings.playground:
        links += ' <a href="./">Playground</a>'
    return _restricted(html, settings, links)


@router.get("/docs/oauth2-redirect")
async def oauth2_redirect(settings: CurrentSettings) -> HTMLResponse:
    return _restricted(get_swagger_ui_oauth2_redirect_html(), settings)


@router.get("/docs/{name}")
async def asset(name: str) -> Response:
    if name not in ASSETS:
        raise NotFoundError
    max_age = {"Cache-Control": "max-age=3600"}  # seconds
    return Response(_read_asset(name), headers=max_age, media_type=ASSETS[name])


@cache
def _read_asset(name: str) -> bytes:
    """Read a file once: slow downloads of an open file would use up the file descriptors."""
    return (files("fastapi_swagger") / "resources" / name).read_bytes()


def _restricted(page: HTMLResponse, settings: Settings, links: str = "") -> HTMLResponse:
    """Allow only the inline script that FastAPI has written, and files of this service."""
    html = bytes(page.body).decode()
    (script,) = INLINE_SCRIPT.findall(html)
    policy = CONTENT_POLICY.format(
        connect=settings.docs_connect,
        script=f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'",
    )
    html = html.replace("<body>", f"<body>{links}")
    return HTMLResponse(html, headers={"Content-Security-Policy": policy})
