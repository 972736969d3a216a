"""The Nox sessions of this repository, which CONTRIBUTING.md describes."""

import signal

import nox

nox.needs_version = ">=2026.10"
nox.options.default_venv_backend = "uv"
nox.options.reuse_venv = "yes"
nox.options.sessions = ["lint", "tests"]

# By default SIGTERM would end Nox and leave its child processes running.
signal.signal(signal.SIGTERM, signal.default_int_handler)


def install(session: nox.Session, group: str) -> None:
    """Install a dependency group of pyproject.toml."""
    pyproject = nox.project.load_toml("pyproject.toml")
    session.install(*nox.project.dependency_groups(pyproject, group))


@nox.session
def lint(session: nox.Session) -> None:
    """Lint and type-check the template; Ruff also checks the unrendered service."""
    install(session, "tests")
    # No cache, because Cookiecutter would copy it into every service. Names of conditional files
    # end in ".py{% endif %}".
    conditional = ["--config", 'extension = {"py{% endif %}" = "python"}']
    conditional += ["--config", 'extend-include = ["*.py[{]% endif %[}]"]']
    session.run("ruff", "check", "--no-cache", *conditional)
    # Jinja chooses lines within the code of this page, which services check once it is rendered.
    conditional += ["--exclude", "api-keys-and-scopes.md"]
    session.run("ruff", "format", "--check", "--no-cache", *conditional)
    session.run("mypy")


@nox.session
def tests(session: nox.Session) -> None:
    """Bake services, inspect them, install them and run them."""
    install(session, "tests")
    run(session, "pytest", "--numprocesses=2", "--dist=worksteal")


@nox.session
def quick(session: nox.Session) -> None:
    """Run the tests that bake and inspect services without installing them."""
    install(session, "tests")
    run(session, "pytest", "--numprocesses=2", "-m", "not installs")


@nox.session
def stress(session: nox.Session) -> None:
    """Run the suites of services on a busy machine, in many orders; `-- --quick` runs a part."""
    install(session, "demo")
    run(session, "python", "stress.py")


@nox.session
def recipes(session: nox.Session) -> None:
    """Follow every recipe alone, with another one, and removed, on both databases."""
    install(session, "tests")
    run(session, "pytest", "tests/recipes", "--capture=no")


@nox.session
def browser(session: nox.Session) -> None:
    """Test the pages in Chromium, which must be on the PATH; time the first use of a service."""
    install(session, "browser")
    run(session, "pytest", "tests/browser")


@nox.session
def proxy(session: nox.Session) -> None:
    """Test nginx in front of two processes and Redis, including two idle minutes."""
    install(session, "tests")
    env = {"PROXY_IDLE_SECONDS": "120"}
    run(session, "pytest", "tests/test_proxy.py", "--capture=no", env=env)


@nox.session
def demo(session: nox.Session) -> None:
    """Bake a service, run it and exercise it, e.g. `-- --once database=postgresql auth=oidc`."""
    install(session, "demo")
    run(session, "python", "demo.py")


@nox.session
def diff(session: nox.Session) -> None:
    """Print the changes between two versions as a patch, e.g. `-- 2026.10 2026.11 auth=oidc`."""
    install(session, "demo")
    run(session, "python", "diff.py")


@nox.session
def bench(session: nox.Session) -> None:
    """Benchmark a service against baselines; `-- --help` lists parts and options."""
    install(session, "tests")
    run(session, "python", "-m", "benchmarks")


@nox.session
def conformance(session: nox.Session) -> None:
    """Test a service with JavaScript clients, generated ones and Autobahn; needs Node."""
    install(session, "demo")
    run(session, "python", "-m", "conformance")


@nox.session
def mutants(session: nox.Session) -> None:
    """Mutate a service and report the mutants that no test kills; `-- --help` lists options."""
    install(session, "mutants")
    run(session, "python", "-m", "mutants")


def run(session: nox.Session, *command: str, env: dict[str, str] | None = None) -> None:
    """Run a command; after Ctrl-C give it time to stop servers and remove its files."""
    session.run(*command, *session.posargs, env=env, interrupt_timeout=5, terminate_timeout=20)
