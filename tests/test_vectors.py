"""A running service refuses the tokens of published test vectors (JSON Web Signature)."""

import asyncio
import json
from pathlib import Path
from urllib.parse import urlencode

import httpx
import pytest
from commands import uv_run
from httpx_ws import AsyncWebSocketSession, WebSocketDisconnect, aconnect_ws

import demo

pytestmark = pytest.mark.installs

VECTORS = Path(__file__).parent / "vectors" / "json_web_signature_test.json"
GROUPS = json.loads(VECTORS.read_text("utf-8"))["testGroups"]
TOKENS: list[str] = [vector["jws"] for group in GROUPS for vector in group["tests"]]
# A service with the key of some vectors must refuse them too, because they identify no user.
EC_KEY: dict[str, str] = next(
    group["private"] for group in GROUPS if group["private"].get("crv") == "P-256"
)
TO_PEM = """
import json, sys
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from jwt import PyJWK
key = PyJWK(json.loads(sys.argv[1])).key
print(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(), end="")
"""


@pytest.fixture(params=["random key", "key of the vectors"])
def settings(request: pytest.FixtureRequest, service: Path, directory: Path) -> dict[str, str]:
    url = f"sqlite+aiosqlite:///{directory}/service.db"
    uv_run(service, "alembic", "upgrade", "head", DATABASE_URL=url)
    if request.param == "random key":
        return {"DATABASE_URL": url}
    pem = uv_run(service, "python", "-c", TO_PEM, json.dumps(EC_KEY))
    return {"DATABASE_URL": url, "SECRET_KEY": pem}


async def try_tokens(address: str) -> dict[str, list[object]]:
    """Return the responses and close codes for every token, by way of transmission."""
    results: dict[str, list[object]] = {"http": [], "stream": [], "socket": [], "query": []}
    async with httpx.AsyncClient(base_url=address, trust_env=False, timeout=30) as client:
        for token in TOKENS:
            headers = {"Authorization": f"Bearer {token}".strip()}  # one vector is empty
            for name, path in (("http", "/auth/me"), ("stream", "/events/notifications")):
                response = await client.get(path, headers=headers)
                challenge = response.headers.get("www-authenticate")
                results[name].append((response.status_code, challenge))
            results["socket"].append(await close_code(client, headers))
            results["query"].append(await close_code(client, {}, urlencode({"token": token})))
        assert (await client.get("/health/live")).is_success
    return results


async def close_code(client: httpx.AsyncClient, headers: dict[str, str], query: str = "") -> int:
    socket: AsyncWebSocketSession
    async with aconnect_ws(f"/ws/notifications?{query}", client, headers=headers) as socket:
        with pytest.raises(WebSocketDisconnect) as closed:
            await socket.receive(timeout=30)
    return int(closed.value.code)


def test_every_vector_is_refused_everywhere(service: Path, settings: dict[str, str]) -> None:
    port = demo.free_port()
    with demo.running(["-m", "app"], service, port, PORT=str(port), **settings) as server:
        results = asyncio.run(try_tokens(server.address))

    assert len(TOKENS) == 401
    refusal = (401, 'Bearer error="invalid_token"')
    assert set(results.pop("http")) == set(results.pop("stream")) == {refusal}
    assert {code for codes in results.values() for code in codes} == {1008}
