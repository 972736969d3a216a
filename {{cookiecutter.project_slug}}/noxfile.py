"""The checks of this project. A pipeline runs the same ones: `uv run nox --session lint`."""

import nox

nox.options.default_venv_backend = "uv"
nox.options.reuse_venv = "yes"
nox.options.sessions = ["lint", "types", "tests"]

PYTHONS = nox.project.python_versions(nox.project.load_toml(), max_version="3.14")


@nox.session(venv_backend="none")
def lint(session: nox.Session) -> None:
    """Look for mistakes and for code that is not formatted."""
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")


@nox.session(venv_backend="none")
def types(session: nox.Session) -> None:
    """Check every type, strictly."""
    session.run("mypy")


@nox.session(venv_backend="none")
def migrations(session: nox.Session) -> None:
    """Show that the migrations lead to the models, and that each can be undone."""
    session.run("pytest", "tests/test_migrations.py")


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run the tests with the locked versions, and hold every branch to account."""
    place = session.virtualenv.location
    environment = {"UV_PROJECT_ENVIRONMENT": place, "UV_PYTHON": place}
    session.run_install("uv", "sync", "--quiet", env=environment)
    session.run("pytest", "--cov", *session.posargs)


@nox.session(python=PYTHONS[0])
def lowest(session: nox.Session) -> None:
    """Run the tests with the lowest versions that pyproject.toml allows."""
    session.install("--resolution=lowest-direct", "--group=dev", "--editable=.")
    session.run("pytest", *session.posargs)


@nox.session(venv_backend="none")
def audit(session: nox.Session) -> None:
    """Ask osv.dev for known vulnerabilities of the locked versions."""
    session.run("uv", "audit", "--preview-features=audit-command", *session.posargs)
