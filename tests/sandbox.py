import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cookiecutter.cli import main

Contents = dict[str, bytes | None]


def contents(directory: Path) -> Contents:
    """Return all files of a directory as bytes, and its subdirectories as None."""
    return {
        str(path.relative_to(directory)): path.read_bytes() if path.is_file() else None
        for path in directory.rglob("*")
    }


class Sandbox:
    """An isolated home directory, temporary directory and output directory for commands."""

    def __init__(self, directory: Path, template: Path) -> None:
        self.directory = directory
        self.home = directory / "home"
        self.services = directory / "far" / "down" / "services"
        self._tmp = directory / "tmp"
        for folder in (self.home, self.services, self._tmp):
            folder.mkdir(parents=True)
        self._template = template
        self.replays = self.home / ".cookiecutter_replay"
        config = {
            "cookiecutters_dir": str(self.home / ".cookiecutters"),
            "replay_dir": str(self.replays),
        }
        self._config = self.home / ".cookiecutterrc"
        self._config.write_text(json.dumps(config), "utf-8")

    def cookiecutter(self, *arguments: str, typed: str = "") -> Result:
        """Run cookiecutter in this process, which is faster than a new one."""
        command = [str(self._template), "--config-file", str(self._config)]
        command += ["--output-dir", str(self.services), *arguments]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(tempfile, "tempdir", str(self._tmp))
            return CliRunner().invoke(main, command, input=typed)

    def python(
        self, module: str, *arguments: str, cwd: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        return self._run([sys.executable, "-m", module, *arguments], cwd or self.services)

    def shell(self, script: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
        return self._run(["sh", "-ec", script], cwd, **env)

    def _run(
        self, command: list[str], cwd: Path, **settings: str
    ) -> subprocess.CompletedProcess[str]:
        env = {
            "HOME": str(self.home),
            "TMPDIR": str(self._tmp),
            "COOKIECUTTER_CONFIG": str(self._config),
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_SYSTEM": os.devnull,
        }
        return subprocess.run(
            command,
            check=False,
            cwd=cwd,
            env=os.environ | env | settings,
            encoding="utf-8",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
