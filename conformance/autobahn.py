"""The Autobahn test suite for WebSockets, on `/ws/echo`; it runs on Python 2.7 only."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import demo

# Without binary messages (1.2), performance (9) and compression (12, 13).
CASES = ["1.1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "10.*"]
KNOWN_FAILURES = {"7.1.5"}  # Uvicorn echoes a message whose last fragment follows a close frame
WSTEST = """
import site, sys
site.addsitedir(sys.argv.pop())  # unlike PYTHONPATH, supports namespace packages
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
    server += ["--ws", "app.server.websocket_protocol:WebSocketProtocol"]  # as python -m app
    server += ["--ws-per-message-deflate", "false", "--log-level", "critical"]
    wstest = [python, "-c", WSTEST, "-m", "fuzzingclient", "-s", "spec.json", packages]
    with demo.running(server, project, port, LOG_LEVEL="critical", WS_FRAMES_PER_SECOND="10000"):
        subprocess.run(wstest, check=True, cwd=directory, stdout=subprocess.DEVNULL)
    report(json.loads((directory / "reports" / "index.json").read_text("utf-8"))["service"])


def report(results: dict[str, dict[str, str]]) -> None:
    failed = {case for case, result in results.items() if result["behavior"] == "FAILED"}
    print(f"Autobahn: {len(results)} cases, failed: {', '.join(sorted(failed)) or 'none'}")
    if failed - KNOWN_FAILURES:
        sys.exit(f"Autobahn: unexpected failures: {', '.join(sorted(failed - KNOWN_FAILURES))}")
