"""The Autobahn test suite for WebSockets, over `/ws/echo`; it runs on Python 2.7 only."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import demo

# Not 1.2 and 9, which send binary messages or measure speed; not 12 and 13: no compression.
CASES = ["1.1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "10.*"]
KNOWN = {"7.1.5"}  # of Uvicorn: it answers what comes behind a fragment and a close frame
WSTEST = """
import site, sys
site.addsitedir(sys.argv.pop())  # knows namespace packages, which PYTHONPATH does not
from autobahntestsuite.wstest import run
run()
"""


def find_python() -> str | None:
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    candidates = [*map(str, pyenv.glob("versions/2.7.*/bin/python2.7")), shutil.which("python2.7")]
    return next(filter(None, candidates), None)


def run(project: Path, python: str) -> None:
    directory = project.parent
    packages = str(directory / "autobahn")
    install = [python, "-m", "pip", "install", "--quiet", "--target", packages]
    subprocess.run([*install, "autobahntestsuite==25.10.1"], check=True, stderr=subprocess.DEVNULL)
    port = demo.free_port()
    url = f"ws://127.0.0.1:{port}/ws/echo"
    spec = {"outdir": "reports", "servers": [{"agent": "service", "url": url}], "cases": CASES}
    (directory / "spec.json").write_text(json.dumps(spec), "utf-8")
    here = str(Path(__file__).parent)
    server = ["-m", "uvicorn", "exact_echo:app", "--app-dir", here, "--port", str(port)]
    server += ["--ws-per-message-deflate", "false", "--log-level", "critical"]
    wstest = [python, "-c", WSTEST, "-m", "fuzzingclient", "-s", "spec.json", packages]
    with demo.running(server, project, port, LOG_LEVEL="critical"):
        subprocess.run(wstest, check=True, cwd=directory, stdout=subprocess.DEVNULL)
    report(json.loads((directory / "reports" / "index.json").read_text("utf-8"))["service"])


def report(results: dict[str, dict[str, str]]) -> None:
    failed = {case for case, result in results.items() if result["behavior"] == "FAILED"}
    print(f"Autobahn: {len(results)} cases, failed: {', '.join(sorted(failed)) or 'none'}")
    if failed - KNOWN:
        sys.exit("Autobahn: more failed than what is known of Uvicorn")
