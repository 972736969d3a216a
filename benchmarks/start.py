"""How long it takes to import the service and to start it."""

import time
from functools import partial

from benchmarks.rounds import Figures
from benchmarks.run import Run
from benchmarks.service import SERVERS, Project


def measure_start(run: Run) -> None:
    for database in run.databases:
        section, project = f"start, {database}", run.project(database=database)
        with project.database() as url:
            project.seed(url)
            statements = {
                "app.main": "import app.main",
                "libraries": project.run("python", str(SERVERS / "imports.py"), DATABASE_URL=url),
            }
            measure = partial(imported, project, url, statements)
            run.compare(section, "import app.main", statements, measure)
            names = ("service", "textbook")
            run.compare(section, "first answer", names, partial(started, project, url))


def imported(project: Project, url: str, statements: dict[str, str], name: str) -> Figures:
    began = time.perf_counter()
    project.run("python", "-c", statements[name], DATABASE_URL=url)
    return {"seconds": time.perf_counter() - began}


def started(project: Project, url: str, name: str) -> Figures:
    began = time.perf_counter()
    with project.serve(name, url):
        return {"seconds": time.perf_counter() - began}
