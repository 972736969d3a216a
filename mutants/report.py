"""The page `docs/mutants.md`: the score of each package, and the survivors."""

import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from cosmic_ray.work_db import WorkDB
from cosmic_ray.work_item import TestOutcome, WorkItem

REASONS = Path(__file__).with_name("reasons.toml")

HEAD = """# Mutants

`nox -s mutants` changes one place of a service at a time, such as a condition, a number, a statement
or an argument, and runs the tests. A mutant that no test notices has survived. Equivalent mutants
behave like the original, so that no test can notice them; they do not count.
"""


class Survivor(NamedTuple):
    module: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"| {self.module} | `{cell(self.before)}` | `{cell(self.after)}` |"


def report(answers: Mapping[str, str], items: Iterable[WorkItem], results: WorkDB) -> str:
    reasons = read_reasons()
    found = dict(results.results)
    killed, total, equivalent = Counter[str](), Counter[str](), Counter[str]()
    survivors: dict[str, list[str]] = defaultdict(list)
    for item in items:
        (mutation,) = item.mutations
        package = "/".join(mutation.module_path.parts[:2])
        result = found[item.job_id]
        total[package] += 1
        if result.test_outcome != TestOutcome.SURVIVED:
            killed[package] += 1
            continue
        survivor = parse(mutation.module_path, result.diff)
        reason = reasons.get(survivor, "")
        equivalent[package] += reason.startswith("equivalent")
        survivors[package].append(f"{survivor} {reason} |")
    lines = [HEAD, f"Service: {', '.join(answers.values())}.\n"]
    lines += [
        "| package | mutants | killed | equivalent | score |",
        "| --- | --- | --- | --- | --- |",
    ]
    for package in sorted(total):
        counted = total[package] - equivalent[package]
        score = f"{100 * killed[package] / counted:.1f} %" if counted else ""
        cells = package, total[package], killed[package], equivalent[package], score
        lines.append(f"| {' | '.join(map(str, cells))} |")
    lines += [
        "\n## Survivors\n",
        "| module | original | mutant | reason |",
        "| --- | --- | --- | --- |",
    ]
    lines += [line for package in sorted(survivors) for line in sorted(survivors[package])]
    return "\n".join(lines) + "\n"


def parse(module: Path, diff: str) -> Survivor:
    """Return the changed lines, without indentation."""
    lines = [line for line in diff.splitlines() if not line.startswith(("---", "+++", "@@"))]
    before, after = (
        " ".join(line[1:].strip() for line in lines if line[0] == sign) for sign in "-+"
    )
    return Survivor(module.as_posix(), before, after)


def read_reasons() -> dict[Survivor, str]:
    document = tomllib.loads(REASONS.read_text("utf-8"))
    return {
        Survivor(module, mutant["before"], mutant["after"]): mutant["reason"]
        for module, mutants in document.items()
        for mutant in mutants
    }


def cell(code: str) -> str:
    return code.replace("|", "\\|")
