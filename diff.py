"""Print what changed between two versions of the template, as a patch for a service.

Apply it with `git apply --3way`, or with `patch -p1`. A version is a tag, branch or commit of this
repository; the answers are those of the service.
"""

import subprocess
import sys
import tempfile
from argparse import ArgumentParser
from pathlib import Path

from demo import TEMPLATE, DemoError, bake, parse_answer

REPOSITORY = f"git+{TEMPLATE.as_uri()}"
DIFF = ["git", "diff", "--no-index", "--no-prefix", "--binary", "--full-index", "a", "b"]
DIFF += ["--no-color", "--no-ext-diff", "--no-renames"]  # whatever the user has configured


def main() -> None:
    parser = ArgumentParser("nox -s diff --", description=__doc__)
    parser.add_argument("old", help="the version of the service, e.g. 2026.10")
    parser.add_argument("new", help="the version to update to, e.g. 2026.11")
    parser.add_argument("answers", nargs="*", help="e.g. project_slug=billing database=postgresql")
    options = parser.parse_args()
    answers = dict(map(parse_answer, options.answers))
    with tempfile.TemporaryDirectory(prefix="diff-") as name:
        directory = Path(name)
        try:
            for side, version in (("a", options.old), ("b", options.new)):
                # Without hooks, because they only write files that Git ignores.
                arguments = ["--checkout", version, "--accept-hooks", "no"]
                project = bake(directory / f"of-{side}", *arguments, template=REPOSITORY, **answers)
                project.rename(directory / side)
        except DemoError as error:
            sys.exit(str(error))
        ended = subprocess.run(DIFF, check=False, cwd=directory)
    sys.exit(ended.returncode if ended.returncode > 1 else 0)  # 1 means that there are changes


if __name__ == "__main__":
    main()
