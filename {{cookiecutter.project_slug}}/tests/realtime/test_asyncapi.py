import json
import re
from functools import reduce

import httpx
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from fastapi.testclient import TestClient
from starlette.routing import WebSocketRoute

from app.main import create_app
from app.observability.middleware import CLOSE_CODES
from app.realtime import asyncapi
from app.realtime.websocket_frames import JsonReceived, JsonRefused
from app.settings import Settings, get_settings
from tests.conftest import WsConnect
from tests.realtime.test_readme import CLIENT_CLOSE_CODES


def test_references_of_the_document_lead_to_its_parts() -> None:
    document = asyncapi.document()
    references = re.findall(r'"\$ref": "#/([^"]*)"', json.dumps(document))

    assert references
    for reference in references:
        reduce(dict.__getitem__, reference.split("/"), document)


def test_document_describes_every_socket_route(app: FastAPI) -> None:
    described = {channel.address for channel in asyncapi.channels().values()}
    sockets = {
        route.path
        for route in iter_route_contexts(app.routes)
        if isinstance(route.original_route, WebSocketRoute)
    }
    assert sockets <= described


def test_document_describes_every_close_code() -> None:
    assert asyncapi.CLOSE_CODES.keys() == CLOSE_CODES - CLIENT_CLOSE_CODES
    used = {code for channel in asyncapi.channels().values() for code in channel.close_codes}
    assert used == asyncapi.CLOSE_CODES.keys()


def test_close_codes_of_tokens_belong_to_sockets_that_need_one() -> None:
    for channel in asyncapi.channels().values():
        codes = channel.close_codes
        assert len(codes) == len(set(codes))
        assert {1008, 4401} & set(codes) == ({1008, 4401} if codes and channel.security else set())


def test_streams_need_a_token_in_both_documents(app: FastAPI) -> None:
    operations = {
        path: methods["get"] for path, methods in app.openapi()["paths"].items() if "get" in methods
    }
    streams = [each for each in asyncapi.channels().values() if each.address in operations]

    assert {stream.address for stream in streams if stream.security} == {"/events/notifications"}
    for stream in streams:
        assert bool(stream.security) == ("security" in operations[stream.address])


async def test_document_is_served_unless_disabled(
    app: FastAPI, anonymous_client: httpx.AsyncClient
) -> None:
    assert (await anonymous_client.get("/asyncapi.json")).json() == asyncapi.document()
    settings = Settings(docs=False)
    app.dependency_overrides[get_settings] = lambda: settings
    assert (await anonymous_client.get("/asyncapi.json")).status_code == 404


def test_addresses_include_the_path_prefix() -> None:
    with TestClient(create_app(), root_path="/api") as client:
        channels = client.get("/asyncapi.json").json()["channels"]
    assert channels["echo"]["address"] == "/api/ws/echo"


async def test_page_of_the_routes_links_the_document(anonymous_client: httpx.AsyncClient) -> None:
    assert '<a href="asyncapi.json">' in (await anonymous_client.get("/docs")).text


async def test_responses_of_the_json_socket_are_documented(ws_connect: WsConnect) -> None:
    async with ws_connect("/ws/json") as socket:
        for text, model in (("[1]", JsonReceived), ("[", JsonRefused)):
            await socket.send_text(text)
            response = await socket.receive_json()
            assert response == model.model_validate(response).model_dump()
