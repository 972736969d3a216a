"""The suite of a service on PostgreSQL: on an existing server, and without root."""

import json
import os
import pwd
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from commands import install
from conftest import Bake

from demo import free_port, project_environment

pytestmark = pytest.mark.installs

# Runs in a service: starts a server with a port and a password, and prints its URL. For each line
# of input it prints the names of the databases.
SERVER = """
import asyncio, json, sys
from pathlib import Path
import asyncpg
sys.path.insert(0, ".")
from tests.postgresql import running_server

def databases():
    return asyncio.run(execute("SELECT datname FROM pg_database ORDER BY datname"))

async def execute(*statements):
    connection = await asyncpg.connect(dsn)
    for statement in statements:
        rows = await connection.fetch(statement)
    await connection.close()
    return [row[0] for row in rows]

with running_server() as server:
    dsn = server.url.set(drivername="postgresql").render_as_string()
    port = sys.argv[1]
    asyncio.run(execute(
        "ALTER ROLE postgres PASSWORD 'p@ss:word/'",
        "ALTER SYSTEM SET listen_addresses = '127.0.0.1'",
        f"ALTER SYSTEM SET port = {port}",
    ))
    server.stop()
    hba = Path(server.url.query["host"]) / "data" / "pg_hba.conf"
    hba.write_text("host all all 127.0.0.1/32 scram-sha-256")
    server.start()
    dsn = f"postgresql://postgres:p%40ss%3Aword%2F@127.0.0.1:{port}/postgres"
    print(dsn, flush=True)
    for line in sys.stdin:
        print(json.dumps(databases()), flush=True)
"""


@contextmanager
def server(project: Path) -> Iterator[tuple[str, Callable[[], list[str]]]]:
    """Yield the URL of a server, and a function that returns the names of its databases."""
    process = subprocess.Popen(
        [project / ".venv" / "bin" / "python", "-c", SERVER, str(free_port())],
        cwd=project,
        env=project_environment(),
        encoding="utf-8",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )

    def databases() -> list[str]:
        assert process.stdin
        assert process.stdout
        process.stdin.write("\n")
        process.stdin.flush()
        names: list[str] = json.loads(process.stdout.readline())
        return names

    try:
        assert process.stdout
        yield process.stdout.readline().strip(), databases
    finally:
        process.communicate()  # closes its input, which stops it


def run_suite(project: Path, *options: str, user: str = "root", **env: str) -> str:
    """Run the suite of a service, which must pass; return its output."""
    python = project / ".venv" / "bin" / "python"
    ended = subprocess.run(
        [*as_user(user), python, "-m", "pytest", *options],
        check=False,
        cwd=project,
        env=project_environment(**env),
        encoding="utf-8",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert ended.returncode == 0, ended.stdout
    return ended.stdout


def as_user(name: str) -> list[str]:
    """Return a command prefix that drops root but keeps read access to the interpreter."""
    if os.geteuid() != 0 or name == "root":
        return []
    ids = [f"--reuid={name}", f"--regid={name}", "--clear-groups"]
    return ["setpriv", *ids, "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]


def test_suite_passes_on_an_existing_server_and_removes_its_databases(
    postgresql_service: Path,
) -> None:
    with server(postgresql_service) as (url, databases):
        before = databases()
        output = run_suite(postgresql_service, "-n", "2", TEST_DATABASE_URL=url)
        assert re.search(r"^database: PostgreSQL [\d.]+, from ", output, re.MULTILINE)
        assert databases() == before == ["postgres", "template0", "template1"]


def test_suite_passes_twice_for_a_user_without_privileges(
    bake_into: Bake, workspace: Path, directory: Path
) -> None:
    workspace.chmod(0o711)  # PostgreSQL checks that it can execute its programs
    project = bake_into(directory / "without root", database="postgresql")
    install(project)
    (directory / "tmp").mkdir()
    change_owner(directory, "daemon")
    writable = dict.fromkeys(("PYTHONPYCACHEPREFIX", "TMPDIR"), str(directory / "tmp"))
    for options in ([], ["-n", "2"]):
        output = run_suite(project, *options, user="daemon", **writable)
        assert re.search(r"^database: PostgreSQL [\d.]+, started ", output, re.MULTILINE)


def change_owner(directory: Path, name: str) -> None:
    """Change the owner of all files except .venv, whose files are links to uv's cache."""
    if os.geteuid() == 0:
        user = pwd.getpwnam(name)
        for path, folders, files in os.walk(directory):
            folders[:] = [folder for folder in folders if folder != ".venv"]
            for file in (path, *(os.path.join(path, name) for name in files)):
                os.chown(file, user.pw_uid, user.pw_gid)
