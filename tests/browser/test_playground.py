"""The playground in a real Chromium."""

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

SCREENSHOT = Path(__file__).parents[2] / "docs" / "playground.png"
OpenTab = Callable[..., Page]
numbers = itertools.count(1)


def register(tab: Page) -> None:
    tab.get_by_label("E-mail address").fill(f"ada{next(numbers)}@example.com")
    tab.get_by_label("Password").fill("correct horse battery")
    tab.get_by_role("button", name="Register").click()
    expect(tab.locator("#socket-state")).to_have_text("open")


def publish(tab: Page, title: str) -> None:
    tab.get_by_label("Title").fill(title)
    tab.get_by_role("button", name="Publish").click()
    expect(tab.locator("#post-message")).to_contain_text("Created post")


def test_heartbeat_works_without_signing_in(open_tab: OpenTab) -> None:
    tab = open_tab()
    expect(tab.locator("#heartbeat-state")).to_have_text("open")
    expect(tab.locator("#heartbeat-count")).to_have_text("3")
    tab.get_by_role("button", name="Stop").click()
    expect(tab.locator("#heartbeat-state")).to_have_text("closed")


def test_wrong_password_shows_the_message_of_the_service(open_tab: OpenTab) -> None:
    tab = open_tab(expected=["401"])
    tab.get_by_label("E-mail address").fill("nobody@example.com")
    tab.get_by_label("Password").fill("correct horse")
    tab.get_by_role("button", name="Sign in").click()
    expect(tab.get_by_text("Incorrect e-mail address or password")).to_be_visible()


def test_post_arrives_in_this_tab_and_in_a_second_tab(open_tab: OpenTab) -> None:
    tab = open_tab()
    register(tab)
    with tab.expect_popup() as opened:
        tab.get_by_role("link", name="Open a second tab").click()
    second = opened.value
    expect(second.locator("#socket-state")).to_have_text("open")  # it is signed in already
    publish(tab, "Seen twice")
    for each in (tab, second):
        expect(each.locator("#frames .event")).to_contain_text('"title":"Seen twice"')


def test_reconnecting_client_resumes_missed_events(open_tab: OpenTab) -> None:
    tab, other = open_tab(), open_tab()
    register(tab)
    register(other)
    publish(tab, "Before")
    expect(tab.locator("#frames .event")).to_have_count(1)
    tab.get_by_role("button", name="Drop the connection").click()
    expect(tab.locator("#socket-state")).to_have_text("waiting")
    expect(tab.locator("#socket-message")).to_contain_text("reconnecting in 5.0 s")
    publish(other, "First missed")
    publish(other, "Second missed")
    resumed = "Resumed: 2 missed events received"
    expect(tab.locator("#socket-message")).to_have_text(resumed, timeout=15_000)
    expect(tab.locator("#frames .event")).to_have_count(3)


def test_refreshed_token_keeps_the_socket_open(open_tab: OpenTab) -> None:
    tab = open_tab()
    register(tab)
    tab.get_by_role("button", name="Refresh the token").click()
    expect(tab.locator("#frames")).to_contain_text('"type":"authenticated"')
    expect(tab.locator("#socket-state")).to_have_text("open")


def test_user_can_send_any_frame_and_sees_the_response(open_tab: OpenTab) -> None:
    tab = open_tab()
    register(tab)
    tab.get_by_label("Frame to send").fill('{"type": "nonsense"}')
    tab.get_by_role("button", name="Send").click()
    expect(tab.locator("#frames")).to_contain_text('"code":"unknown_type"')


def test_event_source_receives_missed_events_after_each_reconnection(open_tab: OpenTab) -> None:
    tab = open_tab(expected=["net::ERR_FAILED"])
    register(tab)
    stream = tab.locator("#stream-toggle")
    stream.click()
    expect(tab.locator("#stream-state")).to_have_text("open")
    publish(tab, "First")
    expect(tab.locator("#stream-event")).to_contain_text('"title": "First"')
    stream.click()
    publish(tab, "Missed")
    failing = "**/events/notifications*"
    tab.route(failing, lambda route: route.abort(), times=1)
    stream.click()
    expect(tab.locator("#stream-state")).to_have_text("waiting")
    expect(tab.locator("#stream-state")).to_have_text("open", timeout=15_000)
    expect(tab.locator("#stream-event")).to_contain_text('"title": "Missed"')
    expect(tab.locator("#stream-count")).to_have_text("2")


def test_event_source_gets_a_new_ticket_when_its_stream_ends(
    open_tab: OpenTab, address: str
) -> None:
    tab = open_tab()
    register(tab)
    tickets: list[str] = []
    tab.on("request", lambda request: "ticket=" in request.url and tickets.append(request.url))
    tab.locator("#stream-toggle").click()
    expect(tab.locator("#stream-state")).to_have_text("open")
    ended = "retry: 1\n\n"
    tab.route(
        "**/events/notifications*",
        lambda route: route.fulfill(body=ended, content_type="text/event-stream"),
        times=1,
    )
    for _ in range(2):
        tab.locator("#stream-toggle").click()
    expect(tab.locator("#stream-state")).to_have_text("waiting")
    expect(tab.locator("#stream-state")).to_have_text("open", timeout=15_000)
    assert len(tickets) == len(set(tickets)) == 3


def test_event_source_ends_when_the_user_signs_out(open_tab: OpenTab) -> None:
    tab = open_tab()
    register(tab)
    tab.locator("#stream-toggle").click()
    expect(tab.locator("#stream-state")).to_have_text("open")
    tab.locator("#sign-out").click()
    expect(tab.locator("#stream-state")).to_have_text("closed")


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("a binary frame, sent to /ws/echo", "1003"),
        ("no valid token", "1008"),
        ("ten bad frames in a row", "1008"),
        ("a frame that is too large", "1009"),
        ("too many frames per second", "4429"),
        ("too many sockets of one user", "4429"),
    ],
)
def test_each_button_provokes_its_close_code(open_tab: OpenTab, reason: str, code: str) -> None:
    tab = open_tab()
    register(tab)
    row = tab.locator(f'tr[data-reason="{reason}"]')
    row.get_by_role("button").click()
    expect(row.locator("td").last).to_have_text(code, timeout=15_000)


def test_signing_out_closes_the_socket_with_4401_and_does_not_reconnect(open_tab: OpenTab) -> None:
    tab = open_tab()
    register(tab)
    tab.locator("#sign-out").click()
    expect(tab.locator("#account-message")).to_have_text("Closed with 4401: sign in again")
    expect(tab.locator('tr[data-reason^="the token expired"] td').last).to_have_text("4401")
    expect(tab.get_by_role("button", name="Register")).to_be_visible()
    expect(tab.locator("#socket-state")).to_have_text("closed")


def test_page_can_be_used_with_the_keyboard_alone(open_tab: OpenTab) -> None:
    tab = open_tab()
    expect(tab.get_by_label("E-mail address")).to_be_visible()
    for _ in range(5):  # the skip link, three links, then the first field
        tab.keyboard.press("Tab")
    tab.keyboard.type(f"ada{next(numbers)}@example.com")
    tab.keyboard.press("Tab")
    tab.keyboard.type("correct horse battery")
    for key in ("Tab", "Tab", "Enter"):  # "Register" follows "Sign in"
        tab.keyboard.press(key)
    expect(tab.locator("#socket-state")).to_have_text("open")


def test_every_control_has_an_accessible_name(open_tab: OpenTab) -> None:
    tab = open_tab()
    controls = tab.locator("button, input, textarea, a").all()
    names = [
        control.evaluate("e => e.ariaLabel || e.labels?.[0]?.textContent || e.textContent")
        for control in controls
    ]
    assert len(names) > 20
    assert all(name.strip() for name in names)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1200])
def test_page_fits_the_width_of_the_window(open_tab: OpenTab, width: int, scheme: str) -> None:
    tab = open_tab(viewport={"width": width, "height": 800}, color_scheme=scheme)
    register(tab)
    assert tab.evaluate("document.documentElement.scrollWidth") <= width


def test_page_respects_reduced_motion(open_tab: OpenTab) -> None:
    tab = open_tab(reduced_motion="reduce")
    expect(tab.locator("#heartbeat-count")).to_have_text("1")
    expect(tab.locator("#pulse")).to_have_css("animation-name", "none")


def test_page_takes_the_screenshot_of_the_readme(open_tab: OpenTab) -> None:
    tab = open_tab(viewport={"width": 1120, "height": 900}, reduced_motion="reduce")
    register(tab)
    tab.get_by_role("button", name="Clear").click()
    publish(tab, "Hello")
    tab.get_by_role("button", name="Ping").click()
    expect(tab.locator("#frames")).to_contain_text("pong")
    for reason in ("no valid token", "a frame that is too large"):
        tab.locator(f'tr[data-reason="{reason}"]').get_by_role("button").click()
    expect(tab.locator("td.expected")).to_have_count(2)
    tab.screenshot(path=SCREENSHOT, full_page=True)
    assert SCREENSHOT.stat().st_size < 200_000
