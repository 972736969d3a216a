"""One page to see the service work, with `PLAYGROUND=true`; everything on it is local."""

from http import HTTPStatus
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import FileResponse

from app.errors import NotFoundError
from app.settings import Settings, get_settings

FILES = {path.name: path for path in Path(__file__).parent.glob("*.[!p]*")}  # all but Python
POLICY = (
    "default-src 'none'; connect-src 'self'; img-src 'self'; script-src 'self'; style-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class NoPlaygroundError(NotFoundError):
    detail = HTTPStatus.NOT_FOUND.phrase


async def enabled(settings: Annotated[Settings, Depends(get_settings)]) -> None:
    if not settings.playground:
        raise NoPlaygroundError


router = APIRouter(include_in_schema=False, dependencies=[Depends(enabled)])


@router.get("/")
async def page() -> FileResponse:
    return FileResponse(FILES["page.html"], headers={"Content-Security-Policy": POLICY})


@router.get("/playground/{name}")
async def file(name: str) -> FileResponse:
    if name not in FILES:
        raise NoPlaygroundError
    return FileResponse(FILES[name])
