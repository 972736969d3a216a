"""Published test vectors for signed tokens, at the doors of a service that runs."""

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
# Even the service whose key signed some of them must not take them: they say nothing of a user.
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


@pytest.fixture(params=["a secret of its own", "the key of the vectors"])
def settings(request: pytest.FixtureRequest, service: Path, directory: Path) -> dict[str, str]:
    url = f"sqlite+aiosqlite:///{directory}/service.db"
    uv_run(service, "alembic", "upgrade", "head", DATABASE_URL=url)
    if request.param == "a secret of its own":
        return {"DATABASE_URL": url}
    pem = uv_run(service, "python", "-c", TO_PEM, json.dumps(EC_KEY))
    return {"DATABASE_URL": url, "SECRET_KEY": pem}


async def knock(address: str) -> dict[str, list[object]]:
    """Return what every token gets at each door."""
    answers: dict[str, list[object]] = {"http": [], "stream": [], "socket": [], "query": []}
    async with httpx.AsyncClient(base_url=address, trust_env=False, timeout=30) as client:
        for token in TOKENS:
            headers = {"Authorization": f"Bearer {token}".strip()}  # one vector is empty
            for door, path in (("http", "/auth/me"), ("stream", "/events/notifications")):
                response = await client.get(path, headers=headers)
                challenge = response.headers.get("www-authenticate")
                answers[door].append((response.status_code, challenge))
            answers["socket"].append(await close_code(client, headers))
            answers["query"].append(await close_code(client, {}, urlencode({"token": token})))
        assert (await client.get("/health/live")).is_success
    return answers


async def close_code(client: httpx.AsyncClient, headers: dict[str, str], query: str = "") -> int:
    socket: AsyncWebSocketSession
    async with aconnect_ws(f"/ws/notifications?{query}", client, headers=headers) as socket:
        with pytest.raises(WebSocketDisconnect) as closed:
            await socket.receive(timeout=30)
    return int(closed.value.code)


def test_no_vector_opens_a_door_or_breaks_one(service: Path, settings: dict[str, str]) -> None:
    port = demo.free_port()
    with demo.running(["-m", "app"], service, port, PORT=str(port), **settings) as server:
        answers = asyncio.run(knock(server.address))

    assert len(TOKENS) == 401
    refusal = (401, 'Bearer error="invalid_token"')
    assert set(answers.pop("http")) == set(answers.pop("stream")) == {refusal}
    assert {code for codes in answers.values() for code in codes} == {1008}
