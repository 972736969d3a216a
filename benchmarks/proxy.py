"""nginx with the configuration of the service, in front of several processes."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from benchmarks.load import LoadError
from benchmarks.service import Project
from demo import Server, free_port


@contextmanager
def proxied(project: Project, servers: list[Server]) -> Iterator[str]:
    """Run nginx; yield its address. Only the addresses in the configuration are changed."""
    nginx = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/bin")
    if not nginx:
        raise LoadError("nginx is missing; install it, e.g. with `apt-get install nginx-light`")
    port = free_port()
    config = (project.path / "deploy" / "nginx.conf").read_text("utf-8")
    first, second = (f"        server app-{number}:8000 fail_timeout=1s;\n" for number in (1, 2))
    hosts = (server.address.partition("://")[2] for server in servers)
    config = config.replace(first, "".join(f"        server {host};\n" for host in hosts))
    config = config.replace(second, "")
    config = config.replace("listen 80;", f"listen 127.0.0.1:{port};")
    with TemporaryDirectory(dir=project.path) as directory:
        path = Path(directory) / "nginx.conf"
        path.write_text(config, "utf-8")
        command = [nginx, "-p", directory, "-c", str(path)]
        command += ["-g", f"pid {directory}/nginx.pid; daemon off;"]
        # A file, because nginx cannot open its standard output again if that is a pipe.
        with (Path(directory) / "access.log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log)
        try:
            address = f"http://127.0.0.1:{port}"
            with httpx.Client(transport=httpx.HTTPTransport(retries=6)) as client:
                client.get(f"{address}/health/live").raise_for_status()
            yield address
        finally:
            process.terminate()
            process.wait()
