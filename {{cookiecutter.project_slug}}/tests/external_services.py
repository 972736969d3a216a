"""Replacements for the services that the application calls with httpx."""

import httpx
import pytest

ExternalServices = dict[str, httpx.AsyncBaseTransport]


@pytest.fixture
def external_services(monkeypatch: pytest.MonkeyPatch) -> ExternalServices:
    """Transports by host name, for services that the application calls with httpx."""
    transports: ExternalServices = {}
    send = httpx.AsyncHTTPTransport.handle_async_request

    async def handle(network: httpx.AsyncHTTPTransport, request: httpx.Request) -> httpx.Response:
        if transport := transports.get(request.url.host):
            return await transport.handle_async_request(request)
        return await send(network, request)

    # The clients of the tests are not affected: they use another transport, or other hosts.
    monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", handle)
    return transports
