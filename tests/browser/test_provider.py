"""Playground and Swagger UI of a service with an identity provider, as `nox -s dev` serves them."""

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from commands import install
from developing import developing
from playwright.sync_api import expect
from test_documentation import execute
from test_playground import OpenTab, publish

from walkthrough import use_code_flow

SCREENSHOT = Path(__file__).parents[2] / "docs" / "signed-in.png"


@pytest.fixture(scope="session")
def address(bake_into: Callable[..., Path], workspace: Path) -> Iterator[str]:
    project = bake_into(workspace / "oidc", auth="oidc")
    install(project)
    with developing(project) as shown:
        yield shown["Playground"].rstrip("/")


@pytest.fixture
def provider(address: str) -> dict[str, str]:
    found: dict[str, str] = httpx.get(f"{address}/auth/openid-configuration").json()
    return found


def test_user_signs_in_at_the_provider_and_receives_events(
    open_tab: OpenTab, provider: dict[str, str]
) -> None:
    tab = open_tab(expected=[provider["issuer"]])
    tab.get_by_role("button", name="Sign in at the provider").click()
    tab.get_by_role("link", name="grace").click()
    expect(tab.locator("#role")).to_have_text("admin")
    expect(tab.locator("#socket-state")).to_have_text("open")
    assert "code=" not in tab.url
    tab.locator("#stream-toggle").click()
    expect(tab.locator("#stream-state")).to_have_text("open")
    publish(tab, "Of the provider's user")
    expect(tab.locator("#stream-event")).to_contain_text("Of the provider's user")
    expect(tab.locator("#frames .event")).to_contain_text("Of the provider's user")
    tab.screenshot(path=SCREENSHOT)
    tab.locator("#sign-out").click()
    expect(tab.get_by_label("Access token")).to_be_visible()
    expect(tab.locator("#socket-state")).to_have_text("closed")


def test_user_with_a_token_of_the_provider_is_signed_in(
    open_tab: OpenTab, address: str, provider: dict[str, str]
) -> None:
    with httpx.Client(base_url=address) as client:
        token = use_code_flow(client, provider, "grace")
    tab = open_tab()
    tab.get_by_label("Access token").fill(token)
    tab.get_by_role("button", name="Use this token").click()
    expect(tab.locator("#socket-state")).to_have_text("open")
    expect(tab.locator("#role")).to_have_text("admin")


def test_invalid_token_shows_the_message_of_the_service(open_tab: OpenTab) -> None:
    tab = open_tab(expected=["401"])
    tab.get_by_label("Access token").fill("nonsense")
    tab.get_by_role("button", name="Use this token").click()
    expect(tab.locator("#account-message")).to_have_text("Invalid access token")
    tab.reload()
    expect(tab.get_by_label("Access token")).to_be_visible()


def test_user_can_sign_in_to_the_documentation_with_pkce(
    open_tab: OpenTab, provider: dict[str, str]
) -> None:
    tab = open_tab("/docs", expected=[provider["issuer"]])
    tab.get_by_role("button", name="Authorize").first.click()
    flow = tab.locator(".auth-container", has_text="authorization_code")
    with tab.expect_popup() as popup:
        flow.get_by_role("button", name="Apply given OAuth2 credentials").click()
    popup.value.get_by_role("link", name="grace").click()
    expect(flow.get_by_text("Authorized", exact=True)).to_be_visible()
    tab.locator(".dialog-ux").get_by_role("button", name="Close").first.click()

    assert '"subject": "grace"' in execute(tab, "auth-read_me")
