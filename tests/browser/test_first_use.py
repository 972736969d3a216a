"""From `uvx cookiecutter` to a signed-in playground, with an empty package cache; prints times."""

import time
from itertools import pairwise
from pathlib import Path

import pytest
from commands import run_uv
from developing import PROJECTS, developing
from playwright.sync_api import Browser, Page, expect


def sign_in(tab: Page, shown: dict[str, str]) -> None:
    """Sign in as the command says."""
    account, separator, password = shown["Sign in"].partition(" (admin), password ")
    if separator:
        tab.get_by_label("E-mail address").fill(account)
        tab.get_by_label("Password").fill(password.partition(";")[0])
        tab.get_by_role("button", name="Sign in").click()
    else:
        tab.get_by_role("button", name="Sign in at the provider").click()
        tab.get_by_role("link", name="grace").click()
    expect(tab.locator("#role")).to_have_text("admin")
    expect(tab.locator("#socket-state")).to_have_text("open")


@pytest.mark.parametrize("name", PROJECTS)
def test_newcomer_signs_in_with_an_empty_package_cache(
    browser: Browser,
    template: Path,
    directory: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
) -> None:
    for variable in ("HOME", "UV_CACHE_DIR"):
        monkeypatch.setenv(variable, str(directory / variable))
    answers = [f"{option}={value}" for option, value in PROJECTS[name].items()]
    times = [time.monotonic()]
    run_uv(directory, "tool", "run", "cookiecutter", str(template), "--no-input", *answers)
    times.append(time.monotonic())
    project = directory / "my-service"
    run_uv(project, "sync")
    times.append(time.monotonic())
    with developing(project) as shown, browser.new_page() as tab:
        times.append(time.monotonic())
        tab.goto(shown["Playground"])
        sign_in(tab, shown)
        times.append(time.monotonic())
    steps = ("cookiecutter", "uv sync", "nox -s dev", "signed in")
    with capsys.disabled():
        print(f"\n{name} ({' '.join(answers) or 'default options'})")
        for step, (start, end) in zip(steps, pairwise(times), strict=True):
            print(f"  {step:<14} {end - start:5.1f} s")
        print(f"  {'total':<14} {times[-1] - times[0]:5.1f} s")
