import asyncio
import os
import re
import signal
import sys
from pathlib import Path

import httpx


async def start(directory: Path, **environment: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "app"),
        cwd=directory,  # where there is no .env
        env=os.environ | environment,
        stderr=asyncio.subprocess.PIPE,
    )


async def test_it_serves_where_the_settings_say_until_it_is_told_to_stop(tmp_path: Path) -> None:
    process = await start(tmp_path, PORT="0")
    assert process.stderr
    address = None
    while address is None:
        line = await process.stderr.readline()
        assert line, "it ended before it served"
        address = re.search(rb"http://127\.0\.0\.1:\d+", line)
    async with httpx.AsyncClient(base_url=address[0].decode()) as client:
        response = await client.get("/health/ready")
    process.terminate()
    await process.communicate()

    assert response.json() == {"status": "ok", "database": "ok"}
    assert "server" not in response.headers
    assert process.returncode == -signal.SIGTERM


async def test_without_a_secret_key_it_ends_with_one_line_that_says_what_to_do(
    tmp_path: Path,
) -> None:
    process = await start(tmp_path, SECRET_KEY="")
    _, printed = await process.communicate()

    assert process.returncode == 1
    assert printed.count(b"\n") == 1
    assert printed.startswith(b"Settings: SECRET_KEY is not set; ")
