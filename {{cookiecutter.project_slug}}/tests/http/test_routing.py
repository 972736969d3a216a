from http import HTTPStatus

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from starlette.routing import Match
from starlette.types import Scope

from app.http.routing import FeatureRouter


class CountedRoute(APIRoute):
    tried = 0

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        CountedRoute.tried += 1
        return super().matches(scope)


async def get(app: FastAPI, path: str, method: str = "GET", root_path: str = "") -> httpx.Response:
    transport = httpx.ASGITransport(app, root_path=root_path)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        return await client.request(method, path)


def items(prefix: str = "/items") -> FeatureRouter:
    router = FeatureRouter(prefix=prefix, route_class=CountedRoute)

    @router.get("/{item}")
    async def read_item(item: str) -> str:
        return item

    return router


@pytest.mark.parametrize(("path", "is_tried"), [("/items/a", True), ("/other/a", False)])
async def test_routes_are_tried_only_for_paths_with_their_prefix(path: str, is_tried: bool) -> None:
    app = FastAPI()
    app.include_router(items())
    CountedRoute.tried = 0

    response = await get(app, path)

    assert response.is_success == is_tried
    assert bool(CountedRoute.tried) == is_tried


@pytest.mark.parametrize(
    ("router", "path"),
    [(items(), "/v1/items/a"), (items("/users/{user_id}/items"), "/v1/users/1/items/a")],
    ids=["fixed", "with a parameter"],
)
@pytest.mark.parametrize("is_nested", [False, True])
async def test_router_can_be_included_below_another_prefix(
    router: APIRouter, path: str, is_nested: bool
) -> None:
    app = FastAPI()
    if is_nested:
        version = APIRouter(prefix="/v1")
        version.include_router(router)
        app.include_router(version)
    else:
        app.include_router(router, prefix="/v1")

    assert (await get(app, path)).json() == "a"


async def test_router_responds_behind_a_path_prefix_and_in_a_mounted_application() -> None:
    mounted = FastAPI()
    mounted.include_router(items())
    app = FastAPI()
    app.mount("/inner", mounted)

    assert (await get(app, "/api/inner/items/a", root_path="/api")).json() == "a"


async def test_other_methods_and_slashes_get_the_responses_of_fastapi() -> None:
    app = FastAPI()
    app.include_router(items())

    assert (await get(app, "/items/a", "POST")).status_code == HTTPStatus.METHOD_NOT_ALLOWED
    redirect = await get(app, "/items/a/")
    assert redirect.headers["location"] == "http://testserver/items/a"
