import signal

import nox

nox.needs_version = ">=2026.10"
nox.options.default_venv_backend = "uv"
nox.options.reuse_venv = "yes"
nox.options.sessions = ["lint", "tests"]

# Nox itself would die of SIGTERM and leave running what it has started.
signal.signal(signal.SIGTERM, signal.default_int_handler)


def install(session: nox.Session, group: str) -> None:
    pyproject = nox.project.load_toml("pyproject.toml")
    session.install(*nox.project.dependency_groups(pyproject, group))


@nox.session
def lint(session: nox.Session) -> None:
    """Check the template's own code; Ruff checks the service's too, as it lies here."""
    install(session, "tests")
    # Cookiecutter would bake the caches that Ruff leaves in the directory of the service.
    # Files of some answers only end in more than ".py".
    conditional = ["--config", 'extension = {"py{% endif %}" = "python"}']
    conditional += ["--config", 'extend-include = ["*.py[{]% endif %[}]"]']
    session.run("ruff", "check", "--no-cache", *conditional)
    session.run("ruff", "format", "--check", "--no-cache", *conditional)
    session.run("mypy")


@nox.session
def tests(session: nox.Session) -> None:
    """Bake services, inspect them and run them."""
    install(session, "tests")
    run(session, "pytest", "--numprocesses=2", "--dist=worksteal")


@nox.session
def quick(session: nox.Session) -> None:
    """Run the tests that install nothing."""
    install(session, "tests")
    run(session, "pytest", "--numprocesses=2", "-m", "not installs")


@nox.session
def browser(session: nox.Session) -> None:
    """Use the playground in Chromium, which has to be on the PATH, and make its screenshot."""
    install(session, "browser")
    run(session, "pytest", "tests/browser")


@nox.session
def proxy(session: nox.Session) -> None:
    """Put nginx before two processes and Redis, and let it be silent for two minutes."""
    install(session, "tests")
    env = {"PROXY_IDLE_SECONDS": "120"}
    run(session, "pytest", "tests/test_proxy.py", "--capture=no", env=env)


@nox.session
def demo(session: nox.Session) -> None:
    """Bake a service, start it and show it working; `-- --once` ends it after that."""
    install(session, "demo")
    run(session, "python", "demo.py")


@nox.session
def bench(session: nox.Session) -> None:
    """Measure a service against baselines; `-- --quick` takes minutes, `-- --help` says more."""
    install(session, "tests")
    run(session, "python", "-m", "benchmarks")


@nox.session
def conformance(session: nox.Session) -> None:
    """Use a service with clients in another language and with Autobahn; needs Node."""
    install(session, "demo")
    run(session, "python", "-m", "conformance")


def run(session: nox.Session, *command: str, env: dict[str, str] | None = None) -> None:
    """Run a command that, after Ctrl-C, stops servers and removes directories before it ends."""
    session.run(*command, *session.posargs, env=env, interrupt_timeout=5, terminate_timeout=20)
