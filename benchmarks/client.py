"""A simple HTTP load generator for machines without wrk: `client.py METHOD URL TOKEN ...`."""

import asyncio
import json
import sys
import time
from urllib.parse import urlsplit


class Client:
    """Several connections, each with one request at a time."""

    def __init__(self, method: str, url: str, token: str, run: str) -> None:
        self.method, self.token, self.run = method, token, run
        self.address = urlsplit(url)
        self.times: list[float] = []
        """Seconds that each request took."""
        self.errors = 0

    def request(self, name: str) -> bytes:
        body = ""
        if self.method == "POST":
            slug = f"load-{self.run}-{name}"
            body = json.dumps({"title": "T", "body": "B", "slug": slug})
        path = self.address.path + (f"?{self.address.query}" if self.address.query else "")
        head = f"{self.method} {path} HTTP/1.1\r\nHost: {self.address.netloc}\r\n"
        head += f"Authorization: Bearer {self.token}\r\nContent-Type: application/json\r\n"
        return f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode()

    async def connection(self, name: str, deadline: float) -> None:
        reader, writer = await asyncio.open_connection(self.address.hostname, self.address.port)
        number = 0
        while (start := time.perf_counter()) < deadline:
            number += 1
            writer.write(self.request(f"{name}-{number}"))
            head = await reader.readuntil(b"\r\n\r\n")
            length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
            await reader.readexactly(int(length))
            self.times.append(time.perf_counter() - start)
            self.errors += not head.startswith(b"HTTP/1.1 2")
        writer.close()

    async def load(self, connections: int, seconds: float) -> dict[str, float]:
        """Send requests for so many seconds; return the figures, percentiles in milliseconds."""
        start = time.perf_counter()
        async with asyncio.TaskGroup() as tasks:
            for name in range(connections):
                tasks.create_task(self.connection(str(name), start + seconds))
        times = sorted(self.times)
        return {
            "requests": len(times),
            "seconds": time.perf_counter() - start,
            "p50": times[len(times) // 2] * 1000,
            "p99": times[len(times) * 99 // 100] * 1000,
            "errors": self.errors,
        }


if __name__ == "__main__":
    method, url, token, connections, seconds, run = sys.argv[1:]
    client = Client(method, url, token, run)
    print("RESULT", json.dumps(asyncio.run(client.load(int(connections), float(seconds)))))
