"""The checks of this project, for developers and CI: `uv run nox --session lint`."""

import nox

nox.options.default_venv_backend = "uv"
nox.options.reuse_venv = "yes"
nox.options.sessions = ["lint", "types", "tests"]

PYTHONS = nox.project.python_versions(nox.project.load_toml(), max_version="3.14")


@nox.session(venv_backend="none")
def lint(session: nox.Session) -> None:
    """Run the linter, and check the formatting and the imports between packages."""
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("lint-imports", "--no-cache", "--no-logo")


@nox.session(venv_backend="none")
def types(session: nox.Session) -> None:
    """Run mypy in strict mode."""
    session.run("mypy")


@nox.session(venv_backend="none")
def migrations(session: nox.Session) -> None:
    """Check that the migrations match the models, and that each can be reverted."""
    session.run("pytest", "tests/test_migrations.py")


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run the tests with the locked versions; require full branch coverage."""
    location = session.virtualenv.location
    environment = {"UV_PROJECT_ENVIRONMENT": location, "UV_PYTHON": location}
    session.run_install("uv", "sync", "--quiet", env=environment)
    session.run("pytest", "--cov", *session.posargs)


@nox.session(python=PYTHONS[0])
def lowest(session: nox.Session) -> None:
    """Run the tests with the lowest dependency versions that pyproject.toml allows."""
    session.install("--resolution=lowest-direct", "--group=dev", "--editable=.")
    session.run("pytest", *session.posargs)


@nox.session(venv_backend="none")
def audit(session: nox.Session) -> None:
    """Look up the locked versions in the vulnerability database of osv.dev."""
    session.run("uv", "audit", "--preview-features=audit-command", *session.posargs)
