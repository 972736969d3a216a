"""The contracts of the service for programs; they need no settings and no database."""

import json

from app.main import create_app
from app.realtime import asyncapi


def print_contract(name: str) -> None:
    contracts = {"openapi": create_app().openapi, "asyncapi": asyncapi.document}
    print(json.dumps(contracts[name](), indent=2))
