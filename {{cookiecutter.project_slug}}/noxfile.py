"""The checks of this project for developers and CI, e.g. `uv run nox -s lint`, and `dev`."""

import json
import signal
import tempfile
from pathlib import Path

import nox

nox.options.default_venv_backend = "uv"
nox.options.reuse_venv = "yes"
nox.options.sessions = ["lint", "types", "tests"]

PYTHONS = nox.project.python_versions(nox.project.load_toml(), max_version="3.14")


@nox.session(venv_backend="none")
def dev(session: nox.Session) -> None:
    """Serve with reload and with the servers that .env needs; `-- --fresh` deletes their data."""
    # By default SIGTERM would end Nox and leave its child processes running.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    command = ["python", "-m", "dev", *session.posargs]
    session.run(*command, interrupt_timeout=5, terminate_timeout=5)  # seconds, to stop the servers


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
def fuzz(session: nox.Session) -> None:
    """Try random requests and conversations; `-- 10000` is the number of examples for each test."""
    (examples,) = session.posargs or ["1000"]
    session.run("pytest", "-m", "fuzz", "--timeout=0", env={"FUZZ_EXAMPLES": examples})


@nox.session(venv_backend="none")
def audit(session: nox.Session) -> None:
    """Look up the locked versions in the vulnerability database of osv.dev."""
    session.run("uv", "audit", "--preview-features=audit-command", *session.posargs)


@nox.session(venv_backend="none")
def update(session: nox.Session) -> None:
    """Apply the changes of the template; fail if they conflict with changes of the service."""
    cruft = Path(".cruft.json")
    if not cruft.exists():
        session.skip("run `uvx cruft link` with the URL of the template first")
    old = json.loads(cruft.read_text("utf-8"))["commit"]
    session.run("uvx", "cruft", "update", "--skip-apply-ask", *session.posargs)
    template = json.loads(cruft.read_text("utf-8"))
    rejected = list(map(str, Path().rglob("*.rej")))
    conflicts = git(session, "grep", "--files-with-matches", "^<<<<<<< ") + rejected
    if conflicts:
        session.error(f"resolve the conflicts of the update in {', '.join(conflicts)}")
    session.run("uv", "lock")
    with tempfile.TemporaryDirectory() as clone:
        git(session, "clone", "--quiet", "--bare", template["template"], clone)
        commits = f"{old}..{template['commit']}"
        changes = git(session, "-C", clone, "log", "--format=- %s", commits, "--", "{*")
    Path(".nox").mkdir(exist_ok=True)
    text = "\n".join(["Update from the template", "", *changes, ""])
    Path(".nox/update.txt").write_text(text, "utf-8")


def git(session: nox.Session, *arguments: str) -> list[str]:
    """Return the lines that a command prints; `git grep` fails if it finds none."""
    output = session.run("git", *arguments, silent=True, success_codes=[0, 1])
    return str(output or "").splitlines()
