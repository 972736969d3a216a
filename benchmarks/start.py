"""The time to import the service, and to its first response."""

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
            measure = partial(measure_import, project, url, statements)
            run.compare(section, "import app.main", statements, measure)
            names = ("service", "textbook")
            measure_first = partial(measure_first_response, project, url)
            run.compare(section, "first response", names, measure_first)


def measure_import(project: Project, url: str, statements: dict[str, str], name: str) -> Figures:
    started = time.perf_counter()
    project.run("python", "-c", statements[name], DATABASE_URL=url)
    return {"seconds": time.perf_counter() - started}


def measure_first_response(project: Project, url: str, name: str) -> Figures:
    started = time.perf_counter()
    with project.serve(name, url):
        return {"seconds": time.perf_counter() - started}
