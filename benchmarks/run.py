"""One run of the benchmark: what was chosen, and what has been measured so far."""

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp

from benchmarks.rounds import Figures, Measured, interleave, middles
from benchmarks.service import Project

Sections = dict[str, dict[str, Measured]]
"""By section and case what was measured."""


@dataclass(frozen=True)
class Run:
    directory: Path
    """Holds everything that is written, and is gone in the end."""
    databases: list[str]
    rounds: int
    seconds: float = 1
    """How long each load lasts."""
    scale: float = 1
    """Of rows, sockets and connections: less than 1 tries out the harness."""
    only: Sequence[str] = ()
    """Texts, one of which each case holds; none are all cases."""
    tests: tuple[str, ...] = ()
    """Of the services' suites; none are all."""
    sections: Sections = field(default_factory=dict)
    _projects: dict[str, Project] = field(default_factory=dict)

    def project(self, **answers: str) -> Project:
        """Return a service of these answers, baked and installed once a run."""
        name = " ".join(answers.values())
        if name not in self._projects:
            directory = Path(mkdtemp(dir=self.directory))
            self._projects[name] = Project(directory, **answers)
        return self._projects[name]

    def sized(self, number: int) -> int:
        return max(1, round(number * self.scale))

    def wants(self, case: str) -> bool:
        return not self.only or any(text in case for text in self.only)

    def compare(
        self,
        section: str,
        case: str,
        names: Iterable[str],
        measure: Callable[[str], Figures],
        rounds: int = 99,
        turns: int = 1,
    ) -> None:
        """Measure the first name and its baselines, if the case is wanted; bound the rounds.

        With several turns of each in a round, it is their median that counts.
        """
        if not self.wants(case):
            return
        rounds = min(rounds, self.rounds)
        if turns > 1:
            measured = middles([interleave(names, turns, measure) for _ in range(rounds)])
        else:
            measured = interleave(names, rounds, measure)
        self.sections.setdefault(section, {})[case] = measured
        medians = {
            name: {figure: round(spread["median"], 3) for figure, spread in spreads.items()}
            for name, spreads in measured.items()
        }
        print(f"{section}: {case}: {json.dumps(medians)}", file=sys.stderr, flush=True)
