"""Run the PostgreSQL server of the service's tests until standard input closes; print its URL."""

import sys

from sqlalchemy import make_url
from tests.postgresql import running_server

with running_server() as server:
    url = make_url(server.url).set(drivername="postgresql+asyncpg")
    print(url.render_as_string(hide_password=False), flush=True)
    sys.stdin.read()
