"""Swagger UI of the service, without a network."""

import httpx
from playwright.sync_api import Page, expect
from test_playground import OpenTab

ACCOUNT = {"email": "swagger@example.com", "password": "correct horse battery"}


def execute(tab: Page, operation: str) -> str:
    """Send the request of an operation without parameters; return the body of the response."""
    block = tab.locator(f"#operations-{operation}")
    block.get_by_role("button").first.click()
    block.get_by_role("button", name="Try it out").click()
    block.get_by_role("button", name="Execute").click()
    body = block.locator(".live-responses-table .response-col_description code").first
    expect(body).to_be_visible()
    return body.inner_text()


def test_user_can_sign_in_and_send_a_request(open_tab: OpenTab, address: str) -> None:
    with httpx.Client(base_url=address, trust_env=False) as client:
        client.post("/auth/register", json=ACCOUNT).raise_for_status()
    tab = open_tab("/docs")
    tab.get_by_role("button", name="Authorize").first.click()
    dialog = tab.locator(".dialog-ux")
    dialog.get_by_label("username:").fill(ACCOUNT["email"])
    dialog.get_by_label("password:").fill(ACCOUNT["password"])
    dialog.get_by_role("button", name="Apply given OAuth2 credentials").click()
    expect(dialog.get_by_text("Authorized", exact=True)).to_be_visible()
    dialog.get_by_role("button", name="Close").first.click()

    assert ACCOUNT["email"] in execute(tab, "auth-read_me")


def test_page_links_the_sockets_and_the_playground(open_tab: OpenTab) -> None:
    tab = open_tab("/docs")
    tab.get_by_role("link", name="AsyncAPI").click()
    expect(tab.locator("body")).to_contain_text("/ws/notifications")
    tab.go_back()
    tab.get_by_role("link", name="Playground").click()
    expect(tab.locator("#heartbeat-state")).to_have_text("open")
