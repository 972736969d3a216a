"""An interactive demo page at `/`, with `PLAYGROUND=true`; it loads nothing from other hosts."""

from http import HTTPStatus
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import FileResponse

from app.errors import NotFoundError
from app.settings import Settings, get_settings

MEDIA_SUFFIXES = {".css", ".html", ".js", ".svg"}
FILES = {
    path.name: path for path in Path(__file__).parent.iterdir() if path.suffix in MEDIA_SUFFIXES
}
CONTENT_POLICY = (
    "default-src 'none'; connect-src 'self'; img-src 'self'; script-src 'self'; style-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class PlaygroundFileNotFoundError(NotFoundError):
    detail = HTTPStatus.NOT_FOUND.phrase


async def require_playground(settings: Annotated[Settings, Depends(get_settings)]) -> None:
    if not settings.playground:
        raise PlaygroundFileNotFoundError


router = APIRouter(include_in_schema=False, dependencies=[Depends(require_playground)])


@router.get("/")
async def page() -> FileResponse:
    return FileResponse(FILES["page.html"], headers={"Content-Security-Policy": CONTENT_POLICY})


@router.get("/playground/{name}")
async def file(name: str) -> FileResponse:
    if name not in FILES:
        raise PlaygroundFileNotFoundError
    return FileResponse(FILES[name])
