"""An interactive demo page at `/`, with `PLAYGROUND=true`; all its files are the service's."""

from pathlib import Path

from fastapi import APIRouter, Depends
from fastapi.responses import FileResponse

from app.errors import NotFoundError
from app.settings import CurrentSettings

MEDIA_SUFFIXES = {".css", ".html", ".js", ".svg"}
FILES = {
    path.name: path for path in Path(__file__).parent.iterdir() if path.suffix in MEDIA_SUFFIXES
}
CONTENT_POLICY = (
    "default-src 'none'; connect-src 'self' {}; img-src 'self'; script-src 'self'; style-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


async def require_playground(settings: CurrentSettings) -> None:
    if not settings.playground:
        raise NotFoundError


router = APIRouter(include_in_schema=False, dependencies=[Depends(require_playground)])


@router.get("/")
async def page(settings: CurrentSettings) -> FileResponse:
    policy = CONTENT_POLICY.format(settings.sign_in_origin)
    return FileResponse(FILES["page.html"], headers={"Content-Security-Policy": policy})


@router.get("/playground/{name}")
async def file(name: str) -> FileResponse:
    if name not in FILES:
        raise NotFoundError
    return FileResponse(FILES[name])
