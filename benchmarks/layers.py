"""What each layer of a request costs, in one process and without a network."""

import json

from benchmarks.rounds import spread
from benchmarks.run import Run
from benchmarks.service import SERVERS

ROUNDS_PER_ROUND = 5  # each takes a fraction of a second
REQUESTS = 500


def measure_layers(run: Run) -> None:
    project = run.project(database=run.databases[0])
    with project.database() as url:
        (token,) = project.seed(url)
        command = [str(SERVERS / "layers.py"), str(run.rounds * ROUNDS_PER_ROUND)]
        command += [str(run.scaled(REQUESTS)), token]
        output = project.run("python", *command, DATABASE_URL=url, PYTHONPATH=str(project.path))
    run.sections["layers"] = {
        layer: {"service": {"cost_us": spread(rounds)}}
        for layer, rounds in json.loads(output).items()
    }
