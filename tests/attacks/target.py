"""The service that is attacked."""

import http.client
import json
import re
import socket
import time
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

PASSWORD = "correct horse battery staple"
MAX_WAIT_SECONDS = 60  # for a connection and for each response


class Response(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> dict[str, object]:
        return dict(json.loads(self.body))


class Target:
    """A service, reached directly or through a proxy."""

    def __init__(self, url: str, pid: int) -> None:
        parts = urlsplit(url)
        self.address = (parts.hostname or "localhost", parts.port or 80)
        self.pid = pid
        self._process = Path(f"/proc/{pid}")

    def connect(self) -> socket.socket:
        return socket.create_connection(self.address, MAX_WAIT_SECONDS)

    def request(
        self, method: str, path: str, body: str | dict[str, str] | None = None, **headers: str
    ) -> Response:
        """Send one request on a connection of its own; header names have underscores.

        A dictionary is sent as JSON.
        """
        connection = http.client.HTTPConnection(*self.address, timeout=MAX_WAIT_SECONDS)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if isinstance(body, dict):
            body, named["Content-Type"] = json.dumps(body), "application/json"
        connection.request(method, path, body, named)
        response = connection.getresponse()
        content = response.read()
        connection.close()
        return Response(response.status, {k.lower(): v for k, v in response.getheaders()}, content)

    def sign_up(self) -> str:
        """Create an account and return its access token."""
        email = f"user{time.time_ns()}@example.com"
        self.request("POST", "/auth/register", {"email": email, "password": PASSWORD})
        form = f"username={email}&password={PASSWORD.replace(' ', '+')}"
        form_type = "application/x-www-form-urlencoded"
        response = self.request("POST", "/auth/token", form, Content_Type=form_type)
        return str(response.json()["access_token"])

    def memory(self) -> int:
        """Return the resident memory of the process in bytes."""
        return self._memory("VmRSS")

    def reset_peak(self) -> int:
        """Start a new measurement of the peak; return the memory in bytes."""
        (self._process / "clear_refs").write_text("5")
        return self.memory()

    def peak(self) -> int:
        return self._memory("VmHWM")

    def _memory(self, name: str) -> int:
        status = (self._process / "status").read_text()
        (kib,) = re.findall(rf"^{name}:\s+(\d+) kB", status, re.MULTILINE)
        return int(kib) * 1024
