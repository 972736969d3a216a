"""Test a service with JavaScript clients and with the Autobahn test suite; needs Node."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import httpx

import demo
from conformance import autobahn

HERE = Path(__file__).parent


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="conformance-") as directory:
        os.environ["TMPDIR"] = directory  # Cookiecutter and uv leave files there
        project = demo.bake(Path(directory))
        demo.install(project)
        clients = Path(shutil.copytree(HERE, Path(directory) / "clients"))
        subprocess.run(["npm", "install", "--silent", "--no-fund"], check=True, cwd=clients)
        with demo.serve(project) as server:
            token = sign_in(server.address)
            command = ["node", "clients.mjs", server.address, token]
            subprocess.run(command, check=True, cwd=clients)
        if python := autobahn.find_python():
            autobahn.run(project, python)
        else:
            print("Autobahn: skipped, because it needs Python 2.7")


def sign_in(address: str) -> str:
    account = {"email": "ada@example.com", "password": "correct horse battery staple"}
    with httpx.Client(base_url=address, trust_env=False) as client:
        client.post("/auth/register", json=account).raise_for_status()
        form = {"username": account["email"], "password": account["password"]}
        response = client.post("/auth/token", data=form).raise_for_status()
    return str(response.json()["access_token"])


if __name__ == "__main__":
    main()
