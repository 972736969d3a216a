"""`python -m app` serves; with a command it does something else instead."""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import NoReturn

from app.settings import Settings

FEATURES = ("app.auth.create_admin",)  # each adds its command, where this service has it

Command = Callable[[Settings, Namespace], None]


class Parser(ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n")  # one line; --help says more


def run(arguments: Sequence[str], settings: Settings, serve: Command) -> None:
    parser = Parser(prog="python -m app", description="Serve, or do what the command says.")
    parser.set_defaults(run=serve)
    commands = parser.add_subparsers(metavar="command")
    _ = [import_module(name).add_to(commands) for name in FEATURES if find_spec(name)]
    parsed = parser.parse_args(arguments)
    parsed.run(settings, parsed)
