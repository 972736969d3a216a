import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx
import pytest
from httpx_ws import AsyncWebSocketSession, WebSocketDisconnect, aconnect_ws


@asynccontextmanager
async def run(directory: Path, **environment: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run `python -m app` where there is no .env; it does not outlive the test."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "app"),
        cwd=directory,
        env=os.environ | environment,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):  # it has ended
            process.kill()
        await process.communicate()


async def address_of(process: asyncio.subprocess.Process) -> str:
    assert process.stderr
    found = None
    while found is None:
        line = await process.stderr.readline()
        assert line, "it ended before it served"
        found = re.search(r"http://127\.0\.0\.1:\d+", line.decode())
    return found[0]


async def test_it_serves_where_the_settings_say_until_it_is_told_to_stop(tmp_path: Path) -> None:
    socket: AsyncWebSocketSession
    async with run(tmp_path, PORT="0", WS_MAX_FRAME_BYTES="100") as process:
        async with (
            httpx.AsyncClient(base_url=await address_of(process)) as client,
            aconnect_ws("/ws/echo", client) as socket,
        ):
            response = await client.get("/health/ready")
            await socket.send_text("x" * 101)
            with pytest.raises(WebSocketDisconnect) as closed:
                await socket.receive(timeout=2)
        process.terminate()
        await process.communicate()

    assert response.json() == {"status": "ok", "database": "ok"}
    assert "server" not in response.headers
    assert closed.value.code == 1009
    assert process.returncode == -signal.SIGTERM


async def test_without_a_secret_key_it_ends_with_one_line_that_says_what_to_do(
    tmp_path: Path,
) -> None:
    async with run(tmp_path, SECRET_KEY="") as process:
        _, printed = await process.communicate()

    assert process.returncode == 1
    assert printed.count(b"\n") == 1
    assert printed.startswith(b"Settings: SECRET_KEY is not set; ")
