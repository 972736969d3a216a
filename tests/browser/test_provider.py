"""The playground of a service with an identity provider."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from commands import install, uv_run
from playwright.sync_api import expect
from test_playground import OpenTab, publish

import demo

PROVIDER = """
import asyncio
from tests.users import PROVIDER, User, mint

async def main():
    async with PROVIDER.running():
        tokens = [mint(User(issuer=PROVIDER.issuer, subject="ada", role="user")) for _ in "12"]
        print(PROVIDER.issuer, *tokens, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


class Provider(NamedTuple):
    issuer: str
    token: str
    later_token: str


@pytest.fixture(scope="session")
def project(bake_into: Callable[..., Path], workspace: Path) -> Path:
    project = bake_into(workspace / "oidc", auth="oidc", project_slug="the-service")
    install(project)
    return project


@pytest.fixture(scope="session")
def provider(project: Path) -> Iterator[Provider]:
    """Run the provider of the service's own tests."""
    with subprocess.Popen(
        [project / ".venv" / "bin" / "python", "-c", PROVIDER],
        cwd=project,
        encoding="utf-8",
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout
        yield Provider(*process.stdout.readline().split())
        process.terminate()


@pytest.fixture(scope="session")
def address(project: Path, provider: Provider, workspace: Path) -> Iterator[str]:
    port = demo.free_port()
    settings = {
        "DATABASE_URL": f"sqlite+aiosqlite:///{workspace}/oidc.db",
        "LOG_LEVEL": "warning",
        "OIDC_AUDIENCE": "the-service",
        "OIDC_ISSUER": provider.issuer,
        "PLAYGROUND": "true",
        "PORT": str(port),
    }
    uv_run(project, "alembic", "upgrade", "head", **settings)
    with demo.running(["-m", "app"], project, port, **settings) as server:
        yield server.address


def test_user_with_a_token_of_the_provider_is_signed_in(
    open_tab: OpenTab, provider: Provider
) -> None:
    tab = open_tab()
    tab.get_by_label("Access token").fill(provider.token)
    tab.get_by_role("button", name="Use this token").click()
    expect(tab.locator("#socket-state")).to_have_text("open")
    expect(tab.locator("#role")).to_have_text("user")
    publish(tab, "Of the provider's user")
    expect(tab.locator("#frames .event")).to_contain_text("Of the provider's user")
    tab.locator("#sign-out").click()
    expect(tab.get_by_label("Access token")).to_be_visible()
    expect(tab.locator("#socket-state")).to_have_text("closed")


def test_invalid_token_shows_the_message_of_the_service(open_tab: OpenTab) -> None:
    tab = open_tab(expected=["401"])
    tab.get_by_label("Access token").fill("nonsense")
    tab.get_by_role("button", name="Use this token").click()
    expect(tab.locator("#account-message")).to_have_text("Invalid access token")
    tab.reload()
    expect(tab.get_by_label("Access token")).to_be_visible()
