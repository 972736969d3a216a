"""Test services with JavaScript clients, generated clients and Autobahn; needs Node."""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import httpx

import demo
import walkthrough
from conformance import autobahn

HERE = Path(__file__).parent
PAGE = Path("docs", "generating-clients.md")
BLOCK = re.compile(r"```(\w+)\n(.*?)```\n", re.DOTALL)
DECLARATIONS = "declare const socket: WebSocket;\ndeclare const token: string;\n"
PYTHON = ["uv", "run", "--quiet", "--project=client", "--with=pydantic,websockets", "python"]
ACCOUNT = ("ada@example.com", walkthrough.PASSWORD)


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="conformance-") as directory:
        os.environ["TMPDIR"] = directory  # Cookiecutter and uv leave files there
        for auth in ("oidc", "password"):
            parent = Path(directory, auth)
            parent.mkdir()
            project = demo.bake(parent, auth=auth)
            demo.install(project)
            generate_clients(project, auth)
            with demo.serve_with_servers(project, [demo.free_port()]) as (server,):
                use_clients(project, server.address, auth)
        if python := autobahn.find_python():
            autobahn.run(project, python)
        else:
            print("Autobahn: skipped, because it needs Python 2.7")


def run(directory: Path, *command: str, silent: bool = False) -> None:
    stdout = subprocess.DEVNULL if silent else None
    environment = demo.project_environment()
    subprocess.run(command, check=True, cwd=directory, env=environment, stdout=stdout)


def generate_clients(project: Path, auth: str) -> None:
    """Follow the page of the service; compile its examples and the clients; validate AsyncAPI."""
    ignored = shutil.ignore_patterns("login.*" if auth == "oidc" else "")
    shutil.copytree(HERE, project, dirs_exist_ok=True, ignore=ignored)
    for number, (language, code) in enumerate(BLOCK.findall((project / PAGE).read_text("utf-8"))):
        match language:
            case "console":
                run(project, "sh", "-ec", code, silent=True)
            case "javascript":
                (project / "frames.mjs").write_text(code, "utf-8")
            case "typescript":
                (project / f"page{number}.ts").write_text(DECLARATIONS + code, "utf-8")
    run(project, "node", "asyncapi.mjs", "asyncapi.json")
    run(project, "npx", "tsc")


def use_clients(project: Path, address: str, auth: str) -> None:
    with httpx.Client(base_url=address, trust_env=False) as client:
        authorization = walkthrough.sign_in(client, "ada")["Authorization"]
    token = authorization.removeprefix("Bearer ")
    if auth == "password":
        run(project, "node", "login.js", address, *ACCOUNT)
        run(project, *PYTHON, "login.py", address, *ACCOUNT)
    run(project, "node", "clients.js", address, token)
    run(project, "node", "typed.js", address, token)
    run(project, *PYTHON, "typed.py", address, token)


if __name__ == "__main__":
    main()
