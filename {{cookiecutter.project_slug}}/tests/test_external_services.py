import httpx

from tests.external_services import ExternalServices


def respond(request: httpx.Request) -> httpx.Response:
    return httpx.Response(200, text=f"{request.method} {request.url.path}")


async def test_transport_responds_for_its_host_only(
    external_services: ExternalServices, live_server: str
) -> None:
    external_services["weather.example"] = httpx.MockTransport(respond)

    async with httpx.AsyncClient() as client:
        weather = await client.get("https://weather.example/today")
        service = await client.get(f"{live_server}/health/live")

    assert weather.text == "GET /today"
    assert service.json() == {"status": "ok"}


async def test_client_of_the_test_reaches_the_application(
    external_services: ExternalServices, anonymous_client: httpx.AsyncClient
) -> None:
    external_services["testserver"] = httpx.MockTransport(respond)

    assert (await anonymous_client.get("/health/live")).json() == {"status": "ok"}
