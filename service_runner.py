"""Run a service on each of these ports, with the servers of its `nox -s dev`.

Runs with the Python of the service, in its directory: `service_runner.py PORT...`.
"""

import os
import signal
import subprocess
import sys
from contextlib import ExitStack, redirect_stdout

sys.path[0] = os.getcwd()  # the packages of the service

from dev.__main__ import start

signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # stops the servers
with ExitStack() as stack:
    with redirect_stdout(None):  # the demo has its own lines
        start(stack, fresh=False)
    processes = []
    for port in sys.argv[1:]:
        command = [sys.executable, "-m", "app"]
        process = subprocess.Popen(command, env=os.environ | {"PORT": port})
        stack.callback(process.wait)
        stack.callback(process.terminate)
        processes.append(process)
    for process in processes:
        process.wait()
