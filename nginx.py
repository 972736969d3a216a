"""nginx with the configuration of a service, in front of processes of that service."""

import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx

from demo import free_port

UPSTREAM = re.compile(r"( *server )app-1:8000(.*\n)( *server app-2:8000.*\n)?")


class Nginx:
    def __init__(self, program: str, directory: Path, config: str, hosts: Sequence[str]) -> None:
        """Write the configuration to a directory; only addresses are replaced."""
        port = free_port()
        self.address = f"http://127.0.0.1:{port}"
        self.log = directory / "access.log"
        config = UPSTREAM.sub(
            lambda line: "".join(f"{line[1]}{host}{line[2]}" for host in hosts), config
        )
        config = config.replace("listen 80;", f"listen 127.0.0.1:{port};")
        (directory / "nginx.conf").write_text(config, "utf-8")
        self._command = [program, "-p", str(directory), "-c", str(directory / "nginx.conf")]
        self._command += ["-g", f"pid {directory}/nginx.pid; daemon off;"]

    @contextmanager
    def running(self) -> Iterator[None]:
        subprocess.run([*self._command, "-t"], check=True, stderr=subprocess.DEVNULL)
        # A file, because nginx cannot open its standard output again if that is a pipe.
        with self.log.open("wb") as log:
            process = subprocess.Popen(self._command, stdout=log)
        try:
            transport = httpx.HTTPTransport(retries=6)  # with growing pauses, until it listens
            with httpx.Client(transport=transport, trust_env=False) as client:
                client.get(f"{self.address}/health/live").raise_for_status()
            yield
        finally:
            process.terminate()
            process.wait()

    def reload(self) -> None:
        subprocess.run([*self._command, "-s", "reload"], check=True)
