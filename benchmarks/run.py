"""One run of the benchmark: its options, its services and its results so far."""

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp

from benchmarks.rounds import Figures, Measured, interleave, spread_of_medians
from benchmarks.service import Project

Sections = dict[str, dict[str, Measured]]
"""Measurements by section and case."""


@dataclass(frozen=True)
class Run:
    directory: Path
    """Holds all files of the run; temporary."""
    databases: list[str]
    rounds: int
    seconds: float = 1
    """Duration of each load."""
    scale: float = 1
    """Factor for numbers of rows, sockets and connections; below 1 to test the benchmark."""
    only: Sequence[str] = ()
    """Run only cases whose name contains one of these texts; all cases if empty."""
    tests: tuple[str, ...] = ()
    """Arguments of pytest in the services; all tests if empty."""
    sections: Sections = field(default_factory=dict)
    _projects: dict[str, Project] = field(default_factory=dict)

    def project(self, **answers: str) -> Project:
        """Return a service with these answers; it is baked and installed once per run."""
        name = " ".join(answers.values())
        if name not in self._projects:
            directory = Path(mkdtemp(dir=self.directory))
            self._projects[name] = Project(directory, **answers)
        return self._projects[name]

    def scaled(self, number: int) -> int:
        return number and max(1, round(number * self.scale))

    def includes(self, case: str) -> bool:
        return not self.only or any(text in case for text in self.only)

    def compare(
        self,
        section: str,
        case: str,
        names: Iterable[str],
        measure: Callable[[str], Figures],
        max_rounds: int = 99,
        turns: int = 1,
    ) -> None:
        """Measure the first name and its baselines, unless `only` excludes the case.

        With several turns per round, each round counts by the medians of its turns.
        """
        if not self.includes(case):
            return
        rounds = min(max_rounds, self.rounds)
        if turns > 1:
            measured = spread_of_medians([interleave(names, turns, measure) for _ in range(rounds)])
        else:
            measured = interleave(names, rounds, measure)
        self.sections.setdefault(section, {})[case] = measured
        medians = {
            name: {figure: round(spread["median"], 3) for figure, spread in spreads.items()}
            for name, spreads in measured.items()
        }
        print(f"{section}: {case}: {json.dumps(medians)}", file=sys.stderr, flush=True)
